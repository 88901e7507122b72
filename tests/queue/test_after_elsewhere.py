"""A job that runs after one on another box: its own box holds it, and this machine watches."""

import itertools

import pytest

from mlsh.jobs.queueing import verdict
from mlsh.records import JobState
from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import asked, start, until


@pytest.fixture(autouse=True)
def _boxes(laptop: Laptop, gpu1: Box, gpu2: Box) -> None:
    laptop.add(gpu1)
    laptop.add(gpu2)


@pytest.mark.parametrize(
    ("condition", "code", "ends"),
    [("ok", 0, "SUCCEEDED"), ("fail", 0, "CANCELLED"), ("any", 3, "SUCCEEDED"), ("ok", 3, "CANCELLED")],
)
def test_it_begins_when_the_other_ended_so_and_is_cancelled_when_it_did_not(
    laptop: Laptop, gpu1: Box, gpu2: Box, condition: str, code: int, ends: str
) -> None:
    gpu1.sh("rm -f ~/go; mkfifo ~/go")
    first = start(laptop, "gpu1", f"cat ~/go; exit {code}")
    ran = laptop.run("run", "--on", "gpu2", "-d", "--no-code", "--after", f"{first}:{condition}", "true")
    second = ran.stdout.strip()
    assert "has to stay on and to reach both boxes" in ran.stderr
    assert f"mlsh release {second}" in ran.stderr
    reason = until(gpu2, second, "hold")["reason"]
    assert reason.startswith(f"waits for {first} on gpu1, watched by ada@")
    assert asked(laptop, f"watch-{second}")["state"] in {"PENDING", "RUNNING"}
    gpu1.sh("echo >~/go")
    ended = until(gpu2, second, ends, 60)
    if ends == "CANCELLED":
        assert f"it was to run only if {first} {'fails' if condition == 'fail' else 'succeeds'}" in ended["reason"]
    wait_for(lambda: asked(laptop, f"watch-{second}")["state"] == "SUCCEEDED", 30, "the end of the watcher")


def test_a_watcher_that_is_lost_leaves_a_job_that_says_why_it_is_held_and_can_be_released(
    laptop: Laptop, gpu2: Box
) -> None:
    first = start(laptop, "gpu1", "sleep 60")
    ran = laptop.run("run", "--on", "gpu2", "-d", "--no-code", "--after", first, "true")
    second = ran.stdout.strip()
    until(gpu2, second, "hold")
    laptop.run("cancel", "--grace", "0", f"watch-{second}")
    assert "watched by ada@" in laptop.run("show", second).stdout
    laptop.run("release", second)
    until(gpu2, second, "SUCCEEDED")
    laptop.run("cancel", "--grace", "0", first)


def test_to_hold_it_too_is_refused(laptop: Laptop) -> None:
    first = start(laptop, "gpu1", "true")
    ran = laptop.run("run", "--on", "gpu2", "--no-code", "--hold", "--after", first, "true", check=False)
    assert (ran.returncode, "--hold" in ran.stderr) == (2, True)


def test_each_condition_and_end_says_what_the_box_would_say() -> None:
    ends = [one for one in JobState if one.is_final]
    go = {(how, end.value) for how, end in itertools.product(("ok", "fail", "any"), ends) if not verdict("x", how, end)}
    failed = {"FAILED", "TIMEOUT", "LOST"}
    assert go == {("ok", "SUCCEEDED")} | {("fail", end) for end in failed} | {("any", end.value) for end in ends}
