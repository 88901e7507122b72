"""`mlsh diff`."""

from __future__ import annotations

import os
import shlex
import sys

import click

from mlsh.cli.options import common, complete_job, on_option, verb


@verb("diff")
@click.option("--stat", is_flag=True, help="Only which files differ, and by how many lines.")
@on_option
@common
@click.argument("first", metavar="JOB1", shell_complete=complete_job)
@click.argument("second", metavar="JOB2", shell_complete=complete_job)
def command(stat: bool, on: str | None, first: str, second: str) -> None:
    """Show what differs between two runs: command, box, names of variables, and the code."""
    from mlsh import config
    from mlsh.cli.talk import paint
    from mlsh.jobs.compare import code_diff, differences
    from mlsh.jobs.find import find
    from mlsh.jobs.store import get_job
    from mlsh.shell.visible import printable

    settings = config.load()
    places = (find(first, settings, on), find(second, settings, on))
    left, right = (get_job(on_box, job_id) for on_box, job_id in places)
    for what, one, two in differences(left.spec, right.spec):
        click.echo(f"{what}:")
        click.echo(paint(f"  - {printable(one) or '(none)'}", "red"))
        click.echo(paint(f"  + {printable(two) or '(none)'}", "green"))
    options = (["--stat"] if stat else []) + (["--color=always"] if sys.stdout.isatty() else [])
    patch = code_diff(left, right, (places[0][0], places[1][0]), options)
    same = left.spec.code and right.spec.code and left.spec.code.commit == right.spec.code.commit
    click.echo("code: identical" if same else "code:" if patch else "code: none on one side")
    show_patch(patch)


def show_patch(patch: bytes) -> None:
    """A diff on stdout; through $PAGER on a terminal that it does not fit on."""
    from mlsh.box import process
    from mlsh.shell.sanitize import clean_log

    if not sys.stdout.isatty():
        sys.stdout.buffer.write(patch)
        return
    text = clean_log(patch)
    pager = os.environ.get("PAGER", "less")
    if text.count("\n") < os.get_terminal_size().lines - 2 or not pager:
        click.echo(text, nl=False)
        return
    process.page(shlex.split(pager), text)
