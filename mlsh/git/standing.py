"""How many paths of a snapshot differ from the person's HEAD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlsh.box import process
from mlsh.errors import SnapshotRefused
from mlsh.git import shadow as shadows
from mlsh.git.objects import Entry, Objects, Unfit
from mlsh.git.person import Person
from mlsh.git.plumbing import Git, GitFailed

_STATUS = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
_KEPT_BYTES = 1 << 17


class Standing:
    """The question; git works on it while other commands run.

    Where no attribute and no repository inside makes git's files differ from ours (`plain`), HEAD's tree and
    that of the shadow's index tell, in a tenth of the time of a `git status`, which looks at every file. What
    they differ in is kept, so that a small change to the index's tree is counted without git.
    """

    def __init__(self, person: Person, shadow: Git, shadow_dir: Path, index_tree: str, plain: bool) -> None:
        self._person = person
        self._objects = Objects(shadow_dir)
        self._index_tree = index_tree
        self._file = shadow_dir / "standing"
        self._key = f"{person.head} {index_tree}".encode()
        self._known: bytes | None = None
        self._trees: process.Started | None = None
        if plain and person.head:
            key, _, known = shadows.get(self._file).partition(b"\n")
            if key == self._key:
                self._known = known
                return
            both = Git(None, person.git.work_tree)
            both.argv, both.locks = shadow.argv, shadow.locks
            both.env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(person.common / "objects")
            self._trees = both.start("diff-tree", "-r", "-z", "--no-renames", person.head, index_tree)

    def count(self, changes: Mapping[bytes, Entry | None]) -> int:
        """The number, where the snapshot is the index's tree with these changes."""
        if self._trees is not None:
            told, _ = self._trees.communicate()
            if self._trees.returncode == 0:
                self._known = told
                if len(told) <= _KEPT_BYTES:
                    shadows.put(self._file, self._key + b"\n" + told)
        if self._known is not None:
            try:
                return self._counted(self._known, changes)
            except Unfit:
                pass  # git can tell, in more time
        return self._by_status()

    def _counted(self, told: bytes, changes: Mapping[bytes, Entry | None]) -> int:
        parts = told.split(b"\0")
        head: dict[bytes, Entry | None] = {}
        for about, path in zip(parts[:-1:2], parts[1::2], strict=True):
            mode, _, name, _, _ = about.split()
            head[path] = Entry(mode[1:], name.decode()) if mode != b":000000" else None
        number = sum(path not in changes for path in head)
        for path, entry in changes.items():
            # What does not differ is in the index's tree as it is in HEAD.
            there = head[path] if path in head else self._objects.entry(self._index_tree, path)
            number += there != entry
        return number

    def _by_status(self) -> int:
        self._person.ask_settings()  # a status runs filters
        git = self._person.git
        status = git.start(*_STATUS, "--ignore-submodules=none")
        changes, _ = status.communicate()
        if status.returncode != 0:
            # A broken submodule stops git, and should stop nobody's job.
            try:
                changes = git(*_STATUS, "--ignore-submodules=all")
            except GitFailed as error:
                if "bad object HEAD" not in error.said:
                    raise
                raise SnapshotRefused(
                    f"{git.work_tree}: the commit that HEAD names is missing from your repository",
                    "look: git fsck; fetch it again: git fetch --refetch; or launch from a copy without .git",
                ) from error
        return changes.count(b"\0")
