"""`mlsh ps`."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, complete_job, json_option, verb

if TYPE_CHECKING:
    from mlsh.config import Settings
    from mlsh.errors import MlshError
    from mlsh.records import Job

_STATES = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "TIMEOUT", "LOST")
_RECENT_S = 24 * 3600


@verb("ps")
@click.option("--on", "boxes", multiple=True, metavar="BOX", shell_complete=complete_box,
              help="Ask these boxes; default: this machine, and those that you launched jobs on.")  # fmt: skip
@click.option("-a", "--all", "everything", is_flag=True, help="Also jobs that ended more than a day ago.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES, case_sensitive=False),
              help="Only jobs in this state.")  # fmt: skip
@click.option("--tag", "tags", multiple=True, help="Only jobs with this tag.")
@click.option("-w", "--watch", is_flag=True,
              help="Stay, and show changes as they happen: in place; in a pipe, a line for each.")  # fmt: skip
@json_option
@common
@click.argument("job", required=False, shell_complete=complete_job)
def command(
    boxes: tuple[str, ...],
    everything: bool,
    states: tuple[str, ...],
    tags: tuple[str, ...],
    watch: bool,
    as_json: bool,
    job: str | None,
) -> None:
    """List jobs. Each box is asked side by side, and shown when it answers.

    With JOB, that job alone; of an array or a sweep, each task with its parameters.

    \b
    The fields of --json are in the reference: docs/reference/json.md
    """
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.box.fanout import side_by_side
    from mlsh.errors import MlshError
    from mlsh.jobs.onbox import OnBox

    settings = config.load()
    if job is not None:
        from mlsh.cli.ps_tasks import list_tasks

        list_tasks(job, boxes[0] if boxes else None, settings, [state.upper() for state in states], as_json)
        return
    names = _expand(boxes, settings) if boxes else _known_boxes(settings)
    opened = [open_box(name, settings) for name in names]
    if watch:
        from mlsh.cli.ps_watch import Filter, watch_jobs

        raise SystemExit(
            watch_jobs(opened, Filter(everything, tuple(state.upper() for state in states), tags), as_json)
        )
    answers = side_by_side(opened, lambda box: OnBox(box).ask("list"))
    # Imported while the boxes answer; with what it needs it takes 15 ms.
    from mlsh.jobs.store import parse_listing

    failed: MlshError | None = None
    shown = 0
    for box, said in answers:
        try:
            answer = parse_listing(box.name, _raised(said))
        except MlshError as error:
            failed = error
            _complain(error)
            continue
        if answer.drained and not as_json:
            from mlsh.cli.talk import say

            say(f"{box.name} is drained: {answer.drained}")
        if answer.unreadable:
            files = "1 file" if answer.unreadable == 1 else f"{answer.unreadable} files"
            click.echo(f"mlsh: {box.name}: {files} of jobs can't be read", err=True)
        chosen = [
            job
            for job in answer.jobs
            if wanted(job, answer.now, everything or bool(states), [state.upper() for state in states], tags)
        ]
        if as_json:
            from mlsh.records import to_json

            for one in chosen:
                sys.stdout.write(to_json(as_fields(one)).decode() + "\n")
        elif chosen:
            _print(chosen, header=shown == 0)
        sys.stdout.flush()
        shown += len(chosen)
    if not shown and not as_json and failed is None:
        what = "no such jobs" if states or tags else "no jobs" if everything else "no jobs since yesterday"
        click.echo(f"mlsh: {what} on {', '.join(names)}", err=True)
    if failed is not None:
        raise SystemExit(int(failed.exit_code))


def _expand(names: tuple[str, ...], settings: Settings) -> list[str]:
    from pathlib import Path

    from mlsh.jobs.groups import expand

    return expand(names, settings, Path.cwd())


def _known_boxes(settings: Settings) -> list[str]:
    from mlsh.jobs.find import known_boxes

    return known_boxes(settings)


def _raised(said: bytes | MlshError) -> bytes:
    if isinstance(said, bytes):
        return said
    raise said


def wanted(job: Job, now: int, everything: bool, states: list[str], tags: tuple[str, ...]) -> bool:
    """Whether a job is to be listed. `now` is the box's clock."""
    if states and job.state.state.value not in states:
        return False
    if any(tag not in job.spec.tags for tag in tags):
        return False
    ended = job.state.ended
    return everything or not job.state.state.is_final or ended is None or now - ended < _RECENT_S


def as_fields(job: Job) -> dict[str, Any]:
    """A job as one flat JSON object; documented in docs/reference/json.md, and stable."""
    from mlsh.jobs.standing import array_of, counts, waits_for

    spec, state = job.spec, job.state
    tasks = counts(job)
    return {
        "id": spec.id,
        "name": spec.name,
        "box": job.box,
        "state": state.state,
        "phase": state.phase,
        "reason": state.reason,
        "exit_code": state.code,
        "argv": spec.argv,
        "created": spec.created,
        "started": state.started,
        "ended": state.ended,
        "running_s": job.running_s,
        "node": state.node,
        "tags": spec.tags,
        "repo": spec.code.repo if spec.code else None,
        "commit": spec.code.commit if spec.code else None,
        "base": (spec.code.base or None) if spec.code else None,
        "branch": (spec.code.branch or None) if spec.code else None,
        "env": spec.env,
        "secrets": spec.secrets,
        "retry_of": spec.retry_of or None,
        "waits_for": waits_for(job) or None,
        "place_in_line": job.place,
        "gpus": [int(index) for index in state.gpus.split() if index.isdecimal()],
        "attempt": state.attempt,
        "tasks": tasks,
        "array": array_of(spec.id)[0] if job.task is not None else None,
        "task": job.task,
        "params": job.params if job.task is not None else None,
        "comes_back": job.comes_back or None,
    }


def _complain(error: Any) -> None:
    from mlsh.shell.visible import printable

    click.echo(f"mlsh: {printable(error.what)}", err=True)
    if error.hint:
        click.echo(f"      {printable(error.hint)}", err=True)


def _print(jobs: list[Job], header: bool) -> None:
    from mlsh.cli.talk import terminal_width

    print("\n".join(lines_of(jobs, header, terminal_width())))


def lines_of(jobs: list[Job], header: bool, limit: int | None, shown_as: dict[str, str] | None = None) -> list[str]:
    """The table of jobs, in colour where that is wanted; `shown_as` has words in place of the state, by id."""
    from mlsh.cli.talk import colours, paint, paint_state
    from mlsh.shell.table import clip, columns

    rows = _rows(jobs)
    for number, row in enumerate(rows):
        if shown_as and row[0] in shown_as:
            rows[number] = (*row[:3], shown_as[row[0]], *row[4:])
    lines = columns([_TITLES, *rows] if header else rows, limit, _RIGHT, _LEAST)
    if limit is not None:
        lines = [clip(line, limit) for line in lines]
    if header:
        lines[0] = paint(lines[0], "dim")
    if colours(1):
        for number, (job, row) in enumerate(zip(jobs, rows, strict=True), int(header)):
            shown = paint_state(job.state.state.value, row[3])
            lines[number] = lines[number].replace(f"  {row[3]}", f"  {shown}", 1)
    return lines


_TITLES = ("ID", "NAME", "BOX", "STATE", "TIME", "LAUNCHED", "COMMAND")
_RIGHT = frozenset({4, 5})
# Boxes answer one by one, and their rows should still stand below each other: so no column is narrower than this.
_LEAST = (8, 12, 8, 11, 7, 11)


def _rows(jobs: list[Job]) -> list[tuple[str, ...]]:
    from mlsh.jobs.durations import show
    from mlsh.jobs.standing import notes, state_words
    from mlsh.shell.table import clip
    from mlsh.shell.visible import printable

    now = time.time()
    rows: list[tuple[str, ...]] = []
    for job in jobs:
        spec = job.spec
        note = "; ".join(notes(job))
        took = "" if job.running_s is None else show(job.running_s)
        launched = f"{show(now - spec.created)} ago"
        name, words = clip(printable(spec.name), 24), printable((f"[{note}] " if note else "") + shlex.join(spec.argv))
        rows.append((printable(spec.id), name, job.box, printable(state_words(job)), took, launched, words))
    return rows
