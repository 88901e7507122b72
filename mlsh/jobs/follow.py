"""Follow a job's log over connections that break, without a byte lost or doubled.

The box counts: a log is a file, and a follower says from which byte on it wants it. Where a connection
breaks, or falls silent, a new one goes on at the next byte. The box's last word is the log's size, so the end is
known to be the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from mlsh.errors import BoxUnfit
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.reconnecting import Back, Channel, Lost, reconnecting
from mlsh.records import State, from_json

_REPLY = b"mlsh-reply 1\n"


class Chunk(msgspec.Struct, frozen=True):
    """The next bytes of the log."""

    data: bytes


class End(msgspec.Struct, frozen=True):
    """The job has ended, and its log of `size` bytes has been given whole."""

    state: State
    size: int


Event = Chunk | Lost | Back | End


class Follower:
    """Follows one job. `offset` is the next byte of the log that has not been given."""

    def __init__(self, on_box: OnBox, job_id: str, start: str = "from", count: int = 0) -> None:
        """`start` is `from` (byte `count`), `tail` (the last `count` lines) or `nothing` (only the end)."""
        self._id = job_id
        self._start, self._count = start, count
        self.offset = count if start == "from" else -1
        self._channel = Channel(on_box)

    def close(self) -> None:
        """Let go of the connection; the job goes on."""
        self._channel.close()

    def events(self) -> Iterator[Event]:
        """What happens, until End.

        Raises NotFound when the job is gone, LoginRefused and BoxUnfit when the box won't have us any more;
        what may pass (no network, a reboot) is told as Lost and tried again for ever.
        """
        return reconnecting(self._channel, self._once)

    def _words(self) -> tuple[str, str]:
        if self._start == "nothing":
            return "nothing", "0"
        return ("from", str(self.offset)) if self.offset >= 0 else (self._start, str(self._count))

    def _once(self) -> Iterator[Chunk | End | None]:
        """One connection, to its end. Yields None at its first sign of life.

        Raises Unreachable when it breaks, falls silent or ends before all was said.
        """
        answer = _Answer()
        received = 0
        held: list[bytes] = []
        for name, data in self._channel.pieces("follow", self._id, *self._words()):
            if name == "stderr":
                for at in answer.say(data):
                    # The two pipes are not in step: some of the log may be here already.
                    self.offset = at + received if at >= 0 else at
                    yield None
                    if held:
                        yield Chunk(b"".join(held))
                        held.clear()
            elif log := answer.log(data):
                received += len(log)
                if self.offset >= 0:
                    self.offset += len(log)
                    yield Chunk(log)
                else:
                    # Given before we know where they are in the log, they would be given again after a break.
                    held.append(log)
        if answer.end is not None and (self._start == "nothing" or self.offset >= answer.end.size):
            self._channel.is_over = True
            yield answer.end
            return
        if answer.end is not None and received:
            return  # the box's tail was stopped before its last bytes: they are one more call away
        why = "the connection ended" if answer.end is None else "the log can't be read"
        self._channel.explain(answer.before, answer.talk, answer.replied, why)


_SAID = re.compile(rb"^mlsh-(at|beat|end)(?: (-?\d+))?(?: (.*))?$")


class _Answer:
    """What has come over one connection: the log behind the reply line, and the talk beside it."""

    def __init__(self) -> None:
        self.before = b""
        self.talk = b""
        self.replied = False
        self.end: End | None = None
        self._line = b""

    def log(self, data: bytes) -> bytes:
        """The bytes of the log in `data`; what a login shell prints before our reply is kept apart."""
        if self.replied:
            return data
        self.before += data
        _, found, log = self.before.partition(_REPLY)
        if not found:
            return b""
        self.replied = True
        return log

    def say(self, data: bytes) -> Iterator[int]:
        """Read the talk; yields the log's offset where it is told."""
        self._line += data
        *lines, self._line = self._line.split(b"\n")
        for line in lines:
            match = _SAID.match(line.rstrip())
            if match is None:
                self.talk = (self.talk + line + b"\n")[-4000:]
            elif match[1] == b"at" and match[2]:
                yield int(match[2])
            elif match[1] == b"end" and match[2] and match[3]:
                self.end = End(from_json(match[3], State), int(match[2]))


def wait_for_end(on_box: OnBox, job_id: str, on_trouble: Callable[[Lost | Back], None]) -> State:
    """Wait for a job's end without its log."""
    for event in Follower(on_box, job_id, "nothing").events():
        if isinstance(event, End):
            return event.state
        if isinstance(event, Lost | Back):
            on_trouble(event)
    raise BoxUnfit(on_box.box.name, "no-end", "the job's end was not told")
