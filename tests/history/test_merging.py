"""A run that two histories tell of is one, and commands without a time keep their order."""

from __future__ import annotations

from mlsh.history.entry import Entry
from mlsh.history.merging import Known, SameRuns, ordered


def test_commands_without_a_time_stay_where_the_file_has_them() -> None:
    entries = [Entry("a"), Entry("b"), Entry("c", 1000.0), Entry("d"), Entry("e", 2000.0)]
    times = ordered(entries, 0.0, 9999.0)
    assert times == sorted(times)
    assert times[2] == 1000.0
    assert times[3] < 2000.0


def test_a_file_without_times_ends_when_it_was_changed_and_reaches_no_further_back_than_its_lines() -> None:
    times = ordered([Entry("a")] * 10, 0.0, 100_000.0)
    assert 100_000 - 60 <= times[-1] < 100_000
    assert times[0] >= 100_000 - 600
    later = ordered([Entry("a")] * 10, 99_990.0, 100_000.0)
    assert later[0] > 99_990


def test_atuin_and_bash_tell_of_one_run() -> None:
    same = SameRuns([Known(1, 1000.7, "atuin")])
    assert same.find(1000.0, "bash") is not None
    assert same.find(1002.0, "bash") is not None
    assert same.find(1003.0, "bash") is None


def test_two_runs_in_two_seconds_stay_two() -> None:
    same = SameRuns([Known(1, 1000.0, "bash")])
    assert same.find(1000.0, "bash") is not None
    assert same.find(1001.0, "bash") is None
