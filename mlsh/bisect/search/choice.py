"""Which commits to test next: those whose answers say most about the culprit.

The information of a set of tests T about the culprit X is I(T; X) = H(Y_T) - H(Y_T | X), with Y the answers. Given X
the answers are independent, so H(Y_T | X) is a sum. H(Y_T) goes over the patterns of answers: 2^(k-1) for k tests, of
which few are possible where the oracle is sure. Tests under way count as columns whose answer isn't known yet.

k tests are chosen greedily, then each is chosen again with the others fixed, until nothing changes: on a line greedy
takes a half and then a quarter, where thirds say more. (I is submodular, so greedy alone is within 1 - 1/e of the best:
Nemhauser, Wolsey and Fisher, 1978.)

A test that may not build is worth its information times the chance that it builds, and all is per unit of its cost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlsh.bisect.search.belief import Channel
from mlsh.bisect.search.graph import Floats, Graph

# A pattern of answers as unlikely as this adds less than 1e-6 bits.
_RARE = 1e-7
_SWEEPS = 20
# Patterns times commits that one sweep may cost: 2^7 patterns of 1,000 commits are swept once.
_SWEEP_BUDGET = 1_000_000


def entropy(p: Floats | float) -> Floats:
    """The binary entropy h(p), in bits."""
    q = np.clip(p, 1e-300, 1.0)
    r = np.clip(1.0 - np.asarray(p), 1e-300, 1.0)
    return np.asarray(-q * np.log2(q) - r * np.log2(r))


def _plogp(p: Floats) -> Floats:
    return np.asarray(p * np.log2(np.clip(p, 1e-300, None)))


class Chooser:
    """Chooses tests for one posterior.

    `weights` has n + 1 entries, the last for "none"; `worth` has n: the chance to build per cost, 0 for never.
    """

    def __init__(self, graph: Graph, weights: Floats, channel: Channel, worth: Floats) -> None:
        self._graph, self._weights, self._channel, self._worth = graph, weights, channel, worth
        in_history = graph.over_ancestors(weights[:-1])
        none = weights[-1]
        self._given = (
            in_history * entropy(channel.bad)
            + (1.0 - none - in_history) * entropy(channel.good)
            + none * entropy(channel.none)
        )

    def information(self, under_way: Sequence[int] = ()) -> Floats:
        """For each commit the bits that its test adds to those under way: n numbers."""
        return self._gain(self._patterns(under_way))

    def choose(self, k: int, under_way: Sequence[int] = (), least: float = 1e-9) -> list[int]:
        """Up to `k` commits, the most telling first; fewer where a test would add less than `least` bits."""
        chosen: list[int] = []
        for _ in range(k):
            best = self._best([*under_way, *chosen])
            if best is None or self.information([*under_way, *chosen])[best] < least:
                break
            chosen.append(best)
        for _ in range(self._sweeps([*under_way, *chosen]) if len(chosen) > 1 else 0):
            before = list(chosen)
            for at in range(len(chosen)):
                others = [*under_way, *chosen[:at], *chosen[at + 1 :]]
                best = self._best(others, at_least_as=chosen[at])
                assert best is not None  # noqa: S101
                chosen[at] = best
            if chosen == before:
                break
        return chosen

    def _sweeps(self, tests: Sequence[int]) -> int:
        cost = len(self._patterns(tests[:-1])) * self._graph.n * len(tests)
        return max(1, min(_SWEEPS, _SWEEP_BUDGET // cost))

    def _best(self, others: Sequence[int], at_least_as: int | None = None) -> int | None:
        score = self.information(others) * self._worth
        best = int(np.argmax(score))
        if at_least_as is not None and score[best] <= score[at_least_as] * (1 + 1e-9):
            return at_least_as
        return best if self._worth[best] > 0 else None

    def _patterns(self, tests: Sequence[int]) -> Floats:
        """The joint weight of each pattern of answers with each hypothesis: (patterns, n + 1), without rare ones."""
        patterns = self._weights[None, :]
        for test in tests:
            row = np.append(self._graph.ancestors(test), False)
            bad = np.where(row, self._channel.bad, self._channel.good)
            bad[-1] = self._channel.none
            patterns = np.concatenate((patterns * bad, patterns * (1.0 - bad)))
            patterns = patterns[patterns.sum(axis=1) > _RARE]
        return patterns

    def _gain(self, patterns: Floats) -> Floats:
        channel = self._channel
        totals = patterns.sum(axis=1, keepdims=True)
        none = patterns[:, -1:]
        in_history = self._graph.over_ancestors(patterns[:, :-1])
        looks_bad = in_history * channel.bad + (totals - none - in_history) * channel.good + none * channel.none
        joint = -(_plogp(looks_bad) + _plogp(np.maximum(totals - looks_bad, 0.0))).sum(axis=0)
        return np.asarray(joint + _plogp(totals).sum() - self._given)
