"""GPUs: each job has its own, by the kernel's locks, in the order in which they were launched."""

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until, until_says
from tests.queue import fake_gpus

SHOW = 'echo "cuda=$CUDA_VISIBLE_DEVICES order=$CUDA_DEVICE_ORDER"'


@pytest.fixture
def box(laptop: Laptop, fresh_box: Box) -> Box:
    laptop.add(fresh_box)
    fake_gpus.fit(fresh_box, 4)
    return fresh_box


def gpus(box: Box, laptop: Laptop, command: str, *options: str) -> str:
    return start(laptop, box.name, command, options=options)


def hold(box: Box, laptop: Laptop, *options: str) -> str:
    """A job that keeps its GPUs until the file `go` is there."""
    job = gpus(box, laptop, f"{SHOW}; until [ -e ~/go ]; do sleep 0.05; done", *options)
    until(box, job, "RUNNING")
    return job


def lines(box: Box, name: str) -> list[str]:
    """What jobs have written into a file of the home."""
    file = box.path(f"~/{name}")
    return file.read_text().split() if file.exists() else []


def reason(box: Box, job: str) -> str:
    return str(state(box, job)["reason"])


def test_a_job_gets_gpus_by_id_and_nobody_elses(box: Box, laptop: Laptop) -> None:
    two = hold(box, laptop, "--gpus", "2")
    one = hold(box, laptop, "--gpus", "1")
    until_says(box, two, f"cuda={fake_gpus.uuid(0)},{fake_gpus.uuid(1)} order=PCI_BUS_ID")
    until_says(box, one, f"cuda={fake_gpus.uuid(2)} ")
    assert (state(box, two)["gpus"], state(box, one)["gpus"]) == ("0 1", "2")
    third = gpus(box, laptop, SHOW, "--gpus", "2")
    until(box, third, "queue")
    wait_for(lambda: reason(box, third) == "2 GPUs", 10, "the reason why it waits")
    box.sh("touch ~/go")
    # Both end; whichever is first makes room for two.
    assert until(box, third, "SUCCEEDED")["gpus"] in {"0 1", "2 3"}


def test_the_gpus_asked_for_are_the_gpus_given(box: Box, laptop: Laptop) -> None:
    first = hold(box, laptop, "--gpu-ids", "3")
    second = hold(box, laptop, "--gpu-ids", f"{fake_gpus.uuid(1)},0")
    assert (state(box, first)["gpus"], state(box, second)["gpus"]) == ("3", "0 1")
    third = gpus(box, laptop, SHOW, "--gpu-ids", "3")
    wait_for(lambda: reason(box, third) == "the GPU 3", 10, "the reason why it waits")


def test_strangers_keep_their_gpus(box: Box, laptop: Laptop) -> None:
    fake_gpus.fit(box, 4, used={0: 30000, 1: 300})
    fake_gpus.compute(box, 2)
    job = hold(box, laptop, "--gpus", "2")
    assert state(box, job)["gpus"] == "1 3"
    waiting = gpus(box, laptop, SHOW, "--gpus", "1")
    wait_for(lambda: "used by somebody outside of mlsh" in reason(box, waiting), 10, "the reason why it waits")
    fake_gpus.compute(box)
    assert until(box, waiting, "SUCCEEDED", 15)["gpus"] == "2"


def test_shares_of_a_gpu_add_up_to_one(box: Box, laptop: Laptop) -> None:
    shares = [hold(box, laptop, "--gpus", share) for share in ("0.5", "0.25", "0.25", "0.5")]
    assert [state(box, job)["gpus"] for job in shares] == ["0", "0", "0", "1"]
    whole = hold(box, laptop, "--gpus", "2")
    assert state(box, whole)["gpus"] == "2 3"
    late = gpus(box, laptop, SHOW, "--gpus", "0.75")
    until(box, late, "queue")
    last = gpus(box, laptop, SHOW, "--gpus", "0.5")
    wait_for(lambda: reason(box, late) == "a share of a GPU", 10, "the reason why it waits")
    # 0.5 is free on GPU 1, but who came first goes first.
    assert state(box, last)["state"] == "PENDING"
    box.sh("touch ~/go")
    until(box, last, "SUCCEEDED")
    assert state(box, late)["state"] == "SUCCEEDED"


def test_a_job_without_gpus_waits_for_nobody(box: Box, laptop: Laptop) -> None:
    hold(box, laptop, "--gpus", "4")
    waiting = gpus(box, laptop, "true", "--gpus", "1")
    until(box, waiting, "queue")
    until(box, gpus(box, laptop, "true"), "SUCCEEDED")
    until(box, gpus(box, laptop, "true", "--slots", "1"), "SUCCEEDED")
    assert state(box, waiting)["state"] == "PENDING"


def test_a_higher_priority_goes_first(box: Box, laptop: Laptop) -> None:
    hold(box, laptop, "--gpus", "4")
    note = "echo $MLSH_JOB_NAME >>~/order"
    for name, priority in (("low", "10"), ("first", "50"), ("second", "50"), ("high", "90")):
        until(box, gpus(box, laptop, note, "--gpus", "4", "-n", name, "--priority", priority), "queue")
    box.sh("touch ~/go")
    wait_for(lambda: len(lines(box, "order")) == 4, 20, "all to have run")
    assert lines(box, "order") == ["high", "first", "second", "low"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--gpus", "5"), "it wants 5 GPUs, and this box has 4"),
        (("--gpu-ids", "0,4"), "it wants the GPUs 0,4, and this box has 4"),
        (("--gpus", "1", "--gpu-memory", "100G"), "it wants 1 GPUs with 100 GiB or more, and this box has 0"),
    ],
)
def test_what_can_never_run_is_refused_at_launch(box: Box, laptop: Laptop, options: tuple[str, ...], why: str) -> None:
    done = laptop.run("run", "--on", "fresh", "-d", "--no-code", *options, "--", "true", check=False)
    assert done.returncode == 71
    assert why in done.stderr
    assert list(box.path("~/.mlsh/jobs").iterdir()) == []


def test_a_box_without_gpus_says_so(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    done = laptop.run("run", "--on", "fresh", "-d", "--no-code", "--gpus", "1", "--", "true", check=False)
    assert done.returncode == 71
    assert "this box has 0" in done.stderr


def test_a_driver_that_fails_meanwhile_keeps_the_job_waiting_and_says_why(box: Box, laptop: Laptop) -> None:
    hold(box, laptop, "--gpus", "4")
    job = gpus(box, laptop, "true", "--gpus", "1")
    until(box, job, "queue")
    box.write(f"{fake_gpus.FOLDER}/broken", "")
    box.sh("touch ~/go")
    wait_for(lambda: "does not answer" in reason(box, job), 15, "the reason why it waits")
    box.path(f"{fake_gpus.FOLDER}/broken").unlink()
    until(box, job, "SUCCEEDED", 15)


def test_a_gpu_is_free_when_the_last_process_of_the_job_is_gone(box: Box, laptop: Laptop) -> None:
    job = hold(box, laptop, "--gpus", "4")
    child = gpus(box, laptop, "true", "--gpus", "4")
    until(box, child, "queue")
    box.sh(f"kill -9 {state(box, job)['runner']}")
    until(box, child, "SUCCEEDED")


def test_a_stopped_waiter_is_cancelled_and_the_next_goes_on(box: Box, laptop: Laptop) -> None:
    hold(box, laptop, "--gpus", "4")
    first, second, third = (gpus(box, laptop, "true", "--gpus", "1") for _ in range(3))
    until(box, third, "queue")
    laptop.run("cancel", second)
    box.sh(f"kill -9 {state(box, first)['runner']}")
    box.sh("touch ~/go")
    until(box, third, "SUCCEEDED")
    assert state(box, second)["state"] == "CANCELLED"
    assert not list(box.path("~/.mlsh/line").glob("*/gpu/*-*"))
    assert not (folder(box, second) / "ticket").exists()


def test_two_users_of_a_box_do_not_share_a_gpu(box: Box, laptop: Laptop) -> None:
    box.sh("useradd -m -s /bin/bash bob && cp -r ~alice/.ssh ~bob/ && chown -R bob ~bob/.ssh", user="root")
    laptop.add(box, alias="bob", options=("User bob",))
    mine = hold(box, laptop, "--gpus", "3")
    theirs = start(laptop, "bob", f"{SHOW}; until [ -e ~alice/go ]; do sleep 0.05; done", options=("--gpus", "1"))
    told = box.path(f"/home/bob/.mlsh/jobs/{theirs}/state.json")
    wait_for(lambda: '"state":"RUNNING"' in told.read_text(), 15, "bob's job")
    assert '"gpus":"3"' in told.read_text()
    waiting = gpus(box, laptop, "true", "--gpus", "1")
    until(box, waiting, "queue")
    laptop.run("cancel", theirs)
    assert until(box, waiting, "SUCCEEDED")["gpus"] == "3"
    assert state(box, mine)["state"] == "RUNNING"


def test_slots_limit_jobs_without_gpus(box: Box, laptop: Laptop) -> None:
    first, second = hold(box, laptop, "--slots", "2"), hold(box, laptop, "--slots", "2")
    third = gpus(box, laptop, "true", "--slots", "2")
    wait_for(lambda: reason(box, third) == "one of 2 slots", 10, "the reason why it waits")
    laptop.run("cancel", first)
    until(box, third, "SUCCEEDED")
    assert state(box, second)["state"] == "RUNNING"


def test_the_command_has_a_terminal_and_a_whole_log_after_the_line(box: Box, laptop: Laptop) -> None:
    job = gpus(box, laptop, "test -t 0 && test -t 1 && seq 1 20000", "--gpus", "1")
    until(box, job, "SUCCEEDED")
    wait_for((folder(box, job) / "log.end").exists, 10, "the end of the log")
    assert log(box, job).split() == [str(number) for number in range(1, 20001)]


def test_amd_gpus_are_taken_the_same_way(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fake_gpus.fit_amd(fresh_box, 3, used_mib={0: 40000})
    shown = start(laptop, "fresh", 'echo "rocr=$ROCR_VISIBLE_DEVICES"; until [ -e ~/go ]; do sleep 0.05; done',
                  options=("--gpus", "2", "--gpu-memory", "60G"))  # fmt: skip
    until_says(fresh_box, shown, "rocr=1,2")
    assert state(fresh_box, shown)["gpus"] == "1 2"
    waiting = gpus(fresh_box, laptop, "true", "--gpus", "1")
    until(fresh_box, waiting, "queue")
    fresh_box.sh("touch ~/go")
    until(fresh_box, waiting, "SUCCEEDED")


def test_a_gpu_in_mig_mode_is_left_alone(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fake_gpus.fit(fresh_box, 2)
    cards = fresh_box.path(f"{fake_gpus.FOLDER}/cards")
    cards.write_text(cards.read_text().replace("[N/A]", "Enabled", 1))
    job = gpus(fresh_box, laptop, "true", "--gpus", "1")
    assert until(fresh_box, job, "SUCCEEDED")["gpus"] == "1"
    done = laptop.run("run", "--on", "fresh", "-d", "--no-code", "--gpus", "2", "--", "true", check=False)
    assert "this box has 1" in done.stderr
