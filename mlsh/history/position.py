"""How far a history file was read, and what of it is new. Pure.

Files only grow, until a shell writes one anew with its last thousand lines, or somebody empties it. So a position
has, beside the offset, a digest of what stood before it. Where that is no longer so, the file is read from its begin,
and the last commands that were seen tell where the new ones begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mlsh.digest import sha256
from mlsh.history.entry import Entry
from mlsh.history.sources import parse

BEFORE = 4096
"""So many bytes before the offset are compared."""
_ANCHOR = 12


class Position(msgspec.Struct, frozen=True):
    """How far a file was read. `seen` is its size and time of change as they were told then; `mtime_s` is that time."""

    offset: int = 0
    tail: str = ""
    anchor: tuple[str, ...] = ()
    seen: str = ""
    mtime_s: float = 0.0
    rowid: int = 0

    @property
    def start(self) -> int:
        """Where to begin to read, to see whether the file is still the same."""
        return max(0, self.offset - BEFORE)


class Reading(NamedTuple):
    """New entries. `only_unknown`: nobody knows how many of those without a time were there before."""

    entries: list[Entry]
    position: Position
    only_unknown: bool


def read_on(position: Position, kind: str, start: int, data: bytes, *, seen: str, mtime_s: float) -> Reading | None:
    """What is new in a file, `data` being its bytes from `start` on; None where all of the file is needed to tell."""
    before = data[: position.offset - start]
    if position.offset and start <= position.offset and _tail(before) == position.tail:
        new = data[position.offset - start :]
        whole = complete(kind, new)
        entries = list(parse(kind, new[:whole]))
        after = _position(position, position.offset + whole, before + new[:whole], entries, seen, mtime_s)
        return Reading(entries, after, only_unknown=False)
    if start:
        return None
    whole = complete(kind, data)
    entries = list(parse(kind, data[:whole]))
    after = _position(Position(), whole, data[:whole], entries, seen, mtime_s)
    if not position.anchor:
        return Reading(entries, after, only_unknown=False)
    known = _after(entries, position.anchor)
    return Reading(entries if known is None else entries[known:], after, only_unknown=known is None)


def complete(kind: str, data: bytes) -> int:
    """How many of these bytes are whole entries: the last line may still be written."""
    if kind == "mlsh":
        at = data.rfind(b"\x1e\n")
        return at + 2 if at >= 0 else 0
    end = data.rfind(b"\n")
    while kind == "zsh" and end > 0 and data[end - 1 : end] == b"\\":
        end = data.rfind(b"\n", 0, end)
    return end + 1


def _position(
    last: Position, offset: int, before: bytes, entries: Sequence[Entry], seen: str, mtime_s: float
) -> Position:
    latest = [*last.anchor, *(_mark(entry) for entry in entries[-_ANCHOR:])]
    return Position(offset, _tail(before), tuple(latest[-_ANCHOR:]), seen, mtime_s)


def _tail(before: bytes) -> str:
    return str(sha256(before[-BEFORE:]).hexdigest()[:32])


def _mark(entry: Entry) -> str:
    from mlsh.secrets.masking import mask  # a digest of what is short can be found by trying

    return str(sha256(mask(entry.command).encode(errors="replace")).hexdigest()[:12])


def _after(entries: Sequence[Entry], anchor: Sequence[str]) -> int | None:
    """Where the entries begin that come after the last place where those of the anchor stand in a row."""
    marks = [_mark(entry) for entry in entries]
    wanted = list(anchor)
    for end in range(len(marks), len(wanted) - 1, -1):
        if marks[end - 1] == wanted[-1] and marks[end - len(wanted) : end] == wanted:
            return end
    return None
