"""What was asked, as values."""

import pytest

from mlsh.bisect.question import measures_time, spread


@pytest.mark.parametrize(
    "name", ["step_time", "time/step", "ms", "latency_p99", "tokens_per_s", "tok/s", "it/s", "elapsed", "throughput"]
)
def test_a_time_or_a_speed_is_known_by_its_name(name: str) -> None:
    assert measures_time(name)


@pytest.mark.parametrize("name", ["val_loss", "accuracy", "steps", "runtime_loss", "bleu", "eval/f1", "params"])
def test_other_numbers_are_not_taken_for_times(name: str) -> None:
    assert not measures_time(name)


def test_workers_are_spread_evenly_over_the_boxes() -> None:
    assert spread(["a", "b"], 5) == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)]
