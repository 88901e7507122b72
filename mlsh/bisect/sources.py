"""How a worker's commits get to its box."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from mlsh.bisect import worktrees
from mlsh.box import process
from mlsh.errors import BoxError
from mlsh.git.pack import sizes_to_send
from mlsh.git.plumbing import Git, GitFailed
from mlsh.git.shadow import repo_name
from mlsh.git.snapshot import BigFile, Snapshot
from mlsh.jobs.insist import insist, whole
from mlsh.jobs.onbox import OnBox, Progress
from mlsh.records import Code

Confirm = Callable[[int, list[BigFile]], None] | None


class Place(NamedTuple):
    """Where a worker's tree is: `tree` on the box, or "" where it is the job's own; `code` as the job's spec has it."""

    code: Code | None
    tree: str


class Source(Protocol):
    """Where the commits of a bisection come from, for the workers of one box."""

    def place(self, on_box: OnBox, job_id: str) -> Place:
        """Have a tree ready for a job that is about to be launched."""

    def bring(self, on_box: OnBox, commit: str) -> None:
        """Have a commit there that was made meanwhile, on top of one of the first."""

    def clear(self, on_box: OnBox, job_id: str) -> None:
        """Remove that tree; the job has ended."""


class Here:
    """The person's own repository on this machine: `common` is its git directory."""

    def __init__(self, common: Path, bisection: str, commit: str) -> None:
        self._common = common
        self._bisection = bisection
        self._commit = commit

    def place(self, on_box: OnBox, job_id: str) -> Place:
        """A new worktree. Raises GitFailed."""
        tree = self._tree(on_box, job_id)
        worktrees.add(self._common, tree, self._commit, self._bisection)
        return Place(None, str(tree))

    def bring(self, on_box: OnBox, commit: str) -> None:
        """It is here."""

    def clear(self, on_box: OnBox, job_id: str) -> None:
        """Remove the worktree, and what git knows of it."""
        worktrees.remove(self._common, self._tree(on_box, job_id))

    @staticmethod
    def _tree(on_box: OnBox, job_id: str) -> Path:
        # Beside the trees of other jobs: a place with room for them, and not below `.git`, which tools pass over.
        return Path(os.path.realpath(os.path.expanduser(on_box.home))) / "trees" / job_id


class Sent:
    """Commits of the person's repository that are sent to a box: with their own names, and no history before them.

    One commit of ours has all of them as ancestors, so one ref keeps them there, and the job's spec names it like any
    other code.
    """

    def __init__(self, common: Path, top: Path, commits: Sequence[str], confirm: Confirm, progress: Progress | None):
        """`commits` has the bad end first. `confirm` is asked before anything is sent, and refuses by raising."""
        self._common = common
        self._top = top
        self._commits = commits
        self._confirm = confirm
        self._progress = progress
        self._lock = threading.Lock()
        self._keeper = ""
        self._known = set(commits)

    def place(self, on_box: OnBox, job_id: str) -> Place:
        """Have the commits on the box. Raises GitFailed, and what `confirm` and a box raise."""
        del job_id  # its runner makes the worktree
        with self._lock:
            name = repo_name(self._top)
            keeper = self._keeper = self._bring(on_box, name)
        return Place(Code(name, keeper, str(self._top), base=self._commits[0]), "")

    def bring(self, on_box: OnBox, commit: str) -> None:
        """Send a commit, once. Raises GitFailed, and what a box raises."""
        with self._lock:
            if commit in self._known:
                return
            git = Git(self._common, self._common)
            git.argv = ["git", f"--git-dir={self._common}"]
            with tempfile.TemporaryFile() as file:
                # Its parents are there, and so are their files.
                lacking = [commit, *(f"^{known}^{{tree}}" for known in self._commits)]
                objects = _pack(git, lacking, [commit], file, note_cuts=False)
                size = file.seek(0, os.SEEK_END)
                words = [repo_name(self._top), commit, self._keeper or "-", str(objects)]
                answer = insist(lambda: whole(on_box.send("receive", *words, file=file, size=size), on_box), on_box)
            if answer.startswith(b"need "):
                raise BoxError(on_box.box.name, "the commits that were sent there are gone", "begin again")
            self._known.add(commit)

    def clear(self, on_box: OnBox, job_id: str) -> None:
        """Remove the job's worktree."""
        on_box.call("worker_clear", job_id, timeout_s=120)

    def _bring(self, on_box: OnBox, name: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            git = _beside(self._common, Path(folder))
            cuts, tips = shape(git, self._commits)
            keeper = _keeper(git, self._commits, tips)
            has = insist(lambda: whole(on_box.call("worker_has", name, keeper), on_box), on_box)
            if has.startswith(b"yes"):
                return keeper
            with tempfile.TemporaryFile(dir=folder) as file:
                objects = _pack(git, [keeper, *self._commits], cuts, file)
                size = file.seek(0, os.SEEK_END)
                if self._confirm is not None:
                    self._confirm(size, self._largest())
                words = [name, keeper, "-", str(objects), str(len(cuts))]

                def send() -> bytes:
                    sent = on_box.send("receive", *words, file=file, size=size, progress=self._progress)
                    return whole(sent, on_box)

                insist(send, on_box)
        return keeper

    def _largest(self) -> list[BigFile]:
        snapshot = Snapshot(self._commits[0], "", str(self._common), str(self._common), "")
        return sizes_to_send(snapshot, None)[1]


def shape(git: Git, commits: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of the commits have a parent that is not among them, and which are needed to reach all.

    A commit of the first kind is cut off from all of its parents: that is how git leaves history out.
    """
    known = set(commits)
    listed = "".join(f"{commit}\n" for commit in commits).encode()
    parents = {}
    for line in git("rev-list", "--no-walk=unsorted", "--parents", "--stdin", stdin=listed).decode().splitlines():
        commit, *rest = line.split()
        parents[commit] = rest
    cuts = [commit for commit in commits if any(parent not in known for parent in parents[commit])]
    cut = set(cuts)
    below = {parent for commit, found in parents.items() if commit not in cut for parent in found}
    return cuts, [commit for commit in commits if commit not in below]


def _beside(common: Path, folder: Path) -> Git:
    """git on the person's objects, writing its own into another folder."""
    git = Git(common, common)
    git.argv = ["git", f"--git-dir={common}"]
    git.env |= {
        "GIT_OBJECT_DIRECTORY": str(folder),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(common / "objects"),
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
    return git


def _keeper(git: Git, commits: Sequence[str], tips: Sequence[str]) -> str:
    """The commit that keeps the others. The same commits give the same one, on every laptop."""
    tree = git("rev-parse", f"{commits[0]}^{{tree}}").decode().strip()
    digest = hashlib.sha256("\n".join(sorted(commits)).encode()).hexdigest()
    lines = [f"tree {tree}", *(f"parent {tip}" for tip in tips)]
    lines += ["author mlsh <> 0 +0000", "committer mlsh <> 0 +0000", "", f"range {digest}", ""]
    return git("hash-object", "-t", "commit", "-w", "--stdin", stdin="\n".join(lines).encode()).decode().strip()


def _pack(git: Git, wanted: Sequence[str], cuts: Sequence[str], file: IO[bytes], *, note_cuts: bool = True) -> int:
    """Write what `receive.sh` reads: the cuts, and a pack. Returns how many objects it holds."""
    if note_cuts:
        file.write("".join(f"{commit}\n" for commit in cuts).encode())
    at = file.tell()
    file.flush()
    asked = [*(f"--shallow {commit}" for commit in cuts), *wanted]
    words = ["pack-objects", "--revs", "--stdout", "--delta-base-offset", "-q"]
    started = process.start(
        [*git.argv, *words], stdin=process.PIPE, stdout=file, env=git.env, cwd=git.work_tree, reads="the commits"
    )
    _, err = started.communicate("".join(f"{line}\n" for line in asked).encode())
    if started.returncode != 0:
        raise GitFailed(git.work_tree, err, started.returncode)
    file.seek(at + 8)
    (objects,) = struct.unpack(">I", file.read(4))
    return int(objects)
