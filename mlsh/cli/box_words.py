"""What the verbs of `mlsh box` share: boxes opened, words and tables printed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlsh.box import Box
    from mlsh.box.inventory import Resolved
    from mlsh.config import Settings
    from mlsh.errors import MlshError

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def open_all(names: Sequence[str]) -> tuple[Settings, list[Box]]:
    """The settings, and the boxes of these names, each once; `local` where there is none."""
    from mlsh import config
    from mlsh.box import LOCAL, open_box

    settings = config.load()
    return settings, [open_box(name, settings) for name in dict.fromkeys(names or (LOCAL,))]


def guess(name: str, settings: Settings) -> str:
    """`did you mean ...`, for a name that is no alias."""
    from mlsh.box import inventory

    known = inventory.names(settings)
    near = inventory.closest(name, known) if name not in known else None
    return f"did you mean the box {near}?" if near else ""


def address(resolved: Resolved | None) -> dict[str, Any]:
    """How ssh reaches a box, for `--json`."""
    return {
        "hostname": resolved.hostname if resolved else None,
        "user": resolved.user if resolved else None,
        "port": resolved.port if resolved else None,
        "proxy_jump": (resolved.proxy_jump or None) if resolved else None,
    }


def put(fields: dict[str, Any]) -> None:
    """Print one object as a line of JSON."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
    sys.stdout.flush()


def plain(text: str) -> str:
    """Text from elsewhere, made harmless."""
    from mlsh.shell.visible import printable

    return printable(text)


def complain(error: MlshError, guess: str = "") -> None:
    """Say an error on stderr, with what to do next."""
    click.echo(f"mlsh: {plain(error.what)}", err=True)
    for hint in filter(None, (guess, error.hint)):
        click.echo(f"      {plain(hint)}", err=True)


def table(titles: list[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """Print rows under titles; nothing where there are none."""
    import shutil

    from mlsh.cli.talk import paint
    from mlsh.shell.table import columns

    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        return
    limit = shutil.get_terminal_size((200, 24)).columns if sys.stdout.isatty() else None
    head, *lines = columns([titles, *cells], limit, right)
    click.echo(paint(head, "dim"))
    for line in lines:
        click.echo(line)


def short_path(path: str) -> str:
    """A path with `~` for the home folder."""
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path


def where(resolved: Resolved) -> str:
    """`user@host:port by way of jump`."""
    port = "" if resolved.port == 22 else f":{resolved.port}"
    way = f" by way of {resolved.proxy_jump}" if resolved.proxy_jump else ""
    return f"{resolved.user}@{resolved.hostname}{port}{way}"


def pair(key: str, value: str) -> None:
    """Print a line of key and value; nothing where there is no value."""
    from mlsh.cli.talk import paint

    if value:
        click.echo(f"{paint(f'{key:<12}', 'dim')} {plain(value)}")
