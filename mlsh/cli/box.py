"""`mlsh box`: a group whose commands are imported when they run."""

from __future__ import annotations

import importlib
from typing import Any

import click

from mlsh.cli.options import common

_PARTS = {
    "add": ("mlsh.cli.box_add", "Make a machine a box: by password once, by a key from then on."),
    "list": ("mlsh.cli.box_list", "The boxes that have a name."),
    "show": ("mlsh.cli.box_show", "What a box is, and how ssh reaches it."),
    "doctor": ("mlsh.cli.box_doctor", "Check boxes, and say what mends them."),
    "gpus": ("mlsh.cli.box_gpus", "GPUs, and who computes on them."),
    "trust": ("mlsh.cli.box_trust", "Accept a box's new host key, after it was reinstalled."),
    "rotate-key": ("mlsh.cli.box_rotate", "Replace the key that opens a box by a new one."),
    "rename": ("mlsh.cli.box_rename", "Give a box that mlsh added another name."),
    "remove": ("mlsh.cli.box_remove", "Forget a box that mlsh added, and take its key away."),
}
_NAMES = {"list": "list_", "rotate-key": "rotate_key"}


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
    "box",
    cls=_Parts,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@common
def command() -> None:
    """Look at machines, and add new ones. A box is `local`, or any Host of ~/.ssh/config.

    \b
      mlsh box add gpu1 ubuntu@203.0.113.7     asks for the password once; from then on `ssh gpu1` works by key
      mlsh box doctor gpu1                     is it fit for jobs?
    """
