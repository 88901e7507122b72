"""The folder in which a person tests a commit: a worktree of the bisection's own, kept from commit to commit."""

from __future__ import annotations

from pathlib import Path

from mlsh import config
from mlsh.bisect import worktrees
from mlsh.errors import MlshError
from mlsh.git.plumbing import Git, GitFailed
from mlsh.shell.visible import printable


class NotCheckedOut(MlshError):
    """The commit could not be put into the folder."""


def folder(bisection: str) -> Path:
    """Where it is, in the cache: it can be made again."""
    return config.cache_dir() / "bisect" / bisection


def check_out(common: Path, bisection: str, commit: str) -> Path:
    """Have the folder at this commit, and return it. Files that are not git's stay, so that builds are incremental.

    Raises NotCheckedOut, with git's own reason.
    """
    tree = folder(bisection)
    try:
        git = Git(None, tree)
        git.argv += ["-c", "core.hooksPath=/dev/null"]
        if not tree.is_dir() or Path(git.answer("rev-parse", "--path-format=absolute", "--git-common-dir")) != common:
            # The first time; or the repository was moved, and the two do not know each other any more.
            worktrees.remove(common, tree)
            worktrees.add(common, tree, commit, bisection)
        git("checkout", "-q", "--detach", "--force", commit)
    except GitFailed as error:
        reason = printable(error.said.strip().splitlines()[0][:200]) if error.said.strip() else "git gave no reason"
        raise NotCheckedOut(
            f"{commit[:12]} could not be put into {tree}: {reason}",
            f"test it where you like, and say so: mlsh bisect good {commit[:12]}",
        ) from error
    return tree
