"""Lines on a terminal that are drawn again in place: no flicker, and the last ones stay when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

# No more redraws a second than this: a person sees no more, and ssh and tmux carry each.
_LEAST_S = 0.1
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# Terminals that know it show the whole at once; the others pass over it.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


def has_screen() -> bool:
    """Whether stdout is a terminal on which lines can be drawn again."""
    return os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"


def draws_boxes() -> bool:
    """Whether stdout takes more than ASCII."""
    return (sys.stdout.encoding or "").lower().startswith("utf")


class Screen:
    """The place where lines are drawn. Its size is asked for anew at each drawing."""

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._drawn_at = 0.0
        self._resized = False

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines that there are to draw in."""
        # 0 is what a terminal says that was never told its size.
        columns, lines = os.get_terminal_size(1)
        return os.terminal_size((columns or 80, lines or 24))

    def draw(self, lines: list[str]) -> None:
        """Show these lines, which fit the size, in place of those before; nothing where they are the same."""
        if lines == self._shown and not self._resized:
            return
        parts = [_BEGIN]
        if self._resized:
            # The terminal has broken the lines anew: nobody knows where they are.
            parts.append("\x1b[H\x1b[2J")
            self._resized = False
        elif len(self._shown) > 1:
            parts.append(f"\r\x1b[{len(self._shown) - 1}A")
        else:
            parts.append("\r")
        parts.append("\x1b[K\r\n".join(lines) + "\x1b[K\x1b[J")
        parts.append(_END)
        _put("".join(parts))
        self._shown = list(lines)
        self._drawn_at = time.monotonic()

    def due_s(self) -> float:
        """Seconds until it may be drawn again."""
        return max(0.0, self._drawn_at + _LEAST_S - time.monotonic())

    @contextlib.contextmanager
    def held(self, draw: Callable[[], list[str]]) -> Iterator[None]:
        """Hide the cursor meanwhile; at the end the last picture stays, and what follows is below it."""

        def resized(_signal: int, _frame: FrameType | None) -> None:
            self._resized = True

        def ended(_signal: int, _frame: FrameType | None) -> None:
            raise SystemExit(128 + _signal)

        kinds = {signal.SIGWINCH: resized, signal.SIGTERM: ended, signal.SIGHUP: ended}
        before = {kind: signal.signal(kind, handler) for kind, handler in kinds.items()}
        _put(_HIDE_CURSOR)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                # What was typed meanwhile (^C) stands in the last line.
                self._shown = self._shown if self._shown else [""]
                lines, self._drawn_at = draw(), 0.0
                self._shown[-1] += "\0"
                self.draw(lines)
                _put("\r\n" + _SHOW_CURSOR)
            for kind, handler in before.items():
                signal.signal(kind, handler)

    @property
    def resized(self) -> bool:
        """Whether the size changed since the last drawing."""
        return self._resized


def _put(text: str) -> None:
    view = memoryview(text.encode(sys.stdout.encoding or "utf-8", errors="replace"))
    while view:
        view = view[os.write(1, view) :]
