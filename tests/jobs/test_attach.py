"""`mlsh attach` on a real terminal: type, detach, Ctrl-C, and what may be in its way."""

from pathlib import Path

import pytest

from tests.bed import Box, Laptop, Sit, wait_for
from tests.jobs.life import log, start, state, until, until_says

SHELL = 'echo up; while read -r line; do echo "got $line"; done'


@pytest.fixture(autouse=True)
def _known(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)


def test_what_is_typed_reaches_the_job_and_detaching_leaves_it_running(
    laptop: Laptop, gpu1: Box, sit_down: Sit
) -> None:
    job = start(laptop, "gpu1", SHELL)
    until_says(gpu1, job, "up")
    here = sit_down("attach", job)
    here.shows("up")
    here.type("hello\r")
    here.shows("got hello")
    until_says(gpu1, job, "got hello")
    size = gpu1.sh(f"tmux -L mlsh display -p -t ={job}: '#{{window_width}} #{{window_height}}'").stdout.split()
    assert size == ["100", "29"]
    here.type("\x02d")
    assert here.ends() == 0
    assert f"{job} goes on" in here.seen.decode(errors="replace")
    assert state(gpu1, job)["state"] == "RUNNING"
    again = sit_down("attach", job)
    again.shows("got hello")
    again.type("once more\r")
    until_says(gpu1, job, "got once more")
    again.type("\x04")
    again.ends()
    assert until(gpu1, job, "SUCCEEDED")


def test_ctrl_c_goes_to_the_command_and_its_end_is_told(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    job = start(laptop, "gpu1", "trap 'echo interrupted; exit 5' INT; echo up; while :; do sleep 0.1; done")
    until_says(gpu1, job, "up")
    here = sit_down("attach", job)
    here.shows("up")
    here.type("\x03")
    here.ends()
    now = until(gpu1, job, "FAILED")
    assert (now["code"], now["reason"]) == (5, "")
    assert "interrupted" in log(gpu1, job)
    assert "FAILED with exit code 5" in here.seen.decode(errors="replace")


def test_a_terminal_that_is_closed_leaves_the_job_running(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    job = start(laptop, "gpu1", SHELL)
    until_says(gpu1, job, "up")
    here = sit_down("attach", job)
    here.shows("up")
    here.process.kill()
    gpu1.kill_sessions()
    wait_for(lambda: not gpu1.processes("attach-session"), 10, "the end of the tmux client")
    assert state(gpu1, job)["state"] == "RUNNING"
    laptop.run("cancel", "--grace", "0", job)


def test_attach_works_after_something_swept_tmp(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    job = start(laptop, "gpu1", SHELL)
    until_says(gpu1, job, "up")
    gpu1.sh("rm -rf /tmp/tmux-*")
    here = sit_down("attach", job)
    here.shows("up")
    here.type("hello\r")
    until_says(gpu1, job, "got hello")
    here.type("\x04")
    here.ends()


def test_attach_works_from_within_the_persons_own_tmux_and_from_a_terminal_unknown_there(
    laptop: Laptop, gpu1: Box, sit_down: Sit
) -> None:
    job = start(laptop, "gpu1", SHELL)
    until_says(gpu1, job, "up")
    here = sit_down("attach", job, env={"TMUX": "/tmp/tmux-0/default,1,0", "TMUX_PANE": "%0", "TERM": "xterm-fancy"})
    here.shows("up")
    here.type("hello\r")
    until_says(gpu1, job, "got hello")
    here.type("\x04")
    here.ends()


def test_a_local_job_is_attached_from_a_shell_with_another_tmux_folder(
    laptop: Laptop, tmp_path: Path, sit_down: Sit
) -> None:
    job = start(laptop, "local", SHELL)
    where = laptop.home / f".mlsh/jobs/{job}/log"
    wait_for(lambda: b"up" in where.read_bytes(), 10, "the job")
    here = sit_down("attach", job, env={"TMUX_TMPDIR": str(tmp_path)})
    here.shows("up")
    here.type("hello\r")
    wait_for(lambda: b"got hello" in where.read_bytes(), 10, "what was typed")
    here.type("\x04")
    here.ends()


def test_a_job_that_has_ended_can_not_be_attached(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    job = start(laptop, "gpu1", "exit 3")
    until(gpu1, job, "FAILED")
    here = sit_down("attach", job)
    assert here.ends() == 66
    assert "has ended" in here.seen.decode(errors="replace")
