"""The histories of this machine: where the shells keep them, and all of them as entries."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mlsh.history.atuin import read_atuin
from mlsh.history.entry import Entry
from mlsh.history.formats import parse_bash, parse_fish, parse_zsh
from mlsh.history.recorded import parse_recorded

__all__ = ["Entry", "Found", "find_local", "parse_bash", "parse_fish", "parse_zsh", "read_local"]

_BASH = (".bash_history", ".local/state/bash/history", ".local/share/bash/history", ".bash_eternal_history")
_ZSH = (
    ".zsh_history",
    ".zhistory",
    ".histfile",
    ".local/state/zsh/history",
    ".local/share/zsh/history",
    ".cache/zsh/history",
    ".config/zsh/.zsh_history",
)


class Found(NamedTuple):
    """A history file: which shell wrote it, and where it is."""

    kind: str
    path: Path


def find_local(environ: Mapping[str, str] = os.environ) -> list[Found]:
    """The history files of this machine that are there, each once though a link leads to it."""
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    data = _xdg(environ, "XDG_DATA_HOME", home / ".local/share")
    state = _xdg(environ, "XDG_STATE_HOME", home / ".local/state")
    # Those with times and exit codes first: what the others tell without is then known to be the same.
    wanted = [Found("atuin", Path(environ.get("ATUIN_DB_PATH") or data / "atuin/history.db"))]
    if (state / "mlsh/recorded").is_dir():
        files = sorted((state / "mlsh/recorded").iterdir())
        wanted += [Found("mlsh", path) for path in files if not path.name.endswith(".now")]
    wanted += [Found("bash", home / name) for name in _BASH]
    wanted.append(Found("bash", state / "bash/history"))
    wanted += [Found("zsh", home / name) for name in _ZSH] + [Found("zsh", state / "zsh/history")]
    if environ.get("ZDOTDIR"):
        wanted.append(Found("zsh", Path(environ["ZDOTDIR"]) / ".zsh_history"))
    if (named := environ.get("HISTFILE", "")).startswith("/"):
        path = Path(named)
        wanted.append(Found(_kind(path), path))
    if (data / "fish").is_dir():
        wanted += [Found("fish", path) for path in sorted((data / "fish").glob("*_history"))]
    seen: set[tuple[int, int]] = set()
    found = []
    for one in wanted:
        try:
            status = one.path.stat()
        except OSError:
            continue
        if one.path.is_file() and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            found.append(one)
    return found


def _xdg(environ: Mapping[str, str], variable: str, default: Path) -> Path:
    value = environ.get(variable, "")
    return Path(value) if value.startswith("/") else default


def _kind(path: Path) -> str:
    """The shell that wrote a file which only $HISTFILE names, by its first bytes; bash where they tell nothing."""
    try:
        with path.open("rb") as file:
            begin = file.read(4096)
    except OSError:
        return "bash"
    return "zsh" if begin.startswith(b": ") or "zsh" in str(path) else "bash"


def parse(kind: str, data: bytes) -> Iterator[Entry]:
    """The entries of a shell's history file; `kind` is `bash`, `zsh`, `fish` or `mlsh` (our own hook)."""
    if kind == "mlsh":
        return parse_recorded(data)
    if kind == "zsh":
        return parse_zsh(data)
    text = data.decode(errors="replace")
    return parse_fish(text) if kind == "fish" else parse_bash(text)


def read_local(environ: Mapping[str, str] = os.environ) -> Iterator[Entry]:
    """Every entry of the shells of this machine, file by file, each oldest first, as it was written: not masked.

    Raises OSError for a file that can't be read, MlshError for a database that is broken.
    """
    for kind, path in find_local(environ):
        if kind == "atuin":
            yield from read_atuin(path)
        else:
            yield from parse(kind, path.read_bytes())
