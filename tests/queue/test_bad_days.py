"""What goes wrong while a job waits, begins or is to run again: nothing is lost, and nothing runs twice."""

import time

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until, until_says
from tests.queue import fake_gpus

pytestmark = pytest.mark.root
GO = "until [ -e ~/go ]; do sleep 0.05; done"


@pytest.fixture
def box(laptop: Laptop, fresh_box: Box) -> Box:
    laptop.add(fresh_box)
    fake_gpus.fit(fresh_box, 2)
    return fresh_box


def take_all(laptop: Laptop) -> str:
    """A job that has both GPUs until the file `go` is there."""
    return start(laptop, "fresh", GO, options=("--gpus", "2"))


def test_a_waiting_job_whose_terminal_was_closed_has_another_when_it_begins(box: Box, laptop: Laptop) -> None:
    until(box, take_all(laptop), "RUNNING")
    job = start(laptop, "fresh", "test -t 1 && echo ran && echo ran >>~/ran", options=("--gpus", "1"))
    until(box, job, "queue")
    box.sh(f"tmux -L mlsh kill-session -t ={job}")
    until_says(box, job, "started again")
    until(box, job, "queue")
    box.sh("touch ~/go")
    until(box, job, "SUCCEEDED")
    wait_for((folder(box, job) / "log.end").exists, 10, "the end of the log")
    assert "ran" in log(box, job)
    assert box.path("~/ran").read_text() == "ran\n"
    assert state(box, job)["reason"] == ""
    assert state(box, job)["attempt"] == 1


def test_a_terminal_closed_during_the_setup_never_begins_the_command_without_it(box: Box, laptop: Laptop) -> None:
    project = laptop.project({"train.py": ""})
    job = start(laptop, "fresh", "echo ran >>~/ran", cwd=project, options=("--setup", "echo up; sleep 3; touch made"))
    until_says(box, job, "up")
    box.sh(f"tmux -L mlsh kill-session -t ={job}")
    ended = until(box, job, "LOST")
    assert "terminal was closed" in ended["reason"]
    assert not box.path("~/ran").exists()


def test_a_cancel_while_a_guard_ends_the_job_is_the_end_of_a_job_that_restarts(box: Box, laptop: Laptop) -> None:
    script = "trap '' INT; echo began >>~/ran; echo loss: nan; sleep 100; sleep 100"
    options = ("--restart", "always", "--retry-delay", "0", "--fail-if", "loss is nan", "--grace", "6s")
    job = start(laptop, "fresh", script, options=options)
    wait_for((folder(box, job) / "stop").exists, 15, "the guard")
    laptop.run("cancel", job)
    assert until(box, job, "CANCELLED")["reason"] == ""
    assert box.path("~/ran").read_text() == "began\n"


def test_a_cancel_at_the_moment_of_a_retry_is_heard(box: Box, laptop: Laptop) -> None:
    job = start(laptop, "fresh", "sleep 2; false", options=("--max-retries", "3", "--retry-delay", "1s"))
    until(box, job, "RUNNING")
    # What the runner writes at the end of an attempt takes its time.
    box.install("mv", 'sleep 1.5; exec /usr/bin/mv "$@"')
    until_says(box, job, "the next one in 1 s")
    laptop.run("cancel", job)
    assert until(box, job, "CANCELLED", 5)["attempt"] <= 2
    assert "attempt 2 ended" not in log(box, job)


def test_a_release_just_before_the_job_says_that_it_is_held_is_heard(box: Box, laptop: Laptop) -> None:
    box.install("mv", 'case $* in *.state*) sleep 0.7;; esac; exec /usr/bin/mv "$@"')
    job = start(laptop, "fresh", "true", options=("--hold",))
    until(box, job, "prepare")
    laptop.run("release", job)
    until(box, job, "SUCCEEDED", 10)


def test_a_hold_that_comes_as_the_job_begins_harms_nobody(box: Box, laptop: Laptop) -> None:
    # What it has to do between its last look and the beginning takes a second, and to find whom to wake takes longer.
    box.install("mv", 'case $* in *ready*begun*) sleep 1;; esac; exec /usr/bin/mv "$@"')
    job = start(laptop, "fresh", "sleep 2; echo ran", options=("--gpus", "1"))
    wait_for(lambda: box.processes("begin.sh") and box.processes("mv"), 10, "the job to begin")
    box.install("sort", 'sleep 1.5; exec /usr/bin/sort "$@"')
    said = box.sh(f"cd ~/.mlsh/lib/*/ && sh $PWD/hold.sh on why {job}").stdout
    box.sh("rm /usr/local/bin/sort", user="root", check=False)
    assert f"late {job}" in said
    until(box, job, "SUCCEEDED")
    assert not (folder(box, job) / "hold").exists()


def test_a_job_between_two_attempts_can_be_held(box: Box, laptop: Laptop) -> None:
    job = start(laptop, "fresh", "false", options=("--gpus", "1", "--max-retries", "1", "--retry-delay", "3s"))
    until(box, job, "retry")
    laptop.run("hold", job)
    until(box, job, "hold")
    time.sleep(4)
    assert state(box, job)["phase"] == "hold"
    laptop.run("release", job)
    assert until(box, job, "FAILED")["attempt"] == 2


def test_the_time_limit_of_a_runner_that_was_killed_is_not_that_of_the_next(box: Box, laptop: Laptop) -> None:
    script = "echo began >>~/ran; sleep 7; echo done"
    for gpus in ((), ("--gpus", "1")):
        box.sh("rm -f ~/ran")
        job = start(laptop, "fresh", script, options=("--time", "9s", "--restart", "on-failure", *gpus))
        until(box, job, "RUNNING")
        time.sleep(4)
        box.sh(f"kill -9 {state(box, job)['runner']}")
        laptop.run("ps")
        until_says(box, job, "(attempt 2)")
        assert until(box, job, "SUCCEEDED", 30)["attempt"] == 2


def test_nothing_of_a_killed_runner_stays_to_watch_a_job_that_is_gone(box: Box, laptop: Laptop) -> None:
    until(box, take_all(laptop), "RUNNING")
    job = start(laptop, "fresh", "true", options=("--gpus", "1", "--time", "1h"))
    until(box, job, "queue")
    box.sh(f"kill -9 {state(box, job)['runner']}")
    laptop.run("ps")
    until_says(box, job, "started again")
    until(box, job, "queue")
    wait_for(lambda: len(box.processes(f"limit.sh {job}")) == 1, 5, "one time limit")
    laptop.run("cancel", job)
    wait_for(lambda: not box.processes("limit.sh"), 5, "no time limit")
    assert not list(box.path("~/.mlsh/line").glob("*/gpu/[0-9]*"))


def test_what_a_killed_runner_left_is_ended_before_the_job_runs_again(box: Box, laptop: Laptop) -> None:
    script = "trap '' HUP; exec 7>>~/once; flock -n 7 || echo twice >>~/wrong; echo began; "
    script += "until [ -e ~/go ]; do sleep 0.1 7>&-; done"
    job = start(laptop, "fresh", script, options=("--restart", "always", "--gpus", "1"))
    behind = start(laptop, "fresh", "true", options=("--after", f"{job}:any"))
    until_says(box, job, "began")
    until(box, behind, "after")
    box.sh(f"kill -9 {state(box, job)['runner']}")
    until_says(box, job, "(attempt 2)", 20)
    until(box, job, "RUNNING")
    assert state(box, behind)["phase"] == "after"
    assert not box.path("~/wrong").exists()
    assert '"id"' in laptop.run("ps", "--json", "--on", "fresh").stdout
    laptop.run("cancel", "--grace", "0", job)
    until(box, behind, "SUCCEEDED")


def test_a_job_that_never_started_leaves_no_ticket(box: Box, laptop: Laptop) -> None:
    until(box, take_all(laptop), "RUNNING")
    job = start(laptop, "fresh", "true", options=("--gpus", "1"))
    until(box, job, "queue")
    box.reboot()
    laptop.run("cancel", job)
    assert state(box, job)["state"] == "CANCELLED"
    assert not list(box.path("~/.mlsh/line").glob("*/gpu/[0-9]*"))
