"""`mlsh run` on a real box over sshd: what a person sees, and what lies on the box afterwards."""

import json
import sys
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for

PROJECT = {
    "train.py": "import os, sys\nprint('loss=0.5', sys.argv[1:])\nprint(open('note.txt').read())\n",
    "note.txt": "committed",
    ".gitignore": "ignored.bin\n",
}


@pytest.fixture
def project(laptop: Laptop, gpu1: Box) -> Path:
    laptop.add(gpu1)
    folder = laptop.project(PROJECT)
    (folder / "note.txt").write_text("not committed")
    (folder / "untracked.txt").write_text("new")
    (folder / "ignored.bin").write_text("big")
    return folder


def test_runs_the_code_as_it_is_and_exits_with_the_jobs_code(laptop: Laptop, project: Path) -> None:
    ran = laptop.run("run", "--on", "gpu1", "--", "python3", "train.py", "--lr", "3e-4", cwd=project)
    assert ran.stdout.replace("\r\n", "\n") == "loss=0.5 ['--lr', '3e-4']\nnot committed\n"
    files = laptop.run("run", "--on", "gpu1", "--", "sh", "-c", "ls -A; exit 7", cwd=project, check=False)
    assert files.returncode == 7
    assert files.stdout.split() == [".git", ".gitignore", "note.txt", "train.py", "untracked.txt"]


def test_the_repository_is_left_as_it_was(laptop: Laptop, project: Path) -> None:
    def everything() -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in project.rglob("*") if path.is_file()
        }

    before = everything()
    laptop.run("run", "--on", "gpu1", "-d", "--", "true", cwd=project)
    assert everything() == before


def test_a_job_outlives_the_follower(laptop: Laptop, gpu1: Box, project: Path) -> None:
    script = "echo first; while [ ! -e go ]; do sleep 0.05; done; echo last"
    job = laptop.run("run", "--on", "gpu1", "-d", "-n", "long", "--", "sh", "-c", script, cwd=project).stdout.strip()
    follower = laptop.spawn("logs", "-f", job)
    wait_for(lambda: follower.stdout is not None and follower.stdout.readline() == b"first\r\n", 10, "the first line")
    follower.kill()
    follower.communicate()
    gpu1.sh(f"touch .mlsh/trees/{job}/go")
    again = laptop.run("logs", "-f", "long")
    assert again.stdout == "first\nlast\n".replace("\n", "\r\n")
    assert json.loads(laptop.run("show", "--json", job).stdout)["state"] == "SUCCEEDED"


def test_a_log_is_whole_wherever_it_goes(laptop: Laptop, gpu1: Box, project: Path) -> None:
    script = "import sys; sys.stdout.write('mlsh-error no-job of its own\\n'); print('x' * 3_000_000)"
    job = laptop.run("run", "--on", "gpu1", "-d", "--no-code", "--", "python3", "-c", script).stdout.strip()
    laptop.run("wait", job)
    there = gpu1.path(f"~/.mlsh/jobs/{job}/log").read_bytes()
    assert len(there) > 3_000_000
    assert laptop.run("logs", job, text=False).stdout == there
    laptop.command("sh", "-c", f"echo before >log; {sys.executable} -m mlsh logs {job} >>log")
    assert (laptop.home / "log").read_bytes() == b"before\n" + there
    assert laptop.run("logs", "--tail", "1", job, text=False).stdout == there.splitlines(keepends=True)[-1]
    short = laptop.run("run", "--on", "gpu1", "--no-code", "--", "printf", "mlsh-error ")
    assert short.stdout == "mlsh-error "
    assert laptop.run("logs", "@").stdout == "mlsh-error "
