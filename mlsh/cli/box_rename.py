"""`mlsh box rename`: another name for a box that mlsh added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlsh.cli.box_words import HELP, plain
from mlsh.cli.options import common, complete_box

if TYPE_CHECKING:
    from mlsh.config import Settings


@click.command(context_settings=HELP, short_help="Give a box that mlsh added another name.")
@click.argument("old", shell_complete=complete_box)
@click.argument("new")
@common
def rename(old: str, new: str) -> None:
    """Call a box otherwise: its entry, the file of its key, and what jumps through it of the boxes that mlsh added.

    Nothing is changed on the box. Says which lines of your own still go by the old name.
    """
    from mlsh import config
    from mlsh.box import check_name
    from mlsh.cli.talk import say
    from mlsh.contact.remove import rename as call
    from mlsh.contact.target import check_new_name

    settings = config.load()
    check_name(old)
    check_new_name(new)
    renamed = call(old, new, settings)
    say(f"{old} is {new} now: ssh {new}")
    if renamed.left:
        say(f"your ssh config still goes by way of {old}, which fails now; change it: {plain(', '.join(renamed.left))}")
    _tell_what_else(old, new, settings)


def _tell_what_else(old: str, new: str, settings: Settings) -> None:
    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.jobs import journal

    named = settings.home(old) or settings.shell(old) != "interactive" or not settings.multiplex(old)
    groups = [name for name, boxes in settings.groups.items() if old in boxes]
    if named or groups:
        say(f"your settings still say {old}: change it in {config.config_dir() / 'config.toml'}")
    try:
        journal.rename_box(old, new)
    except OSError as error:
        say(f"this machine's record of jobs still says {old} ({error.strerror}); list them: mlsh ps --on {new}")
