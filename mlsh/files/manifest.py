"""What lies in a folder on a box, as the box tells it. Nothing of it is believed before `paths.refusal` has seen it."""

from __future__ import annotations

import enum
import functools
import stat
from typing import NamedTuple


class Kind(enum.Enum):
    """What a path is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "device, pipe or socket"


class Entry(NamedTuple):
    """One path, relative to the folder, as bytes: a name need not be text.

    `mode` has the permission bits alone, and nothing of setuid, setgid and sticky. `stamp` is all that tells
    whether the file has been changed: mode, inode, size, mtime and ctime, as the box printed them. `finely` says
    that its times have fractions of a second. `target` is where a link leads, `raw` the whole record.
    """

    path: bytes
    kind: Kind
    mode: int
    size: int
    mtime_ns: int
    finely: bool
    stamp: bytes
    target: bytes = b""
    raw: bytes = b""


class CutShort(Exception):
    """The answer is not whole."""


def parse(answer: bytes, nonce: bytes) -> list[Entry]:
    """The records of an answer that ends with a line `NONCE end`. Raises CutShort for any other."""
    reader = Records(nonce)
    entries = reader.feed(answer)
    if not reader.done:
        raise CutShort
    return entries


class Records:
    """An answer's records as it arrives, up to a line `NONCE end`."""

    def __init__(self, nonce: bytes) -> None:
        self._nonce = nonce
        self._mark = b"\n" + nonce + b" "
        self._held = b"\n"

    @property
    def done(self) -> bool:
        """Whether the end is what came last."""
        return self._held == self._mark + b"end\n"

    def feed(self, data: bytes) -> list[Entry]:
        """The records that are whole now. A record ends where another, or the end, begins."""
        held = self._held + data
        at = held.rfind(self._mark)
        if at < 1:
            self._held = held
            return []
        self._held = held[at:]
        return records(held[1 : at + 1], self._nonce)


def records(text: bytes, nonce: bytes) -> list[Entry]:
    """The records in a text, each of which begins with the nonce; what makes no sense is left out.

    One that is there twice counts once: a folder may be looked at by two ways.
    """
    parts = (b"\n" + text.removesuffix(b"\n")).split(b"\n" + nonce + b" ")[1:]
    return [entry for part in dict.fromkeys(parts) if (entry := _entry(part, nonce)) is not None]


def _entry(part: bytes, nonce: bytes) -> Entry | None:
    """`MODE INODE SIZE MTIME CTIME NAME/NONCE-NAME -> TARGET`, as `stamps` in folder.sh prints it."""
    head, _, link = part.partition(b"/" + nonce)
    try:
        bits, _, size, mtime, _, name = head.split(b" ", 5)
        kind, mode = _meaning(bits)
        path = name[2:] if name.startswith(b"./") else name
        target = _target(link, name) if kind is Kind.LINK else b""
        stamp = head[: -len(name) - 1]
        return Entry(path, kind, mode, int(size), nanoseconds(mtime), b"." in mtime, stamp, target, part)
    except ValueError:
        return None


_KINDS = {stat.S_IFREG >> 12: Kind.FILE, stat.S_IFDIR >> 12: Kind.FOLDER, stat.S_IFLNK >> 12: Kind.LINK}


@functools.lru_cache(256)
def _meaning(text: bytes) -> tuple[Kind, int]:
    """What the bits of a mode say, as `%f` prints them; raises ValueError."""
    bits = int(text, 16)
    return _KINDS.get(bits >> 12, Kind.OTHER), bits & 0o777


def nanoseconds(text: bytes) -> int:
    """`12.5` and `12` as nanoseconds; raises ValueError."""
    if text[-10:-9] == b"." and text[:1] != b"-":
        return int(text.replace(b".", b"", 1))
    whole, _, fraction = text.partition(b".")
    part = int(fraction[:9].ljust(9, b"0")) if fraction else 0
    return int(whole) * 10**9 + (-part if whole.startswith(b"-") else part)


def _target(text: bytes, name: bytes) -> bytes:
    """Where a link leads; stat prints it after the name, with or without quotes. Empty where that can't be told."""
    for before, after in ((name + b" -> ", b""), (b"'" + name + b"' -> '", b"'")):
        if text.startswith(before) and text.endswith(after):
            return text[len(before) : len(text) - len(after)]
    return b""
