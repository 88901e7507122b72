"""How each kind of operation is undone."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from mlsh.undo.evidence import Evidence
from mlsh.undo.last import Operation
from mlsh.undo.plan import (
    CannotUndo,
    Plan,
    ago,
    check_known,
    check_nothing_in_the_way,
    check_still_there,
    described,
    place,
    refuse_dirty,
    shown,
    since,
    told,
    warning_of_pushed,
)
from mlsh.undo.plan_refs import (
    branch_created,
    branch_deleted,
    branch_moved,
    branch_renamed,
    stash_drop,
    stash_push,
    tag_deleted,
)
from mlsh.undo.records import Record, size_in
from mlsh.undo.repository import Repository
from mlsh.undo.standing import names
from mlsh.undo.transition import list_paths, short

_SHARED = ("commit", "commit --amend", "cherry-pick", "revert", "am")


def make(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    """The plan for the last operation. Raises CannotUndo with the reason and what to do next."""
    makers: dict[str, Callable[[Repository, Evidence, Operation], Plan]] = {
        "in-progress": _in_progress,
        "commit": _commit,
        "first-commit": _first_commit,
        "move": _move,
        "reset": _reset,
        "checkout": _checkout,
        "branch-created": branch_created,
        "branch-moved": branch_moved,
        "branch-renamed": branch_renamed,
        "branch-deleted": branch_deleted,
        "tag-deleted": tag_deleted,
        "stash-push": stash_push,
        "stash-drop": stash_drop,
        "unmoved": _unmoved,
        "mlsh": _own,
        "unknown": _unknown,
    }
    plan = makers[operation.kind](repo, evidence, operation)
    return msgspec.structs.replace(plan, ago=ago(operation))


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
    check_still_there(evidence, operation)
    what = f"{operation.verb} {described(repo, operation.new)} on {place(operation)}"
    if operation.verb == "commit --amend":
        will = [f"{place(operation)} goes back to {described(repo, operation.old)}, the commit before the amend"]
    else:
        will = [f"{place(operation)} goes back to {described(repo, operation.old)}"]
    will.append("its changes stay in the index, as they were staged; no file is touched")
    return Plan(what, tuple(will), (("reset", "--soft", operation.old),), warning_of_pushed(repo, operation))


def _first_commit(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    check_still_there(evidence, operation)
    what = f"the first commit, {described(repo, operation.new)}, on {place(operation)}"
    will = (f"{place(operation)} has no commit again; everything stays in the index, and no file is touched",)
    step = ("update-ref", "-m", "mlsh undo", "-d", "HEAD", operation.new)
    return Plan(what, will, (step,), warning_of_pushed(repo, operation))


def _move(repo: Repository, evidence: Evidence, operation: Operation) -> Plan:
    check_still_there(evidence, operation)
    check_known(repo, operation.old)
    changed = names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", operation.new, operation.old))
    check_nothing_in_the_way(repo, evidence, operation, changed)
    will = [f"{place(operation)} goes back to {described(repo, operation.old)}, and the files with it"]
    steps = list(_back(evidence, operation, changed))
    for ref, old, new in operation.others:
        steps.append(("update-ref", "-m", "mlsh undo", ref, old, new))
        will.append(f"{short(ref)} goes back to {described(repo, old)}")
    if not evidence.standing.is_clean or evidence.standing.untracked:
        will.append("what you have not committed stays as it is")
    happened = f"{operation.verb} on {place(operation)}{told(operation)}"
    warning = warning_of_pushed(repo, operation) if operation.verb in _SHARED else ""
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
    check_still_there(evidence, operation)
    check_known(repo, operation.old)
    old, new, now = operation.old, operation.new, evidence.standing
    changed = names(repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", new, old))
    where = place(operation)
    back = f"{where} goes back to {described(repo, old)}"
    happened = f"{operation.verb} of {where} from {old[:9]} to {described(repo, new)}"
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
        refuse_dirty(evidence, happened)
        ago = since((time.time_ns() - record.meta.time_ns) / 1e9)
        return Plan(happened, (back, f"index and files come from mlsh's record {record.meta.number}, taken {ago}: "
                               "what was not committed then comes back too"),
                    _back(evidence, operation, changed), files_from=record.meta.number)  # fmt: skip
    check_nothing_in_the_way(repo, evidence, operation, changed)
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
    happened = f"{operation.verb}{told(operation)}"
    if operation.verb == "reset" and record is not None and record.meta.commit == operation.old:
        refuse_dirty(evidence, happened)
        ago = since((time.time_ns() - record.meta.time_ns) / 1e9)
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
    check_still_there(evidence, operation)
    source = operation.other
    happened = f"checkout of {shown(operation.said.rpartition(' to ')[2])}, from {shown(source)}"
    if f"refs/heads/{source}" in evidence.refs:
        steps: list[tuple[str, ...]] = [("switch", "-q", "--no-overwrite-ignore", source)]
        will = [f"you are on {shown(source)} again; what you have not committed comes along"]
    else:
        check_known(repo, operation.old)
        steps = [("switch", "-q", "--no-overwrite-ignore", "--detach", operation.old)]
        will = [f"HEAD is at {described(repo, operation.old)} again, on no branch"]
    if operation.created and evidence.refs.get(operation.created) == operation.new:
        steps.append(("branch", "-q", "-D", short(operation.created)))
        will.append(
            f"the branch {shown(short(operation.created))} goes, which was made with it and has nothing of its own"
        )
    return Plan(happened, tuple(will), tuple(steps))


def _own(_repo: Repository, _evidence: Evidence, operation: Operation) -> Plan:
    will = ("refs, index and files go back to what they were before it",)
    return Plan(f"mlsh {operation.said}", will, (), back_to=operation.record)
