"""Committed to the wrong branch: move the last commits to another one, or to a new one."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import msgspec

from mlsh.errors import RefusedInput
from mlsh.undo import act, evidence, restore, standing
from mlsh.undo.capture import capture
from mlsh.undo.records import Record
from mlsh.undo.repository import GitRefused, Repository
from mlsh.undo.transition import list_paths


class Move(msgspec.Struct, frozen=True):
    """What is to be moved."""

    source: str
    """The branch that has them."""
    target: str
    tip: str
    base: str
    """The commit that the source goes back to."""
    subjects: tuple[str, ...]
    """The newest first."""
    is_new: bool
    target_tip: str
    on_remote: str
    """A remote's branch that has them already; empty where none does."""


def plan(repo: Repository, target: str, count: int) -> Move:
    """What moving the last `count` commits means. Raises RefusedInput where it can't be done."""
    repo.require_top()
    seen = evidence.look(repo)
    if seen.in_progress:
        raise RefusedInput(
            f"a {seen.in_progress} is not finished here", f"{evidence.way_back(seen.in_progress)}, or finish it"
        )
    if not seen.branch:
        raise RefusedInput("HEAD is on no branch, so no branch has these commits", f"git switch -c {target}")
    source = seen.branch.removeprefix("refs/heads/")
    if target == source:
        raise RefusedInput(f"{target} is the branch that they are on", "name the one that they belong to")
    if not seen.head:
        raise RefusedInput(f"{source} has no commit yet", f"git switch -c {target}")
    base = repo.line("rev-parse", "-q", "--verify", f"HEAD~{count}")
    if not base:
        raise RefusedInput(
            f"{source} has no commit before its last {count}, so nothing would be left of it",
            f"git branch -m {source} ...",
        )
    if repo.line("rev-list", "--merges", "-n1", f"{base}..HEAD"):
        raise RefusedInput("there is a merge among these commits, which can't be moved", "see: git log --graph")
    target_tip = seen.refs.get(f"refs/heads/{target}", "")
    if target_tip and f"refs/heads/{target}" in seen.elsewhere:
        raise RefusedInput(f"{target} is checked out in another work tree", "switch there to something else first")
    if not target_tip:
        restore.refuse_taken(repo, target)
    changed = standing.names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", "HEAD", base))
    if found := standing.in_the_way(repo, changed, seen.standing):
        raise RefusedInput(
            f"going back would overwrite what you have in: {list_paths(found)}", "put it aside first: git stash -u"
        )
    subjects = repo.line("log", "--no-show-signature", "--format=%h %s", f"{base}..HEAD").splitlines()
    words = ("for-each-ref", "--count=1", "--format=%(refname:lstrip=2)", "--contains=HEAD", "refs/remotes")
    return Move(source, target, seen.head, base, tuple(subjects), not target_tip, target_tip, repo.line(*words))


def carry_out(repo: Repository, move: Move) -> Record:
    """Do it; to be called inside of `repo.changing()`. Returns the record from after it.

    Onto a branch that there is, the commits are picked in a folder aside. Raises RefusedInput on a conflict: nothing
    is changed then.
    """
    title = f"move of {len(move.subjects)} commits from {move.source} to {move.target}"
    tip = move.tip if move.is_new else _picked(repo, move)
    before = capture(repo, "before", title)
    null = repo.null
    repo.git("update-ref", "-m", "mlsh rescue wrong-branch", f"refs/heads/{move.target}", tip, move.target_tip or null)
    if standing.look(repo).staged:
        repo.git("read-tree", "-m", "-u", move.tip, move.base, filters=True)
        repo.git("update-ref", "-m", "mlsh rescue wrong-branch", "HEAD", move.base, move.tip)
    else:
        words = ("reset", "-q", "--keep", move.base)
        repo.git(*words, filters=True, env={"GIT_REFLOG_ACTION": "mlsh rescue wrong-branch"})
    return act.after(repo, "wrong-branch", title, before, None)


def _picked(repo: Repository, move: Move) -> str:
    """The commits on top of the target, made in a work tree of their own; returns the last one."""
    with tempfile.TemporaryDirectory(prefix="mlsh-") as folder:
        place = str(Path(folder) / "tree")
        repo.git("worktree", "add", "-q", "--detach", place, move.target_tip)
        aside = Repository(Path(place), _git_dir(Path(place)), repo.common)
        try:
            aside.git("cherry-pick", "--allow-empty", "--keep-redundant-commits", f"{move.base}..{move.tip}")
            return aside.line("rev-parse", "HEAD")
        except GitRefused as error:
            paths = standing.look(aside).unmerged
            if not paths:
                raise
            raise RefusedInput(
                f"the commits don't fit onto {move.target}: there would be conflicts in {list_paths(paths)}",
                f"move them to a new branch and rebase that: mlsh rescue wrong-branch --to NEW -n {len(move.subjects)}",
            ) from error
        finally:
            with contextlib.suppress(GitRefused):
                repo.git("worktree", "remove", "--force", place)


def _git_dir(top: Path) -> Path:
    text = (top / ".git").read_text().removeprefix("gitdir: ").rstrip("\n")
    return Path(text)
