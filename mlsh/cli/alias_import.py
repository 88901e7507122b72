"""`mlsh alias import`: take aliases over."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlsh.cli.alias import HELP, change, check_no_secret, complete_group, say_where
from mlsh.cli.options import common, dry_run_option

if TYPE_CHECKING:
    from mlsh.aliases.shape import Alias

_LARGEST = 4 << 20


@click.command(context_settings=HELP)
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(allow_dash=True))
@click.option("--starter", is_flag=True, help="The starter set that comes with mlsh, with its comments.")
@click.option(
    "-g", "--group", "groups", metavar="GROUP", multiple=True, shell_complete=complete_group,
    help="The group that they come to; with --starter, only this group of it (again for more).",
)  # fmt: skip
@click.option("--shadow", is_flag=True, help="With --starter: also those that hide a program of this machine.")
@click.option("--replace", is_flag=True, help="In the place of those of the same name.")
@dry_run_option
@common
def import_(
    files: tuple[str, ...], starter: bool, groups: tuple[str, ...], shadow: bool, replace: bool, dry_run: bool
) -> None:
    """Take aliases over into your file. Those that you have already stay as they are.

    \b
      alias -p | mlsh alias import        those of the shell that you are in (zsh: alias -L, fish: alias)
      mlsh alias import ~/.bashrc         those that stand in a file; it is read, and nothing in it runs
      mlsh alias import --starter         the starter set; -g git -g gpu: only these groups of it
    """
    from mlsh.aliases import shadowing, shape, store
    from mlsh.errors import UsageError

    for group in groups:
        shape.check_group(group)
    if starter and files:
        raise UsageError("--starter and a file are two things", "do one after the other")
    left: dict[str, str] = {}
    if starter:
        wanted = _starter(groups)
        if not shadow:
            for starting in wanted:
                if hidden := shadowing.hidden_here(starting):
                    left[starting.name] = f"it would hide {hidden} (--shadow takes it all the same)"
    else:
        if len(groups) > 1:
            raise UsageError("one group is enough for a file", "mlsh alias import -g work ~/.bashrc")
        wanted = _of_texts(_texts(files), groups[0] if groups else None, left)
    wanted = [alias for alias in wanted if alias.name not in left]
    added: list[str] = []
    same: list[str] = []

    def decide(old: str) -> str:
        return _merged(old, wanted, replace, whole_starter=starter and not groups, into=(added, same, left))

    changed = change(decide, dry_run)
    _tell(added, same, left, "would be added" if dry_run else "added")
    if changed:
        from mlsh.cli.talk import say

        say(f"they are in {store.path()}: mlsh alias list, mlsh alias edit")
        say_where()


commands = {"import": import_}


def _of_texts(texts: list[str], group: str | None, left: dict[str, str]) -> list[Alias]:
    """The aliases of these texts that can be taken over; `left` gets the others, and why."""
    from mlsh.aliases import importing
    from mlsh.errors import NotFound, RefusedInput

    found = [one for text in texts for one in importing.read(text, group)]
    if not found:
        raise NotFound("there is no alias in it", "in your shell: alias -p | mlsh alias import")
    wanted: dict[str, Alias] = {}
    for one in found:
        if one.alias is None:
            left[one.name] = f"line {one.line}: {one.why_not}"
            continue
        try:
            check_no_secret(one.alias)
        except RefusedInput as error:
            left[one.name] = f"line {one.line}: {error.what}"
            continue
        wanted[one.name] = one.alias
    return list(wanted.values())


def _starter(groups: tuple[str, ...]) -> list[Alias]:
    from mlsh.aliases import book, store
    from mlsh.errors import NotFound

    everything = book.parse(store.starter(), "the starter set")
    there = list(dict.fromkeys(one.group for one in everything))
    if unknown := [group for group in groups if group not in there]:
        raise NotFound(f"the starter set has no group {unknown[0]}", f"it has: {', '.join(there)}")
    return [one for one in everything if not groups or one.group in groups]


def _texts(files: tuple[str, ...]) -> list[str]:
    from pathlib import Path

    from mlsh.errors import NotFound, RefusedInput, UsageError

    if not files and sys.stdin.isatty():
        raise UsageError(
            "there is nothing to read", "in your shell: alias -p | mlsh alias import; or: mlsh alias import --starter"
        )
    texts = []
    for file in files or ("-",):
        if file == "-":
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            try:
                with Path(file).open("rb") as opened:
                    data = opened.read(_LARGEST + 1)
            except OSError as error:
                raise NotFound(f"{file}: {error.strerror}") from error
        if len(data) > _LARGEST:
            raise RefusedInput(f"{file} has more than {_LARGEST >> 20} MiB: that is no file of aliases")
        texts.append(data.decode(errors="replace"))
    return texts


def _merged(
    old: str, wanted: list[Alias], replace: bool, whole_starter: bool, into: tuple[list[str], list[str], dict[str, str]]
) -> str:
    """The text of the file with the new ones in it; `into` is told which were added, which are there, which are not."""
    from mlsh.aliases import book, store

    added, same, left = into
    added.clear()
    same.clear()
    if whole_starter and not old.strip():
        # The set's own comments teach, so they come along where there is no file yet.
        text = store.starter()
        names = {one.name for one in wanted}
        for one in book.parse(text, "the starter set"):
            if one.name in names:
                added.append(one.name)
            else:
                text = book.remove(text, one)
        return text
    text = old or store.HEADER
    there = {one.name: one for one in book.parse(text, str(store.path()))}
    for one in wanted:
        mine = there.get(one.name)
        if mine is None:
            text = book.add(text, one)
            added.append(one.name)
        elif mine.run == one.run:
            same.append(one.name)
        elif replace:
            text = book.replace(text, mine, one)
            added.append(one.name)
        else:
            left[one.name] = f"you have it for: {mine.run} (--replace)"
    return text if added else old


def _tell(added: list[str], same: list[str], left: dict[str, str], word: str) -> None:
    from mlsh.cli.talk import say

    if added:
        say(f"{word}: {' '.join(added)}")
    if same:
        say(f"there already: {' '.join(same)}")
    if not added and not left:
        say("nothing is new")
    for name, why in left.items():
        say(f"left out: {name}: {why}")
