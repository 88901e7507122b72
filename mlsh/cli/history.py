"""`mlsh history`: find what was typed, on this machine and on every box."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, dry_run_option, json_option

if TYPE_CHECKING:
    import sqlite3

    from mlsh.history.pulling import Pulled
    from mlsh.history.query import Query
    from mlsh.history.search import Hit

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Searching(click.Group):
    """A group whose first word is a search where it is none of its commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `search` before what is no command; `mlsh history -- sync` looks for the word."""
        if not args or (args[0] not in self.commands and args[0] not in {"-h", "--help"}):
            args = ["search", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant, for who takes a command line apart without `parse_args`."""
        if args and args[0] not in self.commands:
            return "search", self.commands["search"], args
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of a search, which is what a person mostly wants, then the commands."""
        self.commands["search"].format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group("history", cls=Searching, context_settings=_HELP, subcommand_metavar="[WORD...]")
def command() -> None:
    """Find a command that you once typed, here or on a box: where, when, and how it ended.

    \b
      mlsh history torchrun             all words must be in it, in any order; the likeliest first
      mlsh history --on gpu1 --failed   what failed there
      mlsh history --here               what ran in this folder
      mlsh history sync gpu1 gpu2       bring the histories of boxes here; then they are searched too
      mlsh history -- sync              look for the word `sync` itself

    WHEN and EXIT are those of the latest run that fits; they are empty where the shell kept no such thing. A WORD
    with a capital letter means it as it is. bash, zsh, fish and atuin are read, and never written. Passwords and
    tokens are masked before anything is kept. The fields of --json: docs/reference/json.md
    """


@command.command(context_settings=_HELP, hidden=True)
@click.option("--on", "boxes", multiple=True, metavar="BOX", shell_complete=complete_box,
              help="What ran on this box; `local` is this machine.")  # fmt: skip
@click.option("--here", is_flag=True, help="What ran in the folder that you are in.")
@click.option("--failed", is_flag=True, help="What ended with another exit code than 0.")
@click.option("--since", default="", metavar="T", help="What ran since then: 2h, 3d, 2026-03-01.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=None, metavar="N",
              help="At most so many; default: 20, in a pipe 50.")  # fmt: skip
@click.option("--runs", is_flag=True, help="Each time that it ran, the newest first; else each command once.")
@click.option("--plain", is_flag=True, help="Only the commands; one of several lines takes several.")
@click.option("--pick", is_flag=True, help="Choose one with a few keys (by fzf where it is) and print it.")
@click.option("--no-fzf", is_flag=True, envvar="MLSH_NO_FZF",
              help="Choose by mlsh's own picker, though there is fzf; MLSH_NO_FZF=1 does the same.")  # fmt: skip
@click.option("--run-on", metavar="BOX", shell_complete=complete_box, help="Run the chosen one there, as a job.")
@click.option("--alias", "alias", metavar="NAME", help="Make an alias of the chosen one.")
@click.option("--recipe", "recipe", metavar="NAME", help="Make a recipe of the chosen one.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask before it runs.")
@json_option
@common
@click.argument("words", metavar="[WORD...]", nargs=-1)
def search(
    boxes: tuple[str, ...],
    here: bool,
    failed: bool,
    since: str,
    limit: int | None,
    runs: bool,
    plain: bool,
    pick: bool,
    no_fzf: bool,
    run_on: str | None,
    alias: str | None,
    recipe: str | None,
    yes: bool,
    as_json: bool,
    words: tuple[str, ...],
) -> None:
    """Find commands that have every WORD, in any order; without one, the newest.

    The likeliest come first: what ran lately, often, or in this folder. The word `search` may be left out.
    """
    from mlsh.cli import history_lines
    from mlsh.cli.talk import say, terminal_width
    from mlsh.history.search import every_run
    from mlsh.history.search import search as find
    from mlsh.history.using import using

    query = _query(words, boxes, here, failed, since)
    if pick or run_on or alias or recipe:
        from mlsh.cli import history_pick

        wanted = history_pick.Wanted(pick=pick, no_fzf=no_fzf, box=run_on, alias=alias, recipe=recipe, yes=yes)
        history_pick.choose(query, wanted, _folder())
        return
    most = limit or (20 if os.isatty(1) else 50)

    def look(database: sqlite3.Connection) -> list[Hit]:
        return every_run(database, query, limit=most) if runs else find(database, query, limit=most, folder=_folder())

    hits = using(look, say)
    if not hits:
        _nothing_found(query)
    if as_json:
        history_lines.print_json(hits)
    elif plain:
        from mlsh.shell.visible import printable

        watched = os.isatty(1)
        for hit in hits:
            lines = hit.command.split("\n")
            click.echo("\n".join(map(printable, lines)) if watched else hit.command)
    else:
        for line in history_lines.table(hits, terminal_width()):
            click.echo(line)


@command.command(context_settings=_HELP, short_help="Bring the histories of boxes here, so that they are searched too.")
@json_option
@common
@click.argument("boxes", metavar="[BOX...]", nargs=-1, shell_complete=complete_box)
def sync(as_json: bool, boxes: tuple[str, ...]) -> None:
    """Bring the shells' histories of boxes here, side by side; of each only what is new since the last time.

    Without BOX: those that were brought before, and those that you launched jobs on. A box that does not answer delays
    nobody; the exit code says that there was one. Nothing on a box is changed.
    """
    from pathlib import Path

    from mlsh import config
    from mlsh.box import LOCAL, open_box
    from mlsh.cli.talk import say
    from mlsh.errors import ExitCode, MlshError, UsageError
    from mlsh.history import pulling
    from mlsh.history.using import using
    from mlsh.jobs.find import known_boxes
    from mlsh.jobs.groups import expand

    settings = config.load()
    named = [name for name in expand(boxes, settings, Path.cwd()) if name != LOCAL] if boxes else []
    errors: list[MlshError] = []

    def bring(database: sqlite3.Connection) -> None:
        names = named or [*pulling.synced(database), *known_boxes(settings)]
        opened = [open_box(name, settings) for name in dict.fromkeys(names) if name != LOCAL]
        if not opened and not boxes:
            raise UsageError("which box? none is known from a job or an earlier sync", "name it: mlsh history sync BOX")
        for pulled in pulling.pull(database, opened):
            for note in pulled.notes:
                say(f"{pulled.box}: {note}")
            if pulled.error is not None:
                errors.append(pulled.error)
            _print_pulled(pulled, as_json)

    using(bring, say)
    if errors:
        code = errors[0].exit_code if len({error.exit_code for error in errors}) == 1 else ExitCode.UNREACHABLE
        raise SystemExit(int(code))


@command.command(context_settings=_HELP, short_help="Take commands out of the history for good.")
@click.option("--on", "box", metavar="BOX", shell_complete=complete_box, help="In place of words: all of this box.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@dry_run_option
@common
@click.argument("words", metavar="[WORD...]", nargs=-1)
def forget(box: str | None, yes: bool, dry_run: bool, words: tuple[str, ...]) -> None:
    """Forget every command that has all the WORDs, on this machine and on every box. It does not come back.

    That is mlsh's own database, and the notes of its hook on this machine. The shells' files are not touched: what they
    have of it stays there, and is left out when they are read again. With --on, all that ran on a box is forgotten;
    another sync brings it back.
    """
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound, UsageError
    from mlsh.history import forgetting
    from mlsh.history.using import using

    words = tuple(word for word in words if word)
    if bool(words) == bool(box):
        raise UsageError("forget what? name words, or a box", "mlsh history forget WORD; mlsh history forget --on BOX")

    def of_box(database: sqlite3.Connection) -> None:
        assert box is not None  # noqa: S101 - see below
        count = forgetting.count_of(database, box)
        if not count:
            raise NotFound(f"nothing that ran on {box} is in the history")
        if dry_run:
            click.echo(f"would forget {count} runs on {box}")
        elif yes or click.confirm(f"Forget {count} runs on {box}?", err=True):
            forgetting.forget_box(database, box)
            say(f"{count} runs on {box} are forgotten")
            _tell_damaged()

    def of_words(database: sqlite3.Connection) -> None:
        found = forgetting.find(database, words)
        if not found:
            _nothing_found(_query(words, (), False, False, ""))
        if dry_run:
            for one in found:
                click.echo(_shown(one.text))
            return
        for one in found[:10]:
            click.echo(f"  {_shown(one.text)}", err=True)
        if len(found) > 10:
            click.echo(f"  and {len(found) - 10} more: mlsh history forget --dry-run ...", err=True)
        if yes or click.confirm(f"Forget {'this' if len(found) == 1 else f'these {len(found)}'}?", err=True):
            forgetting.forget(database, found)
            for line in forgetting.wipe_notes(database, found):
                say(f"{line}: what mlsh's hook noted there still has it")
            say(
                f"{len(found)} forgotten here; the shells' own files (~/.bash_history, ...) and boxes still have what "
                "they have"
            )
            _tell_damaged()

    using(of_box if box else of_words, say)


def _tell_damaged() -> None:
    import shlex

    from mlsh.cli.talk import say
    from mlsh.history import forgetting
    from mlsh.history.database import path_of

    if left := forgetting.damaged(path_of()):
        say(f"databases that were damaged once may still have it; remove them: rm {shlex.join(map(str, left))}")


def _shown(text: str) -> str:
    from mlsh.shell.visible import printable

    return printable(text)


@command.command(context_settings=_HELP, short_help="Print what has a shell note how each command ended, and where.")
@common
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def hook(shell: str) -> None:
    """Print what has a shell note when each command began and ended, its exit code, and the folder.

    The shells' own histories have little of that. It starts no program, and notes no line that begins with a space.

    \b
      mlsh history hook bash > ~/.config/mlsh/record.bash
      echo '. ~/.config/mlsh/record.bash' >> ~/.bashrc

    The notes are in ~/.local/state/mlsh/recorded, for your eyes only, and as you typed them: with secrets.
    """
    from pathlib import Path

    import mlsh.history

    click.echo(Path(mlsh.history.__file__).with_name(f"record.{shell}").read_text(), nl=False)


def _print_pulled(pulled: Pulled, as_json: bool) -> None:
    import json

    from mlsh.shell.visible import printable

    if as_json:
        error = None if pulled.error is None else pulled.error.what
        fields = {"box": pulled.box, "runs": pulled.kept.runs, "commands": pulled.kept.commands}
        click.echo(json.dumps({**fields, "files": pulled.files, "notes": pulled.notes, "error": error}))
    elif pulled.error is not None:
        click.echo(f"mlsh: {printable(pulled.error.what)}", err=True)
        if pulled.error.hint:
            click.echo(f"      {printable(pulled.error.hint)}", err=True)
    elif not pulled.files:
        click.echo(f"{printable(pulled.box)}: no history there")
    else:
        new = f"{pulled.kept.runs} new" if pulled.kept.runs else "nothing new"
        first = f", {pulled.kept.commands} of them for the first time" if pulled.kept.commands else ""
        click.echo(f"{printable(pulled.box)}: {new}{first}")
    sys.stdout.flush()


def _folder() -> str:
    try:
        # As the shell names it, which may be by way of a link.
        named = os.environ.get("PWD", "")
        return named if named and os.path.samefile(named, ".") else os.getcwd()
    except OSError:
        return ""


def _query(words: tuple[str, ...], boxes: tuple[str, ...], here: bool, failed: bool, since: str) -> Query:
    from mlsh.box import LOCAL
    from mlsh.history.query import Query

    folder = _folder() if here else ""
    return Query(
        words=tuple(word for word in words if word),
        boxes=boxes or ((LOCAL,) if here else ()),
        folder=folder,
        is_failed=failed,
        since_s=_since(since) if since else None,
    )


def _since(text: str) -> float:
    import datetime
    import time

    from mlsh.errors import UsageError
    from mlsh.jobs.durations import parse

    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        pass
    try:
        return time.time() - parse(text)
    except UsageError as error:
        raise UsageError(f"--since: {error.what}", "say 2h, 3d, 2026-03-01 or 2026-03-01T09:00") from error


def _nothing_found(query: Query) -> None:
    import shlex

    from mlsh.errors import NotFound

    asked = f" with {shlex.join(query.words)}" if query.words else ""
    if query.folder:
        hint = "bash and zsh don't note the folder; what does: mlsh history hook -h"
    elif query.is_failed:
        hint = "bash, zsh and fish don't note the exit code; what does: mlsh history hook -h"
    else:
        hint = "a box's history must have been brought here: mlsh history sync BOX"
    where = f" on {', '.join(query.boxes)}" if query.boxes else ""
    raise NotFound(f"there is no command{asked}{where} in the history, of those that you asked for", hint)
