"""What was written down is what is read back, and what was undone counts no longer."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.bisect.events import (
    Asked,
    Begun,
    Cancelled,
    Damaged,
    Known,
    Marked,
    Observed,
    Other,
    Skipped,
    Turned,
    Undone,
    Verdict,
    from_line,
    standing,
    to_line,
)

BEGUN = Begun(at=1.5, id="bcdfghjk", bad="b" * 40, goods=["a" * 40], argv=["pytest", "-q", "x\ny"], options={"j": 2})

events = st.one_of(
    st.builds(Asked, at=st.floats(0, 1e10), number=st.integers(1, 9), commit=st.text(), worker=st.text()),
    st.builds(
        Observed,
        number=st.integers(1, 9),
        commit=st.text(max_size=5),
        kind=st.sampled_from(["good", "bad", "unknown", None]),
        value=st.none() | st.floats(allow_nan=False),
        reason=st.text(),
        again=st.booleans(),
    ),
    st.builds(Cancelled, number=st.integers(1, 9), reason=st.text()),
    st.builds(Marked, number=st.integers(1, 9), commit=st.text(max_size=5), kind=st.sampled_from(["good", "bad"])),
    st.builds(Skipped, number=st.integers(1, 9), commits=st.lists(st.text(max_size=5), max_size=3)),
    st.builds(Undone, number=st.integers(1, 9)),
    st.builds(Turned, mode=st.text()),
    st.builds(Verdict, kind=st.text(), commits=st.lists(st.text(max_size=5)), confidence=st.floats(0, 1)),
    st.just(BEGUN),
)


@given(events)
def test_every_event_is_one_line_and_comes_back_as_it_was(event: Known) -> None:
    line = to_line(event)
    assert line.count(b"\n") == 1
    assert from_line(line[:-1]) == event


def test_a_nan_is_not_read_back_as_no_value() -> None:
    found = from_line(to_line(Observed(number=1, commit="c", kind="bad", value=math.nan))[:-1])
    assert isinstance(found, Observed)
    assert found.value is not None
    assert math.isnan(found.value)


@given(events, st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_goes_unseen(event: Known, at: int, change: int) -> None:
    line = bytearray(to_line(event)[:-1])
    line[at % len(line)] ^= change
    with pytest.raises(Damaged):
        from_line(bytes(line))


def test_what_a_later_mlsh_adds_does_not_stop_this_one() -> None:
    class Later(msgspec.Struct, tag_field="event", tag="observed"):
        number: int = 1
        commit: str = "c"
        kind: str = "good"
        temperature: float = 3.0

    class New(msgspec.Struct, tag_field="event", tag="dreamt"):
        number: int = 7

    assert from_line(to_line(Later())[:-1]) == Observed(number=1, commit="c", kind="good")  # type: ignore[arg-type]
    found = from_line(to_line(New())[:-1])  # type: ignore[arg-type]
    assert found == Other({"event": "dreamt", "number": 7})
    assert standing([found]).next_number == 8


def good(number: int, **more: object) -> Observed:
    return Observed(number=number, commit=f"c{number}", kind="good", **more)  # type: ignore[arg-type]


def test_the_standing_after_a_kill_says_what_was_asked_and_never_answered() -> None:
    asked = [Asked(number=number, commit=f"c{number}") for number in (1, 2, 3, 4)]
    stands = standing([BEGUN, *asked, good(1), Cancelled(number=2), good(3, again=True)])
    assert stands.begun == BEGUN
    assert stands.observations == (good(1),)
    assert stands.pending == (asked[3],)
    assert stands.next_number == 5


def test_an_undo_takes_back_an_answer_a_mark_and_a_skip_and_the_verdict_with_it() -> None:
    mark, skip = Marked(number=2, commit="m", kind="bad"), Skipped(number=3, commits=["x", "y"])
    verdict = Verdict(kind="culprit", commits=["m"])
    before = standing([BEGUN, good(1), mark, skip, verdict])
    assert before.observations == (good(1), mark)
    assert before.skipped == {"x", "y"}
    assert before.verdict == verdict
    for number, left in ((1, (mark,)), (2, (good(1),)), (3, (good(1), mark))):
        after = standing([BEGUN, good(1), mark, skip, verdict, Undone(number=number), Undone(number=number)])
        assert after.observations == left
        assert (after.verdict, after.undone) == (None, frozenset({number}))
        assert bool(after.skipped) == (number != 3)
        assert after.next_number == 4


@given(st.lists(events, max_size=12))
def test_a_number_is_never_given_twice_and_never_counts_twice(happened: list[Known]) -> None:
    stands = standing(happened)
    numbers = [one.number for one in stands.observations]
    assert len(numbers) == len(set(numbers))
    assert all(event.number < stands.next_number for event in happened if hasattr(event, "number"))
    assert not {one.number for one in stands.pending} & set(numbers)
    assert not set(numbers) & stands.undone
