"""Undo and redo: record, do, record again."""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from mlsh.errors import MlshError, NotFound
from mlsh.undo import evidence as evidences
from mlsh.undo import reflogs, transition
from mlsh.undo.capture import capture
from mlsh.undo.evidence import Evidence
from mlsh.undo.last import Operation, last_operation
from mlsh.undo.plan import CannotUndo, Plan
from mlsh.undo.planning import make
from mlsh.undo.records import Record, Same, get, load_all, ours, packed, size_in, unpacked
from mlsh.undo.repository import Repository
from mlsh.undo.transition import Transition


class Found(msgspec.Struct, frozen=True):
    """The last operation and how it is undone."""

    operation: Operation
    plan: Plan


class Redo(msgspec.Struct, frozen=True):
    """What was undone last and can be done again."""

    undone: Record
    """The record from after the undo."""
    before: Record
    """The record from before it, to which redo goes."""


def find(repo: Repository, skip: int = 0) -> Found:
    """The last operation and its plan; nothing is changed. Raises CannotUndo.

    `skip`: so many operations that moved no ref are passed over.
    """
    seen = evidences.look(repo)
    operation = last_operation(seen)
    for _ in range(skip):
        seen = _without(seen, operation)
        operation = last_operation(seen)
    return Found(operation, make(repo, seen, operation))


def _without(seen: Evidence, operation: Operation) -> Evidence:
    """The evidence as if that operation had not been. Raises CannotUndo where it moved a ref."""
    cut = operation.starts.get("HEAD")
    if operation.kind in {"unmoved", "stash-push"} and cut is not None:
        events = tuple(event for event in seen.head_log.events if event.start < cut)
        when_ns = events[-1].time_s * 10**9 if events else 0
        log = msgspec.structs.replace(seen.head_log, events=events, when_ns=when_ns, is_exact=False)
        return msgspec.structs.replace(seen, head_log=log, stash_changed_ns=0)
    gone = {"branch-deleted": "branch_gone_ns", "tag-deleted": "tag_gone_ns", "stash-drop": "stash_changed_ns",
            "stash-push": "stash_changed_ns"}  # fmt: skip
    if operation.kind in gone:
        return msgspec.structs.replace(seen, **{gone[operation.kind]: 0})
    raise CannotUndo(
        f"the last operation, {operation.verb}, can be undone: it is not to be skipped", "mlsh undo --dry-run"
    )


def undo(repo: Repository, found: Found) -> Record:
    """Undo it; to be called inside of `repo.changing()`. Returns the record from after it.

    Raises MlshError with what git said where a step fails; by then the record from before is there.
    """
    plan, operation = found.plan, found.operation
    before = capture(repo, "before", f"undo of {plan.happened}")
    starts = dict(operation.starts)
    if plan.back_to:
        records = load_all(repo)
        done = get(records, plan.back_to)
        earlier = get(records, done.meta.before)
        steps = transition.plan(repo, done, earlier, before)
        transition.carry_out(repo, steps, earlier, "mlsh undo")
        starts = {unpacked(log): size for log, (size, _) in earlier.meta.marks.items()}
    else:
        if operation.kind == "in-progress":
            starts["HEAD"] = _began(repo, operation)
        _run(repo, plan, before, operation)
    if plan.files_from:
        wanted = get(load_all(repo), plan.files_from)
        steps = files_of(repo, wanted, capture(repo, "before", f"undo of {plan.happened}"))
        transition.carry_out(repo, steps, wanted, "mlsh undo")
    return after(repo, "undo", f"undo of {plan.happened}", before, starts, undoes=plan.back_to)


def _run(repo: Repository, plan: Plan, before: Record, operation: Operation) -> None:
    for step in plan.steps:
        try:
            repo.git(*step, filters=True, env={"GIT_REFLOG_ACTION": "mlsh undo"})
        except MlshError as error:
            # git changes index and files before it finds that it can't move a branch.
            now = capture(repo, "before", f"undo of {plan.happened}, which failed")
            back = transition.plan(repo, now, before, now)
            if not back.is_empty:
                transition.carry_out(repo, back, before, "mlsh undo, which failed")
            error.what = f"{operation.verb} can't be undone, and nothing is changed: {error.what}"
            raise


def _began(repo: Repository, operation: Operation) -> int:
    """Where HEAD's log was when what is in progress began."""
    events = reflogs.read(repo, "HEAD").events
    size = reflogs.marks(repo, ["HEAD"]).get("HEAD", (0, 0))[0]
    if operation.verb == "rebase":
        for event in reversed(events):
            if "(start)" in event.message:
                return event.start
    return size


def after(
    repo: Repository, action: str, title: str, before: Record, starts: dict[str, int] | None, **more: int
) -> Record:
    """Record what is there after something that mlsh did.

    `starts`: for an undo or redo, which size of each log stands for the same state; others stand for what
    they were before.
    """
    same: list[Same] = []
    if starts is not None:
        logs = {unpacked(log) for log in before.meta.marks} | starts.keys() | set(_heads(repo))
        for log, (size, _) in reflogs.marks(repo, sorted(logs)).items():
            was = size_in(before, log)
            equal = starts.get(log, was)
            if log != "refs/stash" and (size != equal or log in starts):
                same.append(Same(packed(log), size, reflogs.tail_of(repo, log, size), equal))
    return capture(repo, "after", title, action=action, before=before.meta.number, same=tuple(same), **more)


def _heads(repo: Repository) -> Iterable[str]:
    top = repo.common / "logs/refs/heads"
    for where, _, files in os.walk(top):
        for name in files:
            yield "refs/heads/" + os.path.relpath(os.path.join(where, name), top)


def files_of(repo: Repository, wanted: Record, now: Record) -> Transition:
    """Index and files of a record, onto what is there now; what nobody committed is an obstacle, or stays."""
    base = transition.tree_of(repo, now, "files")
    diff = transition.diff_trees(repo, base, transition.tree_of(repo, wanted, "files"))
    dirty = set(now.meta.raw)
    staged = transition.diff_trees(repo, repo.line("rev-parse", f"{now.meta.commit}^{{tree}}") or repo.empty_tree,
                                   transition.tree_of(repo, now, "staged"))  # fmt: skip
    obstacles, files = [], {}
    for path, becomes in diff.now.items():
        name = path.decode("latin-1")
        if name in dirty or path in staged.now:
            if becomes is None:
                continue  # it came since, and nothing is written in its place
            obstacles.append(f"{transition.shown(path)} has changes that are in no commit")
        files[path] = becomes
    if now.meta.unmerged:
        obstacles.append("there are conflicts in the index")
    index = transition.diff_trees(repo, transition.tree_of(repo, now, "staged"),
                                  transition.tree_of(repo, wanted, "staged")).now  # fmt: skip
    if staged.now and index:
        obstacles.append("something is staged")
    whole = wanted.meta.plain_index and bool(index or files)
    return Transition({}, "", files, index, whole, {}, None, tuple(obstacles))


def find_redo(repo: Repository) -> Redo:
    """What `redo` would do again. Raises NotFound where nothing is undone."""
    records = ours(repo, load_all(repo))
    redone = 0
    for record in records:
        if record.meta.action == "redo":
            redone += 1
        elif record.meta.action == "undo":
            if not redone:
                return Redo(record, get(records, record.meta.before))
            redone -= 1
    raise NotFound("there is no undo here that could be taken back", "what mlsh has recorded: mlsh save --list")


def redo(repo: Repository, what: Redo) -> Record:
    """Take the undo back; to be called inside of `repo.changing()`. Returns the record from after it.

    Raises RefusedInput where something has changed since that it would overwrite.
    """
    title = unpacked(what.undone.meta.title).replace("undo of", "redo of", 1)
    before = capture(repo, "before", title)
    steps = transition.plan(repo, what.undone, what.before, before)
    transition.carry_out(repo, steps, what.before, "mlsh redo")
    marks = {unpacked(log): size for log, (size, _) in what.before.meta.marks.items()}
    return after(repo, "redo", title, before, marks, redoes=what.undone.meta.number)
