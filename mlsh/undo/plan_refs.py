"""How an operation on a branch, a tag or the stash is undone."""

from __future__ import annotations

from mlsh.shell.visible import printable
from mlsh.undo.evidence import Evidence, Gone
from mlsh.undo.last import Operation
from mlsh.undo.lost import dropped_stashes
from mlsh.undo.plan import (
    CannotUndo,
    Plan,
    ago,
    check_known,
    check_nothing_in_the_way,
    described,
    quoted,
    shown,
    word,
)
from mlsh.undo.repository import Repository
from mlsh.undo.standing import names
from mlsh.undo.transition import short


def branch_created(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    """The branch goes again."""
    name = short(operation.ref)
    if evidence.refs.get(operation.ref) != operation.new or operation.ref == evidence.branch:
        raise CannotUndo(f"the branch {shown(name)} has moved on since it was made")
    happened = f"branch {shown(name)} made at {described(repo, operation.new)}"
    return Plan(
        happened, (f"the branch {shown(name)} goes; it has no commit of its own",), (("branch", "-q", "-D", name),)
    )


def branch_moved(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    """The branch goes back to where it was."""
    name = short(operation.ref)
    if evidence.refs.get(operation.ref) != operation.new or operation.ref == evidence.branch:
        raise CannotUndo(f"the branch {shown(name)} has moved since, in a way that its reflog does not tell")
    check_known(repo, operation.old)
    happened = f"{printable(operation.verb[:40])} of {shown(name)} to {described(repo, operation.new)}{ago(operation)}"
    step = ("update-ref", "-m", "mlsh undo", operation.ref, operation.old, operation.new)
    return Plan(happened, (f"{shown(name)} goes back to {described(repo, operation.old)}",), (step,))


def branch_renamed(_repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    """The branch has its old name again."""
    new, old = short(operation.ref), short(operation.other)
    if operation.other in evidence.refs:
        raise CannotUndo(
            f"{shown(old)} was renamed to {shown(new)}, and there is another branch {shown(old)} by now",
            f"choose a name: git branch -m {word(new)} NAME",
        )
    happened = f"branch {shown(old)} renamed to {shown(new)}"
    return Plan(happened, (f"it is called {shown(old)} again",), (("branch", "-m", new, old),))


def branch_deleted(repo: Repository, _evidence: Evidence, operation: Operation) -> Plan:
    """The branch is made again, at the commit that a log or a record tells."""
    gone = [each for each in operation.gone if repo.line("cat-file", "-t", each.name) == "commit"]
    sure = all(each.source == "a record of mlsh" for each in gone)
    if not gone:
        raise CannotUndo(
            f"a branch was deleted or its reflog removed{ago(operation)}, and nothing tells its name or commit",
            "look among what was lost: mlsh rescue; what came before it: mlsh undo --skip 1",
        )
    if len(gone) > 1 and not sure:
        listed = "\n".join(f"  git branch {word(short(each.ref))} {each.name[:12]}" for each in gone[:10])
        raise CannotUndo(
            f"a branch was deleted{ago(operation)}; several are gone, and nothing tells which went last:\n{listed}",
            "make yours again with its line; what came before it: mlsh undo --skip 1",
        )
    happened = f"deleted: branch {', '.join(shown(short(each.ref)) for each in gone)}"
    will = [
        f"{shown(short(each.ref))} is back at {described(repo, each.name)}, as {each.source} has it" for each in gone
    ]
    will.append("which branch of a remote it followed is not restored")
    steps = tuple(("branch", "--no-track", short(each.ref), each.name) for each in gone)
    return Plan(happened, tuple(will), steps)


def tag_deleted(repo: Repository, _evidence: Evidence, operation: Operation) -> Plan:
    """The tag is made again, as a record has it."""
    gone: list[Gone] = [each for each in operation.gone if repo.line("cat-file", "-t", each.name)]
    if not gone:
        raise CannotUndo("tags were deleted, and git has collected what they named", "look further: mlsh rescue")
    listed = ", ".join(shown(each.ref.removeprefix("refs/tags/")) for each in gone)
    steps = tuple(("update-ref", each.ref, each.name, repo.null) for each in gone)
    return Plan(f"deleted: tag {listed}", (f"back: {listed}, as mlsh's record has it",), steps)


def stash_push(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    """What was stashed is in the files again."""
    stash = operation.new
    happened = f"stash: {quoted(operation.said)}"
    if evidence.refs.get("refs/stash") != stash:
        raise CannotUndo(
            f"the last operation was {happened}; it is not the newest stash any more", "see: git stash list"
        )
    paths = names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", f"{stash}^1", stash))
    paths |= names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", f"{stash}^1", f"{stash}^2"))
    if repo.line("rev-parse", "-q", "--verify", f"{stash}^3"):
        paths |= names(repo.git("ls-tree", "-r", "-z", "--name-only", f"{stash}^3"))
    check_nothing_in_the_way(repo, evidence, operation, paths, happened)
    if repo.line("rev-parse", f"{stash}^1") != evidence.head:
        raise CannotUndo(
            f"the last operation was {happened}; HEAD is at another commit by now", "git stash pop --index"
        )
    will = ("what was stashed is in the index and the files again", "the stash's entry goes")
    return Plan(happened, will, (("stash", "pop", "-q", "--index"),))


def stash_drop(repo: Repository, evidence: Evidence, _operation: Operation) -> Plan:
    """What was dropped is on top of the stash again."""
    gone = list(evidence.stashes_gone)
    sure = bool(gone)
    if not gone:
        gone = dropped_stashes(repo)
    gone = [(name, said) for name, said in gone if repo.line("cat-file", "-t", name) == "commit"]
    happened = "stash drop, or pop"
    if not gone:
        raise CannotUndo(
            f"the last operation was a {happened}, and no dropped stash is left in the repository",
            "look further: mlsh rescue; what came before it: mlsh undo --skip 1",
        )
    if len(gone) > 1 and not sure:
        listed = "\n".join(f"  git stash store -m {word(said)} {name[:12]}" for name, said in gone[:10])
        raise CannotUndo(
            f"the last operation was a {happened}; several were, and nothing tells which went last:\n{listed}",
            "take yours back with its line; to look into one: mlsh rescue",
        )
    will = [f"back on top of the stash: {quoted(said)}" for _, said in gone]
    will.append("no file is touched: what a pop put into your files stays there")
    steps = tuple(("stash", "store", "-q", "-m", said, name) for name, said in reversed(gone))
    return Plan(f"{happened}: {quoted(gone[0][1])}", tuple(will), steps)
