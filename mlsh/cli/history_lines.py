"""Hits of `mlsh history` as lines of a table, and as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlsh.shell.table import columns
from mlsh.shell.visible import printable

if TYPE_CHECKING:
    from mlsh.history.search import Hit

_TITLES = ("WHEN", "BOX", "EXIT", "TOOK", "COMMAND")


def table(hits: Sequence[Hit], width: int | None) -> list[str]:
    """A table of hits, clipped to the width of a terminal, if it is one."""
    now = time.time()
    rows = [
        (
            age(hit.run.when_s, now),
            printable(hit.run.box),
            "" if hit.run.exit_code is None else str(hit.run.exit_code),
            took(hit.run.duration_s),
            printable(hit.command),
        )
        for hit in hits
    ]
    return columns([_TITLES, *rows], width, frozenset({0, 2, 3}))


def age(when_s: float | None, now: float) -> str:
    """How long ago: `now`, `5m`, `3h`, `2d`, `6w`, then the date; "" where nobody knows."""
    if when_s is None:
        return ""
    seconds = now - when_s
    if seconds < 60:
        # A box's clock may be ahead.
        return "now"
    for size, unit, until in ((60, "m", 3600), (3600, "h", 86400), (86400, "d", 14 * 86400), (604800, "w", 86400 * 70)):
        if seconds < until:
            return f"{int(seconds // size)}{unit}"
    return time.strftime("%Y-%m-%d", time.localtime(when_s))


def took(seconds: float | None) -> str:
    """A duration in a few characters: `0.2s`, `12s`, `3m`, `2h`; "" where nobody knows."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f}s"
    for size, unit, until in ((1, "s", 100), (60, "m", 6000), (3600, "h", 360_000)):
        if seconds < until:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds // 86400)}d"


def print_json(hits: Sequence[Hit]) -> None:
    """One object a line."""
    import msgspec

    for hit in hits:
        fields = {"command": hit.command, "uses": hit.uses, **hit.run._asdict()}
        fields["when"] = fields.pop("when_s")
        sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
