"""Trials of git-bayesect, run by a Python that has it: a JSON of trials on stdin, what came of them on stdout.

The loop is that of its `run`: select, run, record, until the likeliest commit has the confidence. The oracle draws as
`lying` in tests/bisect/shapes.py does. Index 0 is the newest commit, and the old end is one of the candidates.
"""

import json
import random
import sys

import numpy as np
from git_bayesect import Bisector


def trial(n: int, culprit: int, seed: int, miss: float, alarm: float, confidence: float) -> tuple[bool, float, int]:
    """Whether it was right, the confidence that it stated, and its runs."""
    chance = random.Random(seed)
    chance.randrange(n)
    bisector = Bisector(np.ones(n + 1))
    runs = 0
    while runs < 2000:
        at = bisector.select()
        is_bad = n - 1 - at >= culprit
        bisector.record(at, chance.random() >= miss if is_bad else chance.random() < alarm)
        runs += 1
        if bisector.distribution.max() >= confidence:
            break
    best = int(np.argmax(bisector.distribution))
    return n - 1 - best == culprit, float(bisector.distribution.max()), runs


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump([trial(*of, asked["confidence"]) for of in asked["trials"]], sys.stdout)
