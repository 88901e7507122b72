"""`mlsh drain`."""

from __future__ import annotations

import os
import shlex

import click

from mlsh.cli.options import common, complete_box, dry_run_option, verb


@verb("drain")
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever wants to run something there.")
@click.option("--off", is_flag=True, help="Let jobs begin there again.")
@dry_run_option
@common
@click.argument("box", shell_complete=complete_box)
def command(reason: str, off: bool, dry_run: bool, box: str) -> None:
    """Let no job of yours begin on BOX any more: before a maintenance, or to give it to somebody else.

    What runs goes on. Jobs that wait go on waiting, and such that want GPUs or a slot (--gpus, --slots) may still be
    launched; others are refused. --on any and groups leave the box out.
    """
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.jobs.draining import drain, undrain
    from mlsh.jobs.onbox import OnBox
    from mlsh.jobs.plan import on_box_line, path

    if off and reason:
        raise UsageError("--off needs no reason")
    on_box = OnBox(open_box(box, config.load()))
    why = reason or f"by {os.environ.get('USER', '') or os.getuid()}@{os.uname().nodename}"
    if dry_run:
        mark = f'{path(f"{on_box.home}/nodes")}/"$(uname -n)".drained'
        click.echo(on_box_line(box, f"rm -f {mark}" if off else f"echo {shlex.quote(why)} >{mark}"))
    elif off:
        undrain(on_box)
        say(f"{box} is open again: what waits there begins")
    else:
        drain(on_box, why)
        say(f"{box} is drained: nothing begins there until mlsh drain {box} --off; what runs goes on")
