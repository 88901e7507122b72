"""`mlsh recipe list` and `show`: nothing of a recipe runs here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, json_option

if TYPE_CHECKING:
    from mlsh.recipes.cheat import Variable
    from mlsh.recipes.collection import Collection, Found

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
file_option = click.option(
    "--file", "file", type=click.Path(path_type=Path), metavar="FILE", help="Only the recipes of this .cheat file."
)


def complete_recipe(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    """Names of recipes for shell completion."""
    from click.shell_completion import CompletionItem

    from mlsh.recipes.collection import distinct, load

    return [
        CompletionItem(one.recipe.name, help=one.recipe.description)
        for one in distinct(load().found)
        if one.recipe.name.startswith(incomplete)
    ]


def opened(file: Path | None) -> Collection:
    """The recipes that there are; what could not be read is said."""
    from mlsh.cli.talk import say
    from mlsh.recipes.collection import load

    collection = load(file)
    for trouble in collection.troubles:
        say(trouble)
    return collection


@click.command("list", context_settings=_HELP, short_help="The recipes that there are.")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--tag", help="Only those with this tag, or in the file of this name.")
@click.option("--plain", is_flag=True, help="Only the names, one a line.")
@file_option
@json_option
@common
def list_(words: tuple[str, ...], tag: str | None, plain: bool, file: Path | None, as_json: bool) -> None:
    """List recipes; with WORDs those that have all of them, in name, description or commands.

    \b
    --json: name, full_name, origin (book, yours, navi, file), file, line, tags, description, parameters
    """
    from mlsh.recipes.collection import distinct, matching

    found = matching(distinct(opened(file).found), words)
    if tag:
        found = [one for one in found if tag in _tags(one) or tag == one.sheet]
    if plain:
        for one in found:
            click.echo(one.recipe.name)
    elif as_json:
        for one in found:
            _put(_listed(one))
    elif found:
        _table([[one.recipe.name, one.sheet, one.recipe.description] for one in found])
    else:
        _nothing(" ".join(words) or tag or "")


def _nothing(words: str) -> None:
    from mlsh.cli.talk import say
    from mlsh.recipes import tldr

    say(f"no recipe has {words!r} in it" if words else "there are no recipes")
    if tldr.page(words):
        say(f"there is a tldr page: mlsh recipe show {words}")


def _tags(one: Found) -> list[str]:
    return [tag.strip() for tag in one.recipe.tags.split(",")]


def _listed(one: Found) -> dict[str, Any]:
    return {
        "name": one.recipe.name,
        "full_name": one.full_name,
        "origin": one.origin,
        "file": str(one.path),
        "line": one.recipe.line,
        "tags": _tags(one),
        "description": one.recipe.description,
        "parameters": one.recipe.parameters,
    }


def _put(fields: dict[str, Any]) -> None:
    import msgspec

    click.echo(msgspec.json.encode(fields).decode())


def _table(rows: list[list[str]]) -> None:
    import shutil
    import sys

    from mlsh.cli.talk import paint
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    cells = [["NAME", "SHEET", "WHAT IT DOES"], *([printable(cell) for cell in row] for row in rows)]
    limit = shutil.get_terminal_size((200, 24)).columns if sys.stdout.isatty() else None
    head, *lines = columns(cells, limit)
    click.echo(paint(head, "dim"))
    for line in lines:
        click.echo(line)


@click.command(context_settings=_HELP, short_help="What a recipe does, and what it wants to know.")
@click.argument("name", shell_complete=complete_recipe)
@click.option("--raw", is_flag=True, help="As it stands in a .cheat file, for navi or to pass on.")
@click.option("--tldr", "only_tldr", is_flag=True, help="The tldr page of a command, though a recipe has its name.")
@file_option
@json_option
@common
def show(name: str, raw: bool, only_tldr: bool, file: Path | None, as_json: bool) -> None:
    """Show a recipe: its steps, and the parameters that it asks for. Runs nothing.

    Where there is no such recipe and tldr's pages are on this machine, the page of that command.

    \b
    --json: name, full_name, origin, file, line, tags, description, careful, code,
    steps: text, notes; parameters: name, default, example, about, choices, raw, secret, last
    """
    from mlsh.errors import NotFound
    from mlsh.recipes import tldr
    from mlsh.recipes.collection import find
    from mlsh.recipes.written import write

    if only_tldr:
        text = tldr.page(name)
        if text is None:
            raise NotFound(
                f"there is no tldr page {name[:60]} on this machine", "tldr's own clients bring them: tldr -u"
            )
        _page(text)
        return
    try:
        found = find(opened(file), name)
    except NotFound:
        text = tldr.page(name) if file is None else None
        if text is None:
            raise
        _page(text)
        return
    if raw:
        _print_raw(write(found.recipe))
    elif as_json:
        _put(_shown(found))
    else:
        _describe(found)


def _print_raw(text: str) -> None:
    """Byte for byte into a pipe or a file; harmless on a terminal."""
    import os

    from mlsh.shell.visible import printable

    if os.isatty(1):
        text = "".join(printable(line) + "\n" for line in text.splitlines())
    click.echo(text, nl=False)


def _page(text: str) -> None:
    from mlsh.cli.talk import say
    from mlsh.shell.visible import printable

    say("a tldr page, to read; it can't be run from here")
    for line in text.splitlines():
        click.echo(printable(line))


def _parameters(found: Found) -> list[dict[str, Any]]:
    from mlsh.recipes import memory
    from mlsh.recipes.cheat import Hint
    from mlsh.recipes.render import is_secret

    recipe = found.recipe
    last = memory.read().values.get(found.key, {})
    shown = []
    for name in recipe.parameters:
        hint = recipe.hints.get(name, Hint())
        variable = recipe.variables.get(name)
        shown.append(
            {
                "name": name,
                "default": hint.default,
                "example": hint.example,
                "about": hint.about,
                "choices": variable.command if variable else "",
                "raw": hint.raw,
                "secret": is_secret(recipe, name),
                "last": last.get(name),
            }
        )
    return shown


def _shown(found: Found) -> dict[str, Any]:
    from mlsh.recipes.render import steps

    fields = _listed(found)
    del fields["parameters"]
    return {
        **fields,
        "careful": found.recipe.is_careful,
        "code": found.recipe.sends_code,
        "steps": [{"text": step.text, "notes": list(step.notes)} for step in steps(found.recipe)],
        "parameters": _parameters(found),
    }


def _describe(found: Found) -> None:
    from mlsh.cli.talk import paint
    from mlsh.recipes.render import steps
    from mlsh.recipes.written import used
    from mlsh.shell.visible import printable

    recipe = found.recipe
    click.echo(f"{paint(printable(recipe.name), 'bold')}  {printable(recipe.description)}")
    where = "the starter book" if found.origin == "book" else printable(f"{found.path}:{recipe.line}")
    click.echo(paint(f"from {where}, tags: {printable(recipe.tags) or '-'}", "dim"))
    for step in steps(recipe):
        click.echo()
        for note in step.notes:
            click.echo(f"  {paint('; ' + printable(note), 'dim')}")
        for line in step.text.split("\n"):
            click.echo(f"  {printable(line)}")
    parameters = _parameters(found)
    if parameters:
        click.echo()
    for fields in parameters:
        said = [fields["about"]] if fields["about"] else []
        said += ["secret"] if fields["secret"] else []
        said += [f"default {fields['default']}"] if fields["default"] is not None else []
        said += [f"for instance {fields['example']}"] if fields["example"] else []
        said += _commands_for(recipe.variables.get(fields["name"]))
        click.echo(f"  <{printable(fields['name'])}>  {printable('; '.join(said))}".rstrip())
    # All that can run is shown: choices may need the choices of others.
    for name in sorted(used(recipe) - set(recipe.parameters)):
        said = ["for these choices", *_commands_for(recipe.variables.get(name))]
        click.echo(f"  ${printable(name)}  {printable('; '.join(said))}")


def _commands_for(variable: Variable | None) -> list[str]:
    """What is run to know what a parameter can be."""
    if variable is None:
        return []
    return [f"one of: {variable.command}"] + (
        [f"each by way of: {variable.options.map}"] if variable.options.map else []
    )
