"""`mlsh box`: a group whose commands are imported when they run."""

from __future__ import annotations

import click

from mlsh.cli.options import common
from mlsh.cli.parts import group_of

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


@click.group(
    "box",
    cls=group_of(_PARTS),
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
