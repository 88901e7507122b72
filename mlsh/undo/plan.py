"""How an operation is undone: the plain git commands, in words for a person, or the reason why it can't be."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

import msgspec

from mlsh.errors import RefusedInput
from mlsh.shell.visible import printable
from mlsh.undo.evidence import Evidence, Gone
from mlsh.undo.last import Operation
from mlsh.undo.lost import dropped_stashes
from mlsh.undo.records import Record, size_in
from mlsh.undo.repository import Repository
from mlsh.undo.standing import in_the_way, names
from mlsh.undo.transition import list_paths, short

_SHARED = ("commit", "commit --amend", "cherry-pick", "revert", "am")


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


def make(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    """The plan for the last operation. Raises CannotUndo with the reason and what to do next."""
    makers: dict[str, Callable[[Repository, Evidence, Operation], Plan]] = {
        "in-progress": _in_progress,
        "commit": _commit,
        "first-commit": _first_commit,
        "move": _move,
        "reset": _reset,
        "checkout": _checkout,
        "branch-created": _branch_created,
        "branch-moved": _branch_moved,
        "branch-renamed": _branch_renamed,
        "branch-deleted": _branch_deleted,
        "tag-deleted": _tag_deleted,
        "stash-push": _stash_push,
        "stash-drop": _stash_drop,
        "unmoved": _unmoved,
        "mlsh": _own,
        "unknown": _unknown,
    }
    plan = makers[operation.kind](repo, evidence, operation)
    return msgspec.structs.replace(plan, ago=_ago(operation))


def _unknown(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    if operation.verb:
        raise CannotUndo(f"the last operation was {operation.verb}, and there was nothing before it")
    if not evidence.head:
        raise CannotUndo("nothing has been committed here yet, so there is nothing to undo")
    if not evidence.has_reflogs:
        raise CannotUndo(
            "this repository keeps no reflogs (core.logAllRefUpdates=false): nobody knows what the last operation was",
            "what can be got back: mlsh rescue; for the next time: git config --unset core.logAllRefUpdates",
        )
    raise CannotUndo(
        f"the reflogs in {repo.git_dir} are empty or have expired, so nobody knows what the last operation was",
        "what can be got back: mlsh rescue; before the next risky step: mlsh save",
    )


def _in_progress(_repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    verb = operation.verb
    happened = f"{'an' if verb == 'am' else 'a'} {verb} that is not finished"
    will = ["everything goes back to what it was before it began"]
    if verb == "bisect":
        return Plan(
            happened, ("you are back where you began it; what you told it is in mlsh's record",), (("bisect", "reset"),)
        )
    touched = len(evidence.standing.unmerged) + len(evidence.standing.staged)
    if touched:
        will.append("what you have resolved so far is kept in mlsh's record; mlsh redo brings it back")
    return Plan(happened, tuple(will), ((verb, "--abort"),))


def _commit(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    _still_there(evidence, operation)
    what = f"{operation.verb} {_described(repo, operation.new)} on {_place(operation)}"
    if operation.verb == "commit --amend":
        will = [f"{_place(operation)} goes back to {_described(repo, operation.old)}, the commit before the amend"]
    else:
        will = [f"{_place(operation)} goes back to {_described(repo, operation.old)}"]
    will.append("its changes stay in the index, as they were staged; no file is touched")
    return Plan(what, tuple(will), (("reset", "--soft", operation.old),), _warn_of_pushed(repo, operation))


def _first_commit(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    _still_there(evidence, operation)
    what = f"the first commit, {_described(repo, operation.new)}, on {_place(operation)}"
    will = (f"{_place(operation)} has no commit again; everything stays in the index, and no file is touched",)
    step = ("update-ref", "-m", "mlsh undo", "-d", "HEAD", operation.new)
    return Plan(what, will, (step,), _warn_of_pushed(repo, operation))


def _move(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    _still_there(evidence, operation)
    _known_commit(repo, operation.old)
    changed = names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", operation.new, operation.old))
    _nothing_in_the_way(repo, evidence, operation, changed)
    will = [f"{_place(operation)} goes back to {_described(repo, operation.old)}, and the files with it"]
    steps = list(_back(evidence, operation, changed))
    for ref, old, new in operation.others:
        steps.append(("update-ref", "-m", "mlsh undo", ref, old, new))
        will.append(f"{short(ref)} goes back to {_described(repo, old)}")
    if not evidence.standing.is_clean or evidence.standing.untracked:
        will.append("what you have not committed stays as it is")
    happened = f"{operation.verb} on {_place(operation)}{_told(operation)}"
    warning = _warn_of_pushed(repo, operation) if operation.verb in _SHARED else ""
    return Plan(happened, tuple(will), tuple(steps), warning)


def _back(evidence: Evidence, operation: Operation, changed: set[bytes]) -> tuple[tuple[str, ...], ...]:
    """HEAD, index and files back to the old commit; `reset --keep` would unstage what is staged."""
    if not changed and evidence.standing.staged:
        return (("reset", "--soft", operation.old),)
    if not evidence.standing.staged:
        return (("reset", "-q", "--keep", operation.old),)
    return (
        ("read-tree", "-m", "-u", operation.new, operation.old),
        ("update-ref", "-m", "mlsh undo", "HEAD", operation.old, operation.new),
    )


def _reset(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    """A reset, or another move of HEAD: which kind it was shows in the index and the files."""
    _still_there(evidence, operation)
    _known_commit(repo, operation.old)
    old, new, now = operation.old, operation.new, evidence.standing
    changed = names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", new, old))
    place = _place(operation)
    back = f"{place} goes back to {_described(repo, old)}"
    happened = f"{operation.verb} of {place} from {old[:9]} to {_described(repo, new)}"
    not_in_old = names(repo.git("diff-index", "--cached", "-z", "--name-only", "--no-renames", old))
    if changed and not changed & not_in_old:
        will = (back, "index and files are left as they are (it was a --soft one)")
        return Plan(happened, will, (("reset", "--soft", old),))
    if changed & (now.staged | frozenset(now.unmerged)):
        paths = list_paths(changed & (now.staged | frozenset(now.unmerged)))
        raise CannotUndo(
            f"the last operation was {happened}; since then you have staged changes to files that it touches: {paths}",
            f"commit or stash them first (git stash); or look at the old commit: git switch -c before-reset {old[:12]}",
        )
    differ = changed & now.dirty
    if differ and differ == changed:
        steps = (("reset", "-q", old),) if not now.staged else _index_back(operation)
        will = (back + ", and the index with it", "no file is touched (it was a --mixed one)")
        return Plan(happened, will, steps)
    record = _record_before(evidence, operation)
    if record is not None and record.meta.raw:
        _refuse_dirty(evidence, happened)
        ago = _since((time.time_ns() - record.meta.time_ns) / 1e9)
        return Plan(happened, (back, f"index and files come from mlsh's record {record.meta.number}, taken {ago}: "
                               "what was not committed then comes back too"),
                    _back(evidence, operation, changed), files_from=record.meta.number)  # fmt: skip
    _nothing_in_the_way(repo, evidence, operation, changed)
    will = (
        back + ", and the files with it",
        "what was not committed when you reset is not in it: git keeps no trace of that, unless it had been staged "
        "(mlsh rescue)",
    )
    return Plan(happened, will, _back(evidence, operation, changed))


def _index_back(operation: Operation) -> tuple[tuple[str, ...], ...]:
    return (
        ("read-tree", "-i", "-m", operation.new, operation.old),
        ("update-ref", "-m", "mlsh undo", "HEAD", operation.old, operation.new),
    )


def _record_before(evidence: Evidence, operation: Operation) -> Record | None:
    """The newest record, where nothing that HEAD's log has came between it and the operation."""
    start = operation.starts.get("HEAD")
    for record in evidence.records[:1]:
        if start is not None and size_in(record, "HEAD") == start:
            return record
    return None


def _unmoved(_repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    """A reset to where HEAD was: it threw changes away, or unstaged them, and git kept no trace of either."""
    record = _record_before(evidence, operation)
    happened = f"{operation.verb}{_told(operation)}"
    if operation.verb == "reset" and record is not None and record.meta.commit == operation.old:
        _refuse_dirty(evidence, happened)
        ago = _since((time.time_ns() - record.meta.time_ns) / 1e9)
        will = (f"index and files come from mlsh's record {record.meta.number}, taken {ago}",)
        return Plan(happened, will, (), files_from=record.meta.number)
    if operation.verb == "reset":
        raise CannotUndo(
            "the last operation was a reset to where HEAD was: if it threw changes away, or unstaged them, git kept no "
            "trace of which",
            "what had been staged may still be there: mlsh rescue; what came before the reset: mlsh undo --skip 1",
        )
    raise CannotUndo(
        f"the last operation was a {operation.verb}: it moved nothing, so there is nothing to undo",
        "what came before it: mlsh undo --skip 1",
    )


def _checkout(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    _still_there(evidence, operation)
    source = operation.other
    happened = f"checkout of {_name(operation.said.rpartition(' to ')[2])}, from {_name(source)}"
    if f"refs/heads/{source}" in evidence.refs:
        steps: list[tuple[str, ...]] = [("switch", "-q", "--no-overwrite-ignore", source)]
        will = [f"you are on {_name(source)} again; what you have not committed comes along"]
    else:
        _known_commit(repo, operation.old)
        steps = [("switch", "-q", "--no-overwrite-ignore", "--detach", operation.old)]
        will = [f"HEAD is at {_described(repo, operation.old)} again, on no branch"]
    if operation.created and evidence.refs.get(operation.created) == operation.new:
        steps.append(("branch", "-q", "-D", short(operation.created)))
        will.append(
            f"the branch {_name(short(operation.created))} goes, which was made with it and has nothing of its own"
        )
    return Plan(happened, tuple(will), tuple(steps))


def _branch_created(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    name = short(operation.ref)
    if evidence.refs.get(operation.ref) != operation.new or operation.ref == evidence.branch:
        raise CannotUndo(f"the branch {_name(name)} has moved on since it was made")
    happened = f"branch {_name(name)} made at {_described(repo, operation.new)}"
    return Plan(
        happened, (f"the branch {_name(name)} goes; it has no commit of its own",), (("branch", "-q", "-D", name),)
    )


def _branch_moved(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    name = short(operation.ref)
    if evidence.refs.get(operation.ref) != operation.new or operation.ref == evidence.branch:
        raise CannotUndo(f"the branch {_name(name)} has moved since, in a way that its reflog does not tell")
    _known_commit(repo, operation.old)
    happened = (
        f"{printable(operation.verb[:40])} of {_name(name)} to {_described(repo, operation.new)}{_ago(operation)}"
    )
    step = ("update-ref", "-m", "mlsh undo", operation.ref, operation.old, operation.new)
    return Plan(happened, (f"{_name(name)} goes back to {_described(repo, operation.old)}",), (step,))


def _branch_renamed(_repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    new, old = short(operation.ref), short(operation.other)
    if operation.other in evidence.refs:
        raise CannotUndo(
            f"{_name(old)} was renamed to {_name(new)}, and there is another branch {_name(old)} by now",
            f"choose a name: git branch -m {_word(new)} NAME",
        )
    happened = f"branch {_name(old)} renamed to {_name(new)}"
    return Plan(happened, (f"it is called {_name(old)} again",), (("branch", "-m", new, old),))


def _branch_deleted(repo: Repository, _evidence: Evidence, operation: Operation) -> Plan:
    gone = [each for each in operation.gone if repo.line("cat-file", "-t", each.name) == "commit"]
    sure = all(each.source == "a record of mlsh" for each in gone)
    if not gone:
        raise CannotUndo(
            f"a branch was deleted or its reflog removed{_ago(operation)}, and nothing tells its name or commit",
            "look among what was lost: mlsh rescue; what came before it: mlsh undo --skip 1",
        )
    if len(gone) > 1 and not sure:
        listed = "\n".join(f"  git branch {_word(short(each.ref))} {each.name[:12]}" for each in gone[:10])
        raise CannotUndo(
            f"a branch was deleted{_ago(operation)}; several are gone, and nothing tells which went last:\n{listed}",
            "make yours again with its line; what came before it: mlsh undo --skip 1",
        )
    happened = f"deleted: branch {', '.join(_name(short(each.ref)) for each in gone)}"
    will = [
        f"{_name(short(each.ref))} is back at {_described(repo, each.name)}, as {each.source} has it" for each in gone
    ]
    will.append("which branch of a remote it followed is not restored")
    steps = tuple(("branch", "--no-track", short(each.ref), each.name) for each in gone)
    return Plan(happened, tuple(will), steps)


def _tag_deleted(repo: Repository, _evidence: Evidence, operation: Operation) -> Plan:
    gone: list[Gone] = [each for each in operation.gone if repo.line("cat-file", "-t", each.name)]
    if not gone:
        raise CannotUndo("tags were deleted, and git has collected what they named", "look further: mlsh rescue")
    listed = ", ".join(_name(each.ref.removeprefix("refs/tags/")) for each in gone)
    steps = tuple(("update-ref", each.ref, each.name, repo.null) for each in gone)
    return Plan(f"deleted: tag {listed}", (f"back: {listed}, as mlsh's record has it",), steps)


def _stash_push(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    stash = operation.new
    happened = f"stash: {_quoted(operation.said)}"
    if evidence.refs.get("refs/stash") != stash:
        raise CannotUndo(
            f"the last operation was {happened}; it is not the newest stash any more", "see: git stash list"
        )
    paths = names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", f"{stash}^1", stash))
    paths |= names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", f"{stash}^1", f"{stash}^2"))
    if repo.line("rev-parse", "-q", "--verify", f"{stash}^3"):
        paths |= names(repo.git("ls-tree", "-r", "-z", "--name-only", f"{stash}^3"))
    _nothing_in_the_way(repo, evidence, operation, paths, happened)
    if repo.line("rev-parse", f"{stash}^1") != evidence.head:
        raise CannotUndo(
            f"the last operation was {happened}; HEAD is at another commit by now", "git stash pop --index"
        )
    will = ("what was stashed is in the index and the files again", "the stash's entry goes")
    return Plan(happened, will, (("stash", "pop", "-q", "--index"),))


def _stash_drop(repo: Repository, evidence: Evidence, _operation: Operation) -> Plan:
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
        listed = "\n".join(f"  git stash store -m {_word(said)} {name[:12]}" for name, said in gone[:10])
        raise CannotUndo(
            f"the last operation was a {happened}; several were, and nothing tells which went last:\n{listed}",
            "take yours back with its line; to look into one: mlsh rescue",
        )
    will = [f"back on top of the stash: {_quoted(said)}" for _, said in gone]
    will.append("no file is touched: what a pop put into your files stays there")
    steps = tuple(("stash", "store", "-q", "-m", said, name) for name, said in reversed(gone))
    return Plan(f"{happened}: {_quoted(gone[0][1])}", tuple(will), steps)


def _own(_repo: Repository, _evidence: Evidence, operation: Operation) -> Plan:
    will = ("refs, index and files go back to what they were before it",)
    return Plan(f"mlsh {operation.said}", will, (), back_to=operation.record)


# What several of them need


def _still_there(evidence: Evidence, operation: Operation) -> None:
    if evidence.head != operation.new:
        raise CannotUndo(
            f"{_place(operation)} is at {evidence.head[:9] or 'no commit'} and not where the reflog's last entry left "
            f"it ({operation.new[:9]}): something moved it without a trace",
            "see: git reflog; what can be got back: mlsh rescue",
        )


def _known_commit(repo: Repository, name: str) -> None:
    if repo.line("cat-file", "-t", name) != "commit":
        raise CannotUndo(
            f"the commit from before, {name[:12]}, is not in this repository any more: git's gc took it, or the clone "
            "is shallow",
            "if a remote has it: git fetch --unshallow, or git fetch origin " + name[:12],
        )


def _nothing_in_the_way(
    repo: Repository, evidence: Evidence, operation: Operation, changed: set[bytes], happened: str = ""
) -> None:
    found = in_the_way(repo, changed, evidence.standing)
    if found:
        what = happened or f"{operation.verb} on {_place(operation)}{_ago(operation)}"
        raise CannotUndo(
            f"the last operation was {what}; undoing it would overwrite what you have in: {list_paths(found)}",
            "commit that first, or put it aside with git stash -u; then mlsh undo --skip 1 after the stash",
        )


def _refuse_dirty(evidence: Evidence, happened: str) -> None:
    now = evidence.standing
    if not now.is_clean:
        paths = list_paths(now.staged | now.unstaged | frozenset(now.unmerged))
        raise CannotUndo(
            f"the last operation was {happened}; you have changed files since: {paths}",
            "commit or stash those first; or take the record to a branch: mlsh save --list",
        )


def _warn_of_pushed(repo: Repository, operation: Operation) -> str:
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


def _place(operation: Operation) -> str:
    return "HEAD (on no branch)" if operation.ref in {"", "HEAD"} else _name(short(operation.ref))


def _name(name: str) -> str:
    return printable(name)[:80]


def _quoted(text: str) -> str:
    return f'"{printable(text[:70])}"'


def _told(operation: Operation) -> str:
    return f' ("{printable(operation.said[:90])}")' if operation.said else ""


def _described(repo: Repository, name: str) -> str:
    """A commit as a person knows it: its short name and subject."""
    subject = repo.line("show", "-s", "--no-show-signature", "--format=%s", name)
    return f"{name[:9]} {_quoted(subject)}" if subject else name[:9]


def _ago(operation: Operation) -> str:
    if operation.when_ns < 2:
        return ""
    return f", {_since((time.time_ns() - operation.when_ns) / 1e9)}"


def _since(seconds: float) -> str:
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return f"{max(0, int(seconds))} s ago"


def _word(text: str) -> str:
    return printable(shlex.quote(text))
