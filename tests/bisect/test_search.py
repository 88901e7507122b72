"""The search from the first question to the verdict, on simulated oracles with fixed seeds."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.bisect.search.range import Ask, Options, Purpose, Range, Seen
from mlsh.bisect.search.search import Search
from mlsh.bisect.search.verdict import CredibleSet, Culprit, EndsWrong, EndTrouble, NoCulprit
from tests.bisect.shapes import GOOD, branches, line, lying, measuring, range_of, searched

SURE = lying(random.Random(0))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10_000), st.data())
def test_a_sure_oracle_finds_the_culprit_wherever_it_is(n: int, seed: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, n - 1))
    workers = data.draw(st.integers(1, 4))
    search = Search(range_of(branches(n, seed)), Options())
    verdict, runs, _ = searched(search, culprit, SURE, workers)
    assert verdict == Culprit(f"c{culprit}", 1.0)
    assert runs[Purpose.BAD_END] == runs[Purpose.GOOD_END] == 1
    assert runs[Purpose.CONFIRM] == 0


@pytest.mark.parametrize("workers", [2, 4, 8])
@pytest.mark.parametrize("n", [10, 100, 300])
def test_k_workers_search_a_line_in_as_few_rounds_as_can_be_and_one(n: int, workers: int) -> None:
    for culprit in range(0, n, max(1, n // 12)):
        _, _, rounds = searched(Search(range_of(line(n)), Options()), culprit, SURE, workers)
        assert rounds <= math.ceil(round(math.log(n, workers + 1), 9)) + 1


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 40), st.integers(0, 10_000), st.data())
def test_commits_that_can_not_be_tested_never_lead_to_a_wrong_culprit(n: int, seed: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, n - 1))
    broken = data.draw(st.sets(st.sampled_from([f"c{i}" for i in range(n - 1)]), max_size=n))

    def answer(ask: Ask, is_bad: bool) -> Seen:
        return Seen(ask.commit, ask.purpose, "unknown" if ask.commit in broken else "bad" if is_bad else "good")

    verdict, _, _ = searched(Search(range_of(branches(n, seed)), Options()), culprit, answer)
    if isinstance(verdict, Culprit):
        assert verdict.commit == f"c{culprit}"
    else:
        assert isinstance(verdict, CredibleSet)
        assert f"c{culprit}" in verdict.commits
        assert len(verdict.commits) > 1
        assert verdict.confidence == pytest.approx(1.0)


@pytest.mark.parametrize(("miss", "alarm"), [(0.1, 0.1), (0.3, 0.02)])
def test_a_lying_oracle_is_seen_through(miss: float, alarm: float) -> None:
    right = 0
    for seed in range(20):
        chance = random.Random(seed)
        n = 80
        search = Search(range_of(line(n) if seed % 2 else branches(n, seed)), Options(noisy=True))
        culprit = chance.randrange(n)
        verdict, _, _ = searched(search, culprit, lying(chance, miss, alarm))
        right += isinstance(verdict, Culprit) and verdict.commit == f"c{culprit}"
    assert right >= 18


def test_a_number_whose_kinds_nobody_told_leads_to_the_culprit() -> None:
    right = 0
    for seed in range(12):
        chance = random.Random(seed)
        search = Search(range_of(line(60)), Options(values=True))
        culprit = chance.randrange(60)
        verdict, _, _ = searched(search, culprit, measuring(chance, 3.0))
        right += isinstance(verdict, Culprit) and verdict.commit == f"c{culprit}"
    assert right >= 11


@pytest.mark.parametrize("alarm", [0.0, 0.1])
def test_where_both_ends_pass_alike_no_commit_is_blamed(alarm: float) -> None:
    for seed in range(8):
        verdict, _, _ = searched(
            Search(range_of(line(60)), Options(noisy=True)), None, lying(random.Random(seed), alarm=alarm)
        )
        assert isinstance(verdict, NoCulprit)


def ends(bad: str, good: str) -> Search:
    search = Search(range_of(line(20)), Options())
    search.tell(Seen("c19", Purpose.BAD_END, bad))  # type: ignore[arg-type]
    search.tell(Seen(GOOD, Purpose.GOOD_END, good))  # type: ignore[arg-type]
    return search


@pytest.mark.parametrize(
    ("bad", "good", "trouble"),
    [
        ("good", "good", EndTrouble.BAD_PASSES),
        ("bad", "bad", EndTrouble.GOOD_FAILS),
        ("good", "bad", EndTrouble.SWAPPED),
        ("unknown", "good", EndTrouble.UNTESTABLE),
        ("bad", "unknown", EndTrouble.UNTESTABLE),
    ],
)
def test_ends_that_do_not_answer_as_they_should_end_the_search(bad: str, good: str, trouble: EndTrouble) -> None:
    verdict = ends(bad, good).verdict()
    assert isinstance(verdict, EndsWrong)
    assert verdict.trouble == trouble


def test_the_merge_base_is_asked_where_a_good_is_no_ancestor() -> None:
    range_ = range_of(line(20))
    search = Search(
        Range(**{**{f: getattr(range_, f) for f in range_.__struct_fields__}, "merge_bases": ("b",)}), Options()
    )
    assert Ask("b", Purpose.MERGE_BASE) in search.ask(8)
    search.tell(Seen("c19", Purpose.BAD_END, "bad"))
    search.tell(Seen(GOOD, Purpose.GOOD_END, "good"))
    search.tell(Seen("b", Purpose.MERGE_BASE, "bad"))
    verdict = search.verdict()
    assert isinstance(verdict, EndsWrong)
    assert verdict.trouble == EndTrouble.BASE_FAILS


def test_answers_that_contradict_each_other_turn_the_noisy_model_on() -> None:
    search = ends("bad", "good")
    assert not search.noisy
    search.tell(Seen("c9", Purpose.SEARCH, "bad"))
    search.tell(Seen("c9", Purpose.SEARCH, "good"))
    assert search.noisy
    assert search.verdict() is None
    assert {ask.purpose for ask in search.ask(4)} <= {Purpose.BAD_END, Purpose.GOOD_END}


def test_a_probe_whose_answer_can_change_nothing_is_named() -> None:
    search = ends("bad", "good")
    under_way = [Ask("c5", Purpose.SEARCH), Ask("c12", Purpose.SEARCH)]
    assert search.obsolete(under_way) == []
    search.tell(Seen("c9", Purpose.SEARCH, "bad"))
    assert search.obsolete(under_way) == [under_way[1]]


def test_the_same_answers_lead_to_the_same_questions() -> None:
    """That is what makes a journal enough to go on."""
    asked = []
    for _ in range(2):
        chance = random.Random(5)
        search = Search(range_of(branches(70, 2)), Options(noisy=True))
        trace = []
        answer = lying(chance, 0.1, 0.1)

        def traced(ask: Ask, is_bad: bool, trace: list[Ask] = trace) -> Seen:
            trace.append(ask)
            return answer(ask, is_bad)  # noqa: B023

        searched(search, 33, traced, workers=3)
        asked.append(trace)
    assert asked[0] == asked[1]


def test_runs_that_are_used_up_end_with_the_likeliest_commits() -> None:
    search = Search(range_of(line(64)), Options(max_runs=3))
    verdict, runs, _ = searched(search, 40, SURE)
    assert isinstance(verdict, CredibleSet)
    assert verdict.gave_up
    assert runs[Purpose.SEARCH] == 3
    assert "c40" in verdict.commits
    assert len(verdict.commits) == 8


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_ranges_have_an_end(n: int) -> None:
    verdict, _, _ = searched(Search(range_of(line(n)), Options()), 0, SURE)
    assert verdict == Culprit("c0", 1.0)
