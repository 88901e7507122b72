"""From the facts of a box to what would be done there, and how that is shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from mlsh.bootstrap.changes import Change, Delegated, Folder, FromWheel, Link, Packages, Put, Run, Tree
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts
from mlsh.bootstrap.step import Planned, Step

_LINES = 8


class StepPlan(msgspec.Struct, frozen=True):
    """What a step would do."""

    step: str
    planned: Planned


class Plan(msgspec.Struct, frozen=True):
    """What would be done on a box. `unfit` is why nothing can be done there, or ""."""

    steps: tuple[StepPlan, ...] = ()
    unfit: str = ""
    hint: str = ""

    @property
    def count(self) -> int:
        """How many changes."""
        return sum(len(one.planned.changes) for one in self.steps)


_UNFIT = {
    "no-home": ("the home folder {home} does not exist", "ask whoever runs the box, or create it there"),
    "read-only": ("the home folder {home} is read-only", "look: ssh {box} 'df ~; mount | grep ro,'"),
}


def make(steps: Sequence[Step], desired: Desired, facts: Facts, looked: dict[str, Planned], box: str) -> Plan:
    """The plan of a box. `looked` has the plans of the steps that looked themselves."""
    made = []
    for step in steps:
        if step.script(desired) and step.name not in facts.through:
            planned = Planned(notes=("the box could not tell what it has (it may hang); left out this time",))
        else:
            planned = looked.get(step.name) or step.plan(desired, facts)
        made.append(StepPlan(step.name, planned))
    unfit, hint = "", ""
    if any(one.planned.changes for one in made):
        unfit, hint = _unfit(facts, box)
    return Plan(tuple(made), unfit, hint)


def _unfit(facts: Facts, box: str) -> tuple[str, str]:
    for word in facts.bad:
        if word in _UNFIT:
            what, hint = _UNFIT[word]
            return what.format(home=facts.home), hint.format(box=box)
    if "flock" in facts.lacks:
        return "there is no flock on the box, so two bootstraps could meet", "install util-linux there"
    if facts.lacks:
        return f"the box lacks {' and '.join(facts.lacks)}", "install coreutils and tar there"
    if not re.fullmatch(r"/[^\x00-\x1f\x7f'\"$`\\]*", facts.home):
        return "its home folder has a name with characters that shells would take for their own", ""
    return "", ""


def replaced(plan: Plan) -> Iterator[Put]:
    """The texts that would be written over others, whose difference is to be shown."""
    for one in plan.steps:
        for change in one.planned.changes:
            if not isinstance(change, Put) or change.secret or not isinstance(change.content, bytes):
                continue
            if change.before.startswith("file"):
                yield change


def with_texts(plan: Plan, texts: Facts) -> Plan:
    """The plan with the texts that are there now."""
    old = {put: texts.at(put.path).text for put in replaced(plan)}

    def with_text(change: Change) -> Change:
        known = isinstance(change, Put) and change in old
        return msgspec.structs.replace(change, old=old[change]) if known else change  # type: ignore[index]

    def step(one: StepPlan) -> StepPlan:
        changes = tuple(with_text(change) for change in one.planned.changes)
        return StepPlan(one.step, msgspec.structs.replace(one.planned, changes=changes))

    return msgspec.structs.replace(plan, steps=tuple(step(one) for one in plan.steps))


def title(change: Change) -> str:
    """A change in one line, without its reason."""
    match change:
        case Put():
            new = "new" if change.before == "absent" else "changed"
            return f"{change.path} ({new}, {change.mode:o})"
        case Link():
            return f"{change.path} -> {change.target}"
        case Tree():
            return f"{change.path}/ (new)"
        case Folder():
            return f"{change.path}/ (new, empty)"
        case Packages():
            return f"{_as_root(change.manager)} {' '.join(change.names)}"
        case Run():
            return f"run: {change.label}"
        case Delegated():
            return change.label or change.name


def _as_root(manager: str) -> str:
    return {"apt-get": "sudo apt-get install", "dnf": "sudo dnf install", "apk": "sudo apk add"}.get(manager, manager)


def lines(plan: Plan) -> Iterator[str]:
    """A plan as a person reads it: a line a change, with diffs of texts."""
    for one in plan.steps:
        if one.planned.changes:
            yield f"  {one.step}"
        for change in one.planned.changes:
            why = f"  # {change.why}" if change.why else ""
            yield f"    + {title(change)}{why}"
            yield from (f"      {line}" for line in _short(change, list(diff(change))))
    for one in plan.steps:
        for note in one.planned.notes:
            yield f"  {one.step}: {note}"


def _short(change: Change, shown: list[str]) -> list[str]:
    """The beginning of a new file; of what is there already, all that changes."""
    is_new = isinstance(change, Put) and change.before == "absent"
    if not is_new or len(shown) <= _LINES + 1:
        return shown
    return [*shown[:_LINES], f"... and {len(shown) - _LINES} more lines (--json has all)"]


def diff(change: Change) -> Iterator[str]:
    """What would change in a text; nothing for programs, and for secrets."""
    import difflib  # only where something is shown: start-up is a budget

    if isinstance(change, Delegated):
        yield from change.diff.splitlines()
    if not isinstance(change, Put) or change.secret or isinstance(change.content, FromWheel):
        return
    new = change.content.decode(errors="replace").splitlines()
    old = (change.old or "").splitlines()
    for line in difflib.unified_diff(old, new, "", "", n=1, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            yield line.expandtabs(4)


def described(plan: Plan) -> list[dict[str, object]]:
    """A plan for --json."""
    return [
        {
            "step": one.step,
            "changes": [
                {"what": title(change), "why": change.why, "diff": "\n".join(diff(change))}
                for change in one.planned.changes
            ],
            "notes": list(one.planned.notes),
            "has": one.planned.has,
        }
        for one in plan.steps
    ]
