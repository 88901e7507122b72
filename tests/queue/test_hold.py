"""A job that is held does not begin; one that is released does, in its place."""

import time

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import asked, folder, log, start, state, until
from tests.queue.fake_gpus import fit


@pytest.fixture(autouse=True)
def _boxes(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    fit(gpu1, 1)


def test_a_job_in_line_is_held_lets_others_pass_and_goes_on_when_released(laptop: Laptop, gpu1: Box) -> None:
    gpu1.sh("mkfifo ~/go")
    first = start(laptop, "gpu1", "cat ~/go", options=("--gpus", "1"))
    until(gpu1, first, "RUNNING")
    second = start(laptop, "gpu1", "true", options=("--gpus", "1"))
    third = start(laptop, "gpu1", "true", options=("--gpus", "1"))
    until(gpu1, second, "queue")
    said = laptop.run("hold", second).stderr
    assert f"mlsh release {second}" in said
    assert "held by ada@" in until(gpu1, second, "hold")["reason"]
    gpu1.sh("echo >~/go")
    until(gpu1, third, "SUCCEEDED")
    assert state(gpu1, second)["state"] == "PENDING"
    laptop.run("release", second)
    until(gpu1, second, "SUCCEEDED")


def test_a_job_launched_held_waits_and_one_that_runs_can_not_be_held(laptop: Laptop, gpu1: Box) -> None:
    held = start(laptop, "gpu1", "sleep 60", options=("--hold",))
    until(gpu1, held, "hold")
    laptop.run("release", held)
    until(gpu1, held, "RUNNING")
    late = laptop.run("hold", held, check=False)
    assert (late.returncode, "has begun" in late.stderr) == (65, True)
    assert not (folder(gpu1, held) / "hold").exists()
    again = laptop.run("release", held, check=False)
    assert (again.returncode, "has begun" in again.stderr) == (65, True)
    laptop.run("cancel", "--grace", "0", held)


def test_a_release_does_not_end_what_gets_a_slow_job_ready(laptop: Laptop, gpu1: Box) -> None:
    """Whoever releases wakes the job again and again until it has heard it."""
    before = gpu1.path("~/.bashrc").read_text() if gpu1.path("~/.bashrc").exists() else ""
    gpu1.write("~/.bashrc", f"{before}\nsleep 1.5\n")
    for options in (("--hold",), ("--hold", "--gpus", "1")):
        held = start(laptop, "gpu1", "true", options=options)
        until(gpu1, held, "hold")
        laptop.run("release", held)
        assert until(gpu1, held, "SUCCEEDED")["attempt"] == 1
    gpu1.write("~/.bashrc", before)


def test_a_release_says_what_a_job_that_is_not_held_waits_for(laptop: Laptop, gpu1: Box) -> None:
    later = start(laptop, "gpu1", "true", options=("--begin", "1h"))
    until(gpu1, later, "begin")
    assert f"mlsh show {later}" in laptop.run("release", later).stderr
    assert state(gpu1, later)["phase"] == "begin"
    laptop.run("hold", later)
    until(gpu1, later, "hold")
    laptop.run("release", later)
    until(gpu1, later, "begin")
    laptop.run("cancel", later)


@pytest.mark.parametrize("gpus", ["", "1"])
def test_of_a_held_array_no_further_task_begins_and_nobody_waits_behind_it(
    laptop: Laptop, gpu1: Box, gpus: str
) -> None:
    wants = ("--gpus", gpus) if gpus else ()
    array = start(laptop, "gpu1", "sleep 1", options=("--array", "0-4%1", *wants))
    wait_for(lambda: " 1 " in f" {state(gpu1, array).get('tasks', '')} ", 15, "the first task to run")
    laptop.run("hold", array)
    wait_for(lambda: "held by" in state(gpu1, array)["reason"], 15, "the array to say that it is held")
    if gpus:
        other = start(laptop, "gpu1", "true", options=wants)
        until(gpu1, other, "SUCCEEDED")
    time.sleep(2.5)
    before = state(gpu1, array)["tasks"].split()
    assert int(before[2]) <= 2
    time.sleep(2.5)
    assert state(gpu1, array)["tasks"].split() == before
    laptop.run("release", array)
    until(gpu1, array, "SUCCEEDED", 40)
    assert log(gpu1, array).count("SUCCEEDED") == 5


def test_a_drained_box_refuses_what_would_begin_at_once_and_keeps_the_rest_waiting(laptop: Laptop, gpu1: Box) -> None:
    held = start(laptop, "gpu1", "true", options=("--hold",))
    until(gpu1, held, "hold")
    try:
        laptop.run("drain", "gpu1", "--reason", 'new "disks", until 6')
        refused = laptop.run("run", "--on", "gpu1", "--no-code", "true", check=False)
        assert refused.returncode == 71
        assert 'drained: new "disks", until 6' in refused.stderr
        assert "mlsh drain gpu1 --off" in refused.stderr
        assert 'gpu1 is drained: new "disks", until 6' in laptop.run("ps", "--on", "gpu1").stderr
        waits = start(laptop, "gpu1", "true", options=("--gpus", "1"))
        assert "drained" in until(gpu1, waits, "queue")["reason"] or wait_for(
            lambda: "drained" in state(gpu1, waits)["reason"], 10, "the job to say that the box is drained"
        )
        laptop.run("release", held)
        assert "drained" in until(gpu1, held, "queue")["reason"]
        assert asked(laptop, held)["state"] == "PENDING"
    finally:
        laptop.run("drain", "gpu1", "--off")
    for job in (waits, held):
        until(gpu1, job, "SUCCEEDED")
    assert "drained" not in laptop.run("ps", "--on", "gpu1").stderr
