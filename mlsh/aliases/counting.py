"""How often each command was typed.

The same counts as `history | awk '{$1="";print substr($0,2)}' | sort | uniq -c | sort -n`: blanks in a row are one, as
awk leaves them. A command of several lines is one command here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mlsh.errors import MlshError, NotFound
from mlsh.history import sources
from mlsh.history.atuin import read_atuin
from mlsh.history.sources import Found

_BLANKS = re.compile(r"[ \t]+")


def normal(command: str) -> str:
    """A command with one blank where there were several, and none around it."""
    if "\t" in command or "  " in command or command[:1] == " " or command[-1:] in {" ", "\n"}:
        return _BLANKS.sub(" ", command).strip(" \n")
    return command


def frequencies(commands: Iterable[str]) -> Counter[str]:
    """How often each command is there; empty ones are none."""
    counts = Counter(map(normal, commands))
    del counts[""]
    return counts


def lines(counts: Mapping[str, int]) -> list[str]:
    """The counts as `uniq -c | sort -n` prints them, the most frequent last; commands of several lines are left out."""
    rows = [(count, command) for command, count in counts.items() if "\n" not in command]
    # `sort -n` compares equal numbers by the bytes of their lines.
    rows.sort(key=lambda row: (row[0], row[1].encode()))
    return [f"{count:7d} {command}" for count, command in rows]


def of_machine(tell: Callable[[str], None]) -> Counter[str]:
    """Counts over every history of this machine; `tell` is given a line for each that can't be read.

    What atuin or mlsh's own hook kept stands in the shell's file as well: of such a command the largest count is taken.
    """
    return of_files(sources.find_local(), tell)


def of_files(found: Iterable[Found], tell: Callable[[str], None]) -> Counter[str]:
    """Counts over these files, as `of_machine`."""
    kinds: dict[str, Counter[str]] = {}
    for kind, path in found:
        try:
            entries = read_atuin(path) if kind == "atuin" else sources.parse(kind, path.read_bytes())
            counts = frequencies(entry.command for entry in entries)
        except OSError as error:
            tell(f"{path}: {error.strerror}: left out")
            continue
        except MlshError as error:
            tell(f"{error.what}: left out")
            continue
        source = kind if kind in {"atuin", "mlsh"} else "shell"
        kinds.setdefault(source, Counter()).update(counts)
    most: Counter[str] = Counter()
    for counts in kinds.values():
        most |= counts
    return most


def file(path: Path) -> Found:
    """A history file that a person names; the shell that wrote it by how it begins. Raises NotFound."""
    try:
        with path.open("rb") as opened:
            begin = opened.read(4096)
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}") from error
    if begin.startswith(b"- cmd:"):
        return Found("fish", path)
    if begin.startswith(b"SQLite format 3"):
        return Found("atuin", path)
    return Found("zsh" if re.match(rb": *[0-9]+:[0-9]+;", begin) else "bash", path)
