"""What a job waits for before it begins, and when it runs again: other jobs, a time, a retry."""

import time

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until, until_says
from tests.queue import fake_gpus

GO = "until [ -e ~/go ]; do sleep 0.05; done"


@pytest.fixture(autouse=True)
def _boxes(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    fake_gpus.fit(gpu1, 1)
    gpu1.sh("rm -f ~/go ~/ran")


@pytest.mark.parametrize(
    ("command", "goes"),
    [("true", ("ok", "any")), ("false", ("fail", "any")), ("sleep 60", ("any",))],
    ids=["succeeded", "failed", "cancelled"],
)
def test_a_job_runs_after_another_only_if_that_ended_as_was_asked(
    laptop: Laptop, gpu1: Box, command: str, goes: tuple[str, ...]
) -> None:
    first = start(laptop, "gpu1", f"[ {command!r} = 'sleep 60' ] || {GO}; {command}")
    until(gpu1, first, "RUNNING")
    after = {how: start(laptop, "gpu1", "true", options=("--after", f"{first}:{how}")) for how in ("ok", "fail", "any")}
    for job in after.values():
        assert until(gpu1, job, "after")["state"] == "PENDING"
    if command == "sleep 60":
        laptop.run("cancel", "--grace", "0", first)
    else:
        gpu1.sh("touch ~/go")
    for how, job in after.items():
        ended = until(gpu1, job, "SUCCEEDED" if how in goes else "CANCELLED")
        assert ended["reason"] == "" or first in ended["reason"]


def test_a_chain_of_three_keeps_its_order_and_ends_where_a_link_fails(laptop: Laptop, gpu1: Box) -> None:
    first = start(laptop, "gpu1", f"{GO}; echo 1 >>~/ran")
    second = start(laptop, "gpu1", "echo 2 >>~/ran; false", options=("--after", first, "--gpus", "1"))
    third = start(laptop, "gpu1", "echo 3 >>~/ran", options=("--after", second))
    last = start(laptop, "gpu1", "echo 4 >>~/ran", options=("--after", f"{third}:any"))
    until(gpu1, third, "after")
    gpu1.sh("touch ~/go")
    assert until(gpu1, third, "CANCELLED")["reason"] == f"it was to run only if {second} succeeds, and that is FAILED"
    until(gpu1, last, "SUCCEEDED")
    assert gpu1.path("~/ran").read_text().split() == ["1", "2", "4"]


def test_a_job_whose_other_was_removed_is_cancelled_with_the_reason(laptop: Laptop, gpu1: Box) -> None:
    first = start(laptop, "gpu1", "true")
    until(gpu1, first, "SUCCEEDED")
    held = start(laptop, "gpu1", "true", options=("--after", first, "--hold"))
    until(gpu1, held, "hold")
    laptop.run("rm", "-y", first)
    laptop.run("release", held)
    ended = until(gpu1, held, "CANCELLED")
    assert ended["reason"] == f"job {first}, after which it was to run, is gone"


def test_what_it_ran_after_may_be_removed_before_it_is_run_again(laptop: Laptop, gpu1: Box) -> None:
    first = start(laptop, "gpu1", "true")
    until(gpu1, first, "SUCCEEDED")
    options = ("--after", first, "--max-retries", "1", "--retry-delay", "2s")
    job = start(laptop, "gpu1", "echo ran >>~/ran; false", options=options)
    until(gpu1, job, "retry")
    laptop.run("rm", "-y", first)
    assert until(gpu1, job, "FAILED")["attempt"] == 2
    assert gpu1.path("~/ran").read_text() == "ran\nran\n"


def test_a_job_begins_not_before_its_time_and_can_be_cancelled_until_then(laptop: Laptop, gpu1: Box) -> None:
    began = time.time()
    job = start(laptop, "gpu1", "true", options=("--begin", "3s", "--gpus", "1"))
    never = start(laptop, "gpu1", "true", options=("--begin", "1h"))
    until(gpu1, never, "begin")
    laptop.run("cancel", never)
    assert state(gpu1, never)["state"] == "CANCELLED"
    # It stands in nobody's way until then.
    until(gpu1, start(laptop, "gpu1", "true", options=("--gpus", "1")), "SUCCEEDED")
    assert until(gpu1, job, "SUCCEEDED")["started"] >= int(began + 3)


@pytest.mark.parametrize("gpus", [(), ("--gpus", "1")], ids=["plain", "gpus"])
def test_a_job_that_fails_is_tried_again_as_often_as_was_asked(
    laptop: Laptop, gpu1: Box, gpus: tuple[str, ...]
) -> None:
    laptop.env |= {"MINE": "s3cret"}
    script = 'echo "try $MINE" >>~/ran; exit 4'
    options = ("--max-retries", "2", "--retry-delay", "0", "--secret", "MINE", *gpus)
    job = start(laptop, "gpu1", script, options=options)
    ended = until(gpu1, job, "FAILED")
    assert (ended["code"], ended["attempt"]) == (4, 3)
    assert gpu1.path("~/ran").read_text() == "try s3cret\n" * 3
    wait_for((folder(gpu1, job) / "log.end").exists, 10, "the end of the log")
    assert "attempt 1 ended with 4; the next one in 0 s" in log(gpu1, job)
    assert "attempt 2 ended with 4" in log(gpu1, job)
    assert "attempt 3 ended" not in log(gpu1, job)
    assert not (folder(gpu1, job) / "secret").exists()


def test_a_command_that_ends_at_once_and_is_always_restarted_waits_longer_each_time(laptop: Laptop, gpu1: Box) -> None:
    job = start(laptop, "gpu1", "true", options=("--restart", "always", "--retry-delay", "0"))
    until_says(gpu1, job, "attempt 3 ended with 0; the next one in 2 s")
    assert until(gpu1, job, "retry")["reason"] == "attempt 4, 2 s after exit code 0"
    assert "[waits for attempt 4, 2 s after exit code 0] sh" in laptop.run("ps", "--on", "gpu1").stdout
    until_says(gpu1, job, "the next one in 4 s")
    laptop.run("cancel", job)
    ends = [line for line in log(gpu1, job).splitlines() if "the next one" in line]
    assert [line.rpartition(" in ")[2] for line in ends] == ["0 s", "1 s", "2 s", "4 s"]


def test_a_try_that_succeeds_is_the_last(laptop: Laptop, gpu1: Box) -> None:
    script = "[ -e ~/go ] || { touch ~/go; exit 1; }"
    job = start(laptop, "gpu1", script, options=("--max-retries", "5", "--retry-delay", "0"))
    assert until(gpu1, job, "SUCCEEDED")["attempt"] == 2


def test_who_is_tried_again_stands_at_the_end_of_the_line(laptop: Laptop, gpu1: Box) -> None:
    options = ("--gpus", "1", "--max-retries", "1", "--retry-delay", "0")
    first = start(laptop, "gpu1", f"echo first >>~/ran; {GO}; false", options=options)
    until(gpu1, first, "RUNNING")
    second = start(laptop, "gpu1", "echo second >>~/ran", options=("--gpus", "1"))
    until(gpu1, second, "queue")
    gpu1.sh("touch ~/go")
    until(gpu1, first, "FAILED")
    assert gpu1.path("~/ran").read_text().split() == ["first", "second", "first"]


@pytest.mark.parametrize("gpus", [(), ("--gpus", "1")], ids=["plain", "gpus"])
def test_a_time_limit_counts_from_the_beginning_of_each_attempt(
    laptop: Laptop, gpu1: Box, gpus: tuple[str, ...]
) -> None:
    running = start(laptop, "gpu1", GO, options=("--gpus", "1"))
    until(gpu1, running, "RUNNING")
    options = ("--time", "5s", "--max-retries", "1", "--retry-delay", "0", *gpus)
    job = start(laptop, "gpu1", "echo try >>~/ran; sleep 3; false", options=options)
    if gpus:
        until(gpu1, job, "queue")
        time.sleep(5)
        assert state(gpu1, job)["state"] == "PENDING"
        gpu1.sh("touch ~/go")
    assert until(gpu1, job, "FAILED")["attempt"] == 2
    gpu1.sh("touch ~/go")
    late = start(laptop, "gpu1", "sleep 60", options=("--time", "2s", "--max-retries", "3", *gpus))
    ended = until(gpu1, late, "TIMEOUT")
    assert (ended["attempt"], "limit of 2 s" in ended["reason"]) == (1, True)
    wait_for(lambda: not gpu1.processes(f"(limit|stop).sh {job}"), 5, "the watchers to end")


@pytest.mark.root
def test_a_job_that_is_to_restart_does_after_a_reboot_and_one_in_line_comes_back(
    laptop: Laptop, fresh_box: Box
) -> None:
    laptop.add(fresh_box)
    fake_gpus.fit(fresh_box, 1)
    script = "echo up; [ -e ~/go ] || sleep 100"
    service = start(laptop, "fresh", script, options=("--gpus", "1", "--restart", "on-failure"))
    until_says(fresh_box, service, "up")
    behind = start(laptop, "fresh", "echo behind >>~/ran", options=("--gpus", "1"))
    until(fresh_box, behind, "queue")
    once = start(laptop, "fresh", "sleep 100")
    until(fresh_box, once, "RUNNING")
    fresh_box.reboot()
    fresh_box.sh("touch ~/go")
    laptop.run("ps", "--on", "fresh")
    assert until(fresh_box, service, "SUCCEEDED")["attempt"] == 2
    assert until(fresh_box, behind, "SUCCEEDED")["attempt"] == 1
    assert state(fresh_box, once)["state"] == "LOST"
    assert fresh_box.path("~/ran").read_text() == "behind\n"
