"""`mlsh rm`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, complete_job, dry_run_option, on_option, verb


@verb("rm")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@on_option
@dry_run_option
@common
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=complete_job)
def command(yes: bool, on: str | None, dry_run: bool, jobs: tuple[str, ...]) -> None:
    """Forget JOBs that have ended: the log, the record, and the worktree with all that was written there."""
    import os

    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.errors import ExitCode, UsageError
    from mlsh.jobs.find import find
    from mlsh.jobs.plan import on_box_line, path
    from mlsh.jobs.remove import remove

    if not (yes or dry_run or os.isatty(0)):
        raise UsageError("rm asks before it deletes, and there is no terminal to ask at", "mlsh rm -y ...")
    settings = config.load()
    found = [find(job, settings, on) for job in jobs]
    for _, job_id in found:
        if "-" in job_id:
            array = job_id.partition("-")[0]
            raise UsageError(f"{job_id} is a task of an array, which is removed as a whole", f"mlsh rm {array}")
    if dry_run:
        for on_box, job_id in found:
            job, tree = path(f"{on_box.home}/jobs/{job_id}"), path(f"{on_box.home}/trees/{job_id}")
            click.echo(f"# on {on_box.box.name}, if it has ended (an array's tasks have the trees {job_id}-*):")
            click.echo(on_box_line(on_box.box.name, f"rm -rf {job} {tree} {tree}-*"))
        return
    names = ", ".join(job_id for _, job_id in found)
    if not yes and not click.confirm(f"Remove {names} with log and worktree?", err=True):
        raise click.Abort
    kept = False
    for on_box, job_id in found:
        match remove(on_box, [job_id])[job_id]:
            case "removed":
                say(f"{job_id} removed")
            case "kept":
                kept = True
                say(f"{job_id} has not ended, so it is kept; first: mlsh cancel {job_id}")
            case "absent":
                say(f"{job_id} was gone already")
            case _:
                kept = True
                say(f"{job_id} can't be removed whole; look: ls -la {on_box.home}/trees/{job_id}")
    if kept:
        raise SystemExit(int(ExitCode.TRY_AGAIN))
