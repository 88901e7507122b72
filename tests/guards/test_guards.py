"""What ends a job early, on real boxes: it does when it should, says why, and does not when it should not."""

import pytest

from tests.bed import Bed, Box, Laptop, wait_for
from tests.jobs.life import log, start, state, until, until_says


def end_of(box: Box, job: str, timeout_s: float = 30) -> tuple[str, str]:
    """The job's final state and reason."""

    def over() -> tuple[str, str] | None:
        now = state(box, job)
        return (now["state"], now["reason"]) if now["state"] not in {"PENDING", "RUNNING"} else None

    return wait_for(over, timeout_s, f"the end of {job}")


@pytest.fixture(scope="module", params=["plain", "busybox"])
def box(request: pytest.FixtureRequest, gpu1: Box) -> Box:
    if request.param == "busybox":
        gpu1.busybox_userland()
    return gpu1


def test_a_loss_that_is_nan_ends_the_job_with_the_line_in_the_reason(laptop: Laptop, box: Box) -> None:
    laptop.add(box)
    script = "echo loss: 0.5; sleep 2.5; printf 'step {7} \\033[31mloss\\033[0m: \"nan\"\\n'; sleep 60"
    job = start(laptop, box.name, script, options=("--fail-if", "loss is nan", "--fail-if", "loss > 10"))
    until(box, job, "RUNNING")
    assert end_of(box, job) == ("FAILED", "loss is nan: step (7) loss: 'nan'")
    assert not box.processes("sleep 60")
    wait_for(lambda: not box.processes("guard.sh"), 5, "the guard to end with its job")


def test_a_job_that_ends_at_once_is_judged_by_its_last_line(laptop: Laptop, box: Box) -> None:
    laptop.add(box)
    rule = ("--fail-if", "loss > 10")
    bad = start(laptop, box.name, "echo loss: 9; printf 'loss: 11'", options=rule)
    good = start(laptop, box.name, "echo loss: 9; printf 'loss: 10'", options=rule)
    assert end_of(box, bad) == ("FAILED", "loss > 10: loss: 11")
    assert end_of(box, good) == ("SUCCEEDED", "")
    ran = laptop.run("wait", bad, check=False)
    assert ran.returncode == 1
    assert "loss > 10: loss: 11" in ran.stderr


def test_a_job_that_falls_silent_is_ended_and_one_that_prints_is_not(laptop: Laptop, box: Box) -> None:
    laptop.add(box)
    silent = start(laptop, box.name, "echo a; sleep 60", options=("--idle-timeout", "4s"))
    lively = start(laptop, box.name, "for i in 1 2 3 4 5; do printf .; sleep 2; done", options=("--idle-timeout", "4s"))
    assert end_of(box, silent) == ("TIMEOUT", "no output for 4s")
    assert laptop.run("wait", silent, check=False).returncode == 124
    assert end_of(box, lively) == ("SUCCEEDED", "")


def test_a_job_that_uses_too_much_memory_is_ended_and_a_small_one_is_not(laptop: Laptop, box: Box) -> None:
    laptop.add(box)
    hungry = "python3 -c 'import time; a = bytearray(30 << 20); time.sleep(60)' & " * 3 + "wait"
    # Three of 30 MiB are too much only together; what a fork shares counts once.
    sharing = (
        "python3 -c 'import os, time; a = bytearray(60 << 20); "
        "[os.fork() or time.sleep(9) or os._exit(0) for _ in range(3)]; time.sleep(9)'"
    )
    large = start(laptop, box.name, hungry, options=("--memory", "80M"))
    shared = start(laptop, box.name, sharing, options=("--memory", "120M"))
    assert end_of(box, large) == ("FAILED", "used more than its 80 MiB of memory")
    assert end_of(box, shared) == ("SUCCEEDED", "")


def test_each_attempt_is_watched_anew_and_not_for_what_the_last_one_said(laptop: Laptop, gpu2: Box) -> None:
    laptop.add(gpu2)
    script = (
        "n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) >n; [ $n -ge 2 ] || { echo loss: nan; sleep 60; }; sleep 4"
    )
    options = ("--fail-if", "loss is nan", "--max-retries", "3", "--retry-delay", "0s", "--workdir", "/tmp")
    job = start(laptop, gpu2.name, script, options=options)
    assert end_of(gpu2, job, 60) == ("SUCCEEDED", "")
    assert state(gpu2, job)["attempt"] == 3
    assert log(gpu2, job).count("loss is nan: loss: nan") == 2


def test_a_job_that_waits_in_line_is_watched_from_when_it_begins(laptop: Laptop, gpu2: Box) -> None:
    laptop.add(gpu2)
    first = start(laptop, gpu2.name, "sleep 8", options=("--slots", "1"))
    job = start(
        laptop, gpu2.name, "sleep 1; echo loss: nan; sleep 60",
        options=("--slots", "1", "--idle-timeout", "5s", "--fail-if", "loss is nan"),
    )  # fmt: skip
    until(gpu2, job, "queue")
    assert end_of(gpu2, first)[0] == "SUCCEEDED"
    assert end_of(gpu2, job) == ("FAILED", "loss is nan: loss: nan")


def test_the_guard_of_a_killed_runner_says_so_though_nobody_looks(laptop: Laptop, gpu2: Box) -> None:
    laptop.add(gpu2)
    job = start(laptop, gpu2.name, "sleep 300", options=("--idle-timeout", "1h"))
    until(gpu2, job, "RUNNING")
    gpu2.sh(f"kill -9 {state(gpu2, job)['runner']}", user="root" if gpu2.kind != "a user box" else None, check=False)
    assert end_of(gpu2, job)[0] == "LOST"
    wait_for(lambda: not gpu2.processes("guard.sh"), 5, "the guard to end")


def test_a_log_that_floods_does_not_keep_a_guard_from_its_work(laptop: Laptop, gpu2: Box) -> None:
    laptop.add(gpu2)
    script = (
        "head -c 20000000 /dev/zero | tr '\\0' x; echo; yes 'loss: 0.5' | head -n 500000; echo 'loss: nan'; sleep 60"
    )
    job = start(laptop, gpu2.name, script, options=("--fail-if", "loss is nan"))
    assert end_of(gpu2, job, 60) == ("FAILED", "loss is nan: loss: nan")


@pytest.mark.root
def test_a_disk_that_is_nearly_full_is_said_once_in_the_log(laptop: Laptop, bed: Bed) -> None:
    box = bed.box("small", size_mib=64)
    try:
        laptop.add(box)
        job = start(laptop, "small", "sleep 300", options=("--idle-timeout", "1h"))
        until(box, job, "RUNNING")
        box.sh("fallocate -l $(($(df -Pk . | awk 'NR == 2 { print $4 }') - 1000))K fill")
        until_says(box, job, "mlsh: the disk of /home/alice/.mlsh is nearly full: 0 MiB left of 64", 45)
        assert log(box, job).count("nearly full") == 1
        assert state(box, job)["state"] == "RUNNING"
    finally:
        bed.rm(box)


@pytest.mark.parametrize(
    "words",
    [("--fail-if", "loss"), ("--fail-if", "/a(/"), ("--idle-timeout", "5"), ("--memory", "20"), ("--memory", "0M")],
)
def test_a_guard_that_makes_no_sense_is_refused_before_anything_is_sent(laptop: Laptop, words: tuple[str, str]) -> None:
    ran = laptop.run("run", "--no-code", *words, "--", "true", check=False)
    assert ran.returncode == 2, ran.stderr
    assert ran.stdout == ""
