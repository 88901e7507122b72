"""The search as a whole: ends first, then the most telling commits, then a confirmation.

A `Search` is fed with `tell`, asked with `ask`, and ends with a `verdict`. It has no clock and no chance in it: the
same answers in the same order give the same questions, so a journal of answers is all that it takes to go on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mlsh.bisect.search.belief import Belief, Channel, Rates, Sure, Values
from mlsh.bisect.search.building import chance_to_build
from mlsh.bisect.search.choice import Chooser, entropy
from mlsh.bisect.search.graph import Bools, Floats, Graph
from mlsh.bisect.search.halving import halving
from mlsh.bisect.search.range import CONTROLS, Ask, Options, Purpose, Range, Seen
from mlsh.bisect.search.verdict import CredibleSet, Culprit, EndsWrong, EndTrouble, NoCulprit, Verdict

# Below this many bits a test is not worth a run: nothing that can be tested tells the rest apart.
_LEAST_BITS = 5e-3
# While "none" is likelier than this after the ends, they are asked on, up to so many times the first number of runs.
_UNCLEAR = 0.05
_ALIKE = 0.5
# After all runs "none" is at least so likely, and no commit stands out.
_STANDS = 0.1
# An end that gave no answer in its first runs gives none in the others.
_MOST_WITHOUT_ANSWER = 4
# Numbers that come out the same each time have no spread to measure by. The two ends count as at most so many apart:
# at 2e5 the prior of a kind's mean, which is wide by its spread, makes "none" likelier than any culprit.
_MOST_APART = 30
# The good end fails so much more often than the bad one: they are swapped, or the question is.
_REVERSED = 0.5
_MOST_CONTROLS = 4


class Search:
    """A search for the culprit in a range."""

    def __init__(self, range_: Range, options: Options) -> None:
        self.range = range_
        self.options = options
        self.noisy = options.noisy or options.values
        """Whether answers may be false. Turns true, for good, when they contradict each other."""
        self.graph = Graph(range_.parents)
        self.seen: list[Seen] = []
        self._at = {commit: position for position, commit in enumerate(range_.commits)}
        self._belief: Belief | None = None
        self._weights: Floats | None = None
        self._none: float | None = None

    # What it is told

    def tell(self, seen: Seen) -> None:
        """Take an answer."""
        self.seen.append(seen)
        if seen.purpose in CONTROLS:
            self._none = None
            if self.options.values:
                self._belief = None  # its scale is learnt at the ends
        if self._belief is not None and seen.kind != "unknown":
            self._add(self._belief, seen)
        self._weights = None
        if not self.noisy and not self._ends_failing() and not self.weights().any():
            self.noisy = True
            self._belief = self._weights = self._none = None

    def _add(self, belief: Belief, seen: Seen) -> None:
        belief.add(self.in_history(seen.commit), is_fail=seen.kind == "bad", value=seen.value)

    def in_history(self, commit: str) -> Bools:
        """For each candidate whether `commit` has it in its history: what a test there is about."""
        if commit in self._at:
            return self.graph.ancestors(self._at[commit])
        return np.full(self.graph.n, commit == self.range.bad, dtype=np.bool_)

    # What it believes

    def weights(self) -> Floats:
        """The posterior: one number a candidate, and the last one for "no culprit in this range"."""
        if self._weights is None:
            if self._belief is None:
                self._belief = self._new_belief()
                for seen in self.seen:
                    if seen.kind != "unknown":
                        self._add(self._belief, seen)
            self._weights = self._belief.weights()
        return self._weights

    def _new_belief(self) -> Belief:
        n = self.graph.n
        none = self.options.prior_none if self.noisy else 0.0
        prior = np.full(n + 1, (1.0 - none) / n)
        prior[-1] = none
        if not self.noisy:
            return Sure(prior)
        if not self.options.values:
            return Rates(prior)
        return Values(prior, *self._scale())

    def _scale(self) -> tuple[float, float]:
        """The middle of what the ends gave, and how far values of one end lie apart."""
        ends = [
            [s.value for s in self.seen if s.purpose in of and s.value is not None and math.isfinite(s.value)]
            for of in ((Purpose.GOOD_END, Purpose.MERGE_BASE), (Purpose.BAD_END,))
        ]
        values = [value for end in ends for value in end]
        if not values:
            return 0.0, 1.0
        center = float(np.mean(values))
        squares = sum(float(np.sum((np.array(end) - np.mean(end)) ** 2)) for end in ends if end)
        spread = math.sqrt(squares / max(len(values) - 2, 1))
        apart = abs(float(np.mean(ends[0])) - float(np.mean(ends[1]))) if all(ends) else 0.0
        return center, max(spread, apart / _MOST_APART, 1e-6 * float(np.abs(values).max()), 1e-300)

    def channel(self) -> Channel:
        """How an answer depends on the culprit, as it is known now."""
        weights = self.weights()
        assert self._belief is not None  # noqa: S101
        return self._belief.channel(weights)

    @property
    def belief(self) -> Belief:
        """The belief itself, for what is to be said about the two kinds."""
        self.weights()
        assert self._belief is not None  # noqa: S101
        return self._belief

    def bits_left(self) -> float:
        """The entropy of the posterior: how many sure answers are still missing."""
        weights = self.weights()
        return float(-(weights[weights > 0] * np.log2(weights[weights > 0])).sum())

    def runs_left(self) -> int:
        """About how many more runs it takes, beyond the ends."""
        if not self.noisy:
            return math.ceil(math.log2(max(int((self.weights() > 0).sum()), 1)))
        channel = self.channel()
        capacity = float(entropy((channel.good + channel.bad) / 2) - (entropy(channel.good) + entropy(channel.bad)) / 2)
        left = math.ceil(self.bits_left() / max(capacity, 1e-6)) + 2 * self.options.confirmations
        return min(left, max(int(self._most_runs()) - self.runs(), 0))

    # The ends

    def _wanted_at_ends(self) -> Counter[Ask]:
        """How often each end is to be asked in all."""
        wanted: Counter[Ask] = Counter()
        runs = self._controls_wanted() if self.noisy else 1
        wanted[Ask(self.range.bad, Purpose.BAD_END)] = runs
        for at in range(max(runs, len(self.range.goods))):
            wanted[Ask(self.range.goods[at % len(self.range.goods)], Purpose.GOOD_END)] += 1
        for base in self.range.merge_bases:
            wanted[Ask(base, Purpose.MERGE_BASE)] += 1
        return wanted

    def _controls_wanted(self) -> int:
        """As many runs as asked for; more while they leave open whether the ends differ."""
        first = self.options.controls
        had = min(self._answers(Purpose.BAD_END), self._answers(Purpose.GOOD_END))
        if had < first or not _UNCLEAR <= self._none_after_ends() < self.options.confidence:
            return first
        return min(had + 2, _MOST_CONTROLS * first)

    def _none_after_ends(self) -> float:
        """The posterior of "none" by the runs at the ends alone."""
        if self._none is None:
            belief = self._new_belief()
            for seen in self.seen:
                if seen.purpose in CONTROLS and seen.kind != "unknown":
                    self._add(belief, seen)
            self._none = float(belief.weights()[-1])
        return self._none

    def _answers(self, purpose: Purpose) -> int:
        return sum(seen.purpose == purpose for seen in self.seen)

    def at_ends(self) -> tuple[int, int]:
        """Runs at the ends so far, and how many of them there are to be."""
        had = sum(seen.purpose in CONTROLS for seen in self.seen)
        return had, had + self._missing_at_ends().total()

    def _missing_at_ends(self) -> Counter[Ask]:
        had = Counter(Ask(seen.commit, seen.purpose) for seen in self.seen if seen.purpose in CONTROLS)
        missing = self._wanted_at_ends()
        missing.subtract(had)
        return +missing

    def _ends_trouble(self) -> Verdict | None:
        """What is wrong with the ends, once they have been asked."""
        if not self.noisy:
            return self._sure_ends()
        enough = min(self.options.controls, _MOST_WITHOUT_ANSWER)
        for purpose, commits in ((Purpose.BAD_END, (self.range.bad,)), (Purpose.GOOD_END, self.range.goods)):
            kinds = [seen.kind for seen in self.seen if seen.purpose == purpose]
            if len(kinds) >= enough and all(kind == "unknown" for kind in kinds):
                return EndsWrong(EndTrouble.UNTESTABLE, commits)
        if self._missing_at_ends():
            return None
        reversed_by = self._fail_rate(Purpose.GOOD_END) - self._fail_rate(Purpose.BAD_END)
        if not self.options.values and reversed_by >= _REVERSED:
            return EndsWrong(EndTrouble.SWAPPED, (self.range.bad, *self.range.goods))
        none = self._none_after_ends()
        # The ends were asked as often as they are: a search between two that look alike would only add runs.
        return NoCulprit(none) if none >= min(self.options.confidence, _ALIKE) else None

    def _fail_rate(self, purpose: Purpose) -> float:
        kinds = [seen.kind for seen in self.seen if seen.purpose == purpose and seen.kind != "unknown"]
        return kinds.count("bad") / max(len(kinds), 1)

    def _sure_ends(self) -> Verdict | None:
        """What the first answers at the ends say, where each is believed."""
        first: dict[Ask, str | None] = {}
        for seen in self.seen:
            if seen.purpose in CONTROLS:
                first.setdefault(Ask(seen.commit, seen.purpose), seen.kind)
        untestable = tuple(ask.commit for ask, kind in first.items() if kind == "unknown")
        if untestable:
            return EndsWrong(EndTrouble.UNTESTABLE, untestable)
        passes = tuple(a.commit for a, kind in first.items() if a.purpose == Purpose.BAD_END and kind == "good")
        fails = tuple(a.commit for a, kind in first.items() if a.purpose == Purpose.GOOD_END and kind == "bad")
        base = tuple(a.commit for a, kind in first.items() if a.purpose == Purpose.MERGE_BASE and kind == "bad")
        if passes or fails:
            if self._missing_at_ends():
                return None  # the other end tells whether they are swapped
            if passes and fails:
                return EndsWrong(EndTrouble.SWAPPED, (*passes, *fails))
            trouble = EndTrouble.BAD_PASSES if passes else EndTrouble.GOOD_FAILS
            return EndsWrong(trouble, passes or fails)
        return EndsWrong(EndTrouble.BASE_FAILS, base) if base else None

    # What it asks

    def ask(self, k: int, under_way: Sequence[Ask] = ()) -> list[Ask]:
        """Up to `k` tests to start now, beside those under way; none where there is nothing to do but to wait."""
        if k <= 0 or self.verdict() is not None:
            return []
        missing = self._missing_at_ends()
        missing.subtract(Counter(ask for ask in under_way if ask.purpose in CONTROLS))
        asks = list((+missing).elements())[:k]
        if self._ends_failing():
            return asks
        if not self._missing_at_ends() and (confirming := self._confirming()) is not None:
            confirming.subtract(Counter(ask for ask in under_way if ask.purpose == Purpose.CONFIRM))
            asks += list((+confirming).elements())[: k - len(asks)]
            return asks
        busy = [self._at[ask.commit] for ask in (*under_way, *asks) if ask.commit in self._at]
        return asks + [Ask(self.range.commits[c], Purpose.SEARCH) for c in self._telling(k - len(asks), busy)]

    def _ends_failing(self) -> bool:
        """Whether an end has answered as it should not, where answers are believed: nothing else is asked then."""
        return not self.noisy and any(
            seen.purpose in CONTROLS and (seen.kind == "bad") != (seen.purpose == Purpose.BAD_END) for seen in self.seen
        )

    def _telling(self, k: int, busy: Sequence[int]) -> list[int]:
        if k <= 0:
            return []
        if not self.noisy and k == 1 and not busy and not self.untestable():
            possible = self.weights()[:-1] > 0
            order = self.range.oldest_first or range(self.graph.n)
            return [halving(self.graph, possible, order)] if possible.sum() > 1 else []
        return self._chooser().choose(k, busy, self._least_bits())

    def _least_bits(self) -> float:
        return _LEAST_BITS if self.noisy else 1e-9

    def _chooser(self) -> Chooser:
        return Chooser(self.graph, self.weights(), self.channel(), self._worth())

    def _worth(self) -> Floats:
        untestable = self.untestable()
        if not untestable:
            return np.ones(self.graph.n)
        answered = {self._at[seen.commit] for seen in self.seen if seen.commit in self._at} - untestable
        return chance_to_build(self.graph.n, answered, untestable)

    def untestable(self) -> set[int]:
        """Candidates whose test gave no answer, and never one."""
        unknown = {self._at[seen.commit] for seen in self.seen if seen.kind == "unknown" and seen.commit in self._at}
        return unknown - {
            self._at[seen.commit] for seen in self.seen if seen.kind != "unknown" and seen.commit in self._at
        }

    def obsolete(self, under_way: Sequence[Ask]) -> list[Ask]:
        """Those under way whose answers no longer matter."""
        if self.verdict() is not None:
            return list(under_way)
        searching = [ask for ask in under_way if ask.purpose == Purpose.SEARCH]
        if not searching:
            return []
        bits = self._chooser().information()
        return [ask for ask in searching if bits[self._at[ask.commit]] < self._least_bits()]

    # How it ends

    def _best(self) -> int:
        return int(np.argmax(self.weights()))

    def _confirming(self) -> Counter[Ask] | None:
        """What is still to be run before the likeliest hypothesis is believed; None while none is likely enough."""
        weights = self.weights()
        best = self._best()
        if not self.noisy or weights[best] < self.options.confidence:
            return None
        if best == self.graph.n:
            commits = [self.range.bad, self.range.goods[0]]
        else:
            inside = [self.range.commits[parent] for parent in self.range.parents[best]]
            commits = [self.range.commits[best], *inside, *self.range.outside[best]]
        wanted: Counter[Ask] = Counter()
        for commit in commits:
            if not self._only_unknown(commit):
                wanted[Ask(commit, Purpose.CONFIRM)] = self.options.confirmations
        wanted.subtract(Counter(Ask(s.commit, s.purpose) for s in self.seen if s.purpose == Purpose.CONFIRM))
        return +wanted

    def _only_unknown(self, commit: str) -> bool:
        kinds = {seen.kind for seen in self.seen if seen.commit == commit}
        return kinds == {"unknown"}

    def verdict(self) -> Verdict | None:
        """How it ends; None while there is something to ask."""
        if (trouble := self._ends_trouble()) is not None:
            return trouble
        if self._missing_at_ends():
            return None
        weights = self.weights()
        best = self._best()
        confirming = self._confirming()
        if confirming is not None:
            if confirming:
                return None
            if best == self.graph.n:
                return NoCulprit(float(weights[best]))
            return Culprit(self.range.commits[best], float(weights[best]))
        if not self.noisy and weights[best] > 1 - 1e-9:
            return Culprit(self.range.commits[best], 1.0)
        gave_up = self.runs() >= self._most_runs()
        if not gave_up and self._telling(1, ()):
            return None
        return self._credible(gave_up=gave_up)

    def _most_runs(self) -> float:
        if self.options.max_runs is not None:
            return self.options.max_runs
        # At 10 % false answers either way it takes 2.7 runs a bit; where it takes 15, the ends hardly differ.
        return 20 + 15 * math.log2(self.graph.n) if self.noisy else math.inf

    def runs(self) -> int:
        """Runs so far beyond the ends."""
        return sum(seen.purpose not in CONTROLS for seen in self.seen)

    def _credible(self, *, gave_up: bool) -> Verdict:
        """The fewest candidates that are likely enough together; none, where that is likelier than each of them."""
        none = float(self.weights()[-1])
        weights = self.weights()[:-1]
        if none > weights.max() or (self.noisy and none > _STANDS and weights.max() < _ALIKE):
            return NoCulprit(none)
        order = np.argsort(-weights, kind="stable")
        together = np.cumsum(weights[order])
        enough = int(np.searchsorted(together, min(self.options.confidence, together[-1]) - 1e-12)) + 1
        # Those that are as likely as the last one belong to it: nothing tells them apart.
        while enough < len(order) and weights[order[enough]] >= weights[order[enough - 1]] * (1 - 1e-9) > 0:
            enough += 1
        chosen = sorted(order[:enough].tolist())
        return CredibleSet(tuple(self.range.commits[c] for c in chosen), float(weights[chosen].sum()), gave_up)
