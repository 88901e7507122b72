"""Arrays on boxes and connections that break: each task runs once, or the person is told."""

import contextlib
import random
import time
from collections.abc import Callable

import msgspec
import pytest

from mlsh.jobs.launch import launch
from mlsh.jobs.store import list_jobs
from mlsh.jobs.tasks import read_array
from mlsh.records import Spec
from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.jobs.in_process import NO_VALUES, on, sit_at, spec_of
from tests.jobs.life import folder, log, start, state, until, until_says
from tests.queue import fake_gpus

MANY = 1000
RUN = 200


def ran(box: Box) -> list[str]:
    file = box.path("~/ran")
    return file.read_text().split() if file.exists() else []


def stands(box: Box, job: str) -> dict[int, str]:
    """The states of an array's tasks by number, as the box tells."""
    found = read_array(on(box.name), job)
    return {task.task: task.state.state.value for task in found.tasks if task.task is not None}


@pytest.fixture
def box(laptop: Laptop, fresh_box: Box, monkeypatch: pytest.MonkeyPatch) -> Box:
    laptop.add(fresh_box)
    sit_at(laptop, monkeypatch)
    return fresh_box


def array(box: Box, script: str, numbers: str) -> Spec:
    return msgspec.structs.replace(spec_of(box.name, "sh", "-c", script), array=numbers)


@pytest.mark.timeout(200)
def test_a_launch_of_1000_tasks_that_is_cut_off_and_sent_again_is_one_array(
    laptop: Laptop, box: Box, proxy_to: Callable[[Box], ChaosProxy]
) -> None:
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    proxy = proxy_to(box)
    laptop.add(box, via=proxy)
    launch(on(box.name), spec_of(box.name, "true"), NO_VALUES, None)
    launched = []
    for _ in range(4):
        spec = array(box, "echo {task} >>ran; sleep 60", f"0-{MANY - 1}%1")
        spec = msgspec.structs.replace(spec, argv=[*spec.argv, "a word that makes the list longer " * 2])
        # The files of such a launch are some 150 KB, which ssh may make a little smaller.
        proxy.cut_after(dice.randrange(500, 160_000), "up")
        assert launch(on(box.name), spec, NO_VALUES, None).id == spec.id, f"seed {seed}"
        launched.append(spec.id)
    proxy.cut_after(1 << 40, "up")
    jobs = {job.id for job in list_jobs(on(box.name)).jobs if job.spec.array}
    assert jobs == set(launched), f"seed {seed}"
    for job in launched:
        assert len(stands(box, job)) == MANY
        laptop.run("cancel", "--grace", "0", job)
        assert state(box, job)["tasks"] == f"0 0 0 0 {MANY}"
    assert [path.name for path in box.path("~/.mlsh/jobs").glob(".*")] == []
    assert len(ran(box)) <= len(launched), f"seed {seed}"


@pytest.mark.timeout(300)
def test_of_200_tasks_each_runs_once_though_its_runner_is_killed_in_the_middle(laptop: Laptop, box: Box) -> None:
    spec = array(box, "echo {task} >>ran; [ {task} != 50 ] || exit 9", f"1-{RUN}%4")
    before = time.monotonic()
    job = launch(on(box.name), spec, NO_VALUES, None).id
    for wanted in (20, 90):
        wait_for(lambda: len(ran(box)) >= wanted, 60, f"{wanted} tasks")  # noqa: B023
        killed = state(box, job)["runner"]
        box.sh(f"kill -9 {killed}")
        # A look goes on with it, unless it comes while the killed runner still has its lock.
        wait_for(lambda: list_jobs(on(box.name)) and state(box, job)["runner"] not in {None, killed}, 20, "the next")  # noqa: B023
    wait_for(lambda: list_jobs(on(box.name)).jobs[0].state.state.is_final, 200, "the end of the array")
    told = until(box, job, "FAILED")
    print(f"{RUN} tasks in {time.monotonic() - before:.1f} s")
    assert (told["tasks"], told["code"]) == (f"0 0 {RUN - 1} 1 0", 9)
    assert sorted(map(int, ran(box))) == list(range(1, RUN + 1))
    digest = [line.split()[1] for line in log(box, job).splitlines() if line.startswith("task ")]
    assert sorted(map(int, digest)) == list(range(1, RUN + 1))
    assert stands(box, job)[50] == "FAILED"
    laptop.run("rm", "-y", job)
    assert not folder(box, job).exists()


def test_a_task_that_was_told_of_as_the_runner_died_is_told_of_once(laptop: Laptop, box: Box) -> None:
    spec = array(box, "[ {task} = 0 ] || until [ -e go ]; do sleep 0.05; done", "0-1%1")
    job = launch(on(box.name), spec, NO_VALUES, None).id
    until_says(box, job, "task 0  SUCCEEDED")
    wait_for(lambda: stands(box, job) == {0: "SUCCEEDED", 1: "RUNNING"}, 20, "the second task")
    box.sh(f"kill -9 {state(box, job)['runner']}")
    # As if it had been killed between the line and the note of it.
    (folder(box, job) / "tasks/0/told").unlink()
    box.sh("touch ~/go")
    wait_for(lambda: list_jobs(on(box.name)).jobs[0].state.state.is_final, 60, "the end of the array")
    digest = [line for line in log(box, job).splitlines() if line.startswith("task ")]
    assert digest == ["task 0  SUCCEEDED", "task 1  SUCCEEDED"]


def test_an_array_whose_runner_is_killed_keeps_its_place_in_line(laptop: Laptop, box: Box) -> None:
    fake_gpus.fit(box, 2)
    spec = msgspec.structs.replace(array(box, "echo {task} >>ran; sleep 0.2", "10-17"), gpus=1)
    job = launch(on(box.name), spec, NO_VALUES, None).id
    wait_for(lambda: ran(box), 20, "the first task")
    start(laptop, box.name, "echo late >>~/ran", options=("--gpus", "1"))
    box.sh(f"kill -9 {state(box, job)['runner']}")
    wait_for(lambda: laptop.run("ps", "--on", box.name) and "late" in ran(box), 80, "the last of all")
    assert ran(box)[-1] == "late"
    assert sorted(ran(box)[:-1]) == [str(number) for number in range(10, 18)]
    assert until(box, job, "SUCCEEDED")["tasks"] == "0 0 8 0 0"
    assert not list(box.path("~/.mlsh/line").glob("*/gpu/*-*"))


def test_a_reboot_ends_the_tasks_that_run_and_the_others_run_after_it(laptop: Laptop, box: Box) -> None:
    spec = array(box, "echo {task} >>ran; [ -e go ] || sleep 600", "0-5%2")
    job = launch(on(box.name), spec, NO_VALUES, None).id
    wait_for(lambda: len(ran(box)) == 2, 20, "two tasks")
    box.reboot(power_cut=False)
    box.sh("touch ~/go")
    laptop.run("ps", "--on", box.name)
    told = until(box, job, "FAILED", 40)
    assert told["tasks"] == "0 0 4 2 0"
    assert stands(box, job) == {0: "LOST", 1: "LOST", 2: "SUCCEEDED", 3: "SUCCEEDED", 4: "SUCCEEDED", 5: "SUCCEEDED"}
    assert sorted(ran(box)) == ["0", "1", "2", "3", "4", "5"]
    again = laptop.run("retry", "-d", "--failed", job).stdout.strip()
    until(box, again, "SUCCEEDED")
    assert sorted(ran(box)[-2:]) == ["0", "1"]


def test_a_killed_task_is_lost_and_its_place_is_taken_by_the_next(laptop: Laptop, box: Box) -> None:
    spec = array(box, "echo {task} >>ran; [ {task} = 1 ] || sleep 600", "0-1%1")
    job = launch(on(box.name), spec, NO_VALUES, None).id
    wait_for(lambda: ran(box) == ["0"], 20, "the first task")
    with contextlib.suppress(FileNotFoundError):
        runner = msgspec.json.decode((folder(box, job) / "tasks/0/state.json").read_bytes())["runner"]
    box.sh(f"kill -9 {runner}")
    told = until(box, job, "FAILED", 40)
    assert told["tasks"] == "0 0 1 1 0"
    assert stands(box, job) == {0: "LOST", 1: "SUCCEEDED"}


@pytest.mark.root
@pytest.mark.timeout(180)
def test_on_a_full_disk_no_task_is_lost_and_other_jobs_go_on(laptop: Laptop, box: Box) -> None:
    other = start(laptop, box.name, "until [ -e /tmp/go ]; do sleep 0.05; done; exit 5")
    until(box, other, "RUNNING")
    spec = array(box, "until [ -e /tmp/go ]; do sleep 0.05; done; echo {task} >>/tmp/ran", "0-7%2")
    job = launch(on(box.name), spec, NO_VALUES, None).id
    wait_for(lambda: list(stands(box, job).values()).count("RUNNING") == 2, 20, "two tasks")
    box.fill_disk()
    box.path("/tmp").joinpath("go").touch()
    assert until(box, other, "FAILED", 30)["code"] == 5
    time.sleep(6)
    shown = laptop.run("ps", job, check=False)
    assert shown.returncode == 0, shown.stderr
    assert list(stands(box, job).values()).count("PENDING") >= 4
    box.free_disk()
    told = until(box, job, "SUCCEEDED", 60)
    assert told["tasks"] == "0 0 8 0 0"
    assert sorted(box.path("/tmp/ran").read_text().split()) == list("01234567")
    assert "can not be started yet" in log(box, job) or "some output is missing" in log(box, job)
