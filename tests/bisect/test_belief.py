"""The posterior, against the plain way to compute it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.bisect.search.belief import Rates, Sure, Values
from mlsh.bisect.search.building import chance_to_build
from mlsh.bisect.search.graph import Graph
from tests.bisect.shapes import branches


def log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


answers = st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=25)
PRIOR = np.append(np.full(12, 0.8 / 12), 0.2)


@settings(max_examples=40, deadline=None)
@given(answers, st.integers(0, 5))
def test_the_posterior_of_pass_and_fail_is_bayes_rule_with_the_rates_integrated_out(
    seen: list[tuple[int, bool]], seed: int
) -> None:
    graph = Graph(branches(12, seed))
    belief = Rates(PRIOR)
    for commit, fails in seen:
        belief.add(graph.ancestors(commit), is_fail=fails, value=None)
    expected = []
    for culprit in range(12):
        counts = {(kind, fails): 0 for kind in (True, False) for fails in (True, False)}
        for commit, fails in seen:
            counts[bool(graph.ancestors(commit)[culprit]), fails] += 1
        bad = log_beta(1.5 + counts[True, True], 0.5 + counts[True, False]) - log_beta(1.5, 0.5)
        good = log_beta(0.5 + counts[False, True], 1.5 + counts[False, False]) - log_beta(0.5, 1.5)
        expected.append(PRIOR[culprit] * math.exp(bad + good))
    fails = sum(fails for _, fails in seen)
    expected.append(0.2 * math.exp(log_beta(0.5 + fails, 0.5 + len(seen) - fails) - log_beta(0.5, 0.5)))
    np.testing.assert_allclose(belief.weights(), np.array(expected) / sum(expected), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(answers, st.permutations(range(25)))
def test_the_order_of_answers_does_not_matter(seen: list[tuple[int, bool]], order: list[int]) -> None:
    graph = Graph(branches(12, 3))
    beliefs = [Rates(PRIOR), Rates(PRIOR)]
    for belief, sequence in zip(beliefs, (range(len(seen)), [at for at in order if at < len(seen)]), strict=True):
        for at in sequence:
            belief.add(graph.ancestors(seen[at][0]), is_fail=seen[at][1], value=None)
    np.testing.assert_allclose(beliefs[0].weights(), beliefs[1].weights(), rtol=1e-9)


def test_a_sure_oracle_rules_out_what_contradicts_it() -> None:
    graph = Graph([(i - 1,) if i else () for i in range(4)])
    belief = Sure(np.append(np.full(4, 0.25), 0.0))
    belief.add(graph.ancestors(1), is_fail=False)
    np.testing.assert_allclose(belief.weights(), [0, 0, 0.5, 0.5, 0])
    belief.add(graph.ancestors(2), is_fail=True)
    np.testing.assert_allclose(belief.weights(), [0, 0, 1, 0, 0])
    belief.add(graph.ancestors(2), is_fail=False)
    assert not belief.weights().any()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(-3, 3)), min_size=1, max_size=12),
    st.floats(0.01, 100),
    st.floats(-1000, 1000),
)
def test_the_unit_of_a_value_does_not_matter(seen: list[tuple[int, float]], unit: float, shift: float) -> None:
    graph = Graph([(i - 1,) if i else () for i in range(6)])
    prior = np.append(np.full(6, 0.8 / 6), 0.2)
    plain, scaled = Values(prior, 0.0, 1.0), Values(prior, shift, unit)
    for commit, value in seen:
        plain.add(graph.ancestors(commit), is_fail=False, value=value)
        scaled.add(graph.ancestors(commit), is_fail=False, value=shift + unit * value)
    np.testing.assert_allclose(plain.weights(), scaled.weights(), rtol=1e-3, atol=1e-9)


def test_the_marginal_likelihood_of_values_is_that_of_adding_them_one_by_one() -> None:
    """Chain rule: the closed form for all equals the product of Student-t predictives (Murphy 2007, eq. 110)."""
    values = [0.3, -1.2, 2.5, 0.1]
    strength, mean, shape, rate = Values.STRENGTH, 0.0, Values.SHAPE, Values.SHAPE
    total = 0.0
    for value in values:
        scale2 = rate * (strength + 1) / (shape * strength)
        dof = 2 * shape
        total += (
            math.lgamma((dof + 1) / 2)
            - math.lgamma(dof / 2)
            - 0.5 * math.log(dof * math.pi * scale2)
            - (dof + 1) / 2 * math.log1p((value - mean) ** 2 / (dof * scale2))
        )
        rate += strength * (value - mean) ** 2 / (2 * (strength + 1))
        mean = (strength * mean + value) / (strength + 1)
        strength, shape = strength + 1, shape + 0.5
    belief = Values(np.array([0.5, 0.5]), 0.0, 1.0)
    moments = np.array([[len(values)], [sum(values)], [sum(v * v for v in values)]], dtype=float)
    ours = float(belief._marginal(moments)[0]) - len(values) / 2 * math.log(2 * math.pi)
    assert ours == pytest.approx(total, rel=1e-9)


def test_without_an_observation_a_value_says_nothing_of_any_hypothesis() -> None:
    prior = np.append(np.full(4, 0.2), 0.2)
    np.testing.assert_allclose(Values(prior, 0.0, 1.0).weights(), prior)


def test_a_value_that_is_no_number_tells_the_two_kinds_apart() -> None:
    graph = Graph([(i - 1,) if i else () for i in range(4)])
    belief = Values(np.append(np.full(4, 0.225), 0.1), 0.0, 1.0)
    for _ in range(4):
        belief.add(graph.ancestors(1), is_fail=False, value=0.1)
        belief.add(graph.ancestors(2), is_fail=True, value=math.nan)
    assert belief.weights().argmax() == 2


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
def test_what_can_not_be_tested_makes_its_neighbours_doubtful_and_nothing_else(
    tested: set[int], untestable: set[int]
) -> None:
    chance = chance_to_build(20, tested - untestable, untestable)
    assert all(chance[commit] == 0 for commit in untestable)
    others = [commit for commit in range(20) if commit not in untestable]
    assert all(0 < chance[commit] <= 1 for commit in others)
    for near, far in itertools.pairwise(sorted(others, key=lambda c: min((abs(c - u) for u in untestable), default=0))):
        if not tested and len(untestable) == 1:
            assert chance[near] <= chance[far] + 1e-12
