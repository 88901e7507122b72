"""What else finds a commit, asked the same: git bisect, git bisect with a vote, git-bayesect; and the bound."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlsh.bisect.search.choice import entropy
from mlsh.bisect.search.graph import Graph
from mlsh.bisect.search.halving import halving
from mlsh.bisect.search.range import Ask, Purpose
from tests.bench.bisect_trials import Job, Noise, Outcome

BAYESECT = "git-bayesect==1.2"
_DRIVER = Path(__file__).with_name("bisect_bayesect.py")


def believing(job: Job, votes: int = 1) -> Outcome:
    """git's rule, each answer believed; with `votes`, each test is run so often and the majority believed.

    git looks at neither end.
    """
    culprit, chance = job.drawn()
    answer = job.oracle(chance)
    graph = Graph(job.parents())
    possible = np.ones(graph.n, dtype=np.bool_)
    runs = 0
    while possible.sum() > 1:
        at = halving(graph, possible, range(graph.n))
        inside = graph.ancestors(at)
        is_bad = culprit is not None and bool(inside[culprit])
        said = [answer(Ask(f"c{at}", Purpose.SEARCH), is_bad).kind == "bad" for _ in range(votes)]
        runs += votes
        possible &= inside if 2 * sum(said) > votes else ~inside
    return Outcome(culprit is not None and bool(possible[culprit]), "Culprit", 1.0, runs)


def best_of_five(job: Job) -> Outcome:
    """git's rule, with five runs of each test."""
    return believing(job, votes=5)


def bayesect(python: Path, jobs: Sequence[Job], confidence: float) -> list[Outcome]:
    """git-bayesect's own search (its class and the loop of its `run`), in a Python that has it. Lines only."""
    asked = [[job.n, job.drawn()[0], job.seed, job.noise.miss, job.noise.alarm] for job in jobs]
    done = subprocess.run(
        ["nice", "-n", "10", str(python), str(_DRIVER)],
        input=json.dumps({"confidence": confidence, "trials": asked}),
        check=True,
        capture_output=True,
        text=True,
    )
    return [Outcome(right, "Culprit", stated, runs) for right, stated, runs in json.loads(done.stdout)]


def bound(n: int, noise: Noise, confidence: float) -> float:
    """Runs that no search can do without on average, about: log2(n) / C + log2(1 / (1 - confidence)) / D.

    C is the capacity of the answer as a binary channel, D the smaller of the two divergences between its kinds, in
    bits. (Burnashev, "Data transmission over a discrete channel with feedback", 1976, has the form of it.)
    """
    bad, good = 1 - noise.miss, noise.alarm
    chance = np.linspace(0, 1, 10_001)
    capacity = float(
        (entropy(chance * bad + (1 - chance) * good) - chance * entropy(bad) - (1 - chance) * entropy(good)).max()
    )
    apart = min(_divergence(bad, good), _divergence(good, bad))
    return math.log2(n) / capacity + math.log2(1 / (1 - confidence)) / apart


def _divergence(p: float, q: float) -> float:
    return p * math.log2(p / q) + (1 - p) * math.log2((1 - p) / (1 - q))
