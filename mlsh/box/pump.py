"""Move files through a started command: flat memory, both directions at once, and a limit on standing still."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Sequence
from typing import IO, Protocol

from mlsh.box import process

_CHUNK = 1 << 18
_KEPT = 1 << 16


class Readable(Protocol):
    """What bytes are taken from."""

    def read(self, size: int, /) -> bytes | None:
        """Up to `size` bytes; none at the end, and None where more comes once something was taken."""


class Stalled(Exception):
    """Nothing moved for `for_s` seconds; the command has been ended."""

    def __init__(self, for_s: float) -> None:
        super().__init__(f"nothing moved for {for_s:g} s")
        self.for_s = for_s


def pump(
    command: process.Started,
    source: Readable | None = None,
    *,
    before: bytes = b"",
    take: Callable[[bytes], object] | None = None,
    sent: Callable[[int], None] | None = None,
    stall_s: float = 60.0,
    answer_s: float | Callable[[], float] = 60.0,
    beside: Sequence[Outlet] = (),
) -> process.Ran:
    """Feed `before` and then `source` to a command, to the command's end.

    Its output goes to `take` as it comes, or is kept. `sent` is told how many bytes of `source` the command
    has accepted. `beside` are pipes of others, read meanwhile, on which `source` may wait; no bytes tell of their
    end. Raises Stalled when no byte moves for `stall_s` seconds, or `answer_s` once all is sent. A
    command that ends before it has read everything is no error here: what it printed tells why.
    """
    flow = _Flow(command, source, before, sent)
    kept: list[bytes] = []
    said: list[bytes] = []
    try:
        own = [(command.stdout, take or kept.append), (command.stderr, said.append)]
        _turn(flow, own, beside, stall_s, answer_s)
        return process.Ran((), command.wait(), b"".join(kept), b"".join(said)[-_KEPT:])
    finally:
        flow.close()
        process.stop(command, grace_s=0.2)
        for pipe in (command.stdout, command.stderr):
            if pipe is not None:
                pipe.close()


def _turn(
    flow: _Flow,
    own: Sequence[Outlet],
    beside: Sequence[Outlet],
    stall_s: float,
    answer_s: float | Callable[[], float],
) -> None:
    """Move what can be moved, until every pipe has ended."""
    tells_end = {pipe for pipe, _ in beside}
    with selectors.DefaultSelector() as selector:
        for pipe, sink in (*own, *beside):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, sink)
        if flow.pipe is not None:
            selector.register(flow.pipe, selectors.EVENT_WRITE)
        moved = time.monotonic()
        while selector.get_map():
            ready = selector.select(timeout=1.0)
            for key, _ in ready:
                if key.data is None:
                    if not flow.push():
                        selector.unregister(key.fileobj)
                        flow.rest()
                    continue
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                if data or key.fileobj in tells_end:
                    key.data(data)
            if flow.waits and flow.pipe is not None and any(key.data is not None for key, _ in ready):
                flow.waits = False
                selector.register(flow.pipe, selectors.EVENT_WRITE)
            if ready:
                moved = time.monotonic()
                continue
            limit_s = stall_s if flow.open else answer_s() if callable(answer_s) else answer_s
            if time.monotonic() - moved > limit_s:
                raise Stalled(limit_s)


Outlet = tuple[IO[bytes] | None, Callable[[bytes], object]]
"""A pipe, and what its bytes go to."""


class _Flow:
    """What still has to go into a command's standard input."""

    def __init__(
        self, command: process.Started, source: Readable | None, before: bytes, sent: Callable[[int], None] | None
    ) -> None:
        self.pipe = command.stdin
        self._source, self._sent = source, sent
        self._waiting = memoryview(before)
        self._count = -len(before)
        self.waits = False
        """The source has nothing yet."""
        if self.pipe is not None:
            os.set_blocking(self.pipe.fileno(), False)

    @property
    def open(self) -> bool:
        """Whether something may still be written."""
        return self.pipe is not None and not self.pipe.closed

    def push(self) -> bool:
        """Write what fits now; False when all is written, nobody reads any more, or the source has nothing yet."""
        if not self._waiting:
            data = self._source.read(_CHUNK) if self._source is not None else b""
            self.waits = data is None
            self._waiting = memoryview(data or b"")
            if not self._waiting:
                return False
        if self.pipe is None:
            return False
        try:
            written = os.write(self.pipe.fileno(), self._waiting)
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        self._waiting = self._waiting[written:]
        self._count += written
        if self._sent is not None and self._count > 0:
            self._sent(self._count)
        return True

    def rest(self) -> None:
        """Close, unless more comes later."""
        if not self.waits:
            self.close()

    def close(self) -> None:
        """Nothing more comes."""
        if self.pipe is not None:
            self.pipe.close()
