"""`mlsh logs`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, job_argument, on_option, verb


@verb("logs")
@click.option("-f", "--follow", "follow_", is_flag=True, help="Go on until the job ends; exit with its code.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines.")
@click.option("--from", "from_", type=click.IntRange(0), metavar="BYTE", help="Begin at this byte of the log.")
@click.option("--tasks", is_flag=True, help="Of an array: the logs of all its tasks, one after the other.")
@click.option("--raw", is_flag=True, help="Byte for byte, escape sequences too, even on a terminal.")
@on_option
@common
@job_argument
def command(
    follow_: bool, tail: int | None, from_: int | None, tasks: bool, raw: bool, on: str | None, job: str
) -> None:
    """Print what JOB printed, or follow it with -f.

    On a terminal, escape sequences that could do harm are left out; a pipe or a file gets every byte. A
    follow survives lost connections. JOB is an id or its start, a name, @ for the last job, @~2 for two
    before it; JOB-17 is the task 17 of an array. The log of an array itself has a line for each task that
    ended.
    """
    from mlsh import config
    from mlsh.cli.following import Output, follow
    from mlsh.errors import UsageError
    from mlsh.jobs.find import find

    if tail is not None and from_ is not None:
        raise UsageError("--tail and --from are two ways to say where to begin", "choose one")
    if tasks and (follow_ or from_ is not None):
        raise UsageError("--tasks prints what there is now: it goes with --tail alone", "one task: mlsh logs -f JOB-17")
    on_box, job_id = find(job, config.load(), on)
    if tasks and "-" in job_id:
        raise UsageError(f"{job_id} is one task", f"its log: mlsh logs {job_id}")
    start, count = ("tail", tail) if tail is not None else ("from", from_ or 0)
    if follow_:
        raise SystemExit(follow(on_box, job_id, start=start, count=count, raw=raw))
    from mlsh.jobs.logs import read_log

    output = Output(raw)
    for data in read_log(on_box, job_id, start, count, output.descriptor, tasks=tasks):
        output.write(data)
    output.end()
