"""200 jobs on 8 GPUs, their runners killed at random, the box rebooted once: the promises of the line, all at once."""

import concurrent.futures
import random

import msgspec
import pytest

from mlsh.jobs.launch import launch
from mlsh.jobs.store import list_jobs
from mlsh.records import Job, JobState, Spec
from tests.bed import Box, Laptop, wait_for
from tests.jobs.in_process import NO_VALUES, on, sit_at, spec_of
from tests.jobs.life import folder
from tests.queue import fake_gpus

JOBS, GPUS = 200, 8
KILLED_WAITING, KILLED_RUNNING = 20, 10
# A lock tells whether the GPU is somebody else's too: the kernel gives it back however a job ends.
USE = """
for gpu in $(echo "$CUDA_VISIBLE_DEVICES" | tr , ' '); do
    exec 7>>~/held.$gpu
    flock -n 7 || echo "$gpu twice" >>~/wrong
done
echo {id} >>~/ran
sleep 0.1
"""


def launch_all(specs: list[Spec]) -> None:
    """One after another, as a person's loop would, over one connection."""
    for spec in specs:
        launch(on("fresh"), spec, NO_VALUES, None)


def stands(box: str = "fresh") -> dict[str, Job]:
    return {job.id: job for job in list_jobs(on(box)).jobs}


def kill_runners(box: Box, jobs: list[Job]) -> None:
    pids = [str(job.state.runner) for job in jobs if job.state.runner]
    box.sh(f"kill -9 {' '.join(pids)}; true")


def picked_at(box: Box, job: str) -> int:
    """When its GPUs were chosen, in ns: only the head of the line does that."""
    return (folder(box, job) / "picked").stat().st_mtime_ns


@pytest.mark.timeout(400)
def test_no_gpu_is_held_twice_none_is_leaked_and_the_order_is_kept(
    laptop: Laptop, fresh_box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.add(fresh_box)
    sit_at(laptop, monkeypatch)
    fake_gpus.fit(fresh_box, GPUS)
    chance = random.Random(20261122)
    specs = [
        msgspec.structs.replace(spec_of("fresh", "sh", "-c", USE), gpus=chance.choice((1, 1, 1, 2, 4)))
        for _ in range(JOBS)
    ]
    order = [spec.id for spec in specs]
    with concurrent.futures.ThreadPoolExecutor(1) as person:
        launching = person.submit(launch_all, specs[: JOBS // 2])
        wait_for(lambda: len(stands()) > JOBS // 4, 60, "a quarter of the jobs")
        waiting = [job for job in stands().values() if job.state.phase == "queue"]
        kill_runners(fresh_box, chance.sample(waiting, min(KILLED_WAITING, len(waiting))))
        launching.result(120)
    running = [job for job in stands().values() if job.state.state is JobState.RUNNING]
    kill_runners(fresh_box, running[:KILLED_RUNNING])
    fresh_box.reboot(power_cut=False)
    launch_all(specs[JOBS // 2 :])
    wait_for(lambda: all(job.state.state.is_final for job in stands().values()), 200, "the end of all jobs")

    ended = stands()
    assert sorted(ended) == sorted(order)
    assert not fresh_box.path("~/wrong").exists()
    ran = fresh_box.path("~/ran").read_text().split()
    assert len(ran) == len(set(ran))
    lost = {job.id for job in ended.values() if job.state.state is JobState.LOST}
    succeeded = {job.id for job in ended.values() if job.state.state is JobState.SUCCEEDED}
    assert lost | succeeded == set(order)
    assert succeeded <= set(ran)
    # Only what had begun can be lost: whoever was killed in line, or stood there at the reboot, came back.
    assert len(lost) <= KILLED_RUNNING + GPUS
    times = [picked_at(fresh_box, job) for job in order]
    assert times == sorted(times)
    line = fresh_box.path("~/.mlsh/line/fresh/gpu")
    assert [path.name for path in line.iterdir()] == []
    assert fresh_box.sh("cat /proc/locks").stdout.count("FLOCK") == 0
