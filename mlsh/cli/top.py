"""`mlsh top`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, complete_box, json_option, verb

if TYPE_CHECKING:
    import os

    from mlsh.box import Box
    from mlsh.jobs.picture import Picture
    from mlsh.jobs.watches import Watches

# A box that has not told all by then is shown with what it told.
_LIMIT_S = 30.0


@verb("top")
@click.option("--on", "boxes", multiple=True, metavar="BOX", shell_complete=complete_box,
              help="These boxes; default: this machine, and those that you launched jobs on.")  # fmt: skip
@click.option("--once", is_flag=True, help="Print how it stands now, and end; so it does in a pipe anyway.")
@json_option
@common
def command(boxes: tuple[str, ...], once: bool, as_json: bool) -> None:
    """Watch boxes: GPUs, who computes on them, who waits in line, and the load. Ctrl-C ends it.

    \b
    The fields of --json are in the reference: docs/reference/json.md
    """
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.cli.screen import has_screen
    from mlsh.errors import ExitCode
    from mlsh.jobs.find import known_boxes
    from mlsh.jobs.groups import expand
    from mlsh.jobs.watches import Watches

    settings = config.load()
    names = expand(boxes, settings, Path.cwd()) if boxes else known_boxes(settings)
    opened: list[Box] = [open_box(name, settings) for name in names]
    watches = Watches(opened, with_gpus=True)
    try:
        if once or as_json or not has_screen():
            code = _print_once(watches, as_json)
        else:
            from mlsh.cli.ps_watch import redraw

            code = redraw(watches, lambda size: _lines(watches, size))
    except KeyboardInterrupt:
        code = ExitCode.OK
    finally:
        watches.close()
    raise SystemExit(int(code))


def _lines(watches: Watches, size: os.terminal_size) -> list[str]:
    from mlsh.cli.screen import draws_boxes
    from mlsh.cli.top_lines import fit, lines_of
    from mlsh.jobs.picture import clock

    at = clock()
    blocks = [lines_of(one, at, size.columns, draws_boxes()) for one in watches.pictures.values()]
    return fit(blocks, size.columns, max(1, size.lines - 1))


def _print_once(watches: Watches, as_json: bool) -> int:
    from mlsh.cli.ps_watch import exit_code
    from mlsh.errors import ExitCode
    from mlsh.jobs.picture import WATCHED, clock

    left = dict.fromkeys(watches.pictures)
    until = time.monotonic() + _LIMIT_S
    is_lost = False
    while left and (left_s := until - time.monotonic()) > 0:
        for _ in watches.changes(min(left_s, 1.0)):
            pass
        for box in [box for box in left if _told_all(watches.pictures[box])]:
            del left[box]
            is_lost = is_lost or watches.pictures[box].connection != WATCHED
            _print(watches.pictures[box], clock(), as_json)
    for box in left:
        _print(watches.pictures[box], clock(), as_json)
    return exit_code(watches) or (ExitCode.UNREACHABLE if is_lost or left else ExitCode.OK)


def _told_all(picture: Picture) -> bool:
    from mlsh.jobs.picture import CONNECTING, WATCHED

    if picture.connection == CONNECTING:
        return False
    return picture.connection != WATCHED or (picture.gpus is not None and picture.host is not None)


def _print(picture: Picture, at: float, as_json: bool) -> None:
    import shutil

    from mlsh.cli.screen import draws_boxes
    from mlsh.cli.top_lines import as_fields, lines_of

    if as_json:
        from mlsh.records import to_json

        sys.stdout.write(to_json(as_fields(picture)).decode() + "\n")
    else:
        columns = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 160
        click.echo("\n".join(lines_of(picture, at, columns, draws_boxes())))
    sys.stdout.flush()
