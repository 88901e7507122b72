"""`mlsh release`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlsh.cli.hold import by_box, not_waiting
from mlsh.cli.options import common, complete_job, dry_run_option, on_option, verb

if TYPE_CHECKING:
    from mlsh.jobs.onbox import OnBox


@verb("release")
@click.option("--after", "after", multiple=True, metavar="JOB[:ok|fail|any]", shell_complete=complete_job,
              help="First wait here until that job has ended, on any box; if not so, cancel.")  # fmt: skip
@on_option
@dry_run_option
@common
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=complete_job)
def command(after: tuple[str, ...], on: str | None, dry_run: bool, jobs: tuple[str, ...]) -> None:
    """Let held jobs begin, as soon as it is their turn."""
    from mlsh.cli.talk import say
    from mlsh.jobs.holding import release
    from mlsh.jobs.plan import on_box_line, path

    found = by_box(jobs, on)
    if after and not dry_run:
        _after(after, found)
        return
    late = 0
    for on_box, ids in found:
        if dry_run:
            for first in after:
                click.echo(f"mlsh wait {first.partition(':')[0]}  # then, if it ended so")
            for job_id in ids:
                click.echo(on_box_line(on_box.box.name, f"rm -f {path(f'{on_box.home}/jobs/{job_id}/hold')}"))
            continue
        for job_id, fate in release(on_box, ids).items():
            if fate == "released":
                say(f"{job_id} is released")
            elif fate == "unheld":
                say(f"{job_id} was not held; what it waits for: mlsh show {job_id}")
            else:
                late += 1
                say(f"{job_id} {not_waiting(fate)}")
    if late:
        from mlsh.errors import ExitCode

        raise SystemExit(int(ExitCode.REFUSED))


def _after(after: tuple[str, ...], found: list[tuple[OnBox, list[str]]]) -> None:
    """What a watcher does (cli/watcher.py). A job that was released or ended by hand meanwhile is nobody's fault."""
    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.cli.watcher import await_turn
    from mlsh.jobs.holding import drop, release

    why_not = await_turn(after, config.load())
    for on_box, ids in found:
        fates = {job_id: drop(on_box, job_id, why_not) for job_id in ids} if why_not else release(on_box, ids)
        for job_id, fate in fates.items():
            if fate == "dropped":
                say(f"{job_id} is cancelled: {why_not}")
            else:
                say(f"{job_id} {'is released' if fate == 'released' else 'needs no release any more'}")
