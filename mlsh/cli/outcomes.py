"""How `mlsh pull` and `mlsh push` show what became of files."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mlsh.cli.talk import Status, say

if TYPE_CHECKING:
    from mlsh.files.outcome import Outcome

_SHOWN = 20
_EVERY_S = 0.1


def size(count: int) -> str:
    """So many bytes, in words."""
    if count < 1024:
        return f"{count} bytes"
    return f"{count / 1024:.0f} KiB" if count < 1 << 20 else f"{count / 2**20:.1f} MiB"


class Moving:
    """A line on a terminal that tells how far it is."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._status = Status()
        self._next = self._start = time.monotonic()

    def show(self, done: int, total: int) -> None:
        """So many bytes of so many."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_S
        rate = done / max(now - self._start, 0.1)
        self._status.show(f"{self._verb}: {size(done)} of {size(max(done, total))}, {size(int(rate))}/s")

    def say(self, text: str) -> None:
        """A line of words, above that one."""
        self._status.clear()
        say(text)

    def clear(self) -> None:
        """Take the line away."""
        self._status.clear()


def show(outcomes: Sequence[Outcome], as_json: bool) -> None:
    """JSON for each path; else a word on each that did not come."""
    if as_json:
        from mlsh.records import to_json

        for one in outcomes:
            fields = {"path": _text(one.path), "status": one.status, "bytes": one.size, "why": one.why}
            click.echo(to_json(fields))
    left = [one for one in outcomes if one.why]
    for one in left[:_SHOWN]:
        say(f"{_text(one.path)}: {one.why}")
    if len(left) > _SHOWN:
        say(f"and {len(left) - _SHOWN} more (each of them: --json)")


def summary(outcomes: Sequence[Outcome], done: str, target: str) -> None:
    """For a person who watches, what was done in one line."""
    if not os.isatty(2):
        return
    came = [one for one in outcomes if one.status == done]
    same = sum(one.status == "same" for one in outcomes)
    files = "1 file" if len(came) == 1 else f"{len(came)} files"
    say(f"{files}, {size(sum(one.size for one in came))}, into {target}" + (f"; {same} were there" if same else ""))


def planned(rows: Sequence[tuple[str, bytes, int, str]], as_json: bool) -> None:
    """A dry run: (status, path, bytes, why) of each path."""
    for status, path, count, why in rows:
        if as_json:
            from mlsh.records import to_json

            click.echo(to_json({"path": _text(path), "status": status, "bytes": count, "why": why}))
        else:
            from mlsh.shell.visible import printable

            click.echo(f"{status:>7} {count:>14}  {printable(_text(path))}" + (f"  # {why}" if why else ""))


def _text(path: bytes) -> str:
    """A path as text; what is no UTF-8 shows as `\\xff`."""
    return path.decode(errors="backslashreplace")
