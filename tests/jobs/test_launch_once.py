"""A launch over a connection that breaks: the job runs once, or the person is told; never twice, never half."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from mlsh.git.snapshot import take
from mlsh.jobs.launch import launch
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.store import list_jobs
from mlsh.records import Code, JobState
from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.jobs.in_process import NO_VALUES, on, sit_at, spec_of

# Each run throws other dice; to throw more at once: MLSH_TEST_LAUNCHES=1000 pytest tests/jobs/test_launch_once.py
LAUNCHES = int(os.environ.get("MLSH_TEST_LAUNCHES", "120"))
BOXES = 3
NOTE_ID = ("sh", "-c", "echo {id} >>ran")

Proxied = Callable[[Box], ChaosProxy]


@pytest.fixture(autouse=True)
def _here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at(laptop, monkeypatch)


def kill_master(on_box: OnBox) -> None:
    """Kill the shared connection of this client, if it has one, in a way that it can't tidy up after."""
    try:
        name = os.readlink(on_box.box.socket).encode()  # type: ignore[attr-defined]
    except OSError:
        return
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if name in words and b"\0-M\0" in words:
                os.kill(int(pid), signal.SIGKILL)


def stages(box: Box) -> list[str]:
    """Half-made jobs on the box."""
    return [path.name for path in box.path("~/.mlsh/jobs").glob(".*")]


def ran(box: Box) -> list[str]:
    file = box.path("~/ran")
    return file.read_text().split() if file.exists() else []


def no_helpers_left(box: Box) -> bool:
    """No script of a client that is gone still waits on the box."""
    return not box.processes(r"/(launch|receive|follow)\.sh |index-pack|unpack-objects")


@contextlib.contextmanager
def one_accident(proxy: ChaosProxy, dice: random.Random, kill: Callable[[], None]) -> Iterator[str]:
    """Have something happen to the connection while the block runs, or nothing; yields what, in words."""
    kind = dice.choice(["up", "down", "moment", "master"])
    delay_s = dice.uniform(0, 0.25)
    timer = None
    if kind in {"up", "down"}:
        # A launch over an open connection is some 3,000 bytes up and 500 down; a login adds 4,000 each way.
        count = dice.randrange(0, dice.choice([600, 3500, 8000]))
        proxy.cut_after(count, kind)  # type: ignore[arg-type]
        told = f"cut after {count} bytes {kind}"
    else:
        timer = threading.Timer(delay_s, proxy.reset if kind == "moment" else kill)
        timer.start()
        told = f"{kind} after {delay_s:.3f} s"
    try:
        yield told
    finally:
        if timer is not None:
            timer.cancel()
            timer.join()


@pytest.mark.slow
@pytest.mark.timeout(120 + LAUNCHES)
def test_of_120_launches_over_breaking_connections_none_is_lost_and_none_runs_twice(
    laptop: Laptop, many_boxes: Callable[[int], list[Box]], proxy_to: Proxied
) -> None:
    seed = random.randrange(1 << 32)
    boxes = many_boxes(BOXES)
    problems: list[str] = []
    launched: dict[str, list[str]] = {box.name: [] for box in boxes}

    def work(box: Box, proxy: ChaosProxy, dice: random.Random) -> None:
        on_box = on(box.name)
        for _ in range(LAUNCHES // BOXES):
            spec = spec_of(box.name, *NOTE_ID)
            with one_accident(proxy, dice, lambda: kill_master(on_box)) as accident:
                try:
                    launch(on_box, spec, NO_VALUES, None)
                except Exception as error:  # noqa: BLE001  (each is a launch that a person would have lost)
                    problems.append(f"{spec.id} ({accident}): {error!r}")
                launched[box.name].append(spec.id)

    threads = []
    for number, box in enumerate(boxes):
        proxy = proxy_to(box)
        laptop.add(box, via=proxy)
        threads.append((box, proxy, random.Random(f"{seed}-{number}")))
    workers = [threading.Thread(target=work, args=args) for args in threads]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not problems, f"seed {seed}: {problems}"
    for box, proxy, _ in threads:
        assert proxy.accepted > LAUNCHES // BOXES // 3, "the connections did not break"
        proxy.cut_after(1 << 40, "up")
        proxy.cut_after(1 << 40, "down")
        wait_for(lambda: len(ran(box)) >= len(launched[box.name]), 30, f"the jobs of {box.name} (seed {seed})")  # noqa: B023
        wait_for(lambda: not stages(box) and no_helpers_left(box), 10, f"nothing left (seed {seed})")  # noqa: B023
        jobs = wait_for(lambda: ended(box.name), 10, f"all ended (seed {seed})")  # noqa: B023
        assert sorted(ran(box)) == sorted(launched[box.name]), f"seed {seed}"
        assert sorted(jobs) == sorted(launched[box.name]), f"seed {seed}"
        assert set(jobs.values()) == {JobState.SUCCEEDED}, f"seed {seed}"


def ended(alias: str) -> dict[str, JobState]:
    """The states of a box's jobs, once all are final."""
    jobs = {job.id: job.state.state for job in list_jobs(on(alias)).jobs}
    return jobs if all(state.is_final for state in jobs.values()) else {}


@pytest.mark.timeout(180)
def test_code_that_breaks_off_on_its_way_arrives_whole_and_its_job_runs_once(
    laptop: Laptop, fresh_box: Box, proxy_to: Proxied
) -> None:
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    proxy = proxy_to(fresh_box)
    laptop.add(fresh_box, via=proxy)
    project = laptop.project({"check.sh": 'cmp data.bin "$1" && echo "$2" >>"$HOME/ran"\n'})
    on_box = on(fresh_box.name)
    launched = []
    for number in range(15):
        data = dice.randbytes(dice.choice([100, 40_000, 300_000]))
        (project / "data.bin").write_bytes(data)
        fresh_box.path(f"~/expected-{number}").write_bytes(data)
        fresh_box.path(f"~/expected-{number}").chmod(0o644)
        snapshot = take(project, lambda _size, _files: None)
        spec = spec_of(fresh_box.name, "sh", "check.sh", f"{fresh_box.home}/expected-{number}", "{id}")
        spec = msgspec.structs.replace(spec, code=Code(snapshot.name, snapshot.commit, snapshot.top, snapshot.subdir))
        proxy.cut_after(dice.randrange(0, len(data) + 9000), "up")
        launch(on_box, spec, NO_VALUES, snapshot)
        launched.append(spec.id)
    proxy.cut_after(1 << 40, "up")
    wait_for(lambda: len(ran(fresh_box)) >= len(launched), 30, f"the jobs (seed {seed})")
    assert sorted(ran(fresh_box)) == sorted(launched), f"seed {seed}"
    wait_for(lambda: no_helpers_left(fresh_box), 10, f"no half of a transfer (seed {seed})")
    left = [path.name for path in fresh_box.path("~/.mlsh/repos").glob(".*")]
    assert not left, f"seed {seed}"


def test_a_client_killed_in_mid_launch_leaves_a_whole_job_or_none(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    laptop.run("run", "--on", "gpu1", "--no-code", "-d", "--", "true")  # opens the connection, installs the scripts
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    before = {job.id for job in list_jobs(on("gpu1")).jobs}
    for number in range(12):
        client = laptop.spawn("run", "--on", "gpu1", "--no-code", "-d", "--", "sh", "-c", f"echo k{number} >>ran")
        with contextlib.suppress(Exception):
            client.wait(dice.uniform(0.05, 0.35))
        with contextlib.suppress(ProcessLookupError):
            # Its ssh is in a session of its own, and may well go on: the laptop lost power only for the client.
            os.kill(client.pid, signal.SIGKILL)
        client.communicate()
    wait_for(lambda: no_helpers_left(gpu1), 10, f"the end of all launches (seed {seed})")
    wait_for(lambda: not stages(gpu1), 10, f"no stage left (seed {seed})")
    jobs = wait_for(lambda: ended("gpu1"), 20, f"all ended (seed {seed})")
    new = set(jobs) - before
    words = [word for word in ran(gpu1) if word.startswith("k")]
    assert len(words) == len(set(words)) == len(new), f"seed {seed}: {words}"
    for job_id in new:
        assert jobs[job_id] == JobState.SUCCEEDED
        assert laptop.run("show", job_id, "--on", "gpu1").returncode == 0


def test_two_clients_that_launch_the_same_job_at_once_start_it_once(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    launch(on("gpu1"), spec_of("gpu1", "true"), NO_VALUES, None)
    for _ in range(5):
        spec = spec_of("gpu1", *NOTE_ID)
        both = [threading.Thread(target=launch, args=(on("gpu1"), spec, NO_VALUES, None)) for _ in range(4)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        wait_for(lambda: spec.id in ran(gpu1), 10, "the job")  # noqa: B023
        wait_for(lambda: ended("gpu1"), 10, "its end")
        assert ran(gpu1).count(spec.id) == 1
    assert not stages(gpu1)


def test_a_launch_that_is_asked_again_after_the_job_has_ended_does_not_run_it_again(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    spec = spec_of("gpu1", *NOTE_ID)
    launch(on("gpu1"), spec, NO_VALUES, None)
    wait_for(lambda: ended("gpu1").get(spec.id), 10, "the job's end")
    assert launch(on("gpu1"), spec, NO_VALUES, None).id == spec.id
    wait_for(lambda: no_helpers_left(gpu1), 5, "the second launch's end")
    assert ran(gpu1).count(spec.id) == 1
    assert ended("gpu1")[spec.id] == JobState.SUCCEEDED


def test_an_id_that_another_job_has_is_not_taken_for_ours(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    theirs = spec_of("gpu1", "sh", "-c", "echo theirs")
    launch(on("gpu1"), theirs, NO_VALUES, None)
    ours = spec_of("gpu1", "sh", "-c", "echo ours", job_id=theirs.id)
    launched = launch(on("gpu1"), ours, NO_VALUES, None)
    assert launched.id != theirs.id
    assert launched.argv == ours.argv
    assert laptop.run("logs", "-f", launched.id, "--on", "gpu1").stdout == "ours\r\n"
    assert laptop.run("logs", "-f", theirs.id, "--on", "gpu1").stdout == "theirs\r\n"
    listed = [job.spec for job in list_jobs(on("gpu1")).jobs]
    assert theirs in listed
    assert launched in listed


def test_a_box_that_reads_no_more_is_given_up_instead_of_waited_for(
    laptop: Laptop, fresh_box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    from io import BytesIO

    from mlsh.box import pump
    from mlsh.errors import Unreachable

    laptop.add(fresh_box)
    on_box = on(fresh_box.name)
    launch(on_box, spec_of(fresh_box.name, "true"), NO_VALUES, None)
    fresh_box.install("git", "exec sleep 600")
    whole = pump.pump
    monkeypatch.setattr(pump, "pump", lambda *args, **kwargs: whole(*args, **{**kwargs, "stall_s": 2, "answer_s": 2}))
    size = 12 << 20
    sent: list[int] = []
    began = time.monotonic()
    with pytest.raises(Unreachable, match="nothing moved"):
        on_box.send(
            "receive", "r", "0" * 40, "-", "1000", file=BytesIO(bytes(size)), size=size,
            progress=lambda count, _size: sent.append(count),
        )  # fmt: skip
    assert time.monotonic() - began < 15
    assert sent[0] == 0
    assert sent == sorted(sent)
    assert sent[-1] < size
