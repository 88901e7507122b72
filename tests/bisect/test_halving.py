"""git's own choice, against git."""

import random

import numpy as np
import pytest

from mlsh.bisect.candidates import candidates
from mlsh.bisect.recorded import range_of
from mlsh.bisect.repository import Repository
from mlsh.bisect.search.graph import Graph
from mlsh.bisect.search.halving import halving
from tests.bisect.histories import History
from tests.bisect.shapes import branches, line


@pytest.mark.parametrize("seed", range(6))
def test_the_next_test_is_the_one_that_git_would_take(history: History, seed: int) -> None:
    parents = line(30) if seed == 0 else branches(40, seed, at_once=seed)
    chance = random.Random(seed)
    history.write({f"c{i}": [f"c{p}" for p in chance.sample(of, len(of))] for i, of in enumerate(parents)})
    commits = [history.sha[f"c{i}"] for i in range(len(parents))]
    found = range_of(candidates(Repository(history.folder), [commits[0]], commits[-1]))
    graph = Graph(found.parents)
    order = found.oldest_first or range(graph.n)
    possible = np.ones(graph.n, dtype=np.bool_)
    goods, bad = [commits[0]], commits[-1]
    while possible.sum() > 1:
        wanted = history.git("rev-list", "--bisect", bad, *(f"^{good}" for good in goods)).strip()
        chosen = halving(graph, possible, order)
        assert found.commits[chosen] == wanted
        inside = graph.ancestors(chosen)
        if chance.random() < 0.5:
            possible &= inside
            bad = wanted
        else:
            possible &= ~inside
            goods.append(wanted)
