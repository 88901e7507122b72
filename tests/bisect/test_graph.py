"""The ancestor relation, against the plain way to compute it."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.bisect.search.graph import Graph


@st.composite
def dags(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """Parents for up to 40 commits, octopus merges and several roots among them."""
    n = draw(st.integers(1, 40))
    return [tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else () for i in range(n)]


def reached(parents: list[tuple[int, ...]]) -> list[set[int]]:
    found: list[set[int]] = []
    for commit, of in enumerate(parents):
        found.append({commit}.union(*(found[parent] for parent in of)))
    return found


@settings(max_examples=40, deadline=None)
@given(dags())
def test_ancestors_are_those_that_a_walk_finds(parents: list[tuple[int, ...]]) -> None:
    graph = Graph(parents)
    for commit, expected in enumerate(reached(parents)):
        assert set(np.flatnonzero(graph.ancestors(commit))) == expected


@settings(max_examples=40, deadline=None)
@given(dags(), st.integers(0, 2**32 - 1))
def test_sums_over_ancestors_are_exact(parents: list[tuple[int, ...]], seed: int) -> None:
    graph = Graph(parents)
    values = np.random.default_rng(seed).random((3, graph.n))
    sums = graph.over_ancestors(values)
    for commit, expected in enumerate(reached(parents)):
        np.testing.assert_allclose(sums[:, commit], values[:, sorted(expected)].sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(graph.over_ancestors(values[0]), sums[0], atol=1e-12)


def test_ten_thousand_commits_in_a_line_hold_no_more_than_themselves() -> None:
    began = time.process_time()
    graph = Graph([(i - 1,) if i else () for i in range(10_000)])
    assert graph.held == 10_000
    assert graph.ancestors(9_999).all()
    assert time.process_time() - began < 5
