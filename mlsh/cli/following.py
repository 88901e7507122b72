"""Show a job's log as it grows, on a terminal or into a pipe."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from mlsh.cli.talk import Status, say
from mlsh.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlsh.jobs.onbox import OnBox
    from mlsh.records import State

_SECOND_CTRL_C_S = 2.0
# Most connections are back at once.
_SAY_LOST_S = 2.0


def follow(
    on_box: OnBox,
    job_id: str,
    *,
    start: str = "from",
    count: int = 0,
    raw: bool = False,
    quiet: bool = False,
    again: Callable[[], str] | None = None,
) -> int:
    """Follow a job to its end and return its exit code; `quiet` shows no log.

    Where the box's copy of the code was damaged, `again` launches the job anew and returns that one's id.
    Ctrl-C lets go of the job and says so; a second one asks whether to cancel it.
    """
    from mlsh.jobs.follow import Chunk, End, Follower
    from mlsh.jobs.outcome import DAMAGED, exit_code, tell
    from mlsh.jobs.reconnecting import Back, Lost

    follower = Follower(on_box, job_id, "nothing" if quiet else start, count)
    show = Output(raw)
    status = Status()
    told = False
    box = on_box.box.name
    try:
        for event in follower.events():
            match event:
                case Chunk():
                    status.clear()
                    show.write(event.data)
                case Lost():
                    show.pause()
                    if not told:
                        say(f"{event.reason}; the job goes on, and so will this")
                        told = True
                    if event.for_s >= _SAY_LOST_S:
                        status.show(
                            f"{box}: no connection for {event.for_s:.0f} s, trying again (Ctrl-C stops watching)"
                        )
                case Back():
                    status.clear()
                    if told:
                        say(f"{box}: connected again")
                    told = False
                case End():
                    status.clear()
                    show.end()
                    if os.isatty(2) or event.state.reason:
                        say(f"{job_id} {tell(event.state)}")
                    _tell_elsewhere(job_id, box, event.state)
                    if event.state.reason == DAMAGED:
                        return _mend(on_box, job_id, again, raw, quiet)
                    return exit_code(event.state)
    except KeyboardInterrupt:
        status.clear()
        show.end()
        follower.close()
        return _let_go(on_box, job_id)
    finally:
        follower.close()
    return ExitCode.INTERNAL


def _tell_elsewhere(job_id: str, box: str, state: State) -> None:
    from mlsh.jobs.telling import ended

    for trouble in ended(job_id, box, state):
        say(trouble)


def _mend(on_box: OnBox, job_id: str, again: Callable[[], str] | None, raw: bool, quiet: bool) -> int:
    if again is not None:
        return follow(on_box, again(), raw=raw, quiet=quiet)
    say(f"it never began; run it again: mlsh retry {job_id}")
    return 1


def _let_go(on_box: OnBox, job_id: str) -> int:
    say(f"stopped watching; {job_id} goes on. Again: mlsh logs -f {job_id}   End it: mlsh cancel {job_id}")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return ExitCode.INTERRUPTED
    try:
        Status().show("      (Ctrl-C once more to cancel the job)")
        time.sleep(_SECOND_CTRL_C_S)
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        if click.confirm(f"Cancel {job_id}?", err=True):
            from mlsh.jobs.cancel import cancel
            from mlsh.jobs.outcome import tell

            say(f"{job_id} {tell(cancel(on_box, job_id).state)}")
    return ExitCode.INTERRUPTED


class Output:
    """Writes a log to stdout: harmless on a terminal, byte for byte into a pipe or a file."""

    def __init__(self, raw: bool) -> None:
        from mlsh.shell.sanitize import LogCleaner

        self._fd = sys.stdout.fileno()
        self._cleaner = None if raw or not os.isatty(self._fd) else LogCleaner()
        self._at_line_start = True

    @property
    def descriptor(self) -> int | None:
        """Where bytes may go as they are, past `write`; None where they must be cleaned."""
        return None if self._cleaner is not None else self._fd

    def write(self, data: bytes) -> None:
        """Write the next bytes of the log."""
        if self._cleaner is not None:
            data = self._cleaner.feed(data).encode()
        self._put(data)

    def _put(self, data: bytes) -> None:
        if data:
            self._at_line_start = data.endswith(b"\n")
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def pause(self) -> None:
        """Before a word to the person: on a terminal, begin a new line."""
        if not self._at_line_start and os.isatty(self._fd) and os.isatty(2):
            self._put(b"\n")

    def end(self) -> None:
        """Nothing more comes: no colour of the log's may stay."""
        if self._cleaner is not None:
            self._put(self._cleaner.feed(b"", final=True).encode())
            at_line_start = self._at_line_start
            self._put(b"\x1b[0m")
            self._at_line_start = at_line_start
            self.pause()
