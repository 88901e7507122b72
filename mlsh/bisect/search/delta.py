"""Delta debugging: of all deltas that make a good state bad, a few that do so by themselves.

ddmin of A. Zeller and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions on Software
Engineering 28(2), 2002, pages 183-200, section 3. The deltas are cut into chunks; each chunk is tried alone, then all
without it. What is bad is gone on with, and where nothing is, the chunks are halved. At the end no delta can be left
out alone: without any one of them the state is good, or can't be told. With n deltas and one that did it, that takes
about 2 log2(n) tests; at worst n^2.

Here the chunks are kept when one is dropped, so most of the next round is known already, and a set is a bit mask: delta
i is in it where bit i is set. The algorithm is a function of the answers so far (`_walk`), so several workers ask as
one would: what it wants next is followed for both answers, the likelier path first, and the result is the same.
"""

from __future__ import annotations

import functools
import heapq
from collections import ChainMap
from collections.abc import Mapping, Sequence

import msgspec

from mlsh.bisect.search.range import Kind
from mlsh.bisect.search.repeats import Judge

_PATHS_FOR_EACH = 8
GOOD: Kind = "good"
BAD: Kind = "bad"


class Minimal(msgspec.Struct, frozen=True):
    """How it ended: these deltas alone are bad. `without` is what the state is without each of them.

    `gave_up`: the runs were used up, so that fewer might do; `without` is empty then. `confidence` is 1.0 where the
    oracle never lied.
    """

    deltas: tuple[int, ...]
    without: tuple[Kind, ...]
    confidence: float = 1.0
    gave_up: bool = False


class _Wanted(msgspec.Struct, frozen=True):
    """The next set to be tested, how likely it is bad, and the smallest set so far that is bad."""

    mask: int
    chance: float
    bad: int


class Delta:
    """A search among `n` deltas, of which none is good and all are bad: both were tested before."""

    def __init__(self, n: int, judge: Judge, max_runs: int | None = None) -> None:
        self.full = (1 << n) - 1
        self.runs = 0
        self.known: dict[int, Kind] = {0: "good", self.full: "bad"}
        self._judge = judge
        self._max_runs = max_runs
        self._next = _walk(self.full, self.known)

    @property
    def bad(self) -> int:
        """The smallest set so far that is bad."""
        return self._next.bad if isinstance(self._next, _Wanted) else _mask(self._next.deltas)

    def ask(self, k: int, waiting: Sequence[int] = ()) -> list[int]:
        """Up to `k` sets to test, beside those under way; one may be in it several times where answers may be false."""
        wanted: list[int] = []
        paths: list[tuple[float, int, dict[int, Kind]]] = [(-1.0, 0, {})]
        budget = _PATHS_FOR_EACH * (k + len(waiting))
        for serial in range(1, budget):
            if not paths or len(wanted) >= k or self._used_up(len(wanted) + len(waiting)):
                break
            minus_chance, _, assumed = heapq.heappop(paths)
            found = _walk(self.full, ChainMap(assumed, self.known))
            if not isinstance(found, _Wanted):
                continue
            lacking = self._judge.least(found.mask) - list(waiting).count(found.mask) - wanted.count(found.mask)
            wanted += [found.mask] * min(max(lacking, 0), k - len(wanted))
            bad, good = {**assumed, found.mask: BAD}, {**assumed, found.mask: GOOD}
            heapq.heappush(paths, (minus_chance * (1.0 - found.chance), 2 * serial, good))
            heapq.heappush(paths, (minus_chance * found.chance, 2 * serial + 1, bad))
        return wanted

    def tell(self, mask: int, kind: Kind) -> None:
        """Take an answer."""
        self.runs += 1
        if mask not in self.known and (decided := self._judge.add(mask, kind)) is not None:
            self._learn(mask, decided)

    def rule_out(self, mask: int) -> None:
        """This set can't be made at all."""
        self._learn(mask, "unknown")

    def obsolete(self, waiting: Sequence[int]) -> set[int]:
        """Those under way that no longer matter."""
        bad = self.bad
        return {mask for mask in waiting if mask in self.known or mask & ~bad or mask == bad}

    def result(self) -> Minimal | None:
        """The deltas, once nothing is to be asked any more."""
        confidence = self._judge.confidence()
        if isinstance(self._next, Minimal):
            return msgspec.structs.replace(self._next, confidence=confidence)
        if self._used_up(0):
            return Minimal(tuple(_bits(self._next.bad)), (), confidence, gave_up=True)
        return None

    def _learn(self, mask: int, kind: Kind) -> None:
        self.known[mask] = kind
        self._next = _walk(self.full, self.known)

    def _used_up(self, coming: int) -> bool:
        return self._max_runs is not None and self.runs + coming >= self._max_runs


def _walk(full: int, known: Mapping[int, Kind]) -> _Wanted | Minimal:
    """ddmin, up to the first set whose answer isn't known."""
    bad, chunks = full, _halves([full])
    while len(chunks) > 1:
        tries = [*chunks, *(bad & ~chunk for chunk in chunks)] if len(chunks) > 2 else chunks
        for at, mask in enumerate(tries):
            kind = known.get(mask)
            if kind is None:
                # One of the chunks did it, as far as is known; where none alone does, most can be left out.
                chance = 1 / (len(chunks) - at) if at < len(chunks) else 1 - 1 / len(chunks)
                return _Wanted(mask, min(chance, 0.9), bad)
            if kind == "bad":
                bad = mask
                chunks = _halves([mask]) if at < len(chunks) else _without(chunks, at - len(chunks))
                break
        else:
            finer = _halves(chunks)
            if len(finer) == len(chunks):
                break
            chunks = finer
    deltas = tuple(_bits(bad))
    return Minimal(deltas, tuple(known.get(bad & ~(1 << delta), "unknown") for delta in deltas))


def _without(chunks: Sequence[int], at: int) -> list[int]:
    left = [chunk for number, chunk in enumerate(chunks) if number != at]
    return left if len(left) > 1 else _halves(left)


def _halves(chunks: Sequence[int]) -> list[int]:
    return [half for chunk in chunks for half in _halved(chunk)]


@functools.lru_cache(maxsize=1 << 14)
def _halved(chunk: int) -> tuple[int, ...]:
    """A chunk in two, by the order of its deltas; one of a single delta as it is."""
    bits = _bits(chunk)
    middle = (len(bits) + 1) // 2
    return tuple(_mask(half) for half in (bits[:middle], bits[middle:]) if half)


def _bits(mask: int) -> list[int]:
    return [at for at, bit in enumerate(reversed(bin(mask)[2:])) if bit == "1"]


def _mask(deltas: Sequence[int]) -> int:
    return sum(1 << delta for delta in deltas)
