"""`mlsh bootstrap BOX...`: show the plans, ask, do it side by side."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.plan import Plan, described, lines
from mlsh.bootstrap.step import Step
from mlsh.bootstrap.work import Looked, Outcome, apply, fetch, look
from mlsh.box import Box
from mlsh.box.fanout import side_by_side
from mlsh.cli.bootstrap import complain, put, who
from mlsh.cli.talk import Status, paint, say
from mlsh.errors import ExitCode, MlshError

_LOOK_S = 60.0
_APPLY_S = 7200.0


def give(
    boxes: Sequence[Box], steps: Sequence[Step], desired: Desired, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Look, show, ask, do. Exits with the first box's code that is not 0."""
    codes: dict[str, int] = {}
    looked: dict[str, Looked] = {}
    for box, answer in side_by_side(boxes, lambda box: look(box, steps, desired), _LOOK_S):
        if isinstance(answer, MlshError):
            codes[box.name] = _failed(box, answer, as_json)
            continue
        looked[box.name] = answer
        if dry_run or not answer.plan.count or answer.plan.unfit:
            codes[box.name] = _planned(box, answer.plan, dry_run, as_json)
    todo = [box for box in boxes if box.name in looked and box.name not in codes]
    if todo and not yes:
        for box in todo:
            _show(box.name, looked[box.name].plan, to_stderr=True)
        _ask(todo, looked)
    if todo:
        codes |= _do(todo, steps, desired, looked, as_json)
    sys.stdout.flush()
    if bad := next((code for box in boxes if (code := codes.get(box.name, 0))), 0):
        raise SystemExit(bad)


def _failed(box: Box, error: MlshError, as_json: bool) -> int:
    complain(error)
    if as_json:
        put({"box": box.name, "status": "failed", "error": error.what, "steps": []})
    return int(error.exit_code)


def _planned(box: Box, plan: Plan, dry_run: bool, as_json: bool) -> int:
    """A box where nothing will be done: there is nothing to do, it can't be, or it is not to be."""
    status = "failed" if plan.unfit else "planned" if plan.count else "ok"
    if as_json:
        put({"box": box.name, "status": status, "error": plan.unfit or None, "steps": described(plan)})
    elif plan.count and dry_run:
        _show(box.name, plan, to_stderr=False)
    elif not plan.count:
        click.echo(f"{_plain(box.name)}: nothing to do")
        _notes(plan)
    if plan.unfit:
        from mlsh.errors import BoxUnfit

        complain(BoxUnfit(box.name, "unfit", plan.unfit, plan.hint))
        return int(ExitCode.BOX_UNFIT)
    return 0


def _notes(plan: Plan) -> None:
    for one in plan.steps:
        for note in one.planned.notes:
            click.echo(f"  {one.step}: {_plain(note)}")


def _show(name: str, plan: Plan, *, to_stderr: bool) -> None:
    fileno = 2 if to_stderr else 1
    click.echo(paint(_plain(name), "bold", fileno), err=to_stderr)
    for line in lines(plan):
        shown = _plain(line)
        mark = shown.strip()[:1]
        colour = {"+": "green", "-": "red"}.get(mark)
        click.echo(paint(shown, colour, fileno) if colour and shown.startswith("      ") else shown, err=to_stderr)


def _ask(todo: Sequence[Box], looked: dict[str, Looked]) -> None:
    count = sum(looked[box.name].plan.count for box in todo)
    names = ", ".join(box.name for box in todo[:5]) + (" ..." if len(todo) > 5 else "")
    if not click.confirm(f"Make {count} change{'s' if count != 1 else ''} on {names}?", err=True):
        raise click.Abort


def _do(
    todo: Sequence[Box], steps: Sequence[Step], desired: Desired, looked: dict[str, Looked], as_json: bool
) -> dict[str, int]:
    from mlsh import config

    status = Status()
    me = who()

    def fetching(plans: Sequence[Plan]) -> Any:
        status.show("fetching wheels ...")
        return fetch(plans, config.cache_dir() / "wheels")

    fetched = fetching([looked[box.name].plan for box in todo])
    status.clear()

    def one(box: Box) -> list[Outcome]:
        return apply(
            box,
            steps,
            desired,
            looked[box.name],
            fetched,
            me,
            lambda step, what: status.show(f"{box.name}: {step}: {what}"),
        )

    codes = {}
    for box, answer in side_by_side(todo, one, _APPLY_S):
        status.clear()
        if isinstance(answer, MlshError):
            codes[box.name] = _failed(box, answer, as_json)
            continue
        codes[box.name] = _tell(box, answer, as_json)
    return codes


def _tell(box: Box, outcomes: Sequence[Outcome], as_json: bool) -> int:
    errors = [one.error for one in outcomes if one.error]
    for error in errors:
        complain(error)
    if as_json:
        put(
            {
                "box": box.name,
                "status": "failed" if errors else "changed",
                "error": errors[0].what if errors else None,
                "steps": [
                    {
                        "step": one.step,
                        "status": one.status,
                        "done": list(one.done),
                        "notes": list(one.notes),
                        "error": one.error.what if one.error else None,
                    }
                    for one in outcomes
                ],
            }
        )
    else:
        click.echo(paint(_plain(box.name), "bold"))
        for one in outcomes:
            for what in one.done:
                click.echo(f"  {one.step:<9} {_plain(what)}")
            for note in one.notes:
                click.echo(f"  {one.step:<9} {_plain(note)}")
            if one.error:
                click.echo(f"  {one.step:<9} {paint('failed', 'red')}: {_plain(one.error.what)}")
        if not errors and os.isatty(1):
            say(f"log in anew to use it: ssh {box.name}; take it away: mlsh bootstrap {box.name} --remove")
    sys.stdout.flush()
    return int(errors[0].exit_code) if errors else 0


def _plain(text: str) -> str:
    from mlsh.shell.visible import printable

    return printable(text)
