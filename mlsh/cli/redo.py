"""`mlsh redo`."""

from __future__ import annotations

import os

import click

from mlsh.cli.options import common, verb


@verb("redo")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be done again, and do nothing.")
@common
def command(yes: bool, dry_run: bool) -> None:
    """Take the last mlsh undo back: refs, index and files as they were before it.

    Refused, with nothing changed, where something that it would overwrite has changed since.
    """
    import contextlib
    from pathlib import Path

    from mlsh.cli.talk import say
    from mlsh.cli.undo import ask
    from mlsh.errors import UsageError
    from mlsh.undo import act, repository
    from mlsh.undo.records import unpacked

    repo = repository.find(Path.cwd())
    repo.require_top()
    if not (yes or dry_run or os.isatty(0)):
        raise UsageError("redo asks before it changes anything, and there is no terminal to ask at", "mlsh redo -y")
    with contextlib.nullcontext() if dry_run else repo.changing():
        what = act.find_redo(repo)
        say(f"to be done again, after the {unpacked(what.undone.meta.title)}")
        if dry_run:
            return
        if not yes:
            ask("Do it again?", default=True)
        act.redo(repo, what)
        say("done again; to undo that: mlsh undo")
