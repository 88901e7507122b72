"""Worktrees of the person's own repository, for probes that run on this machine.

Real ones (`git worktree add`), so that `git describe`, setuptools_scm, submodules and LFS work in them as they do for
the person. Two of git's own can't be made at a time: each waits for a lock. They are locked in git's sense, so that
a `git worktree prune` of the person's leaves them alone, and the lock's reason says whose they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mlsh.git.plumbing import Git, GitFailed

_OWN = "mlsh"
_REASON = "mlsh bisect "


@contextlib.contextmanager
def _locked(common: Path) -> Iterator[None]:
    folder = common / _OWN
    folder.mkdir(exist_ok=True)
    with open(folder / "worktrees.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _git(common: Path) -> Git:
    git = Git(None, common)
    # Of a linked worktree's repository or a bare one alike; and no hook of the person's runs.
    git.argv = ["git", f"--git-dir={common}", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
    return git


def add(common: Path, tree: Path, commit: str, bisection: str) -> None:
    """Make an empty worktree at `commit`; its first probe fills it. `common` is the git directory that all share.

    Raises GitFailed where git can't.
    """
    with _locked(common):
        tree.parent.mkdir(parents=True, exist_ok=True)
        # No file is written yet: a worker does that, and says what went wrong with a commit.
        _git(common)("worktree", "add", "-q", "--detach", "--no-checkout", "--lock", "--", str(tree), commit)
        # `--reason` came with git 2.35.
        admin = _admin_of(common, tree)
        if admin is not None:
            (admin / "locked").write_text(f"{_REASON}{bisection}\n")


def remove(common: Path, tree: Path) -> None:
    """Remove a worktree and what git knows of it; one that is gone already is no error.

    Not `git worktree prune`, which would also forget a worktree of the person's whose disk is not there just now.
    """
    if not common.is_dir():
        # The repository was moved. What it knows of the tree is removed from where it is now.
        _remove_files(tree)
        return
    with _locked(common):
        admin = _admin_of(common, tree)
        with contextlib.suppress(GitFailed):
            _git(common)("worktree", "remove", "--force", "--force", "--", str(tree))
        _remove_files(tree)
        # git refuses where the two do not name each other any more, as after the repository was moved.
        if admin is not None:
            shutil.rmtree(admin, ignore_errors=True)
            with contextlib.suppress(OSError):
                admin.parent.rmdir()


def of(common: Path, bisection: str) -> list[Path]:
    """The worktrees of a bisection, wherever it stands."""
    found = []
    for admin in sorted((common / "worktrees").glob("*")):
        with contextlib.suppress(OSError):
            if (admin / "locked").read_text() == f"{_REASON}{bisection}\n":
                found.append(_tree_of(admin))
    return found


def _tree_of(admin: Path) -> Path:
    return Path(os.fsdecode((admin / "gitdir").read_bytes().removesuffix(b"\n"))).parent


def _admin_of(common: Path, tree: Path) -> Path | None:
    for admin in (common / "worktrees").glob("*"):
        with contextlib.suppress(OSError):
            if _tree_of(admin) == tree:
                return admin
    return None


def _remove_files(tree: Path) -> None:
    # A probe may have made folders that nobody may write to.
    for folder, _, _ in os.walk(tree):
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(tree, ignore_errors=True)
