"""Groups of commands that are imported when they run: `mlsh box`, `mlsh bisect`, `mlsh recipe`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class Parts(click.Group):
    """A group whose commands stand in a table, with the modules that have them and their short helps."""

    parts: Mapping[str, tuple[str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order of the table."""
        del ctx
        return list(self.parts)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command: what its module has under its name, or `list_` where Python has the name already."""
        del ctx
        if cmd_name not in self.parts:
            return None
        module = importlib.import_module(self.parts[cmd_name][0])
        name = cmd_name.replace("-", "_")
        found = getattr(module, name if hasattr(module, name) else f"{name}_")
        assert isinstance(found, click.Command)  # noqa: S101
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in `--help`, from the table."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(part, help_) for part, (_, help_) in self.parts.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete a command from the table."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(part, help=help_) for part, (_, help_) in self.parts.items() if part.startswith(incomplete)
        ]
        return found or list(click.Command.shell_complete(self, ctx, incomplete))


def group_of(parts: Mapping[str, tuple[str, str]]) -> type[Parts]:
    """The class of a group with these commands: name -> (module, short help)."""
    return type("Group", (Parts,), {"parts": parts})
