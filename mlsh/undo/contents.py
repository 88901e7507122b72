"""What records hold, read for several of them at once: a process costs more than all of their small parts."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from mlsh.undo.records import Record, batch_named
from mlsh.undo.repository import Repository

_PARTS = ("files", "staged", "refs", "git")


class Contents(msgspec.Struct, frozen=True):
    """What one record holds."""

    files: str
    """The tree of the files."""
    staged: str
    """The tree of the index."""
    refs: dict[str, str]
    state: dict[str, bytes]
    """The files of what is in progress, by their names in the git folder."""


def read(repo: Repository, records: Sequence[Record]) -> list[Contents]:
    """The contents of each record. Raises GitRefused."""
    asked = "".join(f"{record.commit}:{part}\n" for record in records for part in _PARTS)
    found = iter(batch_named(repo, asked.encode()))
    parts = [{part: next(found) for part in _PARTS} for _ in records]
    trees = [_entries(each["git"][1] or b"", len(repo.null) // 2) for each in parts]
    names = sorted({name for tree in trees for name in tree.values()})
    blobs = dict(zip(names, batch_named(repo, "".join(f"{n}\n" for n in names).encode()), strict=True)) if names else {}
    return [
        Contents(
            each["files"][0] or repo.empty_tree,
            each["staged"][0] or repo.empty_tree,
            _refs(each["refs"][1] or b""),
            {_unquoted(path): blobs[name][1] or b"" for path, name in tree.items()},
        )
        for each, tree in zip(parts, trees, strict=True)
    ]


def _refs(text: bytes) -> dict[str, str]:
    pairs = (line.partition(b" ") for line in text.split(b"\n") if line)
    return {os.fsdecode(ref): name.decode() for name, _, ref in pairs}


def _entries(tree: bytes, length: int) -> dict[str, str]:
    """A tree's entries as git stores them: names, and their objects."""
    entries = {}
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        entries[os.fsdecode(tree[at:end].partition(b" ")[2])] = tree[end + 1 : end + 1 + length].hex()
        at = end + 1 + length
    return entries


def _unquoted(name: str) -> str:
    return name.replace("%2F", "/").replace("%25", "%")
