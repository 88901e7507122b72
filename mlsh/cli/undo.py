"""`mlsh undo`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, json_option, verb

if TYPE_CHECKING:
    from mlsh.undo.act import Found


@verb("undo")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--skip", type=click.IntRange(0), default=0, metavar="N",
              help="Pass over the last N operations that moved nothing and can't be undone.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what it was and what would be done, and do nothing.")
@json_option
@common
def command(yes: bool, skip: int, dry_run: bool, as_json: bool) -> None:
    """Undo the last git operation, whoever made it.

    A commit, an amend, a reset, a rebase, a merge, a pull, a checkout, a stash, a deleted branch. Says what it was,
    shows the git commands that undo it, and asks. What you have not committed is never overwritten; mlsh redo takes
    the undo back.
    """
    import contextlib
    from pathlib import Path

    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.undo import act, repository

    repo = repository.find(Path.cwd())
    repo.require_top()
    if not (yes or dry_run or os.isatty(0)):
        raise UsageError("undo asks before it changes anything, and there is no terminal to ask at", "mlsh undo -y")
    with contextlib.nullcontext() if dry_run else repo.changing():
        found = act.find(repo, skip)
        if not as_json:
            _show(found)
        if not dry_run:
            if not yes:
                ask("Undo it?", default=not found.plan.warning)
            record = act.undo(repo, found)
        if as_json:
            _print_json(found, None if dry_run else record.meta.number)
        elif not dry_run:
            say("undone; to take that back: mlsh redo")


def ask(question: str, default: bool) -> None:
    """Ask on the terminal. Raises click.Abort for a no."""
    if not click.confirm(question, default=default, err=True):
        raise click.Abort


def _show(found: Found) -> None:
    from mlsh.cli.talk import say

    say(f"the last operation: {found.plan.happened}{found.plan.ago}")
    for line in found.plan.will:
        say(f"  {line}")
    if found.plan.warning:
        say(f"careful: {found.plan.warning}")
    for command_line in found.plan.commands():
        say(f"  $ {command_line}")


def _print_json(found: Found, record: int | None) -> None:
    import json

    plan = found.plan
    value = {
        "operation": found.operation.verb,
        "happened": plan.happened,
        "will": plan.will,
        "commands": plan.commands(),
        "warning": plan.warning or None,
        "done": record is not None,
        "record": record,
    }
    click.echo(json.dumps(value).encode(errors="replace"))
