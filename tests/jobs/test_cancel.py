"""Cancel, time limits and normal ends: all of a job ends, and nothing else does."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until, until_says

# A training script's worst: a child that left its session and its parent, ignores every polite signal, and one
# that keeps making new ones.
STUBBORN = """
import os, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "86401"])
    os._exit(0)
if os.fork() == 0:
    os.setsid()
    while True:
        subprocess.Popen(["sleep", "0.386402"])
        time.sleep(0.03)
subprocess.Popen(["env", "-i", "sleep", "86403"])
print("up", flush=True)
time.sleep(86404)
"""

# Takes a while to write a checkpoint; a second SIGINT would spoil it.
CHECKPOINT = """
import signal, sys, time
wanted = True
def stop(*_):
    global wanted
    print("got SIGINT" if wanted else "got a SECOND one", flush=True)
    wanted = False
signal.signal(signal.SIGINT, stop)
print("up", flush=True)
while wanted:
    time.sleep(0.02)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    time.sleep(0.02)
open(sys.argv[2], "w").write("whole")
"""

GENTLE = """
import signal, time
began = time.monotonic()
def note(number, _):
    print(f"{signal.Signals(number).name} {time.monotonic() - began:.1f}", flush=True)
    if number == signal.SIGTERM:
        raise SystemExit(3)
signal.signal(signal.SIGINT, note)
signal.signal(signal.SIGTERM, note)
print("up", flush=True)
while True:
    time.sleep(0.02)
"""

MARKS = "8640[0-9]|0.386402"


@pytest.fixture(autouse=True)
def _known(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)


def test_nothing_of_a_job_lives_after_cancel_and_everything_else_does(laptop: Laptop, gpu1: Box) -> None:
    job = start(laptop, "gpu1", "python3", "-c", STUBBORN, options=("-n", "train"))
    other = start(laptop, "gpu1", "sleep", "97531", options=("-n", "train2"))
    until_says(gpu1, job, "up")
    until(gpu1, other, "RUNNING")
    quiet = "</dev/null >/dev/null 2>&1 &"
    gpu1.sh(f"setsid sleep 97532 {quiet}\nNOTE=MLSH_JOB_ID={job} OLD_MLSH_JOB_ID={job} setsid sleep 97533 {quiet}")
    gpu1.sh(f"MLSH_JOB_ID={job}2 setsid sleep 97534 {quiet}\ntmux new-session -d -s train sleep 97535")
    gpu1.sh(f"tmux -L mlsh new-session -d -s {job} sleep 97536\ntmux new-session -d -s {job} sleep 97537", user="root")
    wait_for(lambda: len(gpu1.processes("^sleep 9753")) == 7, 5, "the processes that must survive")
    wait_for(lambda: len(gpu1.processes(MARKS)) >= 4, 5, "the job's processes")
    said = laptop.run("cancel", "--grace", "1s", "train").stderr
    assert f"{job} CANCELLED" in said
    assert gpu1.processes(MARKS) == []
    assert len(gpu1.processes("^sleep 9753")) == 7
    assert state(gpu1, job)["state"] == "CANCELLED"
    assert state(gpu1, other)["state"] == "RUNNING"
    laptop.run("cancel", "--grace", "0", "train2")
    assert state(gpu1, other)["state"] == "CANCELLED"
    gpu1.sh("pkill -f 'sleep 9753[0-9]'", user="root")


def test_a_job_that_saves_its_checkpoint_and_exits_0_is_cancelled_and_its_checkpoint_whole(
    laptop: Laptop, gpu1: Box
) -> None:
    job = start(laptop, "gpu1", "python3", "-c", CHECKPOINT, "1", "saved")
    until_says(gpu1, job, "up")
    laptop.run("cancel", job)
    now = state(gpu1, job)
    assert (now["state"], now["code"]) == ("CANCELLED", 0)
    assert gpu1.path("~/saved").read_text() == "whole"


def test_a_child_has_its_grace_though_the_command_itself_ended_at_once(laptop: Laptop, gpu1: Box) -> None:
    gpu1.write("~/checkpoint.py", CHECKPOINT)
    job = start(laptop, "gpu1", "python3 checkpoint.py 3 saved-by-child & wait")
    until_says(gpu1, job, "up")
    laptop.run("cancel", job)
    assert gpu1.path("~/saved-by-child").read_text() == "whole"


def test_two_cancels_at_once_interrupt_the_job_once(laptop: Laptop, gpu1: Box) -> None:
    job = start(laptop, "gpu1", "python3", "-c", CHECKPOINT, "2", "saved-once")
    until_says(gpu1, job, "up")
    both = [laptop.spawn("cancel", job), laptop.spawn("cancel", job)]
    assert [cancel.wait(30) for cancel in both] == [0, 0]
    assert "SECOND" not in log(gpu1, job)
    assert gpu1.path("~/saved-once").read_text() == "whole"
    assert state(gpu1, job)["state"] == "CANCELLED"


def test_an_impatient_second_cancel_need_not_wait_for_the_first(laptop: Laptop, gpu1: Box) -> None:
    job = start(laptop, "gpu1", "python3", "-c", STUBBORN, options=("--grace", "5m"))
    until_says(gpu1, job, "up")
    first = laptop.spawn("cancel", job)
    wait_for((folder(gpu1, job) / "stop").exists, 10, "the first cancel to begin")
    laptop.run("cancel", "--grace", "0", job)
    assert first.wait(10) == 0
    assert gpu1.processes(MARKS) == []


def test_grace_is_the_time_between_sigint_and_sigterm(laptop: Laptop, gpu1: Box) -> None:
    job = start(laptop, "gpu1", "python3", "-c", GENTLE, options=("--grace", "1m"))
    until_says(gpu1, job, "up")
    laptop.run("cancel", "--grace", "2s", job)
    times = {name: float(at) for name, at in re.findall(r"(SIG\w+) ([\d.]+)", log(gpu1, job))}
    assert 1.5 < times["SIGTERM"] - times["SIGINT"] < 5
    assert (state(gpu1, job)["state"], state(gpu1, job)["code"]) == ("CANCELLED", 3)


def test_a_job_that_had_ended_stays_as_it_ended(laptop: Laptop, gpu1: Box) -> None:
    job = start(laptop, "gpu1", "exit 3")
    until(gpu1, job, "FAILED")
    before = state(gpu1, job)
    assert "had ended: FAILED with exit code 3" in laptop.run("cancel", job).stderr
    assert state(gpu1, job) == before


def test_a_cancel_goes_on_without_the_laptop(laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy]) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, alias="far", via=proxy)
    job = start(laptop, "far", "python3", "-c", CHECKPOINT, "2", "saved-alone")
    until_says(gpu1, job, "up")
    cancel = laptop.spawn("cancel", "--grace", "8s", job)
    until_says(gpu1, job, "got SIGINT")
    cancel.kill()
    proxy.refuse()
    proxy.reset()
    until(gpu1, job, "CANCELLED")
    assert gpu1.path("~/saved-alone").read_text() == "whole"


def test_a_cancel_whose_connection_breaks_tells_the_end_all_the_same(
    laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy]
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, alias="far", via=proxy)
    job = start(laptop, "far", "python3", "-c", CHECKPOINT, "2", "saved-over")
    until_says(gpu1, job, "up")
    cancel = laptop.spawn("cancel", "--grace", "8s", job)
    until_says(gpu1, job, "got SIGINT")
    proxy.reset()
    _, said = cancel.communicate(timeout=30)
    assert (cancel.returncode, f"{job} CANCELLED" in said.decode()) == (0, True)
    assert "SECOND" not in log(gpu1, job)
    assert gpu1.path("~/saved-over").read_text() == "whole"


def test_a_job_can_cancel_itself(laptop: Laptop) -> None:
    ran = laptop.run(
        "run", "--no-code", "--grace", "1s", "--", "sh", "-c", "mlsh cancel $MLSH_JOB_ID; sleep 86405", check=False
    )
    assert ran.returncode == 130
    wait_for(lambda: not [p for p in laptop.processes() if b"86405" in cmdline(p)], 5, "the job's end")


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# -- before the command runs


@pytest.fixture
def project(laptop: Laptop) -> Path:
    return laptop.project({"train.py": "open('trained', 'w')\n"})


def test_a_cancel_during_the_checkout_leaves_no_code_and_runs_nothing(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    laptop.add(fresh_box)
    fresh_box.install("git", 'case "$*" in *read-tree*) sleep 86406 ;; esac\nexec /usr/bin/git "$@"\n')
    job = start(laptop, "fresh", "touch ~/ran", cwd=project)
    wait_for(lambda: fresh_box.processes("^sleep 86406"), 15, "the checkout")
    laptop.run("cancel", job)
    assert (state(fresh_box, job)["state"], state(fresh_box, job)["code"]) == ("CANCELLED", None)
    assert fresh_box.processes(MARKS) == []
    assert not fresh_box.path(f"~/.mlsh/trees/{job}").exists()
    assert not fresh_box.path("~/ran").exists()
    assert "could not be checked out" not in log(fresh_box, job)


def test_a_cancel_while_the_login_shell_hangs_runs_nothing(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bashrc", "case $- in *i*) sleep 86407 ;; esac\n")
    job = start(laptop, "fresh", "touch ~/ran")
    wait_for(lambda: fresh_box.processes("^sleep 86407"), 15, "the start-up file")
    laptop.run("cancel", "--grace", "1s", job)
    assert state(fresh_box, job)["state"] == "CANCELLED"
    assert fresh_box.processes(MARKS) == []
    assert not fresh_box.path("~/ran").exists()


def test_a_cancel_before_the_job_has_begun_means_that_it_never_does(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    wait = "while [ ! -e ~/go ]; do sleep 0.05; done"
    fresh_box.install("tmux", f'case "$*" in *new-session*) {wait} ;; esac\nexec /usr/bin/tmux "$@"\n')
    launching = laptop.spawn("run", "--on", "fresh", "-d", "-n", "slow", "--no-code", "--", "touch", "ran")
    job = wait_for(
        lambda: next((p.name for p in fresh_box.path("~/.mlsh/jobs").glob("[a-z]*")), ""), 15, "the job's folder"
    )
    laptop.run("cancel", job)
    assert state(fresh_box, job)["reason"] == "before it started"
    fresh_box.write("~/go", "")
    assert launching.wait(15) == 0
    wait_for(lambda: not fresh_box.processes("tmux"), 10, "the session's end")
    assert state(fresh_box, job)["state"] == "CANCELLED"
    assert not fresh_box.path("~/ran").exists()
    assert laptop.run("logs", "-f", job, check=False, timeout=20).returncode == 130


# -- other ends


def test_a_job_over_its_time_is_ended_as_thoroughly_and_exits_with_124(laptop: Laptop, gpu1: Box) -> None:
    ran = laptop.run(
        "run", "--on", "gpu1", "--no-code", "--time", "1s", "--grace", "1s", "--", "python3", "-c", STUBBORN,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 124
    assert "longer than its limit of 1 s" in ran.stderr
    assert gpu1.processes(MARKS) == []


def test_a_job_within_its_time_leaves_no_watcher(laptop: Laptop, gpu1: Box) -> None:
    laptop.run("run", "--on", "gpu1", "--no-code", "--time", "86408s", "--shell", "none", "--", "true")
    wait_for(lambda: not gpu1.processes(MARKS), 3, "the watcher's end")


def test_what_a_job_leaves_running_is_ended_and_told(laptop: Laptop, gpu1: Box) -> None:
    script = "setsid sleep 86406 & nohup sleep 86407 >/dev/null 2>&1 & echo last words"
    ran = laptop.run("run", "--on", "gpu1", "--no-code", "--", "sh", "-c", script)
    assert "last words" in ran.stdout
    assert "mlsh: 2 of its processes still ran when the command ended" in ran.stdout
    assert gpu1.processes(MARKS) == []


def test_what_writes_the_last_lines_is_not_cut_off(laptop: Laptop, gpu1: Box) -> None:
    began = time.monotonic()
    ran = laptop.run(
        "run", "--on", "gpu1", "--no-code", "--", "bash", "-c", "echo 'loss=0.1' > >(sleep 0.3; tee final.txt)"
    )
    assert ran.stdout == "loss=0.1\r\n"
    assert gpu1.path("~/final.txt").read_text() == "loss=0.1\n"
    assert time.monotonic() - began < 30
