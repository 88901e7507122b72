"""How the index and the files differ from HEAD and from each other, as `git status` sees it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mlsh.undo.repository import GitRefused, Repository

STATUS = (
    "status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=dirty",
    "--no-ahead-behind",
)  # fmt: skip

Stages = tuple[tuple[str, str], tuple[str, str], tuple[str, str]]
"""Mode and object of base, ours and theirs; the mode is 000000 where there is none."""


class Standing(NamedTuple):
    """Paths by how they stand. Names are bytes, since git's are."""

    staged: frozenset[bytes]
    """The index differs from HEAD."""
    unstaged: frozenset[bytes]
    """The file differs from the index, or is gone."""
    untracked: frozenset[bytes]
    unmerged: dict[bytes, Stages]
    submodules: frozenset[bytes]
    """Submodules that stand on another commit than the index says."""

    @property
    def is_clean(self) -> bool:
        """Whether HEAD, index and files are the same, untracked files aside."""
        return not (self.staged or self.unstaged or self.unmerged)

    @property
    def dirty(self) -> frozenset[bytes]:
        """Files whose bytes are in no commit and not in the index."""
        return self.unstaged | self.untracked | frozenset(self.unmerged)


def parse(output: bytes) -> Standing:
    """Read the answer to `STATUS`."""
    staged: set[bytes] = set()
    unstaged: set[bytes] = set()
    untracked: set[bytes] = set()
    submodules: set[bytes] = set()
    unmerged: dict[bytes, Stages] = {}
    for entry in output.split(b"\0"):
        kind = entry[:2]
        if kind == b"1 ":
            _, flags, sub, _, _, _, _, _, path = entry.split(b" ", 8)
            if flags[:1] != b".":
                staged.add(path)
            if flags[1:] != b".":
                (submodules if sub[:1] == b"S" else unstaged).add(path)
        elif kind == b"u ":
            *_, m1, m2, m3, _, h1, h2, h3, path = entry.split(b" ", 10)
            parts = [(mode.decode(), name.decode()) for mode, name in ((m1, h1), (m2, h2), (m3, h3))]
            unmerged[path] = (parts[0], parts[1], parts[2])
        elif kind == b"? " and not entry.endswith(b"/"):
            untracked.add(entry[2:])
    return Standing(frozenset(staged), frozenset(unstaged), frozenset(untracked), unmerged, frozenset(submodules))


def look(repo: Repository) -> Standing:
    """How the work tree stands now; nothing is written, not even the index. Raises GitRefused.

    The person's clean filters run, as in a `git status` of theirs: without them a file that was checked out in the
    same second as the index was written would count as changed. Where one fails, it is done without.
    """
    try:
        return parse(repo.git(*STATUS, filters=True))
    except GitRefused:
        return parse(repo.git(*STATUS))


def file_kind(path: bytes | str | Path) -> tuple[str, int]:
    """git's mode for what lies at a path, and its size; an empty mode where nothing does that git could take."""
    try:
        about = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "", 0
    if stat.S_ISLNK(about.st_mode):
        return "120000", about.st_size
    if stat.S_ISREG(about.st_mode):
        return "100755" if about.st_mode & 0o100 else "100644", about.st_size
    return "", 0


def in_the_way(repo: Repository, paths: Iterable[bytes], standing: Standing) -> list[bytes]:
    """Those of the paths where a file lies that no commit has: changed, untracked, or ignored.

    `paths` are those that a step is about to write or remove.
    """
    top = os.fsencode(repo.require_top())
    found = []
    tracked: set[bytes] | None = None
    for path in paths:
        if path in standing.dirty or path in standing.staged:
            found.append(path)
        elif _lies_there(top, path):
            # Neither changed nor untracked: it is tracked and clean, or ignored, which status doesn't tell.
            if tracked is None:
                tracked = {name for name in repo.git("ls-files", "-z").split(b"\0") if name}
            if path not in tracked and not any(name.startswith(path + b"/") for name in tracked):
                found.append(path)
    return sorted(found)


def _lies_there(top: bytes, path: bytes) -> bool:
    with contextlib.suppress(OSError):
        os.lstat(os.path.join(top, path))
        return True
    return False


def names(output: bytes) -> set[bytes]:
    """The paths of a `-z` listing."""
    return {name for name in output.split(b"\0") if name}
