"""docs/reference/commands.md, made from the real `--help` texts. `python -m tests.docs.commands_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from mlsh.cli import cli
from tests.docs.pages import DOCS

PAGE = DOCS / "reference/commands.md"
_WIDTH = 100
_TOP = """\
# Commands

What `mlsh COMMAND -h` prints. JOB is an id or its start, a name, `@` for the job that you launched last, or `@~2` for
the one two before it.
"""


def text() -> str:
    """The page as it should be."""
    return _TOP + "".join(f"\n## {name}\n\n```text\n{help_}\n```\n" for name, help_ in _helps("mlsh", cli, None))


def _helps(name: str, command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(
        command,
        info_name=name.rpartition(" ")[2],
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield name, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            assert found is not None
            yield from _helps(f"{name} {verb}", found, context)


if __name__ == "__main__":
    PAGE.write_text(text())
