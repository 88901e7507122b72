"""A small change, taken without a git process: the files are read here, and the trees above them written.

The shadow's index stays as it was: what differs from it is listed again by the next launch, read again, and costs
next to nothing for as long as it is little. Whatever is out of the ordinary is Unfit, and git does it.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from mlsh.git.objects import Entry, Objects, Unfit, nest

# Beyond this git is as fast, and brings the index up to date.
_FILES, _BYTES = 64, 1 << 19
# A pack of whole objects is larger than git's, which holds differences: up to here that saves more than it costs.
_PACK_BYTES, _PACK_OBJECTS = 1 << 16, 200
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}


def is_small(sizes: Mapping[str, int], gone: list[str]) -> bool:
    """Whether so much may be taken in this way."""
    return len(sizes) + len(gone) <= _FILES and sum(sizes.values()) <= _BYTES


def read_changes(folder: Path, sizes: Mapping[str, int], gone: list[str]) -> dict[str, tuple[bytes, bytes] | None]:
    """The mode and content of each changed file as it is now; None where it is gone. Raises Unfit.

    No part of the way to a file is a link.
    """
    found: dict[str, tuple[bytes, bytes] | None] = dict.fromkeys(gone)
    for name, size in sizes.items():
        if not _allowed(name):
            raise Unfit(name)
        found[name] = _read(folder / name, size)
    return found


def store(
    objects: Objects, changes: Mapping[str, tuple[bytes, bytes] | None], confirm: Callable[[dict[str, int]], None]
) -> dict[bytes, Entry | None]:
    """Write the files' blobs, and name them. `confirm` is first asked about the sizes of those that are new."""
    confirm({name: len(there[1]) for name, there in changes.items() if there and not objects.has_blob(there[1])})
    return {
        os.fsencode(name): Entry(there[0], objects.write(b"blob", there[1])) if there else None
        for name, there in changes.items()
    }


def _allowed(name: str) -> bool:
    # git refuses these, so that no checkout of them ever harms anyone; it says so better than we would.
    *_, last = parts = name.casefold().split("/")
    return not any(part in {"", ".", "..", ".git"} for part in parts) and last != ".gitmodules"


def _read(path: Path, size: int) -> tuple[bytes, bytes]:
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            return b"120000", os.readlink(os.fsencode(path))
        # A pipe that took the file's place would otherwise be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb", buffering=0) as file:
            about = os.fstat(descriptor)
            text = file.read(size + 1) if stat.S_ISREG(about.st_mode) else None
    except OSError as error:
        raise Unfit(str(path)) from error
    if text is None or len(text) != size:
        raise Unfit(str(path))  # it is being written
    return (b"100755" if about.st_mode & stat.S_IXUSR else b"100644"), text


def tree_with(objects: Objects, base: str, entries: Mapping[bytes, Entry | None]) -> str:
    """The tree `base` with these files in it, or gone from it. Raises Unfit."""
    return objects.edited(base, nest(entries))


def pack_of(objects: Objects, commit: str, base: str) -> tuple[bytes, int]:
    """A pack of what `commit` has and the commit `base` has not, and its number of objects.

    Raises Unfit where that is much, or where an object is not to be had.
    """
    import hashlib
    import struct

    names = {commit: None}
    for name in objects.news(objects.tree_of(base), objects.tree_of(commit)):
        names[name] = None
        if len(names) > _PACK_OBJECTS:
            raise Unfit(commit)
    parts, size = [struct.pack(">4sII", b"PACK", 2, len(names))], 0
    for name in names:
        kind, body = objects.read(name)
        size += len(body)
        if size > _PACK_BYTES:
            raise Unfit(commit)
        parts += [_pack_header(_KINDS[kind], len(body)), zlib.compress(body)]
    whole = b"".join(parts)
    return whole + hashlib.sha1(whole, usedforsecurity=False).digest(), len(names)


def _pack_header(kind: int, size: int) -> bytes:
    """Kind and size as a pack has them: 4 bits of the size, then 7 a byte, as long as the top bit is set."""
    byte, size = kind << 4 | size & 15, size >> 4
    header = bytearray()
    while size:
        header.append(byte | 128)
        byte, size = size & 127, size >> 7
    header.append(byte)
    return bytes(header)
