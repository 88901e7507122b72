"""`@`, names and the starts of ids lead to the job that is meant, or to no job at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.errors import NotFound, UsageError
from mlsh.jobs import ids
from mlsh.jobs.refs import choose
from mlsh.records import Launched

A = Launched("bcdfghjk", "gpu1", 1.0, "train")
B = Launched("bcdwwwww", "gpu2", 2.0, "eval")
C = Launched("k7w2m9qx", "gpu1", 3.0, "train")
D = Launched("zzzzzzzz", "local", 4.0, "k7w2m9qx2")
KNOWN = [A, B, C, D]


@pytest.mark.parametrize(
    ("text", "on", "meant"),
    [("@", None, D), ("@~0", None, D), ("@~1", None, C), ("@~3", None, A), ("@", "gpu1", C), ("@~1", "gpu1", A),
     ("bcdfghjk", None, A), ("bcdf", None, A), ("train", None, C), ("eval", None, B), ("k", None, C), ("z", None, D),
     ("bcd", "gpu2", B), ("nothing", None, None), ("train", "gpu2", None), ("", None, None)],
)  # fmt: skip
def test_finds_the_job_that_is_meant(text: str, on: str | None, meant: Launched | None) -> None:
    choice = choose(text, KNOWN, on)
    if text == "":
        assert choice.found is None
    else:
        assert (choice.found, choice.problem) == (meant, None)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("@~4", NotFound), ("@~99999", UsageError), ("@1", UsageError), ("@~-1", UsageError), ("@~١", UsageError),
     ("bcd", UsageError)],
)  # fmt: skip
def test_says_why_it_can_not_choose(text: str, kind: type[Exception]) -> None:
    choice = choose(text, KNOWN)
    assert choice.found is None
    assert isinstance(choice.problem, kind)
    assert choice.problem.hint


def test_the_last_job_of_none_is_told_as_what_it_is() -> None:
    for on, where, typed in [
        (None, "here yet", "mlsh run -- "),
        ("gpu3", "here on gpu3 yet", "mlsh run --on gpu3 -- "),
    ]:
        problem = choose("@", [] if on is None else KNOWN, on).problem
        assert problem is not None
        assert problem.what == f"@: no job has been launched from {where}"
        assert typed in problem.hint


def test_an_id_wins_over_a_name_and_a_name_over_the_start_of_an_id() -> None:
    named_like = Launched("wwwwwwww", "gpu1", 5.0, "bcdfghjk")
    starts_like = Launched("vvvvvvvv", "gpu1", 6.0, "k7")
    assert choose("bcdfghjk", [*KNOWN, named_like]).found == A
    assert choose("k7", [*KNOWN, starts_like]).found == starts_like


@given(st.text(max_size=12), st.lists(st.builds(ids.new_id), max_size=5, unique=True))
def test_any_text_finds_one_job_or_none_and_never_breaks(text: str, known: list[str]) -> None:
    jobs = [Launched(id_, "gpu1", float(number)) for number, id_ in enumerate(known)]
    choice = choose(text, jobs)
    if choice.found is not None:
        assert text.startswith("@") or choice.found.id.startswith(text)
        assert choice.problem is None
