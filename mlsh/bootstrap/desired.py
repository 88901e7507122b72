"""What a person wants a box to have: `[bootstrap]` of config.toml and mlsh.toml, over the built-in profile.

All of it is optional:

    [bootstrap]
    skip = ["gpu"]                    # steps that are left out; or steps = [...], only these
    tools = ["rg", "fd", "fzf", "zoxide", "nvitop", "just"]
    python = "3.12"                   # brought by uv where a box has no Python 3.9 or newer
    timezone = "Europe/Berlin"        # nothing is set unless it is named here
    locale = "en_US.UTF-8"
    cache_dir = "/scratch/me/cache"   # default: a folder on the largest disk you may write to; "" for none
    sudo = false                      # default: root's rights are used where sudo gives them without a question
    pins = "~/wheels.toml"            # wheels of your own instead of the built-in list (config.toml only)

    [bootstrap.git]
    name = "Ada"                      # default: what git says on this machine
    signing = true                    # sign with the key that signs here; needs a forwarded agent

    [bootstrap.secrets]               # config.toml only
    HF_TOKEN = "~/.cache/huggingface/token"

    [bootstrap.profiles.small]        # for --profile small: any of the above
    tools = ["rg"]

    [bootstrap.step.NAME]             # handed to a step of somebody else's
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlsh.errors import ConfigError

TOOLS = ("rg", "fd", "fzf", "zoxide", "nvitop", "just")
# A file that came with somebody's repository may not say where secrets go, or which programs are brought.
_OWN_ONLY = ("secrets", "pins", "dotfiles")


class Git(msgspec.Struct, frozen=True):
    """Who commits on a box, and with which key they sign: a public one, as git takes it; "" for not at all."""

    name: str = ""
    email: str = ""
    signing: bool = False
    signing_key: str = ""


class Desired(msgspec.Struct, frozen=True):
    """What is wanted. None is the default of the step; what each means is in the module's docstring."""

    steps: tuple[str, ...] | None = None
    skip: tuple[str, ...] = ()
    tools: tuple[str, ...] = TOOLS
    python: str = "3.12"
    timezone: str = ""
    locale: str = ""
    cache_dir: str | None = None
    sudo: bool = True
    lock_wait_s: int = 60
    pins: str = ""
    dotfiles: str = ""
    git: Git = Git()
    secrets: dict[str, str] = {}
    secret_values: dict[str, bytes | None] = {}
    """What the keyring has under those names: read just before it is needed, and shown nowhere."""
    aliases: dict[str, str] = {}
    """Files of aliases for boxes: name and text; with none of them, `has_aliases` is false."""
    has_aliases: bool = True
    options: dict[str, dict[str, Any]] = {}


_TEXT = {
    "python": re.compile(r"[0-9]+(\.[0-9]+){0,2}"),
    "timezone": re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}"),
    "locale": re.compile(r"[A-Za-z0-9_.@-]+"),
    "cache_dir": re.compile(r"|(?:/|~/)[^\x00-\x1f\x7f'\"$`\\]+"),
    "pins": re.compile(r"[^\x00-\x1f]+"),
    "dotfiles": re.compile(r"[^\x00-\x1f-][^\x00-\x1f]*"),
}
_KNOWN = {*_TEXT, "steps", "skip", "tools", "sudo", "lock_wait_s", "git", "secrets", "profiles", "step"}


def read(
    own: Mapping[str, Any],
    project: Mapping[str, Any],
    profile: str,
    where: tuple[str, str] = ("config.toml", "mlsh.toml"),
) -> Desired:
    """The tables of config.toml and of a project's mlsh.toml, and a profile of either, as one.

    Raises ConfigError, with the file's name from `where`, for what is not as the docstring above shows.
    """
    own_file, project_file = where
    for key in _OWN_ONLY:
        if key in project:
            raise _wrong(project_file, f"`{key}` can't be in a project's file", f"put it into {own_file}")
    _check(own, own_file)
    _check(project, project_file)
    merged: dict[str, Any] = {**own, **project}
    if profile != "default":
        profiles = {**own.get("profiles", {}), **project.get("profiles", {})}
        if profile not in profiles:
            known = ", ".join(["default", *sorted(profiles)])
            raise ConfigError(
                f"there is no profile `{profile}`", f"there are: {known}; write one: [bootstrap.profiles.{profile}]"
            )
        from_project = profile in project.get("profiles", {})
        chosen = profiles[profile]
        file = project_file if from_project else own_file
        if not isinstance(chosen, dict):
            raise _wrong(file, f"`profiles.{profile}` must be a table")
        for key in _OWN_ONLY if from_project else ():
            if key in chosen:
                raise _wrong(file, f"`{key}` can't be in a project's file", f"put it into {own_file}")
        _check(chosen, file)
        merged |= chosen
    git = merged.get("git", {})
    return Desired(
        steps=_words(merged, "steps") if "steps" in merged else None,
        skip=_words(merged, "skip"),
        tools=_words(merged, "tools") if "tools" in merged else TOOLS,
        python=merged.get("python", "3.12"),
        timezone=merged.get("timezone", ""),
        locale=merged.get("locale", ""),
        cache_dir=merged.get("cache_dir"),
        sudo=merged.get("sudo", True),
        lock_wait_s=merged.get("lock_wait_s", 60),
        pins=merged.get("pins", ""),
        dotfiles=merged.get("dotfiles", ""),
        git=Git(git.get("name", ""), git.get("email", ""), git.get("signing", False)),
        secrets=dict(merged.get("secrets", {})),
        options=dict(merged.get("step", {})),
    )


def read_project(path: Path) -> Mapping[str, Any]:
    """The `[bootstrap]` of a mlsh.toml, empty where it has none. Raises ConfigError."""
    import tomllib

    try:
        table = tomllib.loads(path.read_bytes().decode()).get("bootstrap", {})
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(table, dict):
        raise _wrong(str(path), "`bootstrap` must be a table")
    return table


def _words(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(table.get(key, ()))


def _wrong(file: str, what: str, hint: str = "what can be there: docs/reference/settings.md") -> ConfigError:
    return ConfigError(f"{file}: [bootstrap] {what}", hint)


def _check(table: Mapping[str, Any], file: str) -> None:
    for key, value in table.items():
        if key not in _KNOWN:
            raise _wrong(file, f"has no setting `{key}`")
        if key in _TEXT and not (isinstance(value, str) and _TEXT[key].fullmatch(value)):
            raise _wrong(file, f"`{key}` can't be {str(value)[:60]!r}")
        if key in {"steps", "skip", "tools"}:
            _check_words(key, value, file)
        if key == "sudo" and not isinstance(value, bool):
            raise _wrong(file, "`sudo` must be true or false")
        if key == "lock_wait_s" and not (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3600):
            raise _wrong(file, "`lock_wait_s` must be seconds, from 0 to 3600")
        if key in {"git", "secrets", "profiles", "step"} and not isinstance(value, dict):
            raise _wrong(file, f"`{key}` must be a table")
    _check_git(table.get("git", {}), file)
    for name, path in table.get("secrets", {}).items():
        if not (isinstance(path, str) and re.fullmatch(r"~/[^\x00-\x1f\x7f]+", path)) or ".." in path.split("/"):
            raise _wrong(file, f"`secrets.{name}` must be a path that begins with ~/")
    for name, options in table.get("step", {}).items():
        if not isinstance(options, dict):
            raise _wrong(file, f"`step.{name}` must be a table")


def _check_words(key: str, value: Any, file: str) -> None:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise _wrong(file, f"`{key}` must be a list of names")
    unknown = [word for word in value if key == "tools" and word not in TOOLS]
    if unknown:
        raise _wrong(file, f"knows no tool `{unknown[0][:60]}`", f"it knows: {', '.join(TOOLS)}")


def _check_git(table: Mapping[str, Any], file: str) -> None:
    for key, value in table.items():
        if key not in {"name", "email", "signing"}:
            raise _wrong(file, f"has no setting `git.{key}`")
        if key == "signing" and not isinstance(value, bool):
            raise _wrong(file, "`git.signing` must be true or false")
        if key != "signing" and not (isinstance(value, str) and re.fullmatch(r"[^\x00-\x1f\x7f]+", value)):
            raise _wrong(file, f"`git.{key}` must be text of one line")
