"""`mlsh ps JOB`: one job, or an array unfolded into its tasks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mlsh.config import Settings
    from mlsh.records import Job

_TITLES = ("TASK", "STATE", "TIME", "PARAMETERS")
_RIGHT = frozenset({0, 2})


def list_tasks(job: str, on: str | None, settings: Settings, states: Sequence[str], as_json: bool) -> None:
    """Print a line for each task of the array that `job` means; a job without tasks is a line of its own."""
    from mlsh.cli.ps import as_fields, lines_of
    from mlsh.jobs.find import find
    from mlsh.jobs.standing import array_of
    from mlsh.jobs.tasks import read_array

    on_box, job_id = find(job, settings, on)
    array, number = array_of(job_id)
    found = read_array(on_box, array)
    tasks = [task for task in found.tasks if number is None or task.task == number]
    if number is not None and not tasks:
        from mlsh.errors import NotFound

        raise NotFound(f"{on_box.box.name}: the array {array} has no task {number}", f"its tasks: mlsh ps {array}")
    shown = [one for one in tasks or [found.job] if not states or one.state.state.value in states]
    from mlsh.cli.talk import terminal_width

    limit = terminal_width()
    if as_json:
        from mlsh.records import to_json

        for one in shown:
            sys.stdout.write(to_json(as_fields(one)).decode() + "\n")
    elif not shown:
        click.echo(f"mlsh: no task of {array} is {' or '.join(states)}", err=True)
    elif not tasks:
        print("\n".join(lines_of(shown, True, limit)))
    else:
        print("\n".join(task_lines(shown, limit)))


def task_lines(tasks: Sequence[Job], limit: int | None) -> list[str]:
    """The table of an array's tasks, in colour where that is wanted."""
    from mlsh.cli.talk import colours, paint, paint_state
    from mlsh.jobs.durations import show
    from mlsh.jobs.standing import notes, state_words
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    rows: list[tuple[str, ...]] = [_TITLES]
    for task in tasks:
        took = "" if task.running_s is None else show(task.running_s)
        note = "; ".join(notes(task))
        params = " ".join(f"{name}={value}" for name, value in task.params.items())
        rows.append(
            (
                str(task.task),
                printable(state_words(task)),
                took,
                printable((f"[{note}] " if note else "") + params),
            )
        )
    lines = columns(rows, limit, _RIGHT)
    lines[0] = paint(lines[0], "dim")
    if colours(1):
        for number, (task, row) in enumerate(zip(tasks, rows[1:], strict=True), 1):
            lines[number] = lines[number].replace(f"  {row[1]}", f"  {paint_state(task.state.state.value, row[1])}", 1)
    return lines
