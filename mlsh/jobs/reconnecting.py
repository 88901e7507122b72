"""Hear out a script that talks for long, over connections that break: each break is told, and a new one made.

The box sends a beat every 3 s, so silence means something. How to go on where it broke is the caller's business.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable, Iterator
from typing import IO, TypeVar

import msgspec

from mlsh.box import process
from mlsh.box.failures import jitter
from mlsh.errors import BoxError, Unreachable
from mlsh.jobs.onbox import BEGIN, OnBox

SILENCE_S = 12.0
BACK_OFF_S = (0.2, 0.5, 1, 2, 4, 8)
_CHUNK = 1 << 18
_TICK_S = 1.0
T = TypeVar("T")


class Lost(msgspec.Struct, frozen=True):
    """The connection broke `for_s` seconds ago; no job is affected. Told before each new attempt."""

    reason: str
    for_s: float


class Back(msgspec.Struct, frozen=True):
    """The connection is there again."""


class Channel:
    """A script on a box, and the connection to it: one at a time."""

    def __init__(self, on_box: OnBox) -> None:
        self._on_box = on_box
        self._stream: process.Started | None = None
        self.is_over = False
        """Nothing more is wanted."""

    def stop(self) -> None:
        """Want no more; from another thread."""
        self.is_over = True
        if (stream := self._stream) is not None:
            process.stop(stream, grace_s=0.1)

    def close(self) -> None:
        """Let go of the connection."""
        if self._stream is not None:
            process.stop(self._stream, grace_s=0.1)
            for pipe in (self._stream.stdin, self._stream.stdout, self._stream.stderr):
                if pipe is not None:
                    pipe.close()
            self._stream = None

    def pieces(self, script: str, *words: str) -> Iterator[tuple[str, bytes]]:
        """Start the script; what it says on `stdout` and `stderr`, to its end. Raises what `read_both` does."""
        # Its input stays open: the box knows by its end that we are gone.
        self._stream = stream = self._on_box.stream(script, *words, stdin=True)
        if stream.stdin is None or stream.stdout is None or stream.stderr is None:
            raise AssertionError("streams are piped")
        with contextlib.suppress(BrokenPipeError):
            # For start-up files of the login shell that read: they must not wait.
            stream.stdin.write(BEGIN)
        yield from read_both(stream.stdout, stream.stderr, self._on_box.box.name)

    def explain(self, before: bytes, talk: bytes, replied: bool, why: str = "the connection ended") -> None:
        """Tell why it ended, when it should not have: raises Unreachable, or what can't be mended by another attempt.

        `before` is what was said instead of an answer, `talk` what was on stderr. Scripts that are missing there are
        installed, and then it raises nothing.
        """
        if self._stream is None:
            raise AssertionError("nothing was started")
        code = self._stream.wait()
        if code == 97 and not replied:
            self._on_box.install()
            return
        if code == 96:
            raise self._on_box.error(before)
        failure = self._on_box.box.explain_failure(process.Ran(("ssh",), code, before, talk))
        if isinstance(failure, BoxError):
            raise failure
        if not replied and code >= 0 and code != 255:
            raise self._on_box.silent(code, talk or before)
        raise Unreachable(self._on_box.box.name, why, "")

    def drop_connection(self) -> None:
        """Have the next attempt make a connection of its own, once."""
        from mlsh.box.openssh import OpenSSHBox  # it is imported already where the box is one

        box = self._on_box.box
        box.drop_connection()
        if isinstance(box, OpenSSHBox):
            # We try again ourselves, and tell of each time.
            box.attempts = 1


def reconnecting(channel: Channel, once: Callable[[], Iterator[T | None]]) -> Iterator[T | Lost | Back]:
    """What `once` yields, which is one connection to its end, again and again until the channel is over.

    Where it raises Unreachable, Lost is told before each new attempt, and Back before the first thing that comes
    then. None is a sign of life and nothing else. Closes the channel at the end.
    """
    broken_at: float | None = None
    attempt = 0
    try:
        while not channel.is_over:
            try:
                for event in once():
                    if broken_at is not None:
                        broken_at, attempt = None, 0
                        yield Back()
                    if event is not None:
                        yield event
            except Unreachable as error:
                if channel.is_over:
                    return
                now = time.monotonic()
                broken_at = now if broken_at is None else broken_at
                yield Lost(error.what, now - broken_at)
                channel.close()
                channel.drop_connection()
                pause = BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]
                attempt += 1
                time.sleep(pause * jitter())
    finally:
        channel.close()


def read_both(stdout: IO[bytes], stderr: IO[bytes], box: str) -> Iterator[tuple[str, bytes]]:
    """Chunks of both pipes as they come, until both have ended. Raises Unreachable after SILENCE_S of silence."""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ, "stdout")
        selector.register(stderr, selectors.EVENT_READ, "stderr")
        silent_s = 0.0
        while selector.get_map():
            ready = selector.select(timeout=_TICK_S)
            # stderr first: it tells where the log begins before the log's first byte.
            for key, _ in sorted(ready, key=lambda item: item[0].data):
                data = os.read(key.fd, _CHUNK)
                if data:
                    yield key.data, data
                else:
                    selector.unregister(key.fileobj)
            # Counted in looks that found nothing, not by the clock: a laptop that slept was not listening.
            silent_s = 0.0 if ready else silent_s + _TICK_S
            if silent_s > SILENCE_S:
                raise Unreachable(box, f"nothing heard for {SILENCE_S:g} s")
