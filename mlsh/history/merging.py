"""When a command ran, where the shell does not say; and whether two histories tell of the same run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mlsh.history.entry import Entry

# The begin that atuin or mlsh notes, and the second that bash writes, of one run.
_SAME_RUN_S = 1.5
_BETWEEN_S = 0.125


def ordered(entries: Sequence[Entry], begin_s: float, end_s: float) -> list[float]:
    """A time for each entry, to sort by: its own, or a guess that keeps the order of the file.

    One without a time comes right after the one before it; those at the front of a file are spread between `begin_s`
    and `end_s`, or the first known time where that is earlier.
    """
    untimed = next((at for at, entry in enumerate(entries) if entry.when_s is not None), len(entries))
    if untimed < len(entries):
        end_s = min(end_s, entries[untimed].when_s or end_s)
    begin_s = min(begin_s, end_s)
    step = min((end_s - begin_s) / (untimed + 1), 60.0)
    times = [end_s - step * (untimed - at) for at in range(untimed)]
    last = end_s
    for entry in entries[untimed:]:
        last = last + _BETWEEN_S if entry.when_s is None else entry.when_s
        times.append(last)
    return times


class Known(NamedTuple):
    """A run of a command that is in the database already, or is about to be: `source` is who told of it."""

    key: int
    when_s: float
    source: str


class SameRuns:
    """The timed runs of one command on one box, to find that which a further entry tells of again."""

    def __init__(self, known: Sequence[Known] = ()) -> None:
        self._by_second: dict[int, list[Known]] = {}
        for one in known:
            self.add(one)

    def add(self, one: Known) -> None:
        """One more run."""
        self._by_second.setdefault(int(one.when_s), []).append(one)

    def find(self, when_s: float, source: str) -> Known | None:
        """The run that began then: to the second by the same source, and within 1.5 s by another one."""
        second = int(when_s)
        near = [one for at in (second - 2, second - 1, second, second + 1, second + 2)
                for one in self._by_second.get(at, ())]  # fmt: skip
        for one in near:
            gap = abs(one.when_s - when_s)
            if gap < 0.001 if one.source == source else gap <= _SAME_RUN_S:
                return one
        return None
