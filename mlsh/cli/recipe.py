"""`mlsh recipe`: a group whose commands are imported when they run."""

from __future__ import annotations

import importlib
from typing import Any

import click

from mlsh.cli.options import common

_PARTS = {
    "list": ("mlsh.cli.recipe_look", "The recipes that there are: the starter book, yours, navi's."),
    "show": ("mlsh.cli.recipe_look", "What a recipe does, and what it wants to know; or a tldr page."),
    "run": ("mlsh.cli.recipe_run", "Run a recipe here, or as a job on a box."),
    "add": ("mlsh.cli.recipe_keep", "Write a recipe down, or take over a .cheat file."),
    "save": ("mlsh.cli.recipe_keep", "Make a recipe of what you typed last."),
    "edit": ("mlsh.cli.recipe_keep", "Change a recipe in your editor."),
}
_NAMES = {"list": "list_"}


class _Parts(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _PARTS:
            return None
        found = getattr(importlib.import_module(_PARTS[cmd_name][0]), _NAMES.get(cmd_name, cmd_name))
        assert isinstance(found, click.Command)  # noqa: S101
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(part, help_) for part, (_, help_) in _PARTS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found = [CompletionItem(part, help=help_) for part, (_, help_) in _PARTS.items() if part.startswith(incomplete)]
        return found or list(click.Command.shell_complete(self, ctx, incomplete))


@click.group(
    "recipe",
    cls=_Parts,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@common
def command() -> None:
    """Have the commands at hand that you look up each time: with parameters, in steps, here or on a box.

    There is a starter book for people who train models. Yours are `.cheat` files, as navi has them, in
    ~/.config/mlsh/recipes. Nothing of a file runs by being read, listed or shown.

    \b
      mlsh recipe list disk
      mlsh recipe show disk-biggest
      mlsh recipe run disk-biggest --on gpu1
      mlsh recipe save eval-run -n 3       what you typed last, to keep
    """
