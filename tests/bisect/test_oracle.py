"""A commit is called bad only by a command that ran there and failed by itself."""

import math

import msgspec
import pytest

from mlsh.bisect.metric import Metric
from mlsh.bisect.oracle import Answer, Oracle, OracleMissing
from mlsh.bisect.probing import Ending, ProbeResult
from mlsh.bisect.rule import Calibration, rule

RAN = Oracle(ran=True)


def exited(code: int | None, output: bytes = b"", metrics: bytes = b"") -> ProbeResult:
    return ProbeResult(1, "c" * 40, "local", "exited", 1.0, exit_code=code, output=output, metrics=metrics)


def ended(ending: Ending, **more: object) -> ProbeResult:
    return ProbeResult(1, "c" * 40, "local", ending, 1.0, **more)  # type: ignore[arg-type]


def test_exit_codes_mean_what_they_mean_to_git() -> None:
    kinds = {code: RAN.answer(exited(code)).kind for code in range(256)}
    assert [code for code, kind in kinds.items() if kind == "good"] == [0]
    assert [code for code, kind in kinds.items() if kind == "bad"] == [*range(1, 125), 126, 127]
    assert kinds[125] == "unknown"
    assert all(kinds[code] == "unknown" for code in range(128, 256))


def test_a_command_that_is_missing_is_believed_only_after_it_ran_at_a_good_commit() -> None:
    for code in (126, 127):
        first = Oracle().answer(exited(code))
        assert (first.kind, first.again) == ("unknown", True)
        assert "has not run at a good commit" in first.reason
        knowing = Oracle().checked(exited(0))
        assert knowing.answer(exited(code)).kind == "bad"
        with pytest.raises(OracleMissing, match=f"exit {code}") as caught:
            Oracle().checked(exited(code))
        assert caught.value.hint
        # One stray failure at a good commit does not unsay that it ran there.
        assert knowing.checked(exited(code)) == knowing
    assert Oracle().checked(ended("timeout")) == Oracle()
    assert Oracle().checked(exited(1)).ran


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (ended("signal", signal=11), "SIGSEGV"),
        (ended("signal", signal=9, reason="killed by signal 9 (SIGKILL)"), "SIGKILL"),
        (ended("timeout", reason="took longer than 600 s"), "longer than 600 s"),
        (ended("timeout"), "too long"),
        (ended("out-of-memory"), "memory"),
        (ended("setup-failed", reason="pip install: exit 1"), "pip install"),
        (ended("checkout-failed"), "checkout failed"),
        (exited(137), "SIGKILL"),
        (exited(255), "128 and above"),
        (exited(-6), "SIGABRT"),
        (exited(None), "not known"),
    ],
)
def test_what_has_nothing_to_do_with_the_commit_is_never_bad_and_says_why(result: ProbeResult, reason: str) -> None:
    for oracle in (RAN, Oracle(metric=Metric("loss"), rule=rule("loss > 1"), ran=True)):
        answer = oracle.answer(msgspec.structs.replace(result, output=b"loss=5"))
        assert (answer.kind, answer.value, answer.again) == ("unknown", None, False)
        assert reason in answer.reason


def test_a_worker_that_was_lost_is_asked_again() -> None:
    for ending in ("lost", "cancelled"):
        answer = RAN.answer(ended(ending))  # type: ignore[arg-type]
        assert answer == Answer("unknown", reason=ending, again=True)


def test_reasons_from_a_box_are_shown_harmless() -> None:
    assert "\x1b" not in RAN.answer(ended("signal", reason="\x1b]0;x\x07")).reason


def test_a_metric_with_a_rule_is_judged_by_it() -> None:
    oracle = Oracle(Metric("loss"), rule("loss > 1"), ran=True)
    assert oracle.answer(exited(0, b"loss=0.5")) == Answer("good", 0.5, "loss 0.5 is not > 1")
    assert oracle.answer(exited(0, b"loss=1.5")) == Answer("bad", 1.5, "loss 1.5 > 1")


def test_a_metric_without_a_rule_leaves_the_kind_to_whoever_knows_both_ends() -> None:
    assert Oracle(Metric("loss"), ran=True).answer(exited(0, b"loss=0.5")) == Answer(None, 0.5, "loss 0.5")


def test_a_rule_about_the_good_end_waits_until_that_is_measured() -> None:
    oracle = Oracle(Metric("loss"), rule("loss > good + 10%"), ran=True)
    assert oracle.answer(exited(0, b"loss=1.5")) == Answer(None, 1.5, "loss 1.5")
    knowing = oracle.calibrated(Calibration(1.0, None, 1))
    assert knowing.judge(1.5) == Answer("bad", 1.5, "loss 1.5 > 1.1 (good + 10%)")
    assert knowing.judge(1.05).kind == "good"


@pytest.mark.parametrize("words", ["", "loss > 1", "loss < 1", "loss > good + 3 sd"])
@pytest.mark.parametrize("code", [0, 1])
def test_a_nan_is_bad_even_if_the_command_then_gave_up(words: str, code: int) -> None:
    answer = Oracle(Metric("loss"), rule(words) if words else None, ran=True).answer(exited(code, b"loss=nan"))
    assert answer.kind == "bad"
    assert answer.value is not None
    assert math.isnan(answer.value)
    assert "nan" in answer.reason


def test_a_value_before_a_crash_and_a_missing_value_tell_nothing() -> None:
    oracle = Oracle(Metric("loss"), rule("loss > 1"), ran=True)
    crashed = oracle.answer(exited(1, b"loss=5"))
    assert crashed.kind == "unknown"
    assert "exit 1" in crashed.reason
    missing = oracle.answer(exited(0, b"losses=5"))
    assert missing.kind == "unknown"
    assert "losses" in missing.reason


def test_a_metric_in_a_file_is_read_from_there() -> None:
    oracle = Oracle(Metric("loss", file="m.json"), rule("loss > 1"), ran=True)
    assert oracle.answer(exited(0, b"loss=5", b'{"loss": 0.5}')).value == 0.5
    assert "m.json" in oracle.answer(exited(0, b"loss=5")).reason
