"""Which git operation was the last one? A pure decision from the evidence."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from mlsh.undo.evidence import Evidence, Gone
from mlsh.undo.records import size_in
from mlsh.undo.reflogs import Event, Log

Kind = Literal[
    "in-progress", "commit", "first-commit", "move", "reset", "checkout", "branch-created", "branch-moved",
    "branch-renamed", "branch-deleted", "tag-deleted", "stash-push", "stash-drop", "unmoved", "mlsh", "unknown",
]  # fmt: skip

_STEP = re.compile(r"(?P<verb>.*?rebase.*?|.*pull.*?) \((?P<step>[\w -]+)\)(?:: (?P<rest>.*))?", re.DOTALL)
_RENAMED = re.compile(r"Branch: renamed (refs/heads/\S+) to (refs/heads/\S+)")
_MOVING = re.compile(r"checkout: moving from (.+) to (.+)", re.DOTALL)
_MOVES = {"merge", "pull", "cherry-pick", "revert", "am", "rebase"}
_COMMITS = ("commit", "commit (amend)", "commit (merge)", "commit (cherry-pick)", "commit (initial)")


class Operation(msgspec.Struct, frozen=True):
    """One operation. `starts` says where its first line is in each log that has one."""

    kind: Kind
    verb: str
    """What it was, as git calls it: commit, commit --amend, merge, rebase, reset, pull."""
    ref: str = ""
    """The ref that moved: a branch, or HEAD where that was detached."""
    old: str = ""
    new: str = ""
    when_ns: int = 0
    starts: dict[str, int] = {}
    said: str = ""
    """What git wrote into the log."""
    other: str = ""
    """checkout: where it came from; a renamed branch: its old ref."""
    created: str = ""
    """checkout: the branch that it made."""
    gone: tuple[Gone, ...] = ()
    others: tuple[tuple[str, str, str], ...] = ()
    """Further branches that moved with it: ref, old, new."""
    record: int = 0
    """Of what mlsh did: the record from after it."""


def last_operation(evidence: Evidence) -> Operation:
    """The operation that came last, `unknown` where nothing tells of one."""
    if evidence.in_progress:
        return Operation("in-progress", evidence.in_progress)
    found = [operation for operation in _candidates(evidence) if operation.when_ns]
    if not found:
        return Operation("unknown", "")
    return max(found, key=lambda operation: operation.when_ns)


def _candidates(evidence: Evidence) -> list[Operation]:
    """What may have been the last one, one for each source; of two at the same moment the first counts."""
    found = []
    head = _of_head(evidence)
    if head is not None:
        found.append(head)
    for ref, log in evidence.branch_logs.items():
        if log.events and ref not in evidence.elsewhere and not _explained(evidence, head, ref, log):
            found.append(_of_branch(ref, log))
    if evidence.stash_changed_ns:
        stash = _of_stash(evidence)
        found += [stash] if stash is not None else []
    if evidence.branch_gone_ns and evidence.branches_gone:
        found.append(Operation("branch-deleted", "branch -D", when_ns=evidence.branch_gone_ns,
                               gone=evidence.branches_gone))  # fmt: skip
    if evidence.tag_gone_ns and evidence.tags_gone:
        found.append(Operation("tag-deleted", "tag -d", when_ns=evidence.tag_gone_ns, gone=evidence.tags_gone))
    if (own := _of_mlsh(evidence)) is not None:
        record = next(each for each in evidence.records if each.meta.number == own.record)
        if head is not None and head.starts.get("HEAD", 0) < size_in(record, "HEAD"):
            # HEAD's log had that line already when mlsh was done: it is older, whatever its second seems to say.
            found[0] = msgspec.structs.replace(head, when_ns=min(head.when_ns, own.when_ns - 1))
        found.append(own)
    return found


def _explained(evidence: Evidence, head: Operation | None, ref: str, log: Log) -> bool:
    """Whether the last line of a branch's log is part of something that HEAD's log tells, or told."""
    last = log.events[-1]
    if head is not None and last.start >= head.starts.get(ref, last.start + 1):
        return True
    if (step := _STEP.fullmatch(last.message)) and step["step"] == "finish":
        return any(new == last.new and "(finish)" in message for _, new, message in evidence.head_told)
    if _RENAMED.fullmatch(last.message):
        return any(message == last.message for _, _, message in evidence.head_told)
    return (last.old, last.new, last.message) in evidence.head_told


# HEAD's log


def _of_head(evidence: Evidence) -> Operation | None:
    events, when_ns = evidence.head_log.events, evidence.head_log.when_ns
    if not events:
        return _without_log(evidence)
    last = events[-1]
    verb = last.message.partition(": ")[0]
    if step := _STEP.fullmatch(last.message):
        found = _rebase(evidence, events, step["verb"], step["step"])
        if found is not None:
            return found
    if moved := _MOVING.fullmatch(last.message):
        return _checkout(evidence, last, moved[1], moved[2])
    if renamed := _RENAMED.fullmatch(last.message):
        start = events[-2].start if len(events) > 1 and events[-2].message == last.message else last.start
        return _renamed(evidence.branch_logs.get(renamed[2]), renamed[1], renamed[2], when_ns, {"HEAD": start})
    if verb == "reset" and last.old == last.new:
        return _unmoved(evidence, last, when_ns)
    ref = evidence.branch or "HEAD"
    starts = {"HEAD": last.start, **_same_in(evidence, ref, last)}
    kind: Kind = "move"
    if verb == "commit (initial)" and set(last.old) == {"0"}:
        kind = "first-commit"
    elif verb in {"commit", "commit (amend)"}:
        kind = "commit"
    elif set(last.old) == {"0"}:
        return Operation("unknown", verb, ref, last.old, last.new, when_ns, starts, last.message)
    elif verb == "reset" or not _is_known(verb):
        kind = "reset"
    if last.old == last.new and kind != "commit":
        return Operation("unmoved", verb, ref, last.old, last.new, when_ns, starts, last.message)
    plain = {"commit (amend)": "commit --amend", "commit (merge)": "merge", "commit (cherry-pick)": "cherry-pick"}
    name = plain.get(verb, "commit" if verb == "commit (initial)" else verb)
    return Operation(kind, name.split(" ")[0] if kind == "move" else name, ref, last.old, last.new, when_ns, starts,
                     last.message)  # fmt: skip


def _is_known(verb: str) -> bool:
    return verb in _COMMITS or verb.split(" ", maxsplit=1)[0] in {
        "merge",
        "pull",
        "cherry-pick",
        "revert",
        "am",
        "rebase",
    }


def _same_in(evidence: Evidence, ref: str, event: Event) -> dict[str, int]:
    """Where a branch's log has the same step as HEAD's."""
    log = evidence.branch_logs.get(ref)
    if log is not None and log.events:
        last = log.events[-1]
        if (last.old, last.new) == (event.old, event.new):
            return {ref: last.start}
    return {}


def _without_log(evidence: Evidence) -> Operation | None:
    """What can be said where HEAD has no log: ORIG_HEAD is left by merge, reset, rebase and pull."""
    if evidence.orig_head and evidence.head and evidence.orig_head != evidence.head and not evidence.has_reflogs:
        return Operation("reset", "merge, pull, rebase or reset", evidence.branch or "HEAD", evidence.orig_head,
                         evidence.head, 1, said="ORIG_HEAD")  # fmt: skip
    return None


def _rebase(evidence: Evidence, events: tuple[Event, ...], verb: str, step: str) -> Operation | None:
    """A rebase that is over, from `(start)` to `(finish)` or `(abort)`."""
    if step not in {"finish", "abort"}:
        return None
    last = events[-1]
    first = None
    for event in reversed(events[:-1]):
        # A person's own commits stand between the steps of `rebase -i`.
        found = _STEP.fullmatch(event.message)
        if found and found["step"] in {"start", "finish", "abort"}:
            first = event if found["step"] == "start" else None
            break
    first = first or last
    when_ns, starts = evidence.head_log.when_ns, {"HEAD": first.start}
    name = "pull --rebase" if "pull" in verb else "rebase"
    if step == "abort":
        return Operation("unmoved", f"{name} that was aborted", evidence.branch or "HEAD", last.new, last.new, when_ns,
                         starts, last.message)  # fmt: skip
    ref, old = evidence.branch or "HEAD", first.old
    others = []
    for other, log in evidence.branch_logs.items():
        if not log.events or other in evidence.elsewhere:
            continue
        event = log.events[-1]
        found = _STEP.fullmatch(event.message)
        if other == ref and found and found["step"] == "finish" and event.new == last.new:
            starts[other], old = event.start, event.old
        elif event.message == "rewritten during rebase" and event.time_s >= first.time_s:  # --update-refs
            starts[other] = event.start
            others.append((other, event.old, event.new))
    if old == last.new:
        return Operation("unmoved", f"{name} that had nothing to do", ref, old, old, when_ns, starts, last.message)
    return Operation("move", name, ref, old, last.new, when_ns, starts, last.message, others=tuple(others))


def _checkout(evidence: Evidence, last: Event, source: str, target: str) -> Operation:
    starts = {"HEAD": last.start}
    created = ""
    log = evidence.branch_logs.get(f"refs/heads/{target}")
    if log is not None and len(log.events) == 1:
        first = log.events[0]
        if first.message.startswith("branch: Created from") and 0 <= last.time_s - first.time_s <= 1:
            created = f"refs/heads/{target}"
            starts[created] = first.start
    return Operation("checkout", "checkout", "HEAD", last.old, last.new, evidence.head_log.when_ns, starts,
                     last.message, other=source, created=created)  # fmt: skip


def _renamed(log: Log | None, old: str, new: str, when_ns: int, starts: dict[str, int]) -> Operation:
    if log is not None and log.events and _RENAMED.fullmatch(log.events[-1].message):
        starts[new] = log.events[-1].start
    return Operation("branch-renamed", "branch -m", new, when_ns=when_ns, starts=starts, other=old)


def _unmoved(evidence: Evidence, last: Event, when_ns: int) -> Operation:
    """`reset: moving to HEAD`: a stash, where the stash has one of that moment; else changes thrown away."""
    starts = {"HEAD": last.start}
    if evidence.stash_log.events:
        stash = evidence.stash_log.events[-1]
        if abs(stash.time_s - last.time_s) <= 1:
            return Operation("stash-push", "stash", "refs/stash", "", stash.new, when_ns, starts, stash.message)
    return Operation("unmoved", "reset", evidence.branch or "HEAD", last.old, last.new, when_ns, starts, last.message)


# Other logs


def _of_branch(ref: str, log: Log) -> Operation:
    last = log.events[-1]
    starts = {ref: last.start}
    if renamed := _RENAMED.fullmatch(last.message):
        return _renamed(log, renamed[1], renamed[2], log.when_ns, starts)
    if set(last.old) == {"0"}:
        return Operation("branch-created", "branch", ref, "", last.new, log.when_ns, starts, last.message)
    verb = "branch -f" if last.message.startswith("branch: Reset to") else last.message.partition(": ")[0]
    return Operation("branch-moved", verb, ref, last.old, last.new, log.when_ns, starts, last.message)


def _of_stash(evidence: Evidence) -> Operation | None:
    """What the stash's log tells by its time: git takes a line out of it without a word."""
    log, head = evidence.stash_log, evidence.head_log
    if log.events and log.is_exact and not evidence.stashes_gone:
        last = log.events[-1]
        # A stash is noted first and the files are reset then: a log that was written after that lost a line.
        is_reset = bool(head.events) and head.events[-1].message.startswith("reset: moving to HEAD")
        came_before = is_reset and abs(head.events[-1].time_s - last.time_s) <= 1 and log.when_ns > head.when_ns
        if not (came_before and head.is_exact):
            return Operation("stash-push", "stash", "refs/stash", "", last.new, log.when_ns, {}, last.message)
    return Operation("stash-drop", "stash drop", "refs/stash", when_ns=evidence.stash_changed_ns)


def _of_mlsh(evidence: Evidence) -> Operation | None:
    """The newest thing that mlsh itself did here and that is not undone."""
    undone: set[int] = set()
    by_number = {record.meta.number: record.meta for record in evidence.records}
    for record in reversed(evidence.records):
        meta = record.meta
        if meta.action == "undo" and meta.undoes:
            undone.add(meta.undoes)
        elif meta.action == "redo" and meta.redoes in by_number:
            undone.discard(by_number[meta.redoes].undoes)
    for record in evidence.records:
        meta = record.meta
        if meta.kind == "after" and meta.action != "undo" and meta.number not in undone:
            return Operation("mlsh", meta.action, when_ns=meta.time_ns, record=meta.number, said=meta.title)
    return None
