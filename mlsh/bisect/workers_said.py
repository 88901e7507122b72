"""What a worker's channel says, taken apart. Pure.

A record is `NL NONCE HEARD WORDS NL`, then bytes up to the next one. The nonce is the laptop's and random, so nothing
that a probe printed can pass for a record.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mlsh.bisect.probing import OUTPUT_KEPT, Ending, ProbeResult


class Said(msgspec.Struct, frozen=True):
    """A record: its words, and how many lines of its events the worker had told by then."""

    heard: int
    words: list[str]
    data: bytes = b""


class Reader:
    """Takes the channel's bytes as they come, and gives whole records."""

    def __init__(self, nonce: str) -> None:
        self._mark = b"\n" + nonce.encode() + b" "
        self._buffer = bytearray()
        self._data = bytearray()
        self.before = b""
        """What came before the first record."""

    def feed(self, data: bytes) -> Iterator[Said]:
        """Each record whose head is whole; its `data` is what came since the record before."""
        self._buffer += data
        while True:
            at = self._buffer.find(self._mark)
            if at < 0:
                # The mark may be cut in two.
                sure = max(0, len(self._buffer) - len(self._mark) + 1)
                self._data += self._buffer[:sure]
                del self._buffer[:sure]
                return
            end = self._buffer.find(b"\n", at + len(self._mark))
            if end < 0:
                self._data += self._buffer[:at]
                del self._buffer[:at]
                return
            self._data += self._buffer[:at]
            heard, *words = self._buffer[at + len(self._mark) : end].decode(errors="replace").split(" ")
            told = bytes(self._data)
            self._data.clear()
            del self._buffer[: end + 1]
            yield Said(int(heard) if heard.isdigit() else 0, words, told)


class Results:
    """Puts the records of an ended probe together."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._head: list[str] = []
        self._output: bytes | None = None

    def take(self, said: Said) -> ProbeResult | None:
        """The result, where this record is the last of one."""
        match said.words:
            case ["ended", *head]:
                self._head, self._output = head, None
            case ["metrics"]:
                self._output = said.data
            case ["done"]:
                return self._result(said.data)
        return None

    def _result(self, data: bytes) -> ProbeResult | None:
        output, metrics = (data, b"") if self._output is None else (self._output, data)
        head, self._head = self._head, []
        if len(head) < 6 or not head[0].isdigit() or not head[5].isdigit():
            return None
        number, commit, ending, code, signal, ms, *why = head
        try:
            ended = msgspec.convert(ending, Ending)
        except msgspec.ValidationError:
            return None
        return ProbeResult(
            number=int(number),
            commit=commit,
            worker=self._worker,
            ending=ended,
            duration_s=int(ms) / 1000,
            exit_code=int(code) if ended == "exited" and code.isdigit() else None,
            signal=int(signal) if ended == "signal" and signal.isdigit() else None,
            reason=" ".join(why),
            output=output[-OUTPUT_KEPT:],
            metrics=metrics,
        )
