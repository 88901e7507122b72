"""Look through one text for secrets: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mlsh.audit.found import Found, Kind, fingerprint
from mlsh.secrets.masking import MASK, preview
from mlsh.secrets.rule import Match, Rule
from mlsh.secrets.rules import CODE, TYPED, WRITTEN, find

# Files that a shell reads, or that hold what one was given: a short password is one there too.
_SHELL = re.compile(
    r"(?:^|/)(?:\.?(?:ba|z|k|da|a)?sh(?:rc|env)?|\.?(?:bash|zsh?|fish|profile|zlogin|xprofile|aliases|bash_\w+)"
    r"|\.env(?:rc|\.[\w.-]+)?|(?:GNU)?[Mm]akefile|[Jj]ustfile|Dockerfile(?:\.\w+)?|\.netrc|\.curlrc|\.wgetrc)$"
    r"|\.(?:sh|bash|zsh|fish|ksh|env|history|log|out|err|sbatch|slurm|mk|cheat)$|history$"
)
_PROGRAM = re.compile(
    r"\.(?:pyi?|ipynb|pyx|js|jsx|mjs|cjs|ts|tsx|vue|go|rs|java|kt|scala|c|h|cc|cpp|hpp|cu|cuh|cs|swift|rb|php|pl|lua|jl|r"
    r"|hs|ml|ex|exs|erl|clj|dart|zig|sql|html?|css|md|rst|tex|txt)$",
    re.IGNORECASE,
)
_BINARY_LOOK = 8192
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# A line of a minified file is shown to nobody; this much of it tells it apart.
_CONTEXT = 400
_LONGEST = 1 << 16


class Where(NamedTuple):
    """What a text is: whose, of which kind, and by what name."""

    box: str
    kind: Kind
    place: str


def rules_for(place: str, kind: Kind) -> tuple[Rule, ...]:
    """The rules for a text of this name."""
    if kind in {"history", "dotfile", "log"} or _SHELL.search(place):
        return TYPED
    return CODE if _PROGRAM.search(place) else WRITTEN


def decoded(raw: bytes) -> str | None:
    """The bytes as text; None for what is none (a NUL near its beginning). UTF-16 with its mark is text."""
    if raw[:2] in UTF16_MARKS:
        return raw.decode("utf-16", errors="replace")
    if b"\0" in raw[:_BINARY_LOOK]:
        return None
    return raw.decode(errors="replace")


def look(where: Where, text: str, first_line: int = 1) -> Iterator[Found]:
    """The secrets of a text, by line. `first_line` is the number of its first line."""
    matches = find(text, rules_for(where.place, where.kind))
    at, line = 0, first_line
    for number, match in enumerate(matches):
        line += text.count("\n", at, match.start)
        at = match.start
        yield Found(
            where.box,
            where.kind,
            where.place,
            line,
            match.rule.id,
            match.rule.what,
            preview(text, match),
            match.rule.rotate,
            fingerprint(match.rule.id, where.place, _context(text, matches, number), text[match.start : match.end]),
            _typed_at(text, match.start) if where.kind == "history" else None,
        )


def _context(text: str, matches: list[Match], number: int) -> str:
    """The line that a match begins in, with each secret of it masked."""
    match = matches[number]
    # Within bounds: to look for the ends of a line of megabytes at each of its matches would take minutes.
    first = max(0, match.start - _CONTEXT)
    start = max(first, text.rfind("\n", first, match.start) + 1)
    end = text.find("\n", match.start, match.start + _CONTEXT)
    end = min(len(text), match.start + _CONTEXT) if end < 0 else end
    parts, done = [], start
    # Only those near it: a line of a megabyte may have thousands.
    for other in matches[max(0, number - 20) : number + 20]:
        if other.start >= done and other.start < end:
            parts += [text[done : other.start], MASK]
            done = other.end
    parts.append(text[done:end])
    return "".join(parts)


def _typed_at(text: str, at: int) -> int | None:
    """When a line of a history was typed: zsh has it in the line, bash in the one before, fish in the one after."""
    start = text.rfind("\n", max(0, at - _LONGEST), at) + 1
    if start == 0 and at > _LONGEST:
        return None  # that long is no command
    line = text[start:at]
    if zsh := re.match(r": (\d{9,10}):\d+;", line):
        return int(zsh[1])
    before = text[max(0, start - 12) : start]
    if bash := re.search(r"(?:^|\n)#(\d{9,10})\n$", before):
        return int(bash[1])
    if line.startswith("- cmd:"):
        end = text.find("\n", at, at + _LONGEST)
        if end >= 0 and (fish := re.match(r"\n  when: (\d{9,10})(?:\n|$)", text[end : end + 22])):
            return int(fish[1])
    return None
