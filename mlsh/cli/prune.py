"""`mlsh prune`."""

from __future__ import annotations

import os

import click

from mlsh.cli.options import common, complete_box, dry_run_option, verb


@verb("prune")
@click.option("--on", "box", default="local", metavar="BOX", show_default=True, shell_complete=complete_box)
@click.option(
    "--older-than",
    default="30d",
    metavar="T",
    show_default=True,
    help="Jobs that ended longer ago than this.",
)
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@dry_run_option
@common
def command(box: str, older_than: str, yes: bool, dry_run: bool) -> None:
    """Forget jobs that ended long ago, and give back the disk that no job needs.

    Goes with them: snapshots of code that no job is left of, what setups made and no job used for a month,
    rests of launches that were cut off; and snapshots older than a month in this machine's cache.
    """
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.git.tidy import tidy
    from mlsh.jobs.durations import parse
    from mlsh.jobs.onbox import OnBox
    from mlsh.jobs.plan import on_box_line, path
    from mlsh.jobs.remove import old_jobs, prune, remove
    from mlsh.jobs.store import list_jobs

    older_s = parse(older_than)
    if not (yes or dry_run or os.isatty(0)):
        raise UsageError("prune asks before it deletes, and there is no terminal to ask at", "mlsh prune -y ...")
    on_box = OnBox(open_box(box, config.load()))
    listing = list_jobs(on_box)
    old = old_jobs(listing.jobs, listing.now, older_s)
    if dry_run:
        for job in old:
            folders = f"{path(f'{on_box.home}/jobs/{job.id}')} {path(f'{on_box.home}/trees/{job.id}')}"
            click.echo(on_box_line(box, f"rm -rf {folders}") + (f"  # {job.spec.name}" if job.spec.name else ""))
        each = f"find {path(f'{on_box.home}/repos')} -maxdepth 1 -name '*.git' -exec git --git-dir={{}} gc ';'"
        click.echo(on_box_line(box, each) + "  # without the snapshots of those jobs")
        return
    if old and not yes:
        names = ", ".join(job.label for job in old[:10]) + (" ..." if len(old) > 10 else "")
        count = "1 job with its log and worktree" if len(old) == 1 else f"{len(old)} jobs with logs and worktrees"
        if not click.confirm(f"Remove {count} ({names})?", err=True):
            raise click.Abort
    fates = remove(on_box, [job.id for job in old]) if old else {}
    freed = prune(on_box)
    tidy()
    removed = sum(fate == "removed" for fate in fates.values())
    say(f"{box}: {removed} {'job' if removed == 1 else 'jobs'} removed; {freed / 2**20:.1f} MiB given back beside them")
