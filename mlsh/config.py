"""Where mlsh keeps its files on the laptop (XDG), and the settings that a person may write.

`config.toml` in the config folder, all of it optional:

    ssh_config = "~/.ssh/other_config"    # instead of ~/.ssh/config
    size_limit_mib = 50                   # a snapshot that sends more asks first
    dotfiles = "~/dotfiles"               # what mlsh dotfiles takes without --from

    [boxes.gpu1]
    home = "/scratch/me/.mlsh"            # instead of ~/.mlsh, where home is small
    shell = "login"                       # interactive (default) | login | none
    multiplex = false                     # one connection a call, where sharing can't work

    [groups]                              # for --on lab: whichever of them has room
    lab = ["gpu1", "gpu2"]

    [bootstrap]                           # what `mlsh bootstrap` gives a box (mlsh/bootstrap/desired.py)
    timezone = "Europe/Berlin"

    [notify]                              # ways for --notify WHAT=NAME
    team = "https://hooks.example.com/…"
    default = "desktop"                   # the way of --notify WHAT
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlsh.errors import ConfigError

SHELLS = ("interactive", "login", "none")
# 108 bytes for a socket's path (104 on macOS), less our own 21, less the 17 that ssh adds while it makes one.
_LONGEST_RUNTIME_DIR = 65


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    # The specification says that a relative path here is to be ignored.
    base = Path(value) if value.startswith("/") else Path(os.path.expanduser("~")) / default
    return base / "mlsh"


def config_dir() -> Path:
    """The folder of `config.toml`."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def state_dir() -> Path:
    """What must survive: the record of launched jobs."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def cache_dir() -> Path:
    """What can be made again: snapshots' object stores, what each box already has."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def runtime_dir() -> Path:
    """A private folder with a short name, for sockets: a socket's path must stay under 108 bytes."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(base) / "mlsh"
    # A long name, and that of another user's (after `su`), are of no use.
    if not base.startswith("/") or len(os.fsencode(folder)) > _LONGEST_RUNTIME_DIR or not _ours(Path(base)):
        folder = Path(f"/tmp/mlsh-{os.getuid()}")  # noqa: S108
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # Anyone may make /tmp/mlsh-1000 before us and wait for our sockets in it.
    if folder.is_symlink() or not _ours(folder) or folder.lstat().st_mode & 0o077:
        raise ConfigError(
            f"{folder} is not a private folder of yours, so no connection can be kept there",
            f"look at it (ls -ld {folder}), remove it, or set XDG_RUNTIME_DIR",
        )
    return folder


def _ours(folder: Path) -> bool:
    return folder.is_dir() and folder.stat().st_uid == os.getuid()


class Settings:
    """The settings in force: `config.toml`, then environment variables."""

    def __init__(self, table: dict[str, Any]) -> None:
        self._table = table

    def _box(self, box: str, key: str) -> Any:
        entry = self._table.get("boxes", {}).get(box, {})
        return entry.get(key) if isinstance(entry, dict) else None

    @property
    def ssh_config(self) -> str | None:
        """Another file than ~/.ssh/config, or None."""
        path = os.environ.get("MLSH_SSH_CONFIG") or self._table.get("ssh_config")
        return os.path.expanduser(path) if isinstance(path, str) and path else None

    @property
    def groups(self) -> dict[str, list[str]]:
        """Names for several boxes, in the order in which they are tried (jobs/groups.py)."""
        return {name: list(boxes) for name, boxes in self._table.get("groups", {}).items()}

    @property
    def size_limit_bytes(self) -> int:
        """How much a snapshot may send without asking."""
        return int(self._table.get("size_limit_mib", 50)) << 20

    @property
    def dotfiles(self) -> str | None:
        """A folder or a git address of the person's own dotfiles, or None for the built-in ones."""
        value = self._table.get("dotfiles")
        return value if isinstance(value, str) and value else None

    def home(self, box: str) -> str | None:
        """The box's mlsh folder where it is not ~/.mlsh: an absolute path, or `~/…`."""
        value = self._box(box, "home")
        return value if isinstance(value, str) else None

    def shell(self, box: str) -> str:
        """How a job on this box gets its environment: one of `SHELLS`."""
        return str(self._box(box, "shell") or "interactive")

    @property
    def notify(self) -> dict[str, str]:
        """Ways to be told, by name (jobs/notify.py); `default` is the one that nobody has to name."""
        return dict(self._table.get("notify", {}))

    @property
    def bootstrap(self) -> dict[str, Any]:
        """What boxes are to have, as it stands in the file; `mlsh.bootstrap.desired` understands it."""
        return dict(self._table.get("bootstrap", {}))

    def multiplex(self, box: str) -> bool:
        """Whether calls to this box share one connection."""
        if os.environ.get("MLSH_MULTIPLEX") == "no":
            return False
        return self._box(box, "multiplex") is not False


_TYPES = {str: "text in quotes", int: "a whole number", dict: "a table"}


def _check_notify(table: dict[str, Any], wrong: Callable[[str], ConfigError]) -> None:
    for name, how in table.items():
        if not isinstance(how, str):
            raise wrong(f"[notify] {name} must be {_TYPES[str]}")


def _check(table: dict[str, Any], path: Path) -> None:
    def wrong(what: str) -> ConfigError:
        return ConfigError(f"{path}: {what}", "mlsh's settings: docs/reference/settings.md")

    known = {"ssh_config": str, "size_limit_mib": int, "dotfiles": str, "boxes": dict, "groups": dict, "notify": dict}
    known["bootstrap"] = dict
    for key, value in table.items():
        if key not in known:
            raise wrong(f"there is no setting `{key}`")
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise wrong(f"`{key}` must be {_TYPES[known[key]]}")
    if bad := bad_groups(table.get("groups", {})):
        raise wrong(bad)
    if table.get("size_limit_mib", 0) < 0:
        raise wrong("`size_limit_mib` must not be negative")
    _check_notify(table.get("notify", {}), wrong)
    for box, entry in table.get("boxes", {}).items():
        if not isinstance(entry, dict):
            raise wrong(f"[boxes.{box}] must be a table")
        for key in entry:
            if key not in {"home", "shell", "multiplex"}:
                raise wrong(f"[boxes.{box}] has no setting `{key}`")
        if entry.get("shell", "interactive") not in SHELLS:
            raise wrong(f"[boxes.{box}] shell must be one of {', '.join(SHELLS)}")
        home = entry.get("home", "~/.mlsh")
        if not isinstance(entry.get("multiplex", True), bool):
            raise wrong(f"[boxes.{box}] multiplex must be true or false")
        if not isinstance(home, str) or not home.startswith(("/", "~/")):
            raise wrong(f"[boxes.{box}] home must begin with / or ~/")


def bad_groups(groups: dict[str, Any]) -> str:
    """What is wrong with a table of groups; "" if nothing is."""
    for name, boxes in groups.items():
        if not isinstance(boxes, list) or not boxes or not all(isinstance(box, str) and box for box in boxes):
            return f'[groups] {name} must be a list of boxes: {name} = ["gpu1", "gpu2"]'
    return ""


def load() -> Settings:
    """Read `config.toml`; raises ConfigError where it is not what the docstring above shows."""
    path = config_dir() / "config.toml"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Settings({})
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    import tomllib  # only where there is a file: start-up is a budget

    try:
        table = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    _check(table, path)
    return Settings(table)
