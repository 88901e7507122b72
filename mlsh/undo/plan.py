"""What undoing an operation means: the plain git commands and the words for a person, and what forbids it."""

from __future__ import annotations

import shlex
import time

import msgspec

from mlsh.errors import RefusedInput
from mlsh.shell.visible import printable
from mlsh.undo.evidence import Evidence
from mlsh.undo.last import Operation
from mlsh.undo.repository import Repository
from mlsh.undo.standing import in_the_way
from mlsh.undo.transition import list_paths, short


class CannotUndo(RefusedInput):
    """It can't be undone, or not without losing something."""


class Plan(msgspec.Struct, frozen=True):
    """What undoing means."""

    happened: str
    """What the last operation was."""
    will: tuple[str, ...]
    """What undoing it does, and what it leaves."""
    steps: tuple[tuple[str, ...], ...]
    """The git commands, without `git`."""
    warning: str = ""
    """A reason to think twice."""
    files_from: int = 0
    """A record whose files and index are put back after the steps."""
    back_to: int = 0
    """A record of what mlsh did, from after it: the state from before it is put back, in place of steps."""
    ago: str = ""
    """How long ago it was, to be put after `happened`; empty where nobody knows."""

    def commands(self) -> list[str]:
        """The steps as a person would type them."""
        return [shlex.join(["git", *step]) for step in self.steps]


# What forbids it, and the words


def check_still_there(evidence: Evidence, operation: Operation) -> None:
    """Raise CannotUndo where HEAD is not at the commit that the operation led to."""
    if evidence.head != operation.new:
        raise CannotUndo(
            f"{place(operation)} is at {evidence.head[:9] or 'no commit'} and not where the reflog's last entry left "
            f"it ({operation.new[:9]}): something moved it without a trace",
            "see: git reflog; what can be got back: mlsh rescue",
        )


def check_known(repo: Repository, name: str) -> None:
    """Raise CannotUndo where the repository has no such commit any more."""
    if repo.line("cat-file", "-t", name) != "commit":
        raise CannotUndo(
            f"the commit from before, {name[:12]}, is not in this repository any more: git's gc took it, or the clone "
            "is shallow",
            "if a remote has it: git fetch --unshallow, or git fetch origin " + name[:12],
        )


def check_nothing_in_the_way(
    repo: Repository, evidence: Evidence, operation: Operation, changed: set[bytes], happened: str = ""
) -> None:
    """Raise CannotUndo where a file among `changed` has what no commit has."""
    found = in_the_way(repo, changed, evidence.standing)
    if found:
        what = happened or f"{operation.verb} on {place(operation)}{ago(operation)}"
        raise CannotUndo(
            f"the last operation was {what}; undoing it would overwrite what you have in: {list_paths(found)}",
            "commit that first, or put it aside with git stash -u; then mlsh undo --skip 1 after the stash",
        )


def refuse_dirty(evidence: Evidence, happened: str) -> None:
    """Raise CannotUndo where files or the index differ from HEAD."""
    now = evidence.standing
    if not now.is_clean:
        paths = list_paths(now.staged | now.unstaged | frozenset(now.unmerged))
        raise CannotUndo(
            f"the last operation was {happened}; you have changed files since: {paths}",
            "commit or stash those first; or take the record to a branch: mlsh save --list",
        )


def warning_of_pushed(repo: Repository, operation: Operation) -> str:
    """A warning where a remote has the commit that would go."""
    has = repo.line(
        "for-each-ref", "--count=1", "--format=%(refname:lstrip=2)", f"--contains={operation.new}", "refs/remotes"
    )
    if not has:
        return ""
    return (
        f"{printable(has)} has this commit, so others may have it too. Undone here, it comes back with the next pull, "
        f"and your next push is refused. To take it back for all: mlsh revert {operation.new[:9]}"
    )


def place(operation: Operation) -> str:
    """What the operation moved, as a person knows it: a branch, or HEAD."""
    return "HEAD (on no branch)" if operation.ref in {"", "HEAD"} else shown(short(operation.ref))


def shown(name: str) -> str:
    """A name from a repository, made harmless and short."""
    return printable(name)[:80]


def quoted(text: str) -> str:
    """A text from a repository, made harmless and short, in quotes."""
    return f'"{printable(text[:70])}"'


def told(operation: Operation) -> str:
    """What the reflog says of the operation, in brackets, or nothing."""
    return f' ("{printable(operation.said[:90])}")' if operation.said else ""


def described(repo: Repository, name: str) -> str:
    """A commit as a person knows it: its short name and subject."""
    subject = repo.line("show", "-s", "--no-show-signature", "--format=%s", name)
    return f"{name[:9]} {quoted(subject)}" if subject else name[:9]


def ago(operation: Operation) -> str:
    """How long ago the operation was, after a comma; empty where nobody knows."""
    if operation.when_ns < 2:
        return ""
    return f", {since((time.time_ns() - operation.when_ns) / 1e9)}"


def since(seconds: float) -> str:
    """`3 hours ago`."""
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return f"{max(0, int(seconds))} s ago"


def word(text: str) -> str:
    """A word of a command, as a person would paste it."""
    return printable(shlex.quote(text))
