"""`mlsh recipe add`, `save` and `edit`: your own recipes, in .cheat files."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common
from mlsh.cli.recipe_look import complete_recipe

if TYPE_CHECKING:
    from mlsh.recipes.cheat import Recipe
    from mlsh.recipes.collection import Found

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_sheet = click.option("--sheet", default="mine", show_default=True, metavar="NAME",
                      help="The file for it: ~/.config/mlsh/recipes/NAME.cheat.")  # fmt: skip
_describe = click.option("-m", "--describe", default="", metavar="TEXT", help="What it does, in a line.")
_tags = click.option("--tag", "tags", multiple=True, help="A tag to find it by.")


@click.command(context_settings=_HELP, short_help="Write a recipe down, or take over a .cheat file.")
@click.argument("name", required=False)
@click.argument("commands", nargs=-1, metavar="[COMMAND]...")
@_describe
@_tags
@click.option("--default", "defaults", multiple=True, metavar="P=VALUE", help="A parameter's default.")
@click.option("--choices", "choices", multiple=True, metavar="P=COMMAND",
              help="The command that lists what a parameter can be; it runs when the recipe runs.")  # fmt: skip
@click.option("--raw", "raw", multiple=True, metavar="P", help="Put this parameter's value in unquoted.")
@click.option("--careful", is_flag=True, help="It can't be undone: ask first, each time.")
@click.option("--from", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="Copy a .cheat file of somebody's into your folder; nothing of it runs.")  # fmt: skip
@_sheet
@common
def add(
    name: str | None,
    commands: tuple[str, ...],
    describe: str,
    tags: tuple[str, ...],
    defaults: tuple[str, ...],
    choices: tuple[str, ...],
    raw: tuple[str, ...],
    careful: bool,
    file: Path | None,
    sheet: str,
) -> None:
    """Write a recipe down: each COMMAND is a step, quoted for your shell, with <parameters>.

    \b
      mlsh recipe add gpu-top 'ssh <box> nvidia-smi' -m 'GPUs of a box' --choices box='mlsh box list --plain'
      printf '%s\\n' 'git fetch' 'git rebase origin/main' | mlsh recipe add catch-up -
      mlsh recipe add --from team.cheat

    Without COMMANDs your editor opens.
    """
    from mlsh.errors import UsageError
    from mlsh.recipes import keeping
    from mlsh.recipes.cheat import Hint, Variable
    from mlsh.recipes.collection import check_name

    if file is not None:
        if commands or describe or tags or defaults or choices or raw or careful:
            raise UsageError("--from copies a file as it is", "mlsh recipe add --from FILE")
        _import(file, name or file.name.removesuffix(".md").removesuffix(".cheat"))
        return
    if name is None:
        raise UsageError("how is it called?", "mlsh recipe add NAME 'COMMAND'")
    check_name(name)
    if not commands:
        _write_in_editor(name, describe, tags, sheet)
        return
    lines = sys.stdin.read().splitlines() if commands == ("-",) else list(commands)
    if not any(line.strip() for line in lines):
        raise UsageError("there is no command", "mlsh recipe add NAME 'COMMAND'")
    hints = {parameter: Hint(default=value) for parameter, value in _pairs("--default", defaults)}
    for parameter in raw:
        before = hints.get(parameter, Hint())
        hints[parameter] = Hint(default=before.default, raw=True)
    recipe = keeping.made(
        name, describe, lines, tags=tags, hints=hints, is_careful=careful,
        variables={parameter: Variable(parameter, value) for parameter, value in _pairs("--choices", choices)},
    )  # fmt: skip
    _keep(recipe, sheet)


def _pairs(option: str, words: Sequence[str]) -> list[tuple[str, str]]:
    from mlsh.errors import UsageError

    for word in words:
        if "=" not in word:
            raise UsageError(f"{option} {word}: it is {option} PARAMETER=…")
    return [(word.partition("=")[0], word.partition("=")[2]) for word in words]


def _import(file: Path, stem: str) -> None:
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound, RefusedInput
    from mlsh.recipes import keeping
    from mlsh.recipes.cheat import parse
    from mlsh.recipes.collection import read_text

    try:
        text = read_text(file)
    except OSError as error:
        raise NotFound(f"{file}: {(error.strerror or '').lower()}") from error
    found = parse(text)
    for problem in found.problems:
        say(f"{file}:{problem.line}: {problem.what}")
    if not found.recipes:
        raise RefusedInput(f"{file} has no recipe in it", "a recipe is a line `# what it does`, and commands below it")
    target = keeping.sheet_path(stem)
    with keeping.alone():
        if target.exists():
            raise RefusedInput(f"{target} is there already", "give it another name: mlsh recipe add --from FILE NAME")
        keeping.replace(target, text.encode())
    say(f"{len(found.recipes)} recipes in {target}; each is shown before it runs for the first time")


def _refuse_taken(name: str) -> None:
    from mlsh.errors import RefusedInput
    from mlsh.recipes.collection import YOURS, load

    for one in load().found:
        if one.recipe.name == name and one.origin == YOURS:
            raise RefusedInput(
                f"you have a recipe {name} already: {one.path}:{one.recipe.line}", f"change it: mlsh recipe edit {name}"
            )


def _keep(recipe: Recipe, sheet: str) -> None:
    from mlsh.cli.talk import say
    from mlsh.recipes import keeping

    path = keeping.sheet_path(sheet)
    _refuse_taken(recipe.name)
    keeping.append(path, recipe)
    _agree(recipe.name)
    say(f"{recipe.name} is in {path}; run it: mlsh recipe run {recipe.name}")


def _agree(name: str) -> None:
    """What you wrote yourself need not be shown to you before it runs."""
    from mlsh.recipes import memory
    from mlsh.recipes.collection import YOURS, load

    digests = [one.digest for one in load().found if one.recipe.name == name and one.origin == YOURS]
    with memory.changing() as remembered:
        remembered.agreed += digests


def _write_in_editor(name: str, describe: str, tags: Sequence[str], sheet: str) -> None:
    from mlsh.recipes import keeping
    from mlsh.recipes.collection import read_text

    _refuse_taken(name)
    path = keeping.sheet_path(sheet)
    before = read_text(path) if path.exists() else ""
    title = ", ".join(dict.fromkeys([*tags, name]))
    begin = before + ("\n" if before else "")
    draft = f"{begin}% {title}\n\n# {describe or 'What it does'}\n; mlsh: name {name}\n\n"
    _edit(path, before, draft, draft.count("\n"), name, is_stub=True)


@click.command(context_settings=_HELP, short_help="Make a recipe of what you typed last.")
@click.argument("name")
@click.option("-n", "count", type=click.IntRange(1, 200), default=1, show_default=True, metavar="N",
              help="The last N commands of your history.")  # fmt: skip
@click.option("--from", "source", metavar="FILE", help="Commands of a file, or - for a pipe: fc -ln -5 | mlsh …")
@click.option(
    "--param", "params", multiple=True, metavar="P=VALUE", help="Make VALUE a parameter <P>; it becomes the default."
)
@_describe
@_tags
@click.option("--edit", "edits", is_flag=True, help="Open it in your editor first.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@_sheet
@common
def save(
    name: str,
    count: int,
    source: str | None,
    params: tuple[str, ...],
    describe: str,
    tags: tuple[str, ...],
    edits: bool,
    yes: bool,
    sheet: str,
) -> None:
    """Make a recipe of the last commands that you typed. Secrets in them become parameters.

    \b
      mlsh recipe save free-port -n 2 --param port=8888
      fc -ln -5 | mlsh recipe save deploy --from -       what this shell has not written to its history yet

    bash writes its history when it ends: `history -a` first, or the pipe.
    """
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound
    from mlsh.recipes import keeping
    from mlsh.recipes.collection import check_name
    from mlsh.recipes.written import write
    from mlsh.secrets.masking import MASK, mask

    check_name(name)
    _refuse_taken(name)
    path = keeping.sheet_path(sheet)
    typed = keeping.latest(_commands(source), count if source is None else 200)
    if not typed:
        raise NotFound("there is no command to save", "bash writes its history when it ends: history -a")
    commands = [mask(command) for command in typed]
    if source is None:
        # What ran as it was typed has no parameters in it: `sort <in>out` reads a file.
        commands = [keeping.with_blanks(command) for command in commands]
    commands, secrets = keeping.unmasked(commands, MASK)
    commands, hints = keeping.parameterize(commands, dict(_pairs("--param", params)))
    recipe = keeping.made(name, describe, commands, tags=tags, hints={**secrets, **hints})
    if secrets:
        say(f"what looks like a secret was left out, and will be asked for: {', '.join(secrets)}")
    others = [parameter for parameter in recipe.parameters if parameter not in recipe.hints]
    if others:
        say(f"<…> in a command is a parameter: {', '.join(others)}")
    if edits:
        from mlsh.recipes.collection import read_text

        before = read_text(path) if path.exists() else ""
        _edit(path, before, before + ("\n" if before else "") + write(recipe), before.count("\n") + 2, name)
        return
    if os.isatty(0) and os.isatty(2) and not yes:
        for line in commands:
            _show(line)
        if not click.confirm(f"Save these as {name}?", default=True, err=True):
            raise click.Abort
    _keep(recipe, sheet)


def _show(text: str) -> None:
    from mlsh.shell.visible import printable

    for line in text.split("\n"):
        click.echo(f"  {printable(line)}", err=True)


def _commands(source: str | None) -> list[str]:
    """The commands of a pipe, of a file, or of your shell's history, oldest first."""
    from mlsh.errors import NotFound
    from mlsh.recipes.keeping import numbered

    if source == "-":
        return numbered(sys.stdin.read())
    if source is not None:
        try:
            return numbered(Path(source).read_text(errors="replace"))
        except OSError as error:
            raise NotFound(f"{source}: {(error.strerror or '').lower()}") from error
    from mlsh.history.sources import read_local

    shell = os.path.basename(os.environ.get("SHELL", ""))
    entries = list(read_local())
    # Several shells have histories of their own, and not all of them say when: that of the login shell is meant.
    mine = [entry for entry in entries if entry.source == shell]
    if not mine:
        mine = sorted(entries, key=lambda entry: entry.when_s or 0)
    return [entry.command for entry in mine]


@click.command(context_settings=_HELP, short_help="Change a recipe in your editor.")
@click.argument("name", shell_complete=complete_recipe)
@common
def edit(name: str) -> None:
    """Open the file of a recipe in $VISUAL or $EDITOR, at its place. Of the starter book you get a copy of your own.

    The file is written when the editor has ended with success, and as a whole.
    """
    from mlsh.cli.recipe_look import opened
    from mlsh.recipes import keeping
    from mlsh.recipes.collection import BOOK, find, read_text
    from mlsh.recipes.written import write

    found = find(opened(None), name)
    if found.origin != BOOK:
        text = read_text(found.path)
        _edit(found.path, text, text, found.recipe.line, found.recipe.name)
        return
    path = keeping.sheet_path("mine")
    before = read_text(path) if path.exists() else ""
    begin = before + ("\n" if before else "")
    _edit(path, before, begin + write(_own(found)), begin.count("\n") + 3, found.recipe.name)


def _own(found: Found) -> Recipe:
    """The copy of a recipe of the book: its tags have its name, so that its variables are its own."""
    import msgspec

    tags = [tag.strip() for tag in found.recipe.tags.split(",")]
    return msgspec.structs.replace(found.recipe, tags=", ".join(dict.fromkeys([*tags, found.recipe.name])))


def _edit(path: Path, before: str, draft: str, line: int, name: str, *, is_stub: bool = False) -> None:
    """Have a draft edited, and then in the file's place. Raises what says why it is not; the draft is kept then.

    `is_stub`: as it is, the draft is no recipe; one that nobody changed is not written.
    """
    import shutil
    import tempfile

    from mlsh.cli import editor
    from mlsh.cli.talk import say
    from mlsh.errors import MlshError
    from mlsh.recipes import keeping
    from mlsh.recipes.cheat import parse
    from mlsh.recipes.collection import read_text

    folder = Path(tempfile.mkdtemp(prefix="mlsh-recipe-"))
    copy = folder / path.name
    copy.write_text(draft)
    while True:
        code, at_once = editor.edit(copy, line)
        if code != 0:
            raise MlshError(f"the editor ended with {code}; {path} is as it was", f"what you wrote is kept: {copy}")
        after = read_text(copy)
        problems = parse(after).problems
        for problem in problems:
            say(f"line {problem.line}: {problem.what}")
        if not problems or not os.isatty(0) or not click.confirm("Edit it again?", default=True, err=True):
            break
        line = problems[0].line
    if after == before or (after == draft and is_stub):
        if at_once:
            say(
                f"{path} is as it was, and the editor ended at once: if its window is still open, what you write there "
                f"is in {copy} only"
            )
            say("an editor with windows must wait, such as EDITOR='code --wait'")
            return
        say("nothing was changed")
    else:
        with keeping.alone():
            now = read_text(path) if path.exists() else ""
            if now != before:
                raise MlshError(f"{path} was changed by somebody else meanwhile", f"what you wrote is kept: {copy}")
            try:
                keeping.replace(path, after.encode())
            except OSError as error:
                raise MlshError(
                    f"{path} was not written: {(error.strerror or '').lower()}", f"what you wrote is kept: {copy}"
                ) from error
        _agree(name)
        say(f"written: {path}")
    # With what the editor left there: a backup, say.
    shutil.rmtree(folder, ignore_errors=True)
