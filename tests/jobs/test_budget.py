"""What can be counted is counted: calls to a box, and processes on the laptop."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bed import Box, Laptop


@pytest.fixture
def project(laptop: Laptop, gpu1: Box) -> Path:
    laptop.add(gpu1)
    folder = laptop.project()
    laptop.run("run", "-d", "--on", "gpu1", "--", "true", cwd=folder)
    return folder


def commands(laptop: Laptop, *args: str, cwd: Path | None = None) -> list[str]:
    """The commands that mlsh runs, in order."""
    said = laptop.run(args[0], "--explain", *args[1:], cwd=cwd).stderr
    return [line.removeprefix("+ ") for line in said.splitlines() if line.startswith("+ ")]


def calls(laptop: Laptop, *args: str, cwd: Path | None = None) -> int:
    """How often mlsh calls a box."""
    return sum(line.startswith("ssh ") for line in commands(laptop, *args, cwd=cwd))


def test_a_launch_with_unchanged_code_is_one_call_and_three_processes_here(laptop: Laptop, project: Path) -> None:
    ran = commands(laptop, "run", "-d", "--on", "gpu1", "--", "true", cwd=project)
    assert [line.split()[0] for line in ran] == ["git", "git", "git", "ssh"]


def test_a_launch_with_little_changed_code_is_one_call_and_three_processes_here(laptop: Laptop, project: Path) -> None:
    (project / "train.py").write_text("print('changed')\n")
    ran = commands(laptop, "run", "-d", "--on", "gpu1", "--", "true", cwd=project)
    assert [line.split()[0] for line in ran] == ["git", "git", "git", "ssh"]


def test_a_launch_with_much_changed_code_sends_it_first(laptop: Laptop, project: Path) -> None:
    (project / "data.bin").write_bytes(os.urandom(1 << 20))
    ran = commands(laptop, "run", "-d", "--on", "gpu1", "--", "true", cwd=project)
    assert sum(" receive " in line for line in ran) == 1
    assert sum(" launch " in line for line in ran) == 1


def test_a_sweep_of_1000_tasks_is_launched_with_one_call_and_listed_with_one(laptop: Laptop, project: Path) -> None:
    run = ("run", "-d", "--on", "gpu1", "-n", "sw", "--sweep", "lr=1e-1,1e-2,1e-3,1e-4", "--sweep", "seed=1..250")
    ran = commands(laptop, *run, "--at-once", "1", "--", "sleep", "{seed}", cwd=project)
    assert [line.split()[0] for line in ran] == ["git", "git", "git", "ssh"]
    for words in (("ps", "sw"), ("show", "sw"), ("show", "sw-7"), ("cancel", "sw")):
        assert calls(laptop, *words) == 1, commands(laptop, *words)


def test_ps_is_one_call_a_box(laptop: Laptop, many_boxes: Callable[[int], list[Box]]) -> None:
    flags = []
    for box in many_boxes(3):
        laptop.add(box)
        flags += ["--on", box.name]
    laptop.run("ps", *flags)
    assert calls(laptop, "ps", *flags) == 3
