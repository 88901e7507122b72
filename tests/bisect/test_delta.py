"""Delta debugging, against what trying every set of deltas finds."""

import math
import random
from collections.abc import Callable, Sequence
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.bisect.search.delta import Delta, Minimal
from mlsh.bisect.search.range import Kind
from mlsh.bisect.search.repeats import Once, Repeated, ends_differ

Oracle = Callable[[int], Kind]


def mask(deltas: Sequence[int]) -> int:
    return sum(1 << delta for delta in deltas)


def needs(*sets: Sequence[int], unknown: Callable[[int], bool] = lambda mask: False) -> Oracle:
    """Bad where it holds all deltas of one of these sets."""
    bad = [mask(one) for one in sets]

    def answer(asked: int) -> Kind:
        return "bad" if any(asked & one == one for one in bad) else "unknown" if unknown(asked) else "good"

    return answer


def narrowed(
    search: Delta, oracle: Oracle, workers: int = 1, order: random.Random | None = None
) -> tuple[Minimal, int]:
    """Ask until there is a result; answers come in any order. Returns it, and the rounds of `workers` runs it took."""
    running: list[int] = []
    rounds = 0
    while (found := search.result()) is None:
        for stale in search.obsolete(running):
            running = [one for one in running if one != stale]
        asked = search.ask(workers - len(running), running)
        assert len(asked) + len(running) <= workers
        running += asked
        assert running, "nothing runs, and there is no result"
        rounds += 1
        ended = running if order is None else [running[order.randrange(len(running))]]
        for one in list(ended):
            running.remove(one)
            search.tell(one, oracle(one))
    return found, rounds


SETS = st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(SETS, min_size=1, max_size=3), st.integers(0, 2**32), st.integers(1, 5))
def test_the_deltas_alone_are_bad_and_none_of_them_can_be_left_out(
    sets: list[list[int]], seed: int, workers: int
) -> None:
    oracle = needs(*sets, unknown=lambda asked: random.Random(seed * 131 + asked).random() < 0.3)
    found, _ = narrowed(Delta(7, Once()), oracle, workers, random.Random(seed))
    whole = mask(found.deltas)
    assert oracle(whole) == "bad"
    assert found.without == tuple(
        "good" if not whole & ~(1 << one) else oracle(whole & ~(1 << one)) for one in found.deltas
    )
    assert "bad" not in found.without


@settings(max_examples=150, deadline=None)
@given(SETS, st.integers(1, 5), st.integers(0, 1000))
def test_where_one_set_does_it_it_is_the_smallest_that_brute_force_finds(
    wanted: list[int], workers: int, seed: int
) -> None:
    oracle = needs(wanted)
    found, _ = narrowed(Delta(7, Once()), oracle, workers, random.Random(seed))
    smallest = next(
        deltas for size in range(1, 8) for deltas in combinations(range(7), size) if oracle(mask(deltas)) == "bad"
    )
    assert found == Minimal(smallest, ("good",) * len(smallest))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.data(), st.integers(2, 6), st.integers(0, 1000))
def test_many_workers_find_what_one_finds(n: int, data: st.DataObject, workers: int, seed: int) -> None:
    sets = data.draw(st.lists(st.lists(st.integers(0, n - 1), min_size=1, max_size=4), min_size=1, max_size=3))
    oracle = needs(*sets, unknown=lambda asked: random.Random(seed * 131 + asked).random() < 0.2)
    alone, _ = narrowed(Delta(n, Once()), oracle)
    assert narrowed(Delta(n, Once()), oracle, workers, random.Random(seed))[0] == alone


def test_no_set_is_asked_twice_nor_the_ends_again() -> None:
    asked: list[int] = []

    def oracle(one: int) -> Kind:
        asked.append(one)
        return needs([3, 11, 12])(one)

    search = Delta(16, Once())
    narrowed(search, oracle, 4)
    assert len(asked) == len(set(asked)) == search.runs
    assert not {0, search.full} & set(asked)


def test_one_delta_of_a_thousand_takes_two_runs_a_halving_at_most() -> None:
    for culprit in range(0, 1000, 83):
        search = Delta(1000, Once())
        assert narrowed(search, needs([culprit]))[0].deltas == (culprit,)
        assert search.runs <= 2 * math.ceil(math.log2(1000))


def test_four_workers_take_half_the_time_of_one() -> None:
    alone = together = 0
    for culprit in range(0, 256, 17):
        alone += narrowed(Delta(256, Once()), needs([culprit]))[1]
        together += narrowed(Delta(256, Once()), needs([culprit]), 4)[1]
    assert together <= 0.5 * alone, (alone, together)


def test_when_the_runs_are_used_up_the_smallest_bad_set_so_far_is_told() -> None:
    search = Delta(64, Once(), max_runs=5)
    oracle = needs([5, 60])
    found, _ = narrowed(search, oracle, 2)
    assert found.gave_up
    assert search.runs <= 5
    assert oracle(mask(found.deltas)) == "bad"


def test_a_set_that_can_not_be_made_is_not_asked_for() -> None:
    search = Delta(2, Once())
    (first,) = search.ask(1)
    search.rule_out(first)
    (second,) = search.ask(1)
    assert {first, second} == {1, 2}
    search.tell(second, "unknown")
    assert search.result() == Minimal((0, 1), ("unknown", "unknown"))


def test_answers_of_which_some_are_false_still_lead_to_the_right_deltas() -> None:
    right = runs = 0
    trials = 60
    for seed in range(trials):
        chance = random.Random(seed)
        n = chance.choice([8, 30, 100])
        culprit = chance.sample(range(n), chance.choice([1, 1, 2]))

        def lying(asked: int, wanted: Sequence[int] = culprit, chance: random.Random = chance) -> Kind:
            is_bad = needs(wanted)(asked) == "bad"
            return "bad" if chance.random() < (0.9 if is_bad else 0.1) else "good"

        ends = []
        for end in (0, (1 << n) - 1):
            fails = sum(lying(end) == "bad" for _ in range(8))
            ends.append((fails, 8 - fails))
        search = Delta(n, Repeated(0.95, *ends))
        found, _ = narrowed(search, lying, 3, chance)
        right += found.deltas == tuple(sorted(culprit))
        runs += search.runs
        assert 0.8 < found.confidence <= 1
    assert right >= 0.95 * trials, (right, runs / trials)


def test_ends_that_answer_alike_are_seen_not_to_differ() -> None:
    assert ends_differ((0, 8), (8, 0)) > 0.99
    assert ends_differ((1, 7), (6, 2)) > 0.9
    assert ends_differ((0, 8), (0, 8)) < 0.2
    assert ends_differ((4, 4), (4, 4)) < 0.5


def test_a_state_that_can_not_be_told_is_not_run_for_ever() -> None:
    judge = Repeated(0.95, (0, 8), (8, 0))
    decided = None
    for runs in range(1, 100):
        if decided := judge.add(1, "good" if runs % 2 else "bad"):
            break
    assert decided == "unknown"
    assert runs <= 40
    assert [judge.add(2, "unknown") for _ in range(3)] == [None, None, "unknown"]
