"""Take what fetch.sh sends: find where one answer ends, verify it, write it. Memory stays flat."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mlsh.files.manifest import Entry, records
from mlsh.files.plan import MEBIBYTE, Ask
from mlsh.files.target import Blocked, Part, Target

_REPLY = b"mlsh-reply 1\n"
_LONGEST_BEFORE = 1 << 20
_SLACK = 1 << 20
_HEAD_BYTES = 1024


class Result(NamedTuple):
    """What became of one file: brought, or not, and then how it looks on the box now (None where it is gone)."""

    entry: Entry
    came: bool
    now: Entry | None = None
    blocked: str = ""
    spoilt: bool = False
    """It has not been changed, and what came is not what is there."""


class Receiver:
    """The answers to what was asked (`ask`), in order. `take` gets the bytes; `told` is called for each file's end.

    An answer is the bytes of its files, then a line `NONCE sum SHA256`, the files as they are now, and `NONCE
    end`. The nonce is 128 random bits of this call: no file can hold it. So the end is found wherever it comes,
    and a file that grew or shrank spoils only its own answer.
    """

    def __init__(
        self,
        target: Target,
        nonce: bytes,
        told: Callable[[Result], None],
        moved: Callable[[int], None],
    ) -> None:
        self._target = target
        self._left: deque[Ask] = deque()
        self._nonce = nonce
        self._told = told
        self._moved = moved
        self._sum_mark = b"\n" + nonce + b" sum "
        self._end_mark = b"\n" + nonce + b" end\n"
        self._held = b""
        self.started = False
        self._in_end = False
        self._sink: _Batch | _Large | _Sum | None = None
        self.before = b""
        """What came up to the reply line."""
        self.head = b""
        """The first bytes after it: an error, where the box could not begin."""

    def ask(self, asks: Iterable[Ask]) -> None:
        """Some more answers will come."""
        self._left.extend(asks)

    @property
    def done(self) -> bool:
        """Whether every answer came."""
        return self.to_come == 0

    @property
    def to_come(self) -> int:
        """How many answers have not come whole yet."""
        return len(self._left) + (self._sink is not None)

    def take(self, data: bytes) -> None:
        """The next bytes of the answer. Raises TargetUnfit where they can't be written."""
        if not self.started:
            self.before = (self.before + data)[-_LONGEST_BEFORE:]
            _, found, data = self.before.partition(_REPLY)
            if not found:
                return
            self.started = True
        if len(self.head) < _HEAD_BYTES:
            self.head += data[:_HEAD_BYTES]
        data = self._held + data if self._held else data
        view = memoryview(data)
        at = 0
        while True:
            if self._sink is None:
                if not self._left:
                    break
                self._sink = self._open(self._left.popleft())
            mark = self._end_mark if self._in_end else self._sum_mark
            found_at = data.find(mark, at)
            if found_at < 0:
                break
            if not self._in_end:
                self._sink.take(view[at:found_at])
                self._moved(found_at - at)
                # The line of the sum stays for the ending; the newline before `end` may be that of the sum.
                at = found_at + 1
                self._in_end = True
            else:
                self._finish(data[at : found_at + 1])
                at = found_at + len(mark)
                self._in_end = False
        if self._in_end:
            self._held = data[at:]
            return
        keep = max(at, len(data) - len(self._sum_mark) + 1) if self._sink else at
        if self._sink is not None:
            self._sink.take(view[at:keep])
            self._moved(keep - at)
        self._held = data[keep:]

    def close(self) -> None:
        """Nothing more comes."""
        if self._sink is not None:
            if not self._in_end and isinstance(self._sink, _Large):
                self._sink.take(memoryview(self._held))
            self._sink.close()

    def _open(self, ask: Ask) -> _Batch | _Large | _Sum:
        if ask.only_sum:
            return _Sum(self._target, ask)
        return _Large(self._target, ask) if ask.is_large else _Batch(self._target, ask)

    def _finish(self, ending: bytes) -> None:
        line, _, text = ending.partition(b"\n")
        digest = line.rpartition(b" ")[2].decode("ascii", "replace")
        sink, self._sink = self._sink, None
        assert sink is not None  # noqa: S101
        # As a rule nothing was changed, and each record is what it was before.
        before = b"".join(self._nonce + b" " + entry.raw + b"\n" for entry in sink.ask.entries)
        entries = sink.ask.entries if text == before else records(text, self._nonce)
        now = {entry.path: entry for entry in entries}
        try:
            for result in sink.end(digest, now):
                self._told(result)
        finally:
            sink.close()


def _as_it_was(entry: Entry, now: dict[bytes, Entry]) -> bool:
    after = now.get(entry.path)
    return after is not None and after.stamp == entry.stamp


class _Batch:
    """Small files, held in memory until they are verified."""

    def __init__(self, target: Target, ask: Ask) -> None:
        self._target, self.ask = target, ask
        self._parts: list[bytes] = []
        self._size = 0
        self._wanted_bytes = ask.bytes
        self._digest = hashlib.sha256()

    def take(self, data: memoryview) -> None:
        self._size += len(data)
        if self._size <= self._wanted_bytes + _SLACK:
            self._parts.append(bytes(data))
            self._digest.update(data)
        else:
            self._parts.clear()

    def end(self, digest: str, now: dict[bytes, Entry]) -> list[Result]:
        entries = self.ask.entries
        whole = self._size == self._wanted_bytes and self._digest.hexdigest() == digest
        if not whole or not all(_as_it_was(entry, now) for entry in entries):
            # One file of another size moves all that come after it.
            changed = any(not _as_it_was(entry, now) for entry in entries)
            return [Result(entry, False, now.get(entry.path), spoilt=not changed) for entry in entries]
        data = memoryview(b"".join(self._parts))
        results, at = [], 0
        for entry in entries:
            results.append(_written(self._target, entry, data[at : at + entry.size]))
            at += entry.size
        return results

    def close(self) -> None:
        self._parts.clear()


def _written(target: Target, entry: Entry, data: memoryview) -> Result:
    try:
        target.write(entry, data)
    except Blocked as blocked:
        return Result(entry, False, blocked=str(blocked))
    return Result(entry, True)


class _Large:
    """A file that goes to the disk as it comes."""

    def __init__(self, target: Target, ask: Ask) -> None:
        self.ask = ask
        [self._entry] = ask.entries
        self._target = target
        self._part: Part = target.part(self._entry, ask.skip * MEBIBYTE)
        self._lacks = self._part.size != ask.skip * MEBIBYTE
        self._closed = False

    def take(self, data: memoryview) -> None:
        room = self._entry.size - self._part.size
        if room > 0 and not self._lacks:
            self._part.take(data[:room])

    def end(self, digest: str, now: dict[bytes, Entry]) -> list[Result]:
        entry = self._entry
        part = self._part
        if part.size == entry.size and part.sha256() == digest and _as_it_was(entry, now):
            try:
                self._target.take_part(part)
            except Blocked as blocked:
                return [Result(entry, False, blocked=str(blocked))]
            return [Result(entry, True)]
        self._target.drop_part(entry)
        return [Result(entry, False, now.get(entry.path), spoilt=_as_it_was(entry, now))]

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._part.close()


class _Sum:
    """A file that is here already: only its checksum comes."""

    def __init__(self, target: Target, ask: Ask) -> None:
        self.ask = ask
        [self._entry] = ask.entries
        self._target = target

    def take(self, data: memoryview) -> None:
        del data

    def end(self, digest: str, now: dict[bytes, Entry]) -> list[Result]:
        entry = self._entry
        if _as_it_was(entry, now) and self._target.sha256(entry.path) == digest:
            try:
                self._target.like(entry)
            except Blocked as blocked:
                return [Result(entry, False, blocked=str(blocked))]
            return [Result(entry, True)]
        return [Result(entry, False, now.get(entry.path))]

    def close(self) -> None:
        pass
