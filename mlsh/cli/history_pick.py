"""`mlsh history --pick`: choose a command, and what becomes of it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    import sqlite3

    from mlsh.history.picker import Choice
    from mlsh.history.query import Query
    from mlsh.history.search import Hit


class Wanted(NamedTuple):
    """What is to become of the command: print it, run it on a box, or make an alias or a recipe of it."""

    pick: bool
    no_fzf: bool
    box: str | None
    alias: str | None
    recipe: str | None
    yes: bool


def choose(query: Query, wanted: Wanted, folder: str) -> None:
    """Have a command chosen, and do with it what is wanted. Exits with 130 where the person chose none.

    With `--pick` alone the command goes to stdout, or the line that does what a key asked for; nothing runs.
    """
    from mlsh.cli.talk import say
    from mlsh.errors import ExitCode, UsageError
    from mlsh.history.using import using

    if sum(option is not None for option in (wanted.box, wanted.alias, wanted.recipe)) > 1:
        raise UsageError("--run-on, --alias and --recipe: one of them at a time")
    choice = using(lambda database: _choice(database, query, wanted, folder), say)
    if choice.hit is None:
        raise SystemExit(int(ExitCode.INTERRUPTED))
    command = choice.hit.command
    if wanted.box is not None:
        _run(command, wanted.box, wanted.yes)
    elif wanted.alias is not None:
        _verb("alias", "add", wanted.alias, "--", command)
    elif wanted.recipe is not None:
        _verb("recipe", "add", wanted.recipe, "--", command)
    else:
        click.echo(line_for(choice))


def line_for(choice: Choice) -> str:
    """The line for the shell's edit buffer: the command, or the one that does with it what a key asked for."""
    from mlsh.box import LOCAL
    from mlsh.history.picker import ALIAS, RECIPE, RUN

    assert choice.hit is not None  # noqa: S101 - the caller has looked
    command = choice.hit.command
    if choice.action == RUN:
        box = choice.hit.run.box
        return f"mlsh run --on {shlex.quote(box) if box != LOCAL else 'BOX'} -- bash -c {shlex.quote(command)}"
    if choice.action == ALIAS:
        return f"mlsh alias add NAME -- {shlex.quote(command)}"
    if choice.action == RECIPE:
        return f"mlsh recipe add NAME -- {shlex.quote(command)}"
    return command


def _choice(database: sqlite3.Connection, query: Query, wanted: Wanted, folder: str) -> Choice:
    from mlsh.history import fzf
    from mlsh.history.picker import INSERT, Choice

    has_terminal = os.isatty(2) or os.isatty(0) or wanted.pick
    if not has_terminal or (wanted.yes and query.words):
        return Choice(INSERT, _only(database, query, folder))
    if fzf.is_here() and not wanted.no_fzf:
        return fzf.pick(database, query)
    from mlsh.history.picking import pick

    return pick(database, query, _cells, folder=folder, colour=_colours())


def _only(database: sqlite3.Connection, query: Query, folder: str) -> Hit:
    from mlsh.errors import NotFound, UsageError
    from mlsh.history.search import search
    from mlsh.shell.visible import printable

    hits = search(database, query, limit=6, folder=folder)
    if not hits:
        raise NotFound(f"there is no command with {shlex.join(query.words)} in the history", "look: mlsh history")
    if len(hits) > 1:
        shown = "\n".join(f"  {printable(hit.command[:100])}" for hit in hits[:5])
        raise UsageError(f"that may be one of several:\n{shown}", "more words, or choose on a terminal")
    return hits[0]


def _cells(hits: Sequence[Hit]) -> list[Sequence[str]]:
    import time

    from mlsh.box import LOCAL
    from mlsh.cli.history_lines import age
    from mlsh.shell.visible import printable

    now = time.time()
    return [
        (
            age(hit.run.when_s, now),
            "" if hit.run.box == LOCAL else printable(hit.run.box),
            f"exit {hit.run.exit_code}" if hit.run.exit_code else "",
            printable(hit.command),
        )
        for hit in hits
    ]


def _colours() -> bool:
    return not os.environ.get("NO_COLOR")


def _run(command: str, box: str, yes: bool) -> None:
    from mlsh.cli.talk import say
    from mlsh.errors import RefusedInput
    from mlsh.secrets.masking import MASK

    if MASK in command:
        raise RefusedInput(
            f"in this command a secret was masked: {command}", "mlsh history --pick prints it, to be completed"
        )
    say(f"on {box}: {command}")
    if not yes and not click.confirm("Run it?", err=True):
        raise SystemExit(1)
    _verb("run", "--on", box, "--", "bash", "-c", command)


def _verb(*words: str) -> None:
    from mlsh.cli import cli

    code = cli.main([*words], prog_name="mlsh", standalone_mode=False)
    sys.stdout.flush()
    raise SystemExit(code if isinstance(code, int) else 0)
