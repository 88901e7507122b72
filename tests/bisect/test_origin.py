"""A culprit is shown with the merge or pull request that brought it in, which is where people talk about it."""

import pytest

from mlsh.bisect.origin import origin_of, request_of
from mlsh.bisect.repository import Repository
from tests.bisect.histories import History


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Merge pull request #12 from ada/faster\n\nFaster", "#12"),
        (
            "Merge branch 'faster' into 'main'\n\nFaster\n\nSee merge request group/sub/project!34",
            "group/sub/project!34",
        ),
        ("Merged in faster (pull request #5)", "#5"),
        ("Merged PR 77: Faster", "#77"),
        ("Faster sampling (#123)", "#123"),
        ("Faster sampling (#123)\n\n* first (#4)", "#123"),
        ('Revert "Faster (#1)" (#9)', "#9"),
        ("Merge branch 'faster'", ""),
        ("fix #12 for good", ""),
        ("(#99999999999999999999)", ""),
        ("x" * 100_000 + "(#" * 50_000, ""),
    ],
)
def test_the_request_is_read_from_what_each_forge_writes(message: str, expected: str) -> None:
    assert request_of(message) == expected


def test_the_merge_on_bads_own_line_is_named_even_where_merges_nest(history: History) -> None:
    history.write(
        {"a": [], "x": ["a"], "f": ["a"], "inner": ["f", "x"], "b": ["a"], "outer": ["b", "inner"], "c": ["outer"]},
        subjects={"outer": "Merge pull request #12 from ada/f\n\nbody", "inner": "Merge pull request #3 from x/x"},
    )
    repository = Repository(history.folder)
    origin = origin_of(repository, history.sha["x"], history.sha["c"])
    assert (origin.kind, origin.commit, origin.request) == ("merge", history.sha["outer"], "#12")
    assert origin.subject == "Merge pull request #12 from ada/f"


def test_a_commit_on_the_line_itself_was_squashed_or_made_there(history: History) -> None:
    history.write({"a": [], "b": ["a"], "c": ["b"], "s": ["a"], "m": ["c", "s"]}, subjects={"b": "Faster (#7)"})
    repository = Repository(history.folder)
    squashed = origin_of(repository, history.sha["b"], history.sha["m"])
    assert (squashed.kind, squashed.commit, squashed.request) == ("squash", history.sha["b"], "#7")
    assert origin_of(repository, history.sha["c"], history.sha["m"]).kind == "direct"
    # The merge is itself a culprit, and bad itself is one too.
    assert origin_of(repository, history.sha["m"], history.sha["m"]).commit == history.sha["m"]
    assert origin_of(repository, history.sha["a"], history.sha["m"]).commit == history.sha["a"]
