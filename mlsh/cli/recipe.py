"""`mlsh recipe`: a group whose commands are imported when they run."""

from __future__ import annotations

import click

from mlsh.cli.options import common
from mlsh.cli.parts import group_of

_PARTS = {
    "list": ("mlsh.cli.recipe_look", "The recipes that there are: the starter book, yours, navi's."),
    "show": ("mlsh.cli.recipe_look", "What a recipe does, and what it wants to know; or a tldr page."),
    "run": ("mlsh.cli.recipe_run", "Run a recipe here, or as a job on a box."),
    "add": ("mlsh.cli.recipe_keep", "Write a recipe down, or take over a .cheat file."),
    "save": ("mlsh.cli.recipe_keep", "Make a recipe of what you typed last."),
    "edit": ("mlsh.cli.recipe_keep", "Change a recipe in your editor."),
}


@click.group(
    "recipe",
    cls=group_of(_PARTS),
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
