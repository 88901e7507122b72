"""A terminal with mlsh on it, for tests of what a person sees and types."""

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable, Mapping

from .laptop import Laptop
from .waiting import wait_for


class Terminal:
    """A terminal of 100 by 30 with mlsh on it."""

    def __init__(self, laptop: Laptop, *words: str, env: Mapping[str, str | None] | None = None) -> None:
        self._main, theirs = pty.openpty()
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        os.set_blocking(self._main, False)
        self.seen = b""
        self.process = laptop.spawn(*words, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._main, text.encode())

    def shows(self, text: str) -> None:
        """Wait until the text was on the screen."""
        wait_for(lambda: text.encode() in self._read(), 15, f"{text!r} on the terminal")

    def ends(self) -> int:
        """Wait for mlsh's end, and return its exit code."""

        def ended() -> bool:
            self._read()
            return self.process.poll() is not None

        wait_for(ended, 15, "mlsh to end")
        self._read()
        return int(self.process.returncode)

    def close(self) -> None:
        """Hang up."""
        os.close(self._main)

    def _read(self) -> bytes:
        try:
            while data := os.read(self._main, 65536):
                self.seen += data
        except OSError:
            pass  # nothing more for now
        return self.seen


Sit = Callable[..., Terminal]
