"""`mlsh alias suggest` and `mlsh alias stats`: what the history says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from mlsh.cli.alias import HELP, change, say_where
from mlsh.cli.options import common, json_option

if TYPE_CHECKING:
    from collections import Counter

    from mlsh.aliases.suggesting import Suggestion

history_option = click.option(
    "--history", "files", metavar="FILE", multiple=True, type=click.Path(),
    help="This history file, of any shell, instead of all of this machine; again for more.",
)  # fmt: skip


@click.command(context_settings=HELP)
@click.option("-n", "--number", "limit", type=click.IntRange(1, 100), default=10, show_default=True, help="How many.")
@click.option("--add", "wanted", metavar="NAME", multiple=True, help="Add this one of them; again for more.")
@click.option("--counts", is_flag=True, help="Only how often each command was typed, as `uniq -c | sort -n` prints it.")
@history_option
@json_option
@common
def suggest(limit: int, wanted: tuple[str, ...], counts: bool, files: tuple[str, ...], as_json: bool) -> None:
    """Propose aliases for what you type most, by the keys that they would have saved.

    Read from the histories of bash, zsh, fish and atuin. Nothing with a secret in it, nothing that deletes, and no
    command of several lines is proposed.

    \b
    --json: name, run, count, saved
    """
    import shutil

    from mlsh.aliases import store, suggesting
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound
    from mlsh.secrets.masking import mask

    found = _counts(files)
    if counts:
        _print_counts(found)
        return
    best = suggesting.suggest(
        found,
        store.load(),
        is_taken=lambda name: shutil.which(name) is not None,
        is_secret=lambda text: mask(text) != text,
        limit=max(limit, 100) if wanted else limit,
    )
    if wanted:
        by_name = {one.name: one for one in best}
        if unknown := [name for name in wanted if name not in by_name]:
            raise NotFound(f"{unknown[0]} is not proposed", "mlsh alias suggest")
        _add([by_name[name] for name in dict.fromkeys(wanted)])
        return
    if as_json:
        for one in best:
            click.echo(json.dumps({"name": one.name, "run": one.run, "count": one.count, "saved": one.saved}))
        return
    if not best:
        say(f"nothing is typed so often that an alias would be worth it ({sum(found.values())} commands read)")
        return
    _show(best)
    say(f"to add one: mlsh alias suggest --add {best[0].name}; under another name: mlsh alias add NAME COMMAND")


def _counts(files: tuple[str, ...]) -> Counter[str]:
    from pathlib import Path

    from mlsh.aliases import counting
    from mlsh.cli.talk import say

    if files:
        return counting.of_files([counting.file(Path(file)) for file in files], say)
    return counting.of_machine(say)


def _print_counts(found: Counter[str]) -> None:
    import sys

    from mlsh.aliases import counting
    from mlsh.secrets.masking import mask
    from mlsh.shell.visible import printable

    for line in counting.lines(found):
        line = mask(line)  # noqa: PLW2901
        sys.stdout.write((printable(line) if sys.stdout.isatty() else line) + "\n")


def _show(best: list[Suggestion]) -> None:
    from mlsh.cli.talk import terminal_width
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    rows = [["SAVES", "TYPED", "NAME", "COMMAND"]]
    rows += [[str(one.saved), str(one.count), one.name, printable(one.run)] for one in best]
    for line in columns(rows, terminal_width(), right=frozenset({0, 1})):
        click.echo(line)


def _add(chosen: list[Suggestion]) -> None:
    from mlsh.aliases import book, store
    from mlsh.aliases.shape import Alias
    from mlsh.cli.talk import say

    def decide(old: str) -> str:
        text = old or store.HEADER
        for one in chosen:
            text = book.add(text, Alias(one.name, one.run, book.group_for(one.run)))
        return text

    if change(decide, dry_run=False):
        for one in chosen:
            say(f"{one.name} stands for: {one.run}")
        say_where()


@click.command(context_settings=HELP)
@click.option("--unused", is_flag=True, help="Only those that were never used.")
@history_option
@json_option
@common
def stats(unused: bool, files: tuple[str, ...], as_json: bool) -> None:
    """How often each alias was used, the keys that it saved, and how often you typed its command in full.

    \b
    --json: name, run, used, saved, in_full, could_have_saved
    """
    import msgspec

    from mlsh.aliases import store, usage
    from mlsh.cli.talk import say, terminal_width
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    aliases = store.load()
    found = usage.usage(_counts(files), aliases)
    found.sort(key=lambda one: (-one.saved, -one.could_have_saved, one.name))
    chosen = [one for one in found if not unused or not one.used]
    if as_json:
        for one in chosen:
            click.echo(json.dumps(msgspec.to_builtins(one)))
        return
    if not aliases:
        say("there are no aliases yet: mlsh alias suggest")
        return
    if not chosen:
        say("each of them was used")
        return
    rows = [["NAME", "USED", "SAVED", "IN FULL", "COMMAND"]]
    rows += [[one.name, str(one.used), str(one.saved), str(one.in_full or ""), printable(one.run)] for one in chosen]
    for line in columns(rows, terminal_width(), right=frozenset({1, 2, 3})):
        click.echo(line)
    if not unused:
        never = sum(not one.used for one in found)
        total = sum(one.saved for one in found)
        say(f"{total} keys saved; {never} of {len(found)} never used (mlsh alias stats --unused)")


commands = {"suggest": suggest, "stats": stats}
