"""A throwaway work tree of the repository, in a temporary folder: nothing tried in it reaches the person's own.

Each has a file `mlsh/revert-*.lock` in the git folder, locked for as long as its mlsh lives. What a killed mlsh left
is removed by the next one: the lock is free then, and the file says where the tree is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from mlsh.errors import RefusedInput
from mlsh.undo import repository
from mlsh.undo.repository import GitRefused, Repository

CANNOT_WRITE = re.compile("nable to (?:write|create) file|o space left|annot create")
"""What git says where a disk may be full: seldom that it is."""


class Throwaway:
    """The work tree `repo.top`, whose index holds a commit and which has no files yet; `scratch` is beside it."""

    def __init__(self, repo: Repository, scratch: Path) -> None:
        self.repo = repo
        self.scratch = scratch

    def reset(self, commit: str) -> None:
        """Have the index of a commit and no files, all of them marked as left out: a merge writes only what it must."""
        self._empty()
        self.repo.git("read-tree", "--reset", commit)
        self.repo.git("update-index", "--skip-worktree", "-z", "--stdin", stdin=self.repo.git("ls-files", "-z"))

    def _empty(self) -> None:
        for entry in self.top.iterdir():
            if entry.name != ".git":
                _remove(entry)

    @property
    def top(self) -> Path:
        """The folder."""
        return self.repo.require_top()

    def fill(self, tree: str) -> None:
        """Have exactly the files of a tree, through the person's own filters (LFS). Raises GitRefused."""
        self._empty()
        self.repo.git("read-tree", "--empty")
        self.repo.git("read-tree", "--no-sparse-checkout", "-m", "-u", tree, filters=True)


@contextlib.contextmanager
def throwaway(repo: Repository, commit: str) -> Iterator[Throwaway]:
    """A work tree at `commit` that is gone afterwards, whatever happens. Raises GitRefused, RefusedInput."""
    folder = repo.common / "mlsh"
    try:
        folder.mkdir(exist_ok=True)
        with _serialised(repo):
            _sweep(repo)
            scratch = Path(tempfile.mkdtemp(prefix="mlsh-revert-"))
            lock_path = folder / f"{scratch.name.removeprefix('mlsh-')}.lock"
            lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(lock, os.fsencode(scratch))
    except OSError as error:
        raise RefusedInput(
            f"there is no place for a trial: {error.filename or repo.common}: {error.strerror}",
            "look at its rights and the room on its disk; another place for the trial: TMPDIR=FOLDER mlsh revert ...",
        ) from error
    try:
        with _serialised(repo):
            repo.git("worktree", "add", "-q", "--detach", "--no-checkout", str(scratch / "tree"), commit)
        place = Throwaway(repository.find(scratch / "tree"), scratch)
        place.reset(commit)
        yield place
    except GitRefused as error:
        free_mib = shutil.disk_usage(scratch).free >> 20
        if CANNOT_WRITE.search(error.said):
            error.hint = f"{scratch.parent} has {free_mib} MiB left; another place: TMPDIR=FOLDER mlsh revert ..."
        raise
    finally:
        with undisturbed():
            with _serialised(repo):
                _forget(repo, scratch)
                lock_path.unlink(missing_ok=True)
            os.close(lock)


@contextlib.contextmanager
def _serialised(repo: Repository) -> Iterator[None]:
    """One `git worktree add` at a time: two of them can't be made at once in a repository."""
    with open(repo.common / "mlsh" / "worktrees.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Clear away without being cut off by a second Ctrl-C, which is not heard meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, signal.SIG_IGN) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _sweep(repo: Repository) -> None:
    """Remove what killed ones left."""
    for path in (repo.common / "mlsh").glob("revert-*.lock"):
        with contextlib.suppress(OSError), open(path, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            scratch = Path(os.fsdecode(lock.read()))
            if scratch.name == f"mlsh-{path.stem}":
                _forget(repo, scratch)
            path.unlink(missing_ok=True)


def _forget(repo: Repository, scratch: Path) -> None:
    tree = scratch / "tree"
    admin = _admin_of(repo, tree)
    with contextlib.suppress(GitRefused):
        if admin is not None:
            repo.git("worktree", "remove", "--force", "--force", str(tree))
    _remove(scratch)
    if admin is not None:
        # What is left where git would not: the tree was moved, or its .git written over.
        shutil.rmtree(admin, ignore_errors=True)
        with contextlib.suppress(OSError):
            admin.parent.rmdir()


def _admin_of(repo: Repository, tree: Path) -> Path | None:
    """What git keeps of a work tree."""
    for admin in (repo.common / "worktrees").glob("*"):
        with contextlib.suppress(OSError):
            named = Path(os.fsdecode((admin / "gitdir").read_bytes().removesuffix(b"\n"))).parent
            if named in {tree, tree.resolve()}:
                return admin
    return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # A check may have made folders that nobody may write to.
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                os.chmod(folder, 0o700)
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
