"""`mlsh cancel`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, complete_job, dry_run_option, on_option, verb


@verb("cancel")
@click.option("--grace", default="", metavar="T", help="Time between SIGINT and SIGTERM; default: the job's own.")
@on_option
@dry_run_option
@common
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=complete_job)
def command(grace: str, on: str | None, dry_run: bool, jobs: tuple[str, ...]) -> None:
    """End jobs, with every process that they started: SIGINT, then SIGTERM, then SIGKILL.

    Children that went to the background or ignore signals are ended too. Nothing else is.
    """
    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.jobs.cancel import cancel
    from mlsh.jobs.durations import parse
    from mlsh.jobs.find import find
    from mlsh.jobs.outcome import tell
    from mlsh.jobs.plan import on_box_line

    grace_s = None if not grace else 0 if grace in {"0", "0s"} else parse(grace)
    settings = config.load()
    for on_box, job_id in [find(job, settings, on) for job in jobs]:
        if dry_run:
            found = f"grep -lsF MLSH_JOB_ID={job_id} /proc/[0-9]*/environ | cut -d/ -f3"
            click.echo(f"# on {on_box.box.name}: every process whose environment has MLSH_JOB_ID={job_id}")
            click.echo(on_box_line(on_box.box.name, f"{found} | xargs kill -INT"))
            click.echo("# then, while any is left: kill -TERM, kill -KILL")
            continue
        state, had_ended = cancel(on_box, job_id, grace_s)
        if state.state.value != "CANCELLED":
            say(f"{job_id} had ended: {tell(state)}")
        else:
            say(f"{job_id} had been cancelled" if had_ended else f"{job_id} {tell(state)}")
