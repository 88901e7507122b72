"""Put a record back: into the work tree, or onto a new branch."""

from __future__ import annotations

import msgspec

from mlsh.errors import RefusedInput
from mlsh.undo import act, transition
from mlsh.undo.capture import capture
from mlsh.undo.records import Record, unpacked
from mlsh.undo.repository import Repository


def in_place(repo: Repository, record: Record, refs: bool) -> Record:
    """Put its files and index back; with `refs` HEAD, branches, tags and the stash too. Returns the record after it.

    To be called inside of `repo.changing()`. Raises RefusedInput where it would overwrite what no commit has. Refs
    that came since stay.
    """
    title = f"restore of {record.meta.number}"
    before = capture(repo, "before", title)
    if refs:
        steps = transition.plan(repo, before, record, before)
        dirty = act.files_of(repo, record, before).obstacles
        kept = {ref: move for ref, move in steps.refs.items() if move[1]}
        files = {path: file for path, file in steps.files.items() if file or not _is_untracked(before, path)}
        steps = msgspec.structs.replace(steps, refs=kept, files=files, obstacles=dirty)
    else:
        steps = act.files_of(repo, record, before)
    transition.carry_out(repo, steps, record, "mlsh save --restore")
    return act.after(repo, "restore", title, before, None)


def _is_untracked(record: Record, path: bytes) -> bool:
    return path.decode("latin-1") in record.meta.raw


def to_branch(repo: Repository, record: Record, branch: str) -> str:
    """Make a new branch with the files of a record on top of the commit that HEAD was at; returns its commit.

    Raises RefusedInput where there is such a branch, or where git would not have the name.
    """
    refuse_taken(repo, branch)
    tree = transition.tree_of(repo, record, "files")
    parent = ("-p", record.meta.commit) if record.meta.commit else ()
    title = unpacked(record.meta.title) or f"save {record.meta.number}"
    commit = repo.git("commit-tree", tree, *parent, "-m", title).decode().strip()
    new_branch(repo, branch, commit)
    return commit


def refuse_taken(repo: Repository, branch: str) -> None:
    """Raise RefusedInput for a branch that there is, or a name that git does not take."""
    if branch.startswith("-") or not repo.line("check-ref-format", "--branch", branch):
        raise RefusedInput(f"git takes no branch of the name {branch!r}")
    if repo.line("rev-parse", "-q", "--verify", f"refs/heads/{branch}"):
        raise RefusedInput(f"there is a branch {branch} already, and nothing is put over it", "choose another name")


def new_branch(repo: Repository, branch: str, commit: str) -> None:
    """Make a branch, if there still is none of that name. Raises GitRefused."""
    repo.git("update-ref", "-m", "mlsh: rescued", f"refs/heads/{branch}", commit, repo.null)
