"""The shadow's loose objects, read and written without a process; after git's own documentation of its formats.

A git process over ten thousand files costs 5 to 15 ms, and a changed line needs five of them. Here it is a few
small files. Whatever is out of the ordinary is left to git: a packed or damaged object is Unfit.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

TREE_MODE = b"40000"
# A shadow's are never packed, but for files above core.bigFileThreshold; this bounds what is read into memory.
_LARGEST = 1 << 20


class Unfit(Exception):
    """Git itself has to do it."""


class Entry(NamedTuple):
    """What a name in a tree stands for: git's mode, such as `100644`, and the object's name in hex."""

    mode: bytes
    name: str


Changes: TypeAlias = "dict[bytes, Changes | Entry | None]"
"""By name in one folder: the new file, None for one that is gone, or the changes in a folder of that name."""


class Objects:
    """The loose objects of one git directory; all of them SHA-1."""

    def __init__(self, git_dir: Path) -> None:
        self._folder = str(git_dir / "objects")

    def path(self, name: str) -> str:
        """Where an object lies, or would."""
        return f"{self._folder}/{name[:2]}/{name[2:]}"

    def read(self, name: str) -> tuple[bytes, bytes]:
        """An object's kind (`tree`, `blob`, `commit`) and its bytes. Raises Unfit."""
        try:
            with open(self.path(name), "rb") as file:
                unpacking = zlib.decompressobj()
                whole = unpacking.decompress(file.read(_LARGEST), 2 * _LARGEST)
        except (OSError, zlib.error) as error:
            raise Unfit(name) from error
        header, _, body = whole.partition(b"\0")
        kind, _, size = header.partition(b" ")
        # The hash is not computed: a name is only as good as the disk, and git asks no more of it here.
        if not unpacking.eof or size != b"%d" % len(body):
            raise Unfit(name)
        return kind, body

    def has_blob(self, body: bytes) -> bool:
        """Whether a file of this content is kept."""
        return os.path.exists(self.path(_named(b"blob", body)[0]))

    def write(self, kind: bytes, body: bytes) -> str:
        """Keep an object, whole or not at all; returns its name."""
        name, whole = _named(kind, body)
        path = self.path(name)
        if not os.path.exists(path):
            folder = os.path.dirname(path)
            os.makedirs(folder, exist_ok=True)
            # As git names them: what a `kill -9` leaves is swept with git's own.
            aside = os.path.join(folder, f"tmp_obj_{os.urandom(6).hex()}")
            with open(aside, "wb", opener=_read_only) as file:
                file.write(zlib.compress(whole, 1))
            os.rename(aside, path)
        return name

    def tree(self, name: str) -> dict[bytes, Entry]:
        """The entries of a tree. Raises Unfit."""
        kind, body = self.read(name)
        if kind != b"tree":
            raise Unfit(name)
        entries, at = {}, 0
        while at < len(body):
            space = body.find(b" ", at)
            end = body.find(b"\0", space)
            if space < 0 or end < 0 or end + 21 > len(body):
                raise Unfit(name)
            entries[body[space + 1 : end]] = Entry(body[at:space], body[end + 1 : end + 21].hex())
            at = end + 21
        return entries

    def tree_of(self, commit: str) -> str:
        """The tree of a commit. Raises Unfit."""
        kind, body = self.read(commit)
        if kind != b"commit" or not body.startswith(b"tree "):
            raise Unfit(commit)
        return body[5:45].decode(errors="replace")

    def entry(self, tree: str, path: bytes) -> Entry | None:
        """What lies at a path of a tree, if that is a file or a link. Raises Unfit."""
        *folders, last = path.split(b"/")
        for folder in folders:
            found = self.tree(tree).get(folder)
            if found is None or found.mode != TREE_MODE:
                return None
            tree = found.name
        found = self.tree(tree).get(last)
        return None if found is None or found.mode == TREE_MODE else found

    def edited(self, tree: str, changes: Changes) -> str:
        """The tree with these changes made, written where it is new. Raises Unfit."""
        return self._edited(self.tree(tree), changes) or self.write(b"tree", b"")

    def _edited(self, entries: dict[bytes, Entry], changes: Changes) -> str:
        """The name of the tree; empty for an empty one, which git does not keep in a folder."""
        for name, change in changes.items():
            was = entries.get(name)
            if isinstance(change, Entry):
                entries[name] = change
            elif change is None:
                # A file that came and went, where the index has a folder: that is not what is gone.
                if was is not None and was.mode != TREE_MODE:
                    del entries[name]
            else:
                below = self.tree(was.name) if was is not None and was.mode == TREE_MODE else {}
                if became := self._edited(below, change):
                    entries[name] = Entry(TREE_MODE, became)
                elif was is not None:
                    if was.mode != TREE_MODE:
                        raise Unfit(os.fsdecode(name))  # is that file gone too? the index knows
                    del entries[name]
        # git's order: a folder's name counts as if it ended with a slash.
        order = sorted(entries.items(), key=lambda item: item[0] + b"/" if item[1].mode == TREE_MODE else item[0])
        body = b"".join(b"%b %b\0%b" % (entry.mode, name, bytes.fromhex(entry.name)) for name, entry in order)
        return self.write(b"tree", body) if body else ""

    def news(self, base: str | None, tree: str) -> Iterator[str]:
        """The names of `tree` and of what is below it, as far as it is not at the same place in `base`.

        A name may come twice. Raises Unfit.
        """
        yield tree
        before = self.tree(base) if base else {}
        for name, entry in self.tree(tree).items():
            was = before.get(name)
            if was is not None and was.name == entry.name:
                continue
            if entry.mode == TREE_MODE:
                yield from self.news(was.name if was is not None and was.mode == TREE_MODE else None, entry.name)
            else:
                yield entry.name


def nest(changes: Mapping[bytes, Entry | None]) -> Changes:
    """Changes by whole path, put into folders. Raises Unfit for a file below another file."""
    top: Changes = {}
    # What is gone first: a file that became a folder is both gone and a folder.
    for path, change in sorted(changes.items(), key=lambda item: (item[1] is not None, item[0])):
        *folders, last = path.split(b"/")
        here = top
        for folder in folders:
            below = here.get(folder)
            if isinstance(below, Entry):
                raise Unfit(os.fsdecode(path))
            if below is None:
                below = here[folder] = {}
            here = below
        there = here.get(last)
        if isinstance(there, dict) and (change is None or _any_file(there)):
            if change is None:
                continue  # the folder took its place, in this order or the other
            raise Unfit(os.fsdecode(path))
        here[last] = change
    return top


def _any_file(changes: Changes) -> bool:
    return any(_any_file(change) if isinstance(change, dict) else change is not None for change in changes.values())


def _named(kind: bytes, body: bytes) -> tuple[str, bytes]:
    whole = b"%b %d\0%b" % (kind, len(body), body)
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest(), whole


def _read_only(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_TRUNC, 0o444)
