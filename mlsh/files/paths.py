"""Which paths of a box may be written here. A box may be hostile: its names and links are looked at one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlsh.files.manifest import Entry, Kind

ASIDE = b".mlsh-pull"
"""The folder in the target where files lie until they are whole."""

# What has none of these needs no closer look, as most have not: an empty name, one that begins with a dot, a NUL.
_ODD = re.compile(rb"(?:\A|/)(?:[./]|\Z)|\0")


def refusal(path: bytes) -> str | None:
    """Why a path may not be written below the target; None where it may."""
    if not _ODD.search(path):
        return None
    parts = path.split(b"/")
    if path.startswith(b"/") or b".." in parts:
        return "its name leads out of the folder"
    if b"" in parts or b"." in parts or b"\0" in path:
        return "its name makes no sense"
    # A repository's settings name programs that git then runs: they would run here.
    if any(part.lower() == b".git" for part in parts):
        return "git's own folders are not brought"
    if parts[0] == ASIDE:
        return "its name is that of mlsh's own folder"
    return None


def leads_out(link: Entry) -> bool:
    """Whether a link may lead out of the folder.

    `..` is taken only at the beginning of a link, where what lies above is a real folder of ours: in the middle
    it goes to wherever the name before it leads.
    """
    parts = [part for part in link.target.split(b"/") if part not in {b"", b"."}]
    if not link.target or link.target.startswith(b"/") or b"\0" in link.target:
        return True
    up = 0
    while up < len(parts) and parts[up] == b"..":
        up += 1
    return b".." in parts[up:] or up > link.path.count(b"/")


class Clashes:
    """Which paths can't be written beside those before them: below what is no folder, or there twice."""

    def __init__(self) -> None:
        self._known: dict[bytes, Entry] = {}
        self._folders: set[bytes] = {b""}
        """What has to be a folder, for something lies below it."""

    def knows(self, path: bytes) -> bool:
        """Whether a path came before."""
        return path in self._known

    def new(self, entries: Sequence[Entry]) -> tuple[list[Entry], dict[bytes, str]]:
        """The entries that are new (a folder may be looked at by two ways), and the paths that clash, and why."""
        fresh: list[Entry] = []
        found: dict[bytes, str] = {}
        known = self._known
        for entry in entries:
            earlier = known.setdefault(entry.path, entry)
            if earlier is entry:
                fresh.append(entry)
            elif earlier != entry:
                found[entry.path] = "it was named twice"
                fresh.append(entry)
        for entry in fresh:
            folder = entry.path.rpartition(b"/")[0]
            if folder not in self._folders and not self._may_be(folder):
                found[entry.path] = "it lies below what is no folder"
        for entry in fresh:
            if entry.path in self._folders and entry.kind is not Kind.FOLDER:
                found[entry.path] = "it is no folder, and something lies below it"
        return fresh, found

    def _may_be(self, folder: bytes) -> bool:
        """Whether a path can be a folder; then it and those above it have to be."""
        needed = []
        while folder not in self._folders:
            entry = self._known.get(folder)
            if entry is not None and entry.kind is not Kind.FOLDER:
                return False
            needed.append(folder)
            folder = folder.rpartition(b"/")[0]
        self._folders.update(needed)
        return True
