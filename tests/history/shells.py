"""A real shell at a real terminal, as a person has it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bed import Laptop
from tests.bed.waiting import wait_for


class Shell:
    """A program in a terminal of 80 by 24 that is its own; `seen` is all that it sent."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.seen = b""
        self.code: int | None = None
        self._pid, self._main = pty.fork()
        if self._pid == 0:
            os.chdir(cwd)
            os.execvpe(argv[0], list(argv), dict(env))
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self._main, False)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._main, text.encode())

    def shows(self, text: str, times: int = 1) -> None:
        """Wait until the text came so many times in all."""
        wait_for(lambda: self._read().count(text.encode()) >= times, 30, f"{text!r} on the terminal")

    def ends(self) -> int:
        """Wait for its end, and return its exit code."""

        def ended() -> bool:
            self._read()
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            return bool(pid)

        wait_for(ended, 30, "the shell's end")
        assert self.code is not None
        return self.code

    def close(self) -> None:
        """Hang up."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._main)

    def _read(self) -> bytes:
        with contextlib.suppress(OSError):
            while data := os.read(self._main, 65536):
                self.seen += data
        return self.seen


@contextlib.contextmanager
def shell(laptop: Laptop, *argv: str, env: Mapping[str, str] | None = None) -> Iterator[Shell]:
    """A shell of the laptop's person, at home."""
    started = Shell(argv, {**laptop.env, **(env or {})}, laptop.home)
    try:
        yield started
    finally:
        started.close()
