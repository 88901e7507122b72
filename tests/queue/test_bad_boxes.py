"""Boxes on which the line is hard to keep: full disks, old tools, drivers that hang, cards that go."""

import time

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until
from tests.queue import fake_gpus

pytestmark = pytest.mark.root
GO = "until [ -e ~/go ]; do sleep 0.05; done"
SHOW = 'echo "cuda=$CUDA_VISIBLE_DEVICES"'


@pytest.fixture
def box(laptop: Laptop, fresh_box: Box) -> Box:
    laptop.add(fresh_box)
    fake_gpus.fit(fresh_box, 2)
    return fresh_box


def test_a_disk_that_is_full_while_a_job_waits_costs_it_time_only(box: Box, laptop: Laptop) -> None:
    first = start(laptop, "fresh", GO, options=("--gpus", "2"))
    until(box, first, "RUNNING")
    job, cancelled = (start(laptop, "fresh", f"{SHOW}; echo ran >>~/ran", options=("--gpus", "1")) for _ in range(2))
    until(box, cancelled, "queue")
    (box.path("~") / "go").touch()
    box.path("~/go").unlink()
    box.fill_disk()
    laptop.run("cancel", cancelled)
    assert state(box, cancelled)["state"] == "CANCELLED"
    box.sh(f"kill -9 {state(box, first)['runner']}")
    time.sleep(8)
    assert state(box, job)["state"] in {"PENDING", "RUNNING", "SUCCEEDED", "FAILED"}
    box.free_disk()
    assert until(box, job, "SUCCEEDED")["gpus"] == "0"
    assert f"cuda={fake_gpus.uuid(0)}" in log(box, job)


@pytest.mark.parametrize("how", ["sleep 1000", "trap '' INT TERM HUP; while :; do sleep 1; done"])
def test_a_driver_that_hangs_does_not_hold_up_a_cancel_or_a_hold(box: Box, laptop: Laptop, how: str) -> None:
    first = start(laptop, "fresh", GO, options=("--gpus", "2"))
    until(box, first, "RUNNING")
    job, other = (start(laptop, "fresh", "true", options=("--gpus", "1")) for _ in range(2))
    until(box, other, "queue")
    box.install("nvidia-smi", how)
    wait_for(lambda: box.processes("nvidia-smi"), 15, "the next look")
    laptop.run("hold", other)
    until(box, other, "hold", 2)
    began = time.monotonic()
    laptop.run("cancel", "--grace", "1s", job)
    assert time.monotonic() - began < 20  # nvidia-smi would take 1000
    assert state(box, job)["state"] == "CANCELLED"
    wait_for(lambda: not box.processes("nvidia-smi"), 5, "nvidia-smi to end")


def test_a_card_that_is_told_of_twice_is_one(box: Box, laptop: Laptop) -> None:
    cards = box.path(f"{fake_gpus.FOLDER}/cards")
    cards.write_text(cards.read_text().splitlines(keepends=True)[0] * 2)
    refused = laptop.run("run", "--on", "fresh", "-d", "--no-code", "--gpus", "2", "--", "true", check=False)
    assert "this box has 1" in refused.stderr
    until(box, start(laptop, "fresh", "true", options=("--gpus", "1")), "SUCCEEDED")


def test_a_job_whose_card_fell_off_the_bus_says_so(box: Box, laptop: Laptop) -> None:
    until(box, start(laptop, "fresh", GO, options=("--gpus", "2")), "RUNNING")
    job = start(laptop, "fresh", "true", options=("--gpu-ids", "1"))
    until(box, job, "queue")
    fake_gpus.fit(box, 1)
    box.sh("touch ~/go")
    wait_for(lambda: state(box, job)["reason"] == "the GPU 1, and this box has 0 such now", 15, "the reason")
    fake_gpus.fit(box, 2)
    until(box, job, "SUCCEEDED")


def test_words_of_a_driver_that_make_no_sense_are_no_gpus(box: Box, laptop: Laptop) -> None:
    box.write(
        f"{fake_gpus.FOLDER}/cards",
        "Unable to determine the device handle\n0, GPU-`touch pwned`, 1, 1, x\n-1, GPU-1, a, b\n, ,\n"
        f"1, {fake_gpus.uuid(1)}, [N/A], [N/A], [N/A]\n",
        0o666,
    )
    job = start(laptop, "fresh", SHOW, options=("--gpus", "1"))
    assert until(box, job, "SUCCEEDED")["gpus"] == "1"
    assert not box.path("~/pwned").exists()


@pytest.mark.parametrize(
    "made",
    [
        "mkdir -m 700 /tmp/mlsh-gpus",
        "ln -s /root /tmp/mlsh-gpus",
        "touch /tmp/mlsh-gpus",
        "mkdir -p /tmp/mlsh-gpus && mkfifo /tmp/mlsh-gpus/GPU-00000000-0000-4000-8000-000000000000",
    ],
)
def test_what_somebody_put_where_users_meet_keeps_nobody_from_a_gpu(box: Box, laptop: Laptop, made: str) -> None:
    box.sh(f"rm -rf /tmp/mlsh-gpus; {made}", user="root")
    first = start(laptop, "fresh", GO, options=("--gpus", "1"))
    second = start(laptop, "fresh", GO, options=("--gpus", "1"))
    assert until(box, first, "RUNNING")["gpus"] == "0"
    assert until(box, second, "RUNNING")["gpus"] == "1"
    third = start(laptop, "fresh", "true", options=("--gpus", "1"))
    until(box, third, "queue")
    box.sh("touch ~/go")
    until(box, third, "SUCCEEDED")


def test_what_a_person_says_of_gpus_elsewhere_does_not_count(box: Box, laptop: Laptop) -> None:
    box.write("~/.bashrc", "export CUDA_VISIBLE_DEVICES=7\n")
    job = start(laptop, "fresh", SHOW, options=("--gpu-ids", "1"))
    until(box, job, "SUCCEEDED")
    assert f"cuda={fake_gpus.uuid(1)}" in log(box, job)


def test_a_flock_without_no_fork_keeps_the_promises_too(box: Box, laptop: Laptop) -> None:
    # As util-linux before 2.34, and busybox.
    box.install(
        "flock",
        'case "$*" in *--help*) /usr/bin/flock --help | grep -v no-fork; exit;; *--no-fork*) exit 64;; esac\n'
        'exec /usr/bin/flock "$@"',
    )
    first = start(laptop, "fresh", f"{SHOW}; {GO}; exit 3", options=("--gpus", "1"))
    second = start(laptop, "fresh", f"{SHOW}; {GO}", options=("--gpus", "1"))
    assert until(box, first, "RUNNING")["gpus"] == "0"
    assert until(box, second, "RUNNING")["gpus"] == "1"
    third = start(laptop, "fresh", f"{SHOW}; sleep 60", options=("--gpus", "2"))
    until(box, third, "queue")
    time.sleep(1)
    assert state(box, third)["state"] == "PENDING"
    box.sh("touch ~/go")
    assert until(box, first, "FAILED")["code"] == 3
    until(box, second, "SUCCEEDED")
    until(box, third, "RUNNING")
    laptop.run("cancel", "--grace", "0", third)
    assert state(box, third)["state"] == "CANCELLED"
    assert not box.processes("sleep 60")
    until(box, start(laptop, "fresh", "true", options=("--gpus", "2")), "SUCCEEDED")


def test_a_line_that_somebody_deleted_is_made_anew(box: Box, laptop: Laptop) -> None:
    until(box, start(laptop, "fresh", GO, options=("--gpus", "2")), "RUNNING")
    jobs = [start(laptop, "fresh", f"echo {number} >>~/ran", options=("--gpus", "2")) for number in range(3)]
    until(box, jobs[-1], "queue")
    box.sh("rm -rf ~/.mlsh/line")
    box.sh("touch ~/go")
    for job in jobs:
        until(box, job, "SUCCEEDED")
    assert not (folder(box, jobs[0]) / "ticket").exists()
    assert sorted(box.path("~/ran").read_text().split()) == ["0", "1", "2"]
