"""The candidates are exactly those that git bisect would search among, whatever the history looks like."""

import random
import time
from collections.abc import Sequence

import pytest

from mlsh.bisect.candidates import Candidates, NoCandidates, candidates
from mlsh.bisect.repository import Repository
from tests.bisect.histories import History, random_dag


def asked(history: History, goods: Sequence[str], bad: str = "main", **options: object) -> Candidates:
    goods = [history.sha.get(good, good) for good in goods]
    return candidates(Repository(history.folder), goods, history.sha.get(bad, bad), **options)  # type: ignore[arg-type]


def check_whole(found: Candidates) -> None:
    assert len(found.commits) == len(found.parents) == len(found.outside_parents) == len(set(found.commits))
    assert sorted(found.git_order) == list(range(len(found.commits)))
    for number, parents in enumerate(found.parents):
        assert all(parent < number for parent in parents)
    assert not {commit for parents in found.outside_parents for commit in parents} & set(found.commits)


def reach(found: Candidates, number: int) -> set[str]:
    seen, todo = set(), [number]
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += found.parents[at]
    return {found.commits[at] for at in seen}


def test_a_line_is_listed_oldest_first_and_ends_at_good(history: History) -> None:
    history.line("a", "b", "c", "d")
    found = asked(history, ["a"])
    assert history.named(found.commits) == ["b", "c", "d"]
    assert found.parents == ((), (0,), (1,))
    assert found.outside_parents == ((history.sha["a"],), (), ())
    assert found.git_order == (2, 1, 0)
    assert (found.merge_bases, found.unrelated) == ((), ())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["all", "first-parent", "paths"])
def test_random_histories_give_gits_own_list_and_ancestors(history: History, seed: int, kind: str) -> None:
    dag = random_dag(seed, 60)
    chance = random.Random(seed)
    files = {name: {f"f{chance.randrange(4)}": name} for name in dag}
    history.write(dag, files=files, dates={name: 1_700_000_000 + chance.randrange(200) for name in dag})
    good = [history.sha[name] for name in chance.sample(list(dag)[:40], 2)]
    paths = ["f1", "f2"] if kind == "paths" else []
    first = ["--first-parent"] if kind == "first-parent" else []
    ends = [history.sha["end"], "--not", *good]
    try:
        found = asked(history, good, first_parent=bool(first), pathspecs=paths)
    except NoCandidates:
        assert not history.git("rev-list", *first, *ends, "--", *paths)
        return
    check_whole(found)
    assert history.git("rev-list", *first, *ends, "--", *paths).split() == [found.commits[at] for at in found.git_order]
    for number in chance.sample(range(len(found.commits)), min(8, len(found.commits))):
        ancestors = set(history.git("rev-list", *first, found.commits[number], "--not", *good).split())
        if paths:
            # A merge may take one side's version whole: what the other side did to the paths is not in it.
            theirs = set(history.git("rev-list", found.commits[number], "--not", *good, "--", *paths).split())
            assert theirs & set(found.commits) <= reach(found, number) <= ancestors
        else:
            assert reach(found, number) == ancestors


def test_clocks_that_go_backwards_do_not_put_a_child_before_its_parent(history: History) -> None:
    names = [f"c{number}" for number in range(30)]
    history.write(
        {name: [names[at - 1]] if at else [] for at, name in enumerate(names)},
        dates={name: 1_700_000_000 - 1000 * at for at, name in enumerate(names)},
    )
    found = asked(history, ["c0"])
    check_whole(found)
    assert history.named(found.commits) == names[1:]


def test_octopus_and_root_are_in_the_range(history: History) -> None:
    history.write({"a": [], "b": ["a"], "c": ["a"], "other root": [], "m": ["b", "c", "other root"]})
    found = asked(history, ["b"])
    check_whole(found)
    assert set(history.named(found.commits)) == {"c", "other root", "m"}
    merge = found.commits.index(history.sha["m"])
    assert found.outside_parents[merge] == (history.sha["b"],)
    root = found.commits.index(history.sha["other root"])
    assert (found.parents[root], found.outside_parents[root]) == ((), ())


def test_first_parent_leaves_out_what_a_merge_brought_in(history: History) -> None:
    history.write({"a": [], "s1": ["a"], "s2": ["s1"], "b": ["a"], "m": ["b", "s2"], "c": ["m"]})
    found = asked(history, ["a"], first_parent=True)
    assert history.named(found.commits) == ["b", "m", "c"]
    assert found.parents == ((), (0,), (1,))
    assert found.outside_parents == ((history.sha["a"],), (), ())


def test_a_good_on_another_branch_has_the_merge_base_tested_first(history: History) -> None:
    history.write({"a": [], "b": ["a"], "release": ["b"]}, branch="release")
    history.write({"c": ["b"], "d": ["c"]})
    found = asked(history, ["release"])
    assert found.merge_bases == (history.sha["b"],)
    assert history.named(found.commits) == ["c", "d"]
    assert asked(history, ["release", "b"]).merge_bases == ()


def test_a_good_without_common_history_is_named(history: History) -> None:
    history.write({"x": []}, branch="pages")
    history.line("a", "b", "c")
    found = asked(history, ["pages", "a"])
    assert (found.unrelated, found.merge_bases) == ((history.sha["x"],), ())
    assert history.named(found.commits) == ["b", "c"]


def test_paths_leave_their_commits_and_the_ways_between_them(history: History) -> None:
    dag = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["d"]}
    files = {"a": {"x": "0"}, "b": {"y": "1"}, "c": {"x": "2"}, "d": {"y": "3"}, "e": {"x": "4"}}
    history.write(dag, files=files)
    found = asked(history, ["a"], pathspecs=["x"])
    assert history.named(found.commits) == ["c", "e"]
    assert found.parents == ((), (0,))
    assert found.outside_parents == ((history.sha["a"],), ())


def test_paths_are_taken_from_the_folder_that_the_person_stands_in(history: History) -> None:
    history.write({"a": [], "b": ["a"]}, files={"a": {"src/x": "0"}, "b": {"src/x": "1"}})
    found = candidates(Repository(history.folder / "src"), [history.sha["a"]], "main", pathspecs=["x"])
    assert history.named(found.commits) == ["b"]


def test_replaced_commits_are_seen_as_git_sees_them(history: History) -> None:
    history.line("a", "b", "c", "d")
    history.git("replace", "--graft", history.sha["d"], history.sha["b"])
    assert history.named(asked(history, ["a"]).commits) == ["b", "d"]


def test_ten_thousand_commits_take_little_more_than_git_itself(history: History) -> None:
    length = 10_000
    names = [f"c{number}" for number in range(length)]
    history.write(
        {
            name: [names[at - 1], names[at - 7]] if at > 10 and at % 5 == 0 else names[max(at - 1, 0) : at]
            for at, name in enumerate(names)
        },
        files={name: {"f": name} for name in names},
    )
    repository = Repository(history.folder)
    # Of this process alone: what git takes is git's, and other tests run beside this one.
    started = time.process_time()
    found = candidates(repository, [history.sha["c0"]], "main")
    assert time.process_time() - started < 0.5
    assert len(found.commits) == length - 1
    details = repository.details(found.commits)
    assert [detail.subject for detail in details] == names[1:]


def test_subject_author_and_date_come_as_they_are(history: History) -> None:
    history.write({"a": []}, subjects={"a": "réparé \x1b]0;x\x07 it\n\nbody"}, dates={"a": 1_650_000_000})
    (detail,) = Repository(history.folder).details([history.sha["a"]])
    assert detail.subject == "réparé \x1b]0;x\x07 it"
    assert (detail.author, detail.email, detail.authored_s) == ("Ada", "ada@example.org", 1_650_000_000)
