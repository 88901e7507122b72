"""A rule calls bad what its words say, and one that can't be read says where."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.bisect.rule import Calibration, calibrate, rule
from mlsh.errors import UsageError

GOOD = Calibration(2.0, 0.5, 5)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("val_loss > 0.35", 0.35),
        ("val_loss>0.35", 0.35),
        ("val_loss >= -1e-3", -1e-3),
        ("val_loss > good", 2.0),
        ("val_loss > good + 5%", 2.1),
        ("val_loss > good+5%", 2.1),
        ("val_loss > good +5 %", 2.1),
        ("val_loss > good - 50%", 1.0),
        ("val_loss > good * 1.1", 2.2),
        ("val_loss > good*1.1", 2.2),
        ("val_loss > good / 2", 1.0),
        ("val_loss > good + 0.25", 2.25),
        ("val_loss > good -0.25", 1.75),
        ("val_loss > good + 3 sd", 3.5),
        ("val_loss > good + 3sd", 3.5),
        ("val_loss > GOOD - 1 SD", 1.5),
    ],
)
def test_the_limit_is_what_the_words_say(text: str, limit: float) -> None:
    assert rule(text).limit(GOOD) == pytest.approx(limit)
    assert rule(text).name == "val_loss"


def test_a_percentage_of_a_negative_good_goes_the_way_of_its_sign() -> None:
    assert rule("reward < good - 10%").limit(Calibration(-200.0, None, 1)) == pytest.approx(-220)


@pytest.mark.parametrize(("compare", "bad"), [("<", [1]), ("<=", [1, 2]), (">", [3]), (">=", [2, 3])])
def test_each_comparison_is_its_own(compare: str, bad: list[int]) -> None:
    read = rule(f"x {compare} 2")
    assert [value for value in (1, 2, 3) if read.is_bad(value)] == bad


@pytest.mark.parametrize("compare", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("limit", ["0.35", "good + 5%"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_broken_number_is_bad_by_any_comparison(compare: str, limit: str, value: float) -> None:
    assert rule(f"x {compare} {limit}").is_bad(value, GOOD)


def test_is_nan_and_is_inf_ask_for_just_that() -> None:
    values = [math.nan, math.inf, -math.inf, 1.0]
    assert [rule("x is nan").is_bad(value) for value in values] == [True, False, False, False]
    assert [rule("x is INF").is_bad(value) for value in values] == [False, True, True, False]


def test_how_often_the_good_end_must_run_is_known_beforehand() -> None:
    texts = ["x > 1", "x is nan", "x > good * 2", "x > good + 3 sd"]
    assert [rule(text).good_runs for text in texts] == [0, 0, 1, 5]
    with pytest.raises(UsageError, match="no value yet"):
        rule("x > good").is_bad(1.0)
    with pytest.raises(UsageError, match="deviation"):
        rule("x > good + 1 sd").limit(calibrate([1.0]))
    assert calibrate([1.0, 2.0, 3.0]) == Calibration(2.0, 1.0, 3)


def test_the_reason_says_what_was_compared_with_what() -> None:
    assert rule("val_loss > 0.35").reason(0.41) == "val_loss 0.41 > 0.35"
    assert rule("val_loss > 0.35").reason(0.3) == "val_loss 0.3 is not > 0.35"
    assert rule("val_loss > good + 5%").reason(3.0, GOOD) == "val_loss 3 > 2.1 (good + 5%)"
    assert rule("val_loss > good").reason(math.nan) == "val_loss nan"


@pytest.mark.parametrize(
    ("text", "at", "wanted"),
    [
        ("", 1, "the name"),
        ("> 3", 1, "the name"),
        ("val_loss", 9, "<, <=, >, >= or is"),
        ("val_loss == 3", 10, "<, <=, >, >= or is"),
        ("val_loss >> 3", 11, "a number or good"),
        ("val_loss >", 11, "a number or good"),
        ("val_loss > nan", 12, "a number or good"),
        ("val_loss > bad", 12, "a number or good"),
        ("val_loss is good", 13, "nan or inf"),
        ("val_loss > 3 4", 14, "the end"),
        ("val_loss > 3%", 13, "the end"),
        ("val_loss > good +", 18, "a number"),
        ("val_loss > good + -5%", 19, "a number"),
        ("val_loss > good + 5 apples", 21, "the end"),
        ("val_loss > good * 5%", 20, "the end"),
        ("val_loss > good / 0", 20, "a number other than 0"),
        ("val_loss > 1e999", 12, "a number that is not so large"),
        ("val_loss > 3; import os", 13, "the end"),
        ("a b > 3", 3, "<, <=, >, >= or is"),
    ],
)
def test_what_is_no_rule_says_at_which_character(text: str, at: int, wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted) as caught:
        rule(text)
    assert f"at character {at} " in caught.value.what
    assert "val_loss" in caught.value.what or not text.startswith("val")
    assert "NAME > good + 5%" in caught.value.hint


@given(st.text(max_size=40) | st.text("xgod +-*/%<>=is.nafe123", max_size=20))
def test_any_text_is_a_rule_or_a_refusal_that_can_be_shown(text: str) -> None:
    refused = None
    try:
        read = rule(text)
    except UsageError as error:
        refused = error
    assert refused.what.isprintable() if refused else read.is_bad(math.nan, GOOD) or read.compare == "is inf"


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_plain_rule_compares_as_python_does(limit: float, value: float) -> None:
    assert rule(f"x > {limit!r}").is_bad(value) == (value > limit)
