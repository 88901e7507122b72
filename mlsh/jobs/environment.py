"""The variables of a job: which there are, and the file in which their values travel."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlsh.errors import NotFound, RefusedInput, UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# sh keeps these for itself, and some shells end at the attempt to set them.
_KEPT_BY_SH = frozenset(
    {"_", "UID", "EUID", "GID", "EGID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO", "BASHPID", "IFS"}
    | {"PS1", "PS2", "PS4", "OPTIND", "LINENO", "PWD", "OLDPWD", "SHLVL"}
    # bash, which is sh on some boxes, answers these with something else than what was set.
    | {"RANDOM", "SRANDOM", "SECONDS", "EPOCHSECONDS", "EPOCHREALTIME", "BASH_SUBSHELL", "BASH_COMMAND"}
    | {"BASH_ARGV0", "FUNCNAME", "GROUPS", "DIRSTACK", "HISTCMD"}
)
# What the job is told of itself, and what the scripts on the box name their own variables.
_OURS = ("MLSH_JOB_", "mlsh_")
_BLANKS = " \t\r"
# The laptop's terminal, pager and tmux are not the job's.
_NOT_INHERITED = _KEPT_BY_SH | {"TERM", "PAGER", "GIT_PAGER", "TMUX", "TMUX_PANE", "COLUMNS", "LINES", "WINDOWID"}


def check_variable(name: str) -> str:
    """Return `name` if a shell can set a variable of that name; raises RefusedInput."""
    if not _NAME.fullmatch(name):
        raise RefusedInput(f"{name[:80]!r} can't be the name of a variable", "letters, digits and _, no digit first")
    if name in _KEPT_BY_SH:
        raise RefusedInput(f"the shell keeps the variable {name} for itself", "choose another name")
    if name.startswith(_OURS):
        raise RefusedInput(f"mlsh sets {name} itself", "choose another name")
    return name


def from_flags(flags: Iterable[str]) -> dict[str, str]:
    """`--env K=V` and `--env K` (the value from here). Raises RefusedInput, and NotFound for a K unset here."""
    found = {}
    for flag in flags:
        name, given, value = flag.partition("=")
        check_variable(name)
        if not given:
            if name not in os.environ:
                raise NotFound(f"--env {name}: there is no such variable here", f"give it a value: --env {name}=...")
            value = os.environ[name]
        found[name] = check_value(name, value)
    return found


def check_value(name: str, value: str) -> str:
    """Return `value`; raises RefusedInput for a NUL byte, which no environment can hold."""
    if "\0" in value:
        raise RefusedInput(f"the value of {name} has a NUL byte, which no environment can hold")
    return value


def from_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file: `K=V` lines, `#` comments, `export` allowed, quotes as in a shell.

    Raises RefusedInput with the line's number, never with its content: these are secrets.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise NotFound(f"--env-file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RefusedInput(f"--env-file {path} is not UTF-8 text") from None
    found = {}
    # Only at \n, and only plain blanks are stripped: a value may hold anything else.
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(_BLANKS).removeprefix("export ").strip(_BLANKS)
        if not line or line.startswith("#"):
            continue
        name, given, value = line.partition("=")
        name = name.strip(_BLANKS)
        if not given or not _NAME.fullmatch(name):
            raise RefusedInput(f"--env-file {path}, line {number}: not a line of the form NAME=value")
        found[check_variable(name)] = check_value(name, _unquote(value.strip(_BLANKS), path, number))
    return found


def _unquote(value: str, path: Path, number: int) -> str:
    if value[:1] not in {"'", '"'}:
        return re.split(r"[ \t]+#", value, maxsplit=1)[0].rstrip(_BLANKS)
    closed = re.match(r"""'([^']*)'|"((?:[^"\\]|\\.)*)\"""", value, re.DOTALL)
    if closed is None:
        raise RefusedInput(f"--env-file {path}, line {number}: a quote is not closed")
    if not re.fullmatch(r"(?:[ \t]+#.*|[ \t]*)", value[closed.end() :], re.DOTALL):
        raise RefusedInput(f"--env-file {path}, line {number}: something follows the closing quote")
    single, double = closed.groups()
    # What a backslash takes the meaning of, between double quotes in a shell.
    return single if single is not None else re.sub(r"""\\(["\\$`])""", r"\1", double)


def secrets_from(names: Iterable[str]) -> dict[str, str]:
    """The values of `--secret K`: from the environment here, else kept by `mlsh secret set`, else asked for, unseen."""
    found = {}
    store = None
    for name in names:
        if "=" in name:
            raise UsageError(
                "--secret takes only a name: a value there would be seen by everyone on this machine (ps)",
                f"export {name.partition('=')[0]}, or leave it unset and be asked for it",
            )
        check_variable(name)
        value = os.environ.get(name)
        if value is None:
            from mlsh.secrets.store import Store

            store = store or Store()
            value = store.get(name)
        if value is None:
            if not (sys.stdin and sys.stdin.isatty()):
                raise NotFound(
                    f"--secret {name}: there is no such variable here, and no such secret is kept",
                    f"keep it: mlsh secret set {name}; or for this shell: export {name}=...",
                )
            import getpass

            value = getpass.getpass(f"{name}: ")
        found[name] = check_value(name, value)
    return found


def inherited() -> dict[str, str]:
    """What a job on `local` takes over from here: what a command typed here would see."""
    return {
        name: value
        for name, value in os.environ.items()
        if _NAME.fullmatch(name) and name not in _NOT_INHERITED and not name.startswith(_OURS)
    }


def as_exports(variables: Mapping[str, str]) -> bytes:
    """Lines that sh reads back byte for byte."""
    return b"".join(
        b"export " + os.fsencode(name) + b"=" + os.fsencode(shlex.quote(value)) + b"\n"
        for name, value in variables.items()
    )
