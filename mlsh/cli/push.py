"""`mlsh push`."""

from __future__ import annotations

import click

from mlsh.cli.options import common, dry_run_option, json_option, verb


@verb("push")
@json_option
@dry_run_option
@common
@click.argument("sources", nargs=-1, required=True, metavar="SRC...", type=click.Path())
@click.argument("target", metavar="BOX:PATH")
def command(as_json: bool, dry_run: bool, sources: tuple[str, ...], target: str) -> None:
    """Send files and folders into the folder PATH of a box: what differs, and again from where it was cut off.

    \b
      mlsh push data gpu1:/scratch/ada     to /scratch/ada/data
      mlsh push data/ gpu1:corpus          what is in data, to ~/corpus

    A folder goes with its name; with / at its end, only what is in it. PATH is made where it is missing. Files
    there that differ are replaced, each in one step when all of it has come and is verified; nothing is deleted.
    Links that lead out of SRC, devices and pipes are named and stay here.
    """
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.cli import outcomes
    from mlsh.errors import UsageError
    from mlsh.files.outcome import exit_code
    from mlsh.files.push import Push
    from mlsh.files.sources import collect
    from mlsh.jobs.onbox import OnBox

    box, colon, path = target.partition(":")
    if not colon or not box or not path or "\0" in path:
        raise UsageError(f"{target!r} does not say where", "mlsh push data gpu1:/scratch/ada")
    items, left = collect(sources)
    moving = outcomes.Moving("pushing")
    push = Push(OnBox(open_box(box, config.load())), path, progress=moving.show, say=moving.say)
    push.outcomes += left
    differ = push.differing(items)
    if dry_run:
        rows = [("send", item.path[2:], item.size, "") for item in differ]
        rows += [(one.status, one.path, one.size, one.why) for one in push.outcomes]
        outcomes.planned(sorted(rows, key=lambda row: row[1]), as_json)
        return
    try:
        push.run(differ)
    finally:
        moving.clear()
        outcomes.show(push.outcomes, as_json)
    outcomes.summary(push.outcomes, "sent", target)
    raise SystemExit(exit_code(push.outcomes))
