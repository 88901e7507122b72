"""What lies in a job's folder on its box: told whole, or piece by piece while it is still looked at there."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mlsh.box import process
from mlsh.box.pump import Outlet
from mlsh.errors import NotFound, Unreachable
from mlsh.files.manifest import CutShort, Entry, Records, parse
from mlsh.files.patterns import Patterns
from mlsh.jobs.insist import insist
from mlsh.jobs.onbox import OnBox

TIMEOUT_S = 600
_REPLY = b"mlsh-reply 1\n"
_LONGEST_BEFORE = 1 << 20


def new_nonce() -> str:
    """What marks the records of one pull: 128 random bits, which no name and no file can hold."""
    return os.urandom(16).hex()


def whole(on_box: OnBox, job_id: str, patterns: Patterns | None, nonce: str) -> list[Entry]:
    """What lies in the job's folder, as far as the patterns may mean it. Raises NotFound, BoxUnfit, Unreachable."""
    found: list[Entry] = []

    def ask() -> bytes:
        answer = on_box.call("manifest", job_id, nonce, *_words(patterns), timeout_s=TIMEOUT_S)
        try:
            found[:] = parse(answer, nonce.encode())
        except CutShort:
            raise Unreachable(on_box.box.name, "its answer was cut short", "try again") from None
        return b""

    insist(ask, on_box)
    return found


def _words(patterns: Patterns | None) -> list[str]:
    return ["changed"] if patterns is None else ["below", *patterns.roots()]


def check_found(entries: Sequence[Entry], patterns: Patterns | None, job: str) -> None:
    """Raise NotFound for patterns that nothing is meant by."""
    if patterns is None:
        return
    unused = patterns.unused([entry.path for entry in entries])
    if unused:
        named = ", ".join(unused)
        raise NotFound(
            f"{job} has nothing named {named} in its folder", f"see what there is: mlsh pull --dry-run {job} ."
        )


class Listing:
    """The same, once, as it arrives. Whoever has it reads its `pipes`.

    It says nothing of why it ended too early: ask for it `whole`.
    """

    def __init__(self, on_box: OnBox, job_id: str, patterns: Patterns | None, nonce: str, job: str) -> None:
        """`job` is what the person calls it."""
        self._patterns, self._job = patterns, job
        self._records = Records(nonce.encode())
        self._before: bytes | None = b""
        self._entries: list[Entry] = []
        self._unused = list(patterns.patterns) if patterns else []
        self.has_ended = False
        """Nothing more comes."""
        self._command = on_box.stream("manifest", job_id, nonce, *_words(patterns))
        self.pipes: list[Outlet] = [(self._command.stdout, self._take), (self._command.stderr, lambda _: None)]

    @property
    def is_whole(self) -> bool:
        """Whether the box came to the end of it."""
        return self._records.done

    def _take(self, data: bytes) -> None:
        self.has_ended = not data
        if self._before is not None:
            self._before = (self._before + data)[-_LONGEST_BEFORE:]
            _, found, data = self._before.partition(_REPLY)
            if not found:
                return
            self._before = None
        entries = self._records.feed(data)
        self._entries += entries
        if self._unused and self._patterns is not None:
            unused = set(self._patterns.unused([entry.path for entry in entries]))
            self._unused = [pattern for pattern in self._unused if pattern in unused]

    def taken(self) -> list[Entry]:
        """What has come since the last time; nothing before each pattern has been found to mean something.

        Raises NotFound where one means nothing.
        """
        if self._unused:
            if self.is_whole:
                check_found(self._entries, self._patterns, self._job)
            return []
        entries, self._entries = self._entries, []
        return entries

    def close(self) -> None:
        """Let go of the connection."""
        process.stop(self._command, grace_s=0.2)
        for pipe in (self._command.stdout, self._command.stderr):
            if pipe is not None:
                pipe.close()
