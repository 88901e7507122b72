"""The picker on a terminal: reads keys, looks into the database after each, draws. It runs no command."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sqlite3
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import BinaryIO, NamedTuple

from mlsh.errors import UsageError
from mlsh.history.fuzzy import closest
from mlsh.history.keys import decode
from mlsh.history.picker import PROMPT, Choice, State, draw, page_of, press
from mlsh.history.query import Query
from mlsh.history.search import Hit, by_rank, search
from mlsh.shell.table import width
from mlsh.shell.visible import printable

_MOST = 200
_FEW = 5
_FUZZY_AMONG = 20_000
# After an escape the rest of an arrow key follows at once, over a slow ssh a little later.
_ESCAPE_S = 0.1
_ENTER, _LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Screen(NamedTuple):
    """Where keys come from, where the picture goes, and what can be read once its size has changed: descriptors."""

    keys: int
    picture: int
    resized: int


@contextlib.contextmanager
def terminal() -> Iterator[Screen]:
    """The terminal, though stdout is caught by a shell. Raises UsageError where there is none to draw on."""
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "to pick a command you need a terminal that can be drawn on", "search instead: mlsh history WORD"
        )
    opened: list[BinaryIO] = []

    def own(descriptor: int) -> int:
        if os.isatty(descriptor):
            return descriptor
        try:
            opened.append(open("/dev/tty", "r+b", buffering=0))  # noqa: SIM115 - closed below
        except OSError:
            raise UsageError("to pick a command you need a terminal", "search instead: mlsh history WORD") from None
        return opened[-1].fileno()

    told, tell = os.pipe()
    os.set_blocking(tell, False)
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    try:
        yield Screen(own(0), own(2), told)
    finally:
        signal.set_wakeup_fd(before)
        os.close(told)
        os.close(tell)
        for file in opened:
            file.close()


def pick(
    database: sqlite3.Connection,
    query: Query,
    cells: Callable[[Sequence[Hit]], list[Sequence[str]]],
    *,
    folder: str,
    colour: bool,
) -> Choice:
    """Let the person choose; `query` has the words to begin with and the filters, `cells` makes a row of each hit."""

    def look(state: State) -> State:
        return state.found(_found(database, query, state, folder))

    text = " ".join(query.words)
    with terminal() as screen, _held(screen):
        state = look(State(text=text, cursor=len(text)))
        rest = b""
        while True:
            size = _size(screen)
            _show(screen, state, cells(state.hits), size, colour)
            keys, rest = _keys(screen, rest)
            before = state.text
            for key in keys:
                after = press(state, key, page_of(size.lines))
                if isinstance(after, Choice):
                    return after
                state = after
            if state.text != before:
                state = look(state)


def _found(database: sqlite3.Connection, query: Query, state: State, folder: str) -> list[Hit]:
    asked = Query(state.words, query.boxes, query.folder, query.is_failed, query.since_s)
    hits = search(database, asked, limit=_MOST, folder=folder)
    if len(hits) >= _FEW or len("".join(state.words)) < 2 or asked.asks_of_runs:
        return hits
    among = database.execute("SELECT rank, text FROM commands ORDER BY rank DESC LIMIT ?", (_FUZZY_AMONG,))
    known = {hit.command for hit in hits}
    near = by_rank(database, closest("".join(state.words), among, _MOST))
    return hits + [hit for hit in near if hit.command not in known]


def _keys(screen: Screen, rest: bytes) -> tuple[list[str], bytes]:
    """The next keys; none where the size of the terminal has changed."""
    ready = select.select([screen.keys, screen.resized], [], [], _ESCAPE_S if rest else None)[0]
    if screen.resized in ready:
        os.read(screen.resized, 4096)
        return [], rest
    if not ready:
        return list(decode(rest, is_all=True).keys), b""
    data = os.read(screen.keys, 4096)
    if not data:
        return ["esc"], b""
    keys, rest = decode(rest + data)
    return keys, rest


def _size(screen: Screen) -> os.terminal_size:
    try:
        columns, lines = os.get_terminal_size(screen.picture)
    except OSError:
        columns, lines = shutil.get_terminal_size()
    # 0 is what a terminal says that was never told its size.
    return os.terminal_size((columns or 80, lines or 24))


def _show(screen: Screen, state: State, rows: list[Sequence[str]], size: os.terminal_size, colour: bool) -> None:
    lines = draw(state, rows, size.columns, size.lines, colour=colour)
    column = min(size.columns, width(PROMPT) + width(printable(state.text[: state.cursor])) + 1)
    picture = "\x1b[?25l\x1b[H" + "\x1b[K\r\n".join(lines) + f"\x1b[K\x1b[J\x1b[1;{column}H\x1b[?25h"
    _put(screen, picture)


def _put(screen: Screen, text: str) -> None:
    view = memoryview(text.encode("utf-8", errors="replace"))
    while view:
        view = view[os.write(screen.picture, view) :]


@contextlib.contextmanager
def _held(screen: Screen) -> Iterator[None]:
    """Have the terminal tell each key, and give it back as it was, however this ends."""

    def ended(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def resized(_number: int, _frame: FrameType | None) -> None:
        """Nothing: that there was a signal can be read from the pipe."""

    before = termios.tcgetattr(screen.keys)
    handlers = {signal.SIGTERM: ended, signal.SIGHUP: ended, signal.SIGWINCH: resized}
    kept = {kind: signal.signal(kind, handler) for kind, handler in handlers.items()}
    try:
        tty.setraw(screen.keys, termios.TCSADRAIN)
        _put(screen, _ENTER)
        yield
    finally:
        for kind, handler in kept.items():
            signal.signal(kind, handler)
        with contextlib.suppress(OSError, termios.error):
            _put(screen, _LEAVE)
            termios.tcsetattr(screen.keys, termios.TCSADRAIN, before)
