"""The choice of tests: against brute force, and its cost."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.bisect.search.belief import Channel
from mlsh.bisect.search.choice import Chooser
from mlsh.bisect.search.graph import Graph
from tests.bisect.shapes import branches, line

NOISY = Channel(0.1, 0.8, 0.4)
SURE = Channel(0.0, 1.0, 0.5)


def h(shares: list[float]) -> float:
    return -sum(share * math.log2(share) for share in shares if share > 0)


def mutual_information(graph: Graph, weights: np.ndarray, channel: Channel, tests: tuple[int, ...]) -> float:
    """I(answers; culprit) by going through every pattern of answers for every hypothesis."""
    n = graph.n
    patterns = dict.fromkeys(itertools.product((True, False), repeat=len(tests)), 0.0)
    given_culprit = 0.0
    for culprit in range(n + 1):
        chances = [
            channel.none if culprit == n else channel.bad if graph.ancestors(test)[culprit] else channel.good
            for test in tests
        ]
        own = []
        for pattern in patterns:
            likely = math.prod(chance if fails else 1 - chance for chance, fails in zip(chances, pattern, strict=True))
            patterns[pattern] += float(weights[culprit]) * likely
            own.append(likely)
        given_culprit += float(weights[culprit]) * h(own)
    return h(list(patterns.values())) - given_culprit


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([NOISY, SURE]), st.lists(st.integers(0, 9), max_size=3))
def test_information_is_what_every_pattern_of_answers_adds_up_to(
    seed: int, channel: Channel, under_way: list[int]
) -> None:
    graph = Graph(branches(10, seed))
    weights = np.random.default_rng(seed).dirichlet(np.ones(11))
    ours = Chooser(graph, weights, channel, np.ones(10)).information(under_way)
    before = mutual_information(graph, weights, channel, tuple(under_way))
    for commit in range(10):
        exact = mutual_information(graph, weights, channel, (*under_way, commit)) - before
        assert ours[commit] == pytest.approx(exact, abs=2e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([NOISY, SURE]), st.integers(1, 3))
def test_tests_chosen_together_are_nearly_the_best_there_are(seed: int, channel: Channel, k: int) -> None:
    graph = Graph(branches(9, seed))
    weights = np.random.default_rng(seed).dirichlet(np.ones(10))
    chosen = Chooser(graph, weights, channel, np.ones(9)).choose(k)
    best = max(
        mutual_information(graph, weights, channel, tests)
        for tests in itertools.combinations_with_replacement(range(9), k)
    )
    assert mutual_information(graph, weights, channel, tuple(chosen)) >= 0.75 * best


@pytest.mark.parametrize("k", [2, 3, 5])
def test_k_tests_of_a_line_cut_it_into_equal_parts(k: int) -> None:
    weights = np.append(np.full(120, 1 / 120), 0.0)
    chosen = sorted(Chooser(Graph(line(120)), weights, SURE, np.ones(120)).choose(k))
    parts = np.diff([-1, *chosen, 119])
    assert parts.max() - parts.min() <= 6


def test_what_is_under_way_is_not_asked_again_and_what_says_nothing_is_not_asked() -> None:
    weights = np.append(np.full(8, 1 / 8), 0.0)
    chooser = Chooser(Graph(line(8)), weights, SURE, np.ones(8))
    assert chooser.choose(1, under_way=[3])[0] in {1, 5}
    assert len(chooser.choose(50)) == 7  # the bad end is known to be bad


def test_a_commit_that_is_unlikely_to_build_is_left_for_later() -> None:
    weights = np.append(np.full(9, 1 / 9), 0.0)
    worth = np.ones(9)
    worth[4] = 0.2
    worth[3] = 0.0
    assert Chooser(Graph(line(9)), weights, SURE, worth).choose(1)[0] in {2, 5}


@pytest.mark.parametrize("parents", [line(10_000), branches(10_000, 1)], ids=["line", "branches"])
def test_ten_thousand_commits_are_chosen_from_in_less_time_than_a_person_notices(
    parents: list[tuple[int, ...]],
) -> None:
    """The goal is 0.2 s of processor time; it takes 5 ms, so a machine ten times as slow passes too."""
    graph = Graph(parents)
    weights = np.append(np.full(10_000, 0.8 / 10_000), 0.2)
    began = time.process_time()
    Chooser(graph, weights, NOISY, np.ones(10_000)).choose(1)
    assert time.process_time() - began < 0.2
