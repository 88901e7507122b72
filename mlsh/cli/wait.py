"""`mlsh wait`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, complete_job, on_option, verb


@verb("wait")
@on_option
@common
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=complete_job)
def command(on: str | None, jobs: tuple[str, ...]) -> None:
    """Wait until all JOBs have ended; exit with the code of the first that did not succeed.

    A lost connection is waited out.
    """
    from mlsh import config
    from mlsh.cli.following import follow
    from mlsh.jobs.find import find

    settings = config.load()
    first = 0
    for on_box, job_id in [find(job, settings, on) for job in jobs]:
        code = follow(on_box, job_id, quiet=True)
        first = first or code
    raise SystemExit(first)
