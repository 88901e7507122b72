"""The picker that many have already: fzf, given the whole history, newest first."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator

from mlsh.box import process
from mlsh.errors import MlshError
from mlsh.history.picker import ALIAS, INSERT, RECIPE, RUN, Choice
from mlsh.history.query import Query
from mlsh.history.search import all_matching, by_rank
from mlsh.shell.visible import printable

_KEYS = {"": INSERT, "ctrl-o": RUN, "alt-a": ALIAS, "alt-r": RECIPE}
_HEADER = "enter: take it   ctrl-o: run on a box   alt-a: alias   alt-r: recipe"
_NO_MATCH, _LEFT = 1, 130


def is_here() -> bool:
    """Whether there is one."""
    return shutil.which("fzf") is not None


def pick(database: sqlite3.Connection, query: Query) -> Choice:
    """Let the person choose; the words of `query` are what to begin with, its filters hold.

    Raises MlshError where fzf fails.
    """
    argv = [
        "fzf", "--no-multi", "--tiebreak=index", "--delimiter=\t", "--with-nth=2..",
        "--nth=1..", f"--expect={','.join(key for key in _KEYS if key)}", f"--header={_HEADER}",
        f"--query={' '.join(query.words)}",
    ]  # fmt: skip
    # It draws on stderr, or on the terminal itself, and reads keys from that.
    running = process.start(argv, stdin=process.PIPE, stderr=None, own_session=False, reads="the history")
    assert running.stdin is not None  # noqa: S101
    assert running.stdout is not None  # noqa: S101
    try:
        with contextlib.suppress(BrokenPipeError):
            for chunk in _chunks(database, Query((), query.boxes, query.folder, query.is_failed, query.since_s)):
                running.stdin.write(chunk)
        with contextlib.suppress(BrokenPipeError):
            running.stdin.close()
        said = running.stdout.read().decode(errors="replace")
        code = running.wait()
    finally:
        process.stop(running)
    if code in {_NO_MATCH, _LEFT}:
        return Choice(INSERT, None)
    if code != 0:
        raise MlshError(f"fzf ended with {code}", "mlsh's own picker: --no-fzf")
    key, _, line = said.partition("\n")
    rank = line.partition("\t")[0]
    hits = by_rank(database, [int(rank)]) if rank.lstrip("-").isdigit() else []
    return Choice(_KEYS.get(key, INSERT), hits[0] if hits else None)


def _chunks(database: sqlite3.Connection, query: Query, lines: int = 500) -> Iterator[bytes]:
    """The history as fzf is to show it: a number that it does not show, and the command on one line."""
    held: list[str] = []
    for rank, text, _ in all_matching(database, query):
        held.append(f"{rank}\t{printable(text)}\n")
        if len(held) == lines:
            yield "".join(held).encode(errors="replace")
            held.clear()
    yield "".join(held).encode(errors="replace")
