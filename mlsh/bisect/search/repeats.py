"""When has one state been tested often enough? Once, where the oracle never lies; else as in a sequential test.

Both ends are run several times first. A state is then either of the good end's kind or of the bad end's: its answers
are tested against both, until the odds are long enough (A. Wald, "Sequential Tests of Statistical Hypotheses", Annals
of Mathematical Statistics 16(2), 1945). How often each kind fails is not known, so it is integrated out, as in
`belief.Rates` and with its priors; what was decided teaches the rates too.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Protocol

from mlsh.bisect.search.range import Kind

# Fails and passes beforehand, of the good kind and of the bad one; and where there is only one kind.
_GOOD, _BAD, _ONE = (0.5, 1.5), (1.5, 0.5), (0.5, 0.5)
_MOST_RUNS = 40
_MOST_UNKNOWN = 3


class Judge(Protocol):
    """Decides what a state is by the answers of its runs."""

    def least(self, state: int) -> int:
        """How many more runs of this state it takes at least; 0 where it is decided."""

    def add(self, state: int, kind: Kind) -> Kind | None:
        """Take an answer; returns what the state is, once that is decided."""

    def confidence(self) -> float:
        """How sure it is that all that was decided is right."""


class Once:
    """The oracle never lies."""

    def least(self, state: int) -> int:
        """One run."""
        del state
        return 1

    def add(self, state: int, kind: Kind) -> Kind | None:
        """It is what it answered."""
        del state
        return kind

    def confidence(self) -> float:
        """Sure."""
        return 1.0


class Repeated:
    """The oracle may answer falsely; `good` and `bad` count the fails and passes at the two ends.

    All decisions together are to be right with the probability `confidence`: the i-th may be wrong with a chance of
    (1 - confidence) / (i (i + 1)), which sums up to that however many there are.
    """

    def __init__(self, confidence: float, good: tuple[int, int], bad: tuple[int, int]) -> None:
        self._allowed = 1.0 - confidence
        self._good, self._bad = list(good), list(bad)
        self._counts: dict[int, list[int]] = {}
        self._unknown: Counter[int] = Counter()
        self._decided = 0
        self._right = 1.0

    def least(self, state: int) -> int:
        """As many runs as it takes if all answer alike, the quicker way."""
        fails, passes = self._counts.get(state, [0, 0])
        for more in range(1, _MOST_RUNS + 1):
            if any(self._kind(*counts) for counts in ((fails + more, passes), (fails, passes + more))):
                return more
        return 1

    def add(self, state: int, kind: Kind) -> Kind | None:
        """Count the answer. After too many that leave it open, or that can't tell, the state is unknown."""
        if kind == "unknown":
            self._unknown[state] += 1
            return "unknown" if self._unknown[state] >= _MOST_UNKNOWN else None
        counts = self._counts.setdefault(state, [0, 0])
        counts[kind == "good"] += 1
        if (found := self._kind(*counts)) is None:
            return "unknown" if sum(counts) >= _MOST_RUNS else None
        self._decided += 1
        self._right *= 1.0 - 1.0 / (1.0 + math.exp(min(abs(self._log_odds(*counts)), 700.0)))
        taught = self._bad if found == "bad" else self._good
        taught[0] += counts[0]
        taught[1] += counts[1]
        return found

    def confidence(self) -> float:
        """The probability that no decision was wrong."""
        return self._right

    def _kind(self, fails: int, passes: int) -> Kind | None:
        number = self._decided + 1
        odds = number * (number + 1) / self._allowed - 1.0
        found = self._log_odds(fails, passes)
        if abs(found) < math.log(odds):
            return None
        return "bad" if found > 0 else "good"

    def _log_odds(self, fails: int, passes: int) -> float:
        """For the bad kind, of these answers; both kinds are equally likely beforehand."""
        bad = _log_marginal(fails, passes, self._bad[0] + _BAD[0], self._bad[1] + _BAD[1])
        good = _log_marginal(fails, passes, self._good[0] + _GOOD[0], self._good[1] + _GOOD[1])
        return bad - good


def ends_differ(good: tuple[int, int], bad: tuple[int, int]) -> float:
    """How likely it is that the two ends, by their fails and passes, are of two kinds and not of one."""
    two = _log_marginal(*good, *_GOOD) + _log_marginal(*bad, *_BAD)
    one = _log_marginal(good[0] + bad[0], good[1] + bad[1], *_ONE)
    return 1.0 / (1.0 + math.exp(min(one - two, 700.0)))


def _log_marginal(fails: int, passes: int, a: float, b: float) -> float:
    """log B(a + fails, b + passes) - log B(a, b)."""
    return _log_beta(a + fails, b + passes) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
