"""`mlsh hold`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, complete_job, dry_run_option, on_option, verb

if TYPE_CHECKING:
    from mlsh.jobs.onbox import OnBox


@verb("hold")
@on_option
@dry_run_option
@common
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=complete_job)
def command(on: str | None, dry_run: bool, jobs: tuple[str, ...]) -> None:
    """Keep jobs that wait from beginning, until mlsh release. Each keeps its place in line.

    Of an array no further task begins; those that run go on.
    """
    from mlsh.cli.talk import say
    from mlsh.jobs.holding import hold
    from mlsh.jobs.plan import on_box_line, path

    why = f"held by {os.environ.get('USER', '') or os.getuid()}@{os.uname().nodename}"
    late = 0
    for on_box, ids in by_box(jobs, on):
        if dry_run:
            for job_id in ids:
                click.echo(on_box_line(on_box.box.name, f"echo '{why}' >{path(f'{on_box.home}/jobs/{job_id}/hold')}"))
            continue
        for job_id, fate in hold(on_box, ids, why).items():
            if fate == "held":
                say(f"{job_id} is held; let it go: mlsh release {job_id}")
            else:
                late += 1
                say(f"{job_id} {not_waiting(fate)}: only a job that waits can be held")
    if late:
        from mlsh.errors import ExitCode

        raise SystemExit(int(ExitCode.REFUSED))


def not_waiting(fate: str) -> str:
    """Why a job can't be held or released, in words."""
    return "is gone" if fate == "absent" else "has begun, or has ended"


def by_box(jobs: tuple[str, ...], on: str | None) -> list[tuple[OnBox, list[str]]]:
    """The boxes of jobs, and the ids of those on each, in the order in which they were named."""
    from mlsh import config
    from mlsh.jobs.find import find

    settings = config.load()
    found: dict[str, tuple[OnBox, list[str]]] = {}
    for on_box, job_id in [find(job, settings, on) for job in jobs]:
        found.setdefault(on_box.box.name, (on_box, []))[1].append(job_id)
    return list(found.values())
