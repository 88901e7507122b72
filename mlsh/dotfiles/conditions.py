"""Parts of a file that are for some boxes only.

    # mlsh: only gpu* lab-*
    export HF_HOME=/scratch/$USER/hf
    # mlsh: end

Any comment sign will do. `not` in place of `only` turns it round. The names are those of the box as you call it
and as it calls itself; `*`, `?` and `[...]` are patterns. On a box there is what is for it, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from typing import NamedTuple

from mlsh.errors import RefusedInput

_DIRECTIVE = re.compile(r'^\s*(?:#|"|--|;|//)\s*mlsh:\s*(\S+)\s*(.*?)\s*$')


class Rendered(NamedTuple):
    """The lines for one box, and for each the number of its line in the source, from 0."""

    lines: list[str]
    numbers: list[int]


def matches(patterns: Sequence[str], names: Collection[str]) -> bool:
    """Whether one of the names of a box fits one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def render(text: bytes, names: Collection[str], where: str) -> bytes:
    """The text as the box of these names gets it; `where` names the file in an error. Raises RefusedInput."""
    if b"mlsh:" not in text:
        return text
    return "".join(_render(_lines(text), names, where).lines).encode(errors="surrogateescape")


def merge(source: bytes, names: Collection[str], changed: bytes, where: str) -> bytes | None:
    """The source with what was changed in its rendering for a box.

    None where a change touches lines that stand on both sides of lines for other boxes: it can't be told where
    it belongs.
    """
    if b"mlsh:" not in source:
        return changed
    lines = _lines(source)
    rendered = _render(lines, names, where)
    result: list[str] = []
    done = 0
    new = _lines(changed)
    for what, a0, a1, b0, b1 in SequenceMatcher(None, rendered.lines, new, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        if a0 == a1:  # inserted after the line before
            start = end = rendered.numbers[a0 - 1] + 1 if a0 else 0
        else:
            start, end = rendered.numbers[a0], rendered.numbers[a1 - 1] + 1
            if end - start != a1 - a0:
                return None
        result += lines[done:start] + new[b0:b1]
        done = end
    merged = "".join(result + lines[done:]).encode(errors="surrogateescape")
    return merged if render(merged, names, where) == changed else None


def _lines(text: bytes) -> list[str]:
    # Not splitlines: a form feed ends no line here.
    return re.findall(r"[^\n]*\n|[^\n]+$", text.decode(errors="surrogateescape"))


def _render(lines: Sequence[str], names: Collection[str], where: str) -> Rendered:
    kept: list[str] = []
    numbers: list[int] = []
    opened = 0
    is_for = True
    for number, line in enumerate(lines):
        if directive := _DIRECTIVE.match(line):
            word, patterns = directive[1], directive[2].split()
            if word in {"only", "not"} and patterns and not opened:
                opened = number + 1
                is_for = matches(patterns, names) == (word == "only")
            elif word == "end" and opened:
                opened, is_for = 0, True
            else:
                raise _wrong(where, number + 1, line, opened)
        elif is_for:
            kept.append(line)
            numbers.append(number)
    if opened:
        raise RefusedInput(f"{where}:{opened}: the block that begins here has no end", "end it with: # mlsh: end")
    return Rendered(kept, numbers)


def _wrong(where: str, number: int, line: str, opened: int) -> RefusedInput:
    why = f"a block is open since line {opened}, and they don't nest" if opened else "this is no block for some boxes"
    return RefusedInput(
        f"{where}:{number}: {why}: {line.strip()[:80]}", "blocks are: # mlsh: only gpu* lab1  …  # mlsh: end"
    )
