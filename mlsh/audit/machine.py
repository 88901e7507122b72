"""What `mlsh doctor` looks at on this machine. Reads modes and what files tell of themselves; keeps no secret."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mlsh import config
from mlsh.audit import known_hosts, ssh_keys
from mlsh.audit.files import short
from mlsh.box import inventory, process
from mlsh.box.sharing import ssh
from mlsh.config import Settings
from mlsh.errors import MlshError

_LIMIT_S = 10.0
_LARGEST_KEY = 64 << 10
_LARGEST = 16 << 20
# No Host block is for it, so what ssh says of it is what holds for every host.
NOBODY = "mlsh-doctor.invalid"
_HOLDING = (
    *(".netrc", ".git-credentials", ".config/git/credentials", ".aws/credentials", ".azure/msal_token_cache.json"),
    *(".config/gcloud/application_default_credentials.json", ".config/gcloud/credentials.db", ".kube/config", ".boto"),
    *(".docker/config.json", ".npmrc", ".pypirc", ".config/gh/hosts.yml", ".config/glab-cli/config.yml", ".ngc/config"),
    *(".cache/huggingface/token", ".cache/huggingface/stored_tokens", ".huggingface/token", ".kaggle/kaggle.json"),
    *(
        ".config/kaggle/kaggle.json",
        ".config/kaggle/access_token",
        ".config/rclone/rclone.conf",
        ".s3cfg",
        ".modal.toml",
    ),
    *(".databrickscfg", ".vault-token", ".pgpass", ".my.cnf", ".config/uv/credentials", ".env", ".config/hub"),
    *(
        ".local/share/uv/credentials/credentials.toml",
        ".config/sops/age/keys.txt",
        ".terraform.d/credentials.tfrc.json",
    ),
)
_HISTORIES = (".bash_history", ".zsh_history", ".histfile", ".local/share/fish/fish_history", ".python_history")


class Seen(msgspec.Struct, frozen=True):
    """A file or folder: its permission bits, its owner, and whether others can reach it through the folders above."""

    path: str
    mode: int
    uid: int
    is_reachable: bool = True

    @property
    def shown(self) -> str:
        """The mode as chmod takes it."""
        return f"{self.mode:04o}"


class KeyFile(msgspec.Struct, frozen=True):
    """A private key, or None for what looks like one and can't be read."""

    file: Seen
    key: ssh_keys.Key


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What there is. A value is None, and a list empty, where there is nothing; `unread` tells what can't be read.

    `options` is what `ssh -G` says of a host without a block, or `options_error` why it says nothing; `suspects` are
    lines of the config that may be why: `option file:line`.
    """

    uid: int
    home: Seen | None = None
    ssh_folder: Seen | None = None
    ssh_config: Seen | None = None
    ssh_config_path: str = ""
    options: dict[str, str] = {}
    options_error: str = ""
    suspects: tuple[str, ...] = ()
    keys: tuple[KeyFile, ...] = ()
    authorized: Seen | None = None
    authorized_keys: tuple[ssh_keys.Key, ...] = ()
    known_hosts: tuple[tuple[Seen, known_hosts.Judged], ...] = ()
    tokens: tuple[Seen, ...] = ()
    histories: tuple[Seen, ...] = ()
    own: tuple[Seen, ...] = ()
    helpers: tuple[str, ...] = ()
    tools: dict[str, str] = {}
    on_path: str | None = None
    running: str = ""
    unread: tuple[str, ...] = ()


def look(settings: Settings) -> Machine:
    """Look at this machine. Changes nothing; runs ssh, ssh-keygen, git and tmux, which only tell."""
    home = Path(os.path.expanduser("~"))
    config_file = Path(inventory.config_path(settings))
    folder = config_file.parent if config_file.parent.name == ".ssh" else home / ".ssh"
    unread: list[str] = []
    options, identities, error = _options(settings)
    authorized = folder / "authorized_keys"
    hosts = [Path(os.path.expanduser(word)) for word in options.get("userknownhostsfile", "").split()]
    hosts = [path for path in hosts if path != Path(os.devnull)] or [folder / "known_hosts"]
    return Machine(
        uid=os.getuid(),
        home=_see(home),
        ssh_folder=_see(folder),
        ssh_config=_see(config_file),
        ssh_config_path=short(config_file),
        options=options,
        options_error=error,
        suspects=tuple(_suspects(config_file)),
        keys=tuple(_keys([*_in_folder(folder, unread), *map(Path, identities)], unread)),
        authorized=_see(authorized),
        authorized_keys=tuple(ssh_keys.publics(_read(authorized, _LARGEST, unread) or b"")),
        known_hosts=tuple(
            (seen, known_hosts.judge(_read(path, _LARGEST, unread) or b"")) for path in hosts if (seen := _see(path))
        ),
        tokens=tuple(_all(_token_files(home))),
        histories=tuple(_all(home / name for name in _HISTORIES)),
        own=tuple(_all([config.config_dir(), config.state_dir(), config.state_dir() / "secrets/secrets.json"])),
        helpers=tuple(_said(["git", "config", "--get-all", "credential.helper"]).splitlines()),
        tools={name: _said(words) if words else path for name, words in _TOOLS.items() if (path := shutil.which(name))},
        on_path=shutil.which("mlsh"),
        running=sys.argv[0],
        unread=tuple(unread),
    )


_TOOLS = {"ssh": ["ssh", "-V"], "ssh-keygen": [], "tmux": ["tmux", "-V"], "git": ["git", "--version"]}


def _see(path: Path) -> Seen | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return Seen(short(path), stat.S_IMODE(status.st_mode), status.st_uid, _is_reachable(path))


def _is_reachable(path: Path) -> bool:
    """Whether somebody else gets through the folders above; a home of 0700 keeps everyone out."""
    try:
        return all(parent.stat().st_mode & 0o011 for parent in path.resolve().parents)
    except OSError:
        return True


def _all(paths: Iterable[Path]) -> list[Seen]:
    return [seen for path in paths if (seen := _see(path)) is not None]


def _token_files(home: Path) -> list[Path]:
    named = [os.environ.get(name) for name in ("HF_TOKEN_PATH", "NETRC", "KUBECONFIG", "NPM_CONFIG_USERCONFIG")]
    hub = os.environ.get("HF_HOME")
    paths = [home / name for name in _HOLDING] + [Path(name) for name in named if name and ":" not in name]
    paths += [Path(hub) / "token"] if hub else []
    paths.append(config.config_dir() / "secrets-passphrase")
    if given := os.environ.get("MLSH_SECRETS_PASSPHRASE_FILE"):
        paths.append(Path(given))
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def _read(path: Path, most: int, unread: list[str]) -> bytes | None:
    """The first bytes of a regular file; what can't be read is noted."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        unread.append(f"{short(path)}: {error.strerror}")
        return None


def _in_folder(folder: Path, unread: list[str]) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except FileNotFoundError:
        return []
    except OSError as error:
        unread.append(f"{short(folder)}: {error.strerror}")
        return []


def _keys(paths: Iterable[Path], unread: list[str]) -> list[KeyFile]:
    """The private keys among files, by what is in them and not by their names; each once."""
    found: dict[str, KeyFile] = {}
    for path in paths:
        raw = _read(path, _LARGEST_KEY, unread)
        key = ssh_keys.private(raw) if raw else None
        seen = _see(path)
        if key is not None and seen is not None:
            found.setdefault(seen.path, KeyFile(seen, _sized(path, key)))
    return list(found.values())


def _sized(path: Path, key: ssh_keys.Key) -> ssh_keys.Key:
    """The key with its size, which an older format (PEM) tells only to who decodes it."""
    if key.bits is not None:
        return key
    public = _read(path.with_name(f"{path.name}.pub"), _LARGEST_KEY, [])
    for known in ssh_keys.publics(public or b"")[:1]:
        return msgspec.structs.replace(key, kind=known.kind, bits=known.bits)
    said = _said(["ssh-keygen", "-l", "-f", os.path.abspath(path)]).split()
    if not said or not said[0].isdigit():
        return key
    kinds = {"(RSA)": "ssh-rsa", "(DSA)": "ssh-dss", "(ECDSA)": "ecdsa", "(ED25519)": "ssh-ed25519"}
    return msgspec.structs.replace(key, bits=int(said[0]), kind=key.kind or kinds.get(said[-1], ""))


def _options(settings: Settings) -> tuple[dict[str, str], list[str], str]:
    """What ssh would do with a host that no block is for, and which keys it would try; or why it can't say."""
    try:
        ran = process.run([*ssh(settings, "-G"), "--", NOBODY], timeout_s=_LIMIT_S)
    except process.TimedOut as error:
        return {}, [], str(error)
    except MlshError as error:
        return {}, [], error.what
    if ran.returncode != 0:
        return {}, [], ran.stderr.decode(errors="replace").strip()[:300] or "ssh -G gave no reason"
    options: dict[str, str] = {}
    identities = []
    for line in ran.stdout.decode(errors="replace").splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key, value)
        if key == "identityfile":
            identities.append(os.path.expanduser(value))
    return options, identities, ""


def _suspects(path: Path) -> list[str]:
    """Where the config file has options that are dangerous for every host: only to point at, ssh decides what holds."""
    raw = _read(path, 4 << 20, []) or b""
    found = []
    for number, line in enumerate(raw.decode(errors="replace").splitlines(), 1):
        words = line.replace("=", " ").split()
        if words and words[0].lower() in {"forwardagent", "stricthostkeychecking", "userknownhostsfile", "forwardx11"}:
            found.append(f"{words[0].lower()} {short(path)}:{number}")
    return found


def _said(argv: list[str]) -> str:
    """What a command printed, on either stream; "" where it failed or hung: a check says what that means."""
    try:
        ran = process.run(argv, timeout_s=_LIMIT_S)
    except (process.TimedOut, MlshError):
        return ""
    return (ran.stdout or ran.stderr).decode(errors="replace").strip() if ran.returncode == 0 else ""
