"""kill -9 and reboots: no state that lies, no secret that stays, nothing that waits for ever."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.bed.requirements import not_possible_here
from tests.jobs.life import asked, folder, log, start, state, until, until_says

UNHEARD = "its terminal was closed: what it prints is lost"
SECRET = {"TOKEN": "hf_very_secret"}


def runner(box: Box, job: str) -> int:
    return int(state(box, job)["runner"])


def kill(box: Box, *pids: int) -> None:
    box.sh(f"kill -9 {' '.join(map(str, pids))}")


def server(box: Box) -> int:
    [found] = [process.pid for process in box.processes(r"^\S*tmux .*new-session")]
    return found


def start_with_secret(laptop: Laptop, box: Box, script: str, *options: str) -> str:
    return laptop.run(
        "run", "--on", box.name, "-d", "--no-code", "--secret", "TOKEN", *options, "--", "sh", "-c", script, env=SECRET
    ).stdout.strip()


def secrets(box: Box) -> list[Path]:
    """Files on the box that hold the secret."""
    home = box.path("~")
    return [
        path
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink() and SECRET["TOKEN"].encode() in path.read_bytes()
    ]


def follow_ends(laptop: Laptop, job: str) -> int:
    return laptop.run("logs", "-f", job, check=False, timeout=30).returncode


@pytest.fixture(autouse=True)
def _known(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)


def test_the_secret_is_on_no_disk_once_the_job_has_it(laptop: Laptop, fresh_box: Box) -> None:
    job = start_with_secret(laptop, fresh_box, "echo have ${#TOKEN}; sleep 100")
    until_says(fresh_box, job, "have 14")
    assert secrets(fresh_box) == []


def test_a_killed_runner_is_a_lost_job(laptop: Laptop, fresh_box: Box) -> None:
    job = start_with_secret(laptop, fresh_box, "echo up; sleep 100")
    until_says(fresh_box, job, "up")
    follower = laptop.spawn("logs", "-f", job)
    kill(fresh_box, runner(fresh_box, job))
    assert follower.wait(20) == 72
    told = asked(laptop, job)
    assert told["state"] == "LOST"
    assert told["reason"].startswith("its runner was killed")
    wait_for(lambda: not fresh_box.processes("^sleep 100"), 5, "the end of what the closed terminal held")
    assert secrets(fresh_box) == []


def test_what_outlives_its_runner_is_told_kept_and_ended_by_cancel(laptop: Laptop, fresh_box: Box) -> None:
    job = start(laptop, "fresh", "trap '' HUP; setsid sleep 98765 & echo up; sleep 98766")
    until_says(fresh_box, job, "up")
    kill(fresh_box, runner(fresh_box, job))
    told = wait_for(lambda: (now := asked(laptop, job))["state"] == "LOST" and now, 10, "LOST")
    assert "of its processes still run" in told["reason"]
    refused = laptop.run("rm", "-y", job, check=False)
    assert (refused.returncode, folder(fresh_box, job).exists()) == (75, True)
    laptop.run("cancel", "--grace", "1s", job)
    assert fresh_box.processes("^sleep 9876") == []
    assert state(fresh_box, job)["state"] == "LOST"
    laptop.run("rm", "-y", job)
    assert not folder(fresh_box, job).exists()


def test_a_killed_tmux_server_loses_the_jobs_that_write_and_says_why(laptop: Laptop, fresh_box: Box) -> None:
    script = "echo up; while sleep 0.1; do echo step || exit 1; done"
    jobs = [start(laptop, "fresh", script), start_with_secret(laptop, fresh_box, script)]
    for job in jobs:
        until_says(fresh_box, job, "step")
    kill(fresh_box, server(fresh_box))
    for job in jobs:
        now = until(fresh_box, job, "LOST")
        assert now["reason"] == "its terminal was closed (tmux session or server killed)"
        assert follow_ends(laptop, job) == 72
    assert secrets(fresh_box) == []
    again = start(laptop, "fresh", "echo fine")
    assert follow_ends(laptop, again) == 0


def test_a_quiet_job_that_outlives_tmux_is_never_called_lost_while_it_runs(laptop: Laptop, fresh_box: Box) -> None:
    job = start(laptop, "fresh", "echo up; trap '' HUP; while [ ! -e go ]; do sleep 0.1; done; touch went; exit 0")
    until_says(fresh_box, job, "up")
    kill(fresh_box, server(fresh_box))
    wait_for(lambda: not fresh_box.processes("^sh .*/logger.sh"), 10, "the end of the log's writer")
    assert asked(laptop, job)["state"] == "RUNNING"
    wait_for(lambda: asked(laptop, job)["reason"] == UNHEARD, 10, "the word that its output is lost")
    fresh_box.write("~/go", "")
    now = until(fresh_box, job, "SUCCEEDED")
    assert "the log is not complete" in now["reason"]
    assert fresh_box.path("~/went").exists()


def test_a_quiet_job_whose_session_is_killed_runs_on_and_the_listing_says_that_it_is_not_heard(
    laptop: Laptop, fresh_box: Box
) -> None:
    job = start(laptop, "fresh", "echo up; sleep 3; exit 5")
    done = start(laptop, "fresh", "echo up; sleep 3; touch done")
    for each in (job, done):
        until_says(fresh_box, each, "up")
        fresh_box.sh(f"tmux -L mlsh kill-session -t ={each}")
    told = wait_for(lambda: (now := asked(laptop, done))["reason"] and now, 10, "a reason")
    assert (told["state"], told["reason"]) == ("RUNNING", UNHEARD)
    assert f"RUNNING: {UNHEARD}" in laptop.run("show", done).stdout
    until(fresh_box, done, "SUCCEEDED")
    assert fresh_box.path("~/done").exists()
    assert until(fresh_box, job, "LOST")["code"] == 5


def test_jobs_that_end_as_their_terminal_is_closed_are_told_as_ended(laptop: Laptop, fresh_box: Box) -> None:
    """They end around the second after which the log's writer speaks."""
    script = "trap '' HUP; echo up; while [ ! -e go ]; do sleep 0.02; done; sleep {}"
    jobs = [start(laptop, "fresh", script.format(0.9 + number / 40)) for number in range(8)]
    for job in jobs:
        until_says(fresh_box, job, "up")
    fresh_box.write("~/go", "")
    for job in jobs:
        until(fresh_box, job, "SUCCEEDED")
    wait_for(lambda: not fresh_box.processes("logger.sh|runner.sh"), 10, "the end of all")
    assert {state(fresh_box, job)["state"] for job in jobs} == {"SUCCEEDED"}


def test_a_session_that_somebody_kills_is_a_lost_job(laptop: Laptop, fresh_box: Box) -> None:
    job = start(laptop, "fresh", "echo up; while sleep 0.1; do echo step || exit 1; done")
    other = start(laptop, "fresh", "sleep 100")
    until_says(fresh_box, job, "up")
    fresh_box.sh(f"tmux -L mlsh kill-session -t ={job}")
    assert until(fresh_box, job, "LOST")["reason"].startswith("its terminal was closed")
    assert state(fresh_box, other)["state"] in {"PENDING", "RUNNING"}


def test_a_killed_command_is_a_failed_job_with_its_signal(laptop: Laptop, fresh_box: Box) -> None:
    job = start_with_secret(laptop, fresh_box, "echo up; exec sleep 98767")
    until_says(fresh_box, job, "up")
    [command] = wait_for(lambda: fresh_box.processes("^sleep 98767"), 5, "the command")
    kill(fresh_box, command.pid)
    assert laptop.run("wait", job, check=False).returncode == 137
    now = state(fresh_box, job)
    assert (now["state"], now["reason"]) == ("FAILED", "ended by signal 9")
    assert secrets(fresh_box) == []


def test_a_killed_log_writer_does_not_hold_up_the_end(laptop: Laptop, fresh_box: Box) -> None:
    job = start(laptop, "fresh", "echo up; while [ ! -e go ]; do sleep 0.1; done; echo late; exit 4")
    until_says(fresh_box, job, "up")
    kill(fresh_box, *(process.pid for process in fresh_box.processes("^sh .*/logger.sh|^cat$")))
    fresh_box.write("~/go", "")
    until(fresh_box, job, "FAILED")
    assert follow_ends(laptop, job) == 4


@pytest.mark.parametrize("power_cut", [False, True])
def test_a_reboot_loses_what_ran_and_nothing_else(laptop: Laptop, fresh_box: Box, power_cut: bool) -> None:
    done = start(laptop, "fresh", "echo done")
    until(fresh_box, done, "SUCCEEDED")
    job = start_with_secret(laptop, fresh_box, "echo up; sleep 100")
    until_says(fresh_box, job, "up")
    follower = laptop.spawn("logs", "-f", job)
    wait_for(lambda: fresh_box.processes("follow.sh"), 10, "the follower on the box")
    fresh_box.reboot(power_cut=power_cut)
    assert secrets(fresh_box) == []
    out, _ = follower.communicate(timeout=60)
    assert (follower.returncode, out) == (72, b"up\r\n")
    assert (asked(laptop, job)["state"], asked(laptop, job)["reason"]) == ("LOST", "the box rebooted")
    assert asked(laptop, done)["state"] == "SUCCEEDED"
    again = start(laptop, "fresh", "echo fine")
    assert follow_ends(laptop, again) == 0
    assert "fine" in log(fresh_box, again)


def test_a_reboot_before_the_job_began_leaves_no_secret_once_somebody_looks(laptop: Laptop, fresh_box: Box) -> None:
    fresh_box.write("~/.bashrc", "case $- in *i*) sleep 98768 ;; esac\n")
    job = start_with_secret(laptop, fresh_box, "touch ran")
    wait_for(lambda: fresh_box.processes("^sleep 98768"), 10, "the start-up file")
    fresh_box.reboot()
    assert (asked(laptop, job)["state"], asked(laptop, job)["reason"]) == ("LOST", "the box rebooted")
    assert secrets(fresh_box) == []
    assert not fresh_box.path("~/ran").exists()


def test_a_launch_that_died_before_tmux_is_not_pending_for_ever(laptop: Laptop, fresh_box: Box) -> None:
    fresh_box.install("tmux", 'case "$*" in *new-session*) sleep 98769 ;; esac\nexec /usr/bin/tmux "$@"\n')
    launching = laptop.spawn("run", "--on", "fresh", "-d", "--no-code", "--", "touch", "ran")
    job = wait_for(
        lambda: next((p.name for p in fresh_box.path("~/.mlsh/jobs").glob("[a-z]*")), ""), 15, "the job's folder"
    )
    wait_for(lambda: fresh_box.processes("^sleep 98769"), 10, "tmux to be asked")
    launching.kill()
    kill(fresh_box, *(process.pid for process in fresh_box.processes("launch.sh|new-session|^sleep 98769")))
    assert asked(laptop, job)["state"] == "PENDING"
    unstarted = folder(fresh_box, job) / "unstarted"
    os.utime(unstarted, (unstarted.stat().st_mtime - 180,) * 2)
    assert (asked(laptop, job)["state"], asked(laptop, job)["reason"]) == ("LOST", "it was never started")


# Where the box tells neither of cgroups nor of the kernel's log.
WHOSE = "out of memory: the box's, or that of its cgroup"


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A control group of this test's own, below the one that the tests run in, with 48 MiB of memory."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = {line.split(":")[1]: line.split(":", 2)[2].lstrip("/") for line in lines}
    first = Path("/sys/fs/cgroup/memory" if "memory" in own else "/sys/fs/cgroup")
    group = first / own.get("memory", own.get("", "")) / f"mlsh-test-{os.getpid()}"
    limit = group / ("memory.limit_in_bytes" if "memory" in own else "memory.max")
    try:
        group.mkdir()
        limit.write_text(str(48 << 20))
    except OSError as error:
        if group.exists():
            group.rmdir()
        not_possible_here("A real shortage of memory", f"no control group can be made: {error}")
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text(), 10, "the end of what ran in the group")
    group.rmdir()


def test_a_job_that_the_kernel_kills_for_want_of_memory_says_so(
    laptop: Laptop, fresh_box: Box, small_memory: Path
) -> None:
    hog = "x = bytearray(300 << 20); print(len(x))"
    ready = "echo up; while [ ! -e go ]; do sleep 0.1; done"
    direct = start(laptop, "fresh", f'{ready}; exec python3 -c "{hog}"')
    below = start(laptop, "fresh", f'{ready}; python3 -c "{hog}"')
    for job in (direct, below):
        until_says(fresh_box, job, "up")
        # The group counts pids as this machine does, the runner as its box does.
        [command] = [p for p in pids_here(f"MLSH_JOB_ID={job}") if b"while" in Path(f"/proc/{p}/cmdline").read_bytes()]
        (small_memory / "cgroup.procs").write_text(str(command))
    fresh_box.write("~/go", "")
    for job in (direct, below):
        assert laptop.run("wait", job, check=False).returncode == 137
        now = state(fresh_box, job)
        assert (now["state"], now["reason"]) == ("FAILED", f"killed by signal 9: {WHOSE}")
    assert "300" not in log(fresh_box, direct)


def test_a_job_that_reached_the_limit_of_its_cgroup_says_which_limit(
    laptop: Laptop, fresh_box: Box, small_memory: Path
) -> None:
    if "memory" not in small_memory.parts:
        not_possible_here("A cgroup's files in a box", "it mounts those of version 1")
    at = "/sys/fs/cgroup"
    mounted = f"mount -t tmpfs it {at} && mkdir {at}/memory && mount -t cgroup -o memory it {at}/memory"
    fresh_box.sh(mounted, user="root")
    first = start(laptop, "fresh", "echo up; sleep 100")
    until_says(fresh_box, first, "up")
    # What the tmux server starts from now on is in the group, as it is in a container.
    [command] = [p for p in pids_here(f"MLSH_JOB_ID={first}") if Path(f"/proc/{p}/comm").read_text() == "sh\n"]
    (small_memory / "cgroup.procs").write_text(str(parent_of(parent_of(command))))
    job = start(laptop, "fresh", "python3", "-c", "x = bytearray(300 << 20)")
    now = until(fresh_box, job, "FAILED")
    assert (now["code"], now["reason"]) == (137, "killed by signal 9: out of memory: its cgroup may use 48 MiB")
    laptop.run("cancel", "--grace", "0", first)


def parent_of(pid: int) -> int:
    """The pid of a process's parent, by this machine's numbers."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def pids_here(variable: str) -> list[int]:
    """The processes with this in their environment, by this machine's numbers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def test_running_out_of_memory_is_told_apart_from_a_kill(laptop: Laptop, fresh_box: Box) -> None:
    """The kernel's count is taken from a copy of /proc/vmstat: where no control group can be had, this is the test."""
    job = start(laptop, "fresh", "echo up; kill -9 $$")
    until(fresh_box, job, "FAILED")
    before = int((folder(fresh_box, job) / "oom-before").read_text().splitlines()[0])
    held = start(laptop, "fresh", "echo up; while [ ! -e go ]; do sleep 0.1; done; kill -9 $$")
    until_says(fresh_box, held, "up")
    counted = f"sed 's/^oom_kill .*/oom_kill {before + 1}/' /proc/vmstat >/tmp/vmstat"
    fresh_box.sh(f"{counted} && mount --bind /tmp/vmstat /proc/vmstat", user="root")
    fresh_box.write("~/go", "")
    now = until(fresh_box, held, "FAILED")
    assert (now["code"], now["reason"]) == (137, f"killed by signal 9: {WHOSE}")
    assert state(fresh_box, job)["reason"] == "ended by signal 9"
