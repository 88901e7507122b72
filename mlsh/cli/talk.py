"""What mlsh says beside its data: on stderr, in words, in colour only where that is wanted."""

from __future__ import annotations

import functools
import os
import sys

_COLOURS = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_STATE_COLOUR = {
    "SUCCEEDED": "green",
    "FAILED": "red",
    "LOST": "red",
    "TIMEOUT": "yellow",
    "CANCELLED": "yellow",
    "RUNNING": "cyan",
    "PENDING": "dim",
}


@functools.cache
def colours(fileno: int) -> bool:
    """Whether to colour what goes to this descriptor."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and os.isatty(fileno)


def paint(text: str, colour: str, fileno: int = 1) -> str:
    """`text` in a colour, where colour is wanted."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if colours(fileno) else text


def paint_state(state: str, text: str, fileno: int = 1) -> str:
    """`text` in the colour of a job's state."""
    return paint(text, _STATE_COLOUR.get(state, "dim"), fileno)


def say(text: str) -> None:
    """A line for the person, on stderr; control characters in it are made visible."""
    from mlsh.shell.visible import printable

    print(f"mlsh: {printable(text)}", file=sys.stderr, flush=True)


def is_watched() -> bool:
    """Whether a person sits at a terminal and reads stderr."""
    return sys.stderr.isatty()


class Status:
    """One line on stderr that replaces itself; nothing where nobody watches."""

    def __init__(self) -> None:
        self._shown = False

    def show(self, text: str) -> None:
        """Show `text` in place of what was shown before."""
        if is_watched():
            columns = os.get_terminal_size(2).columns
            print(f"\r\x1b[K{text[: columns - 1]}", end="", file=sys.stderr, flush=True)
            self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None for a pipe, and for a terminal that does not know."""
    return (os.get_terminal_size(1).columns or None) if os.isatty(1) else None
