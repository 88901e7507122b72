"""How likely a commit is to be testable at all.

What can't be built comes in runs: a commit breaks the build, a later one mends it. So a commit that could not be tested
makes its neighbours doubtful, the nearer the more, and one that could makes them likely. It says nothing about the
culprit: its weight stays.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mlsh.bisect.search.graph import Floats


def chance_to_build(n: int, tested: Iterable[int], untestable: Iterable[int]) -> Floats:
    """For each of n commits the chance that a test of it gives an answer.

    A Beta mean with one success beforehand. An outcome counts as 1 / distance, in the order of commits: broken runs
    have no typical length, so neither has the weight.
    """
    positions = np.arange(n, dtype=np.float64)
    successes = np.ones(n)
    failures = np.zeros(n)
    known_bad = sorted(set(untestable))
    for commit in set(tested):
        successes += 1.0 / np.maximum(np.abs(positions - commit), 0.5)
    for commit in known_bad:
        failures += 1.0 / np.maximum(np.abs(positions - commit), 0.5)
    chance = successes / (successes + failures)
    chance[known_bad] = 0.0
    return np.asarray(chance)
