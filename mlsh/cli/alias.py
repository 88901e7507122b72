"""`mlsh alias`: short names for what is typed often."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, dry_run_option, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlsh.aliases.shape import Alias

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def complete_alias(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    """Names of aliases for shell completion."""
    from click.shell_completion import CompletionItem

    from mlsh.aliases import store

    return [CompletionItem(one.name, help=one.run) for one in store.load() if one.name.startswith(incomplete)]


def complete_group(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Groups of aliases for shell completion."""
    from mlsh.aliases import store

    return sorted({one.group for one in store.load() if one.group.startswith(incomplete)})


group_option = click.option("-g", "--group", metavar="GROUP", shell_complete=complete_group, help="The group.")


class Verbs(click.Group):
    """A group of which some commands are in modules of their own."""

    elsewhere: Mapping[str, tuple[str, str]] = {
        "import": ("mlsh.cli.alias_import", "Take aliases over: from your shell, an rc file, or the starter set."),
        "stats": ("mlsh.cli.alias_counts", "How often each alias was used, and what it saved."),
        "suggest": ("mlsh.cli.alias_counts", "Aliases for what you type most, by the keys they save."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in order."""
        return sorted({*super().list_commands(ctx), *self.elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command, imported when it is wanted."""
        if cmd_name in self.elsewhere:
            import importlib

            module = importlib.import_module(self.elsewhere[cmd_name][0])
            found = module.commands[cmd_name]
            assert isinstance(found, click.Command)  # noqa: S101
            return found
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in `--help`."""
        helps = {name: help_ for name, (_, help_) in self.elsewhere.items()}
        helps |= {name: found.get_short_help_str() for name, found in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, helps[name]) for name in self.list_commands(ctx)])


@click.group("alias", cls=Verbs, context_settings=HELP, no_args_is_help=True)
@common
def command() -> None:
    """Short names for what you type often: one file for bash, zsh and fish, here and on boxes.

    Once: mlsh shell init bash --line >> ~/.bashrc. The file is ~/.config/mlsh/aliases.toml.
    """


@command.command("list", context_settings=HELP, short_help="The aliases that there are.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_alias)
@group_option
@click.option(
    "--on", metavar="BOX", shell_complete=complete_box, help="Those that go to this box, and what they hide there."
)
@json_option
@common
def list_(names: tuple[str, ...], group: str | None, on: str | None, as_json: bool) -> None:
    """List the aliases, by group; and say which of them hide a program of the same name.

    \b
    --json: name, group, run, about, kind (alias or function), fish, boxes, hides (a path, or null)
    """
    from mlsh.aliases import book, shadowing, store
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound

    everything = store.load()
    if unknown := [name for name in names if name not in {one.name for one in everything}]:
        raise NotFound(f"there is no alias {unknown[0]}", "mlsh alias list")
    wanted = book.of_boxes(everything) if on else everything
    chosen = [one for one in wanted if (not names or one.name in names) and group in {None, one.group}]
    if on:
        from mlsh import config
        from mlsh.box import open_box

        on_box = shadowing.hidden_on(open_box(on, config.load()), chosen) if chosen else {}
        hides = {one.name: on_box.get(one.name, "") for one in chosen}
    else:
        hides = {one.name: shadowing.hidden_here(one) for one in chosen}
    if as_json:
        for one in chosen:
            click.echo(json.dumps(_fields(one, hides[one.name])))
        return
    if not everything:
        say(f"there are no aliases yet ({store.path()})")
        say("to begin: mlsh alias import --starter, mlsh alias suggest, or mlsh alias add gs git status --short")
        return
    if not chosen:
        say(f"no alias is in [{group}]" if group else "none of them")
    _show(chosen, hides)


def _fields(one: Alias, hides: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "group": one.group,
        "run": one.run,
        "about": one.about,
        "kind": "function" if one.is_function else "alias",
        "fish": one.fish or None,
        "boxes": one.boxes,
        "hides": hides or None,
    }


def _show(chosen: list[Alias], hides: dict[str, str]) -> None:
    from mlsh.cli.talk import paint, terminal_width
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    rows = []
    for one in chosen:
        about = f"# {one.about}" if one.about else ""
        if hides[one.name]:
            about = f"(hides {hides[one.name]}) {about}"
        rows.append([f"  {one.name}", printable(one.run), printable(about)])
    width = terminal_width()
    if width is not None:
        from mlsh.shell.table import clip

        rows = [[name, clip(run, max(30, width // 2)), about] for name, run, about in rows]
    lines = columns(rows, width)
    group = None
    for one, line in zip(chosen, lines, strict=True):
        if one.group != group:
            group = one.group
            click.echo(paint(printable(group), "bold"))
        click.echo(line)


@command.command(
    context_settings={**HELP, "allow_interspersed_args": False}, short_help="Add one, or change one with --replace."
)
@group_option
@click.option("--about", metavar="TEXT", default="", help="What it is for: the comment beside it.")
@click.option("--fish", metavar="TEXT", default="", help="The same in fish's own words, where they are others.")
@click.option("--no-boxes", is_flag=True, help="Not on boxes.")
@click.option("--shadow", is_flag=True, help="Also where a program has this name, and would be hidden.")
@click.option("--replace", is_flag=True, help="In the place of one of the same name.")
@dry_run_option
@common
@click.argument("name")
@click.argument("words", nargs=-1, required=True, metavar="COMMAND...", type=click.UNPROCESSED)
def add(
    group: str | None,
    about: str,
    fish: str,
    no_boxes: bool,
    shadow: bool,
    replace: bool,
    dry_run: bool,
    name: str,
    words: tuple[str, ...],
) -> None:
    """Add an alias. Options come before NAME; all that follows it is the command.

    \b
      mlsh alias add gs git status --short           arguments go to the end
      mlsh alias add gco 'git checkout {1}'          {1}: the first argument, which must be there
      mlsh alias add ta 'tmux new -A -s {1:main}'    with a default
      mlsh alias add mk 'mkdir {1} && cd {1}'        {@} would be all the others
    """
    from mlsh.aliases import book, shape
    from mlsh.aliases.shape import Alias
    from mlsh.cli.talk import say
    from mlsh.errors import RefusedInput

    # Fingers that know `mlsh run -- COMMAND` type it here too.
    words = words[1:] if len(words) > 1 and words[0] == "--" else words
    run = words[0] if len(words) == 1 else " ".join(_word(word) for word in words)
    alias = Alias(
        name, run, book.group_for(run) if group is None else group, " ".join(about.split()), fish, not no_boxes
    )
    shape.check_group(alias.group)
    shape.check(alias)
    check_no_secret(alias)

    def decide(old: str) -> str:
        there = {one.name: one for one in _parse(old)}
        if name not in there:
            return book.add(old or _header(), alias)
        if there[name].run == run and not replace:
            return old
        if not replace:
            raise RefusedInput(f"{name} is there already, for: {there[name].run}", "to have yours instead: --replace")
        return book.replace(old, there[name], alias if group else _in_group(alias, there[name].group))

    if not shadow and not dry_run:
        _ask_about_shadow(alias)
    if change(decide, dry_run):
        say(f"{name} stands for: {run}")
        say_where()
    elif not dry_run:
        say(f"{name} stands for that already")


def _in_group(alias: Alias, group: str) -> Alias:
    import msgspec

    return msgspec.structs.replace(alias, group=group)


_PLAIN_WORD = r"(?!=)[\w./:=@%+,~^-]*(\{(?:@|[1-9](?::[\w./:@%+,=-]*)?)\})?[\w./:=@%+,-]*"


def _word(word: str) -> str:
    """A word of the command line as sh; an argument's place stays one."""
    import re
    import shlex

    return word if word and re.fullmatch(_PLAIN_WORD, word) else shlex.quote(word)


def _ask_about_shadow(alias: Alias) -> None:
    from mlsh.aliases import shadowing
    from mlsh.errors import RefusedInput

    if not (hidden := shadowing.hidden_here(alias)):
        return
    what = f"there is a program of that name: {hidden}. In your shell {alias.name} would no longer be that"
    if sys.stdin.isatty() and sys.stderr.isatty():
        if click.confirm(f"{what}. Add it?", default=False, err=True):
            return
        raise click.Abort
    raise RefusedInput(what, f"another name, or if you mean it: mlsh alias add --shadow {alias.name} ...")


def check_no_secret(alias: Alias) -> None:
    """Raises RefusedInput where there seems to be a secret in it: the file goes to every box."""
    from mlsh.errors import RefusedInput
    from mlsh.secrets.masking import mask

    for text in (alias.run, alias.fish):
        if mask(text) != text:
            raise RefusedInput(
                f"{alias.name}: there seems to be a secret in it, and aliases go to your boxes: {mask(text)}",
                "keep it in a variable, and write $NAME in the alias",
            )


def _parse(text: str) -> list[Alias]:
    from mlsh.aliases import book, store

    return book.parse(text, str(store.path()))


def _header() -> str:
    from mlsh.aliases import store

    return store.HEADER


def change(decide: Callable[[str], str], dry_run: bool) -> bool:
    """Change the file, or show what would change; returns whether it was changed."""
    from mlsh.aliases import cached, store
    from mlsh.cli.talk import say
    from mlsh.errors import MlshError

    if dry_run:
        old = store.text()
        show_diff(old, decide(old))
        return False
    old, new = store.change(decide)
    try:
        cached.refresh()
    except MlshError as error:
        say(f"{error.what}; your shells will ask mlsh at their start")
    return old != new


def show_diff(old: str, new: str) -> None:
    """What would change in the file, on stdout."""
    import difflib

    from mlsh.aliases import store
    from mlsh.shell.visible import printable

    where = str(store.path())
    for line in difflib.unified_diff(old.splitlines(), new.splitlines(), where, where, lineterm=""):
        click.echo(printable(line))


def say_where() -> None:
    """In which shells the change is."""
    import os

    from mlsh.aliases import cached
    from mlsh.cli.talk import say

    if os.environ.get("MLSH_SHELL_READS_AGAIN"):
        return
    shell = os.path.basename(os.environ.get("SHELL", "bash"))
    shell = shell if shell in {"bash", "zsh", "fish"} else "bash"
    if source := cached.source_command(shell):
        say(f"it is in new shells; in one that is open: {source}")
    else:
        rc = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/config.fish"}[shell]
        say(f"your shell does not read aliases yet: mlsh shell init {shell} --line >> {rc}")


@command.command(context_settings=HELP, short_help="Take aliases out of the file.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_alias)
@dry_run_option
@common
def remove(names: tuple[str, ...], dry_run: bool) -> None:
    """Take aliases out of the file: their lines, and nothing else in it."""
    from mlsh.aliases import book
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound

    def decide(old: str) -> str:
        there = {one.name: one for one in _parse(old)}
        for name in dict.fromkeys(names):
            if name not in there:
                raise NotFound(f"there is no alias {name}; nothing was changed", "mlsh alias list")
            old = book.remove(old, there[name])
        return old

    if change(decide, dry_run):
        say(f"removed: {' '.join(dict.fromkeys(names))}")
        say_where()


@command.command(context_settings=HELP, short_help="Edit the file in your editor; checked before it counts.")
@common
def edit() -> None:
    """Edit the file of aliases in $VISUAL or $EDITOR. You edit a copy, which counts once it is right."""
    from mlsh.aliases import editing, store
    from mlsh.cli.talk import say
    from mlsh.errors import ConfigError, MlshError, RefusedInput

    old = store.text()
    copy = editing.begin(old or f'{_header()}\n[mine]\n# gs = "git status --short"\n')
    begun = copy.read_text()

    def decide(now: str) -> str:
        if now != old:
            raise RefusedInput(f"{store.path()} was changed by somebody else meanwhile, and is as they left it")
        return editing.read(copy)

    while True:
        editing.open_editor(copy)
        if editing.read(copy) == begun:
            say("nothing was changed")
            break
        try:
            change(decide, dry_run=False)
        except ConfigError as error:
            say(error.what.replace(str(store.path()), "your copy"))
            if sys.stdin.isatty() and click.confirm("Edit it again?", default=True, err=True):
                continue
            what = f"nothing was changed; what you wrote is in {copy}"
            raise ConfigError(what, f"mend it, then: cp {copy} {store.path()}") from error
        except MlshError as error:
            error.what += f"; what you wrote is in {copy}"
            raise
        say("changed")
        say_where()
        break
    copy.unlink()
