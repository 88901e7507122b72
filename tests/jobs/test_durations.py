"""Lengths of time: what a person means, or a refusal; never a guess."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.errors import UsageError
from mlsh.jobs.durations import parse, show


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("12:00:00", 43200),
     ("1-00:00:01", 86401), ("366d", 366 * 86400), ("1d2h3m4s", 93784)],
)  # fmt: skip
def test_reads_what_people_write(text: str, seconds: int) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "90", "9" * 5000, "9" * 5000 + "s", "0s", "-1s", "1 h", "1h 30m", "1.5h", "h", "367d", "1w", "١s", "²",
     "30m1h", "1:2:3", "99999999999:00:00", "\n1s", "1s\n", "\x1b[2Js"],
)  # fmt: skip
def test_refuses_the_rest_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(text)
    assert "s" in refusal.value.hint
    assert len(refusal.value.what) < 200


@given(st.integers(1, 366 * 86400))
def test_what_is_shown_reads_back_as_nearly_the_same(seconds: int) -> None:
    back = parse(show(seconds).replace(" ", ""))
    assert back <= seconds < back + 3600


@given(st.text(max_size=20))
def test_never_ends_in_another_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert 0 < parse(text) <= 366 * 86400
