"""What mlsh's dotfiles add to a shell: to each prompt in a large repository, and to its start."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.measure import Row, pairs, row

if TYPE_CHECKING:
    from tests.bench.cases import Bench

_PROMPTS = 200
_FILES = 50_000


def dotfiles(bench: Bench) -> list[Row]:
    """bash and zsh with the dotfiles pushed, and the same shells in the home of a new account."""
    plain, ours = bench.laptop.home / "plain", bench.laptop.home / "ours"
    for home in (plain, ours):
        home.mkdir()
        shutil.copy("/etc/skel/.bashrc", home)
        (home / ".zshrc").touch()
    pushed = {**bench.env, "HOME": str(ours), "XDG_CONFIG_HOME": str(ours / ".config")}
    subprocess.run([bench.mlsh, "dotfiles", "push", "local"], env=pushed, check=True, capture_output=True)
    # So that there are numbers to show.
    (ours / ".mlsh/jobs").mkdir(parents=True)
    repo = _repository(bench)
    rows = []
    for shell in ("bash", "zsh"):
        left, right = pairs(
            lambda shell=shell: _start(shell, ours, repo),
            lambda shell=shell: _start(shell, plain, repo),
            bench.rounds * 4,
        )
        added = [max(a - b, 0.0) for a, b in zip(left, right, strict=True)]
        rows.append(
            row(f"start of an interactive {shell}: what the dotfiles add", "5 ms", added, [0.005] * len(added), 1)
        )
        left, right = pairs(
            lambda shell=shell: _prompts(shell, ours, repo),
            lambda shell=shell: _prompts(shell, plain, repo),
            bench.rounds,
        )
        added = [max(a - b, 0.0) for a, b in zip(left, right, strict=True)]
        what = f"a prompt of {shell} in a repository of {_FILES:,} files: what they add"
        rows.append(row(what, "10 ms", added, [0.010] * len(added), 1))
    return rows


def _repository(bench: Bench) -> Path:
    repo = bench.laptop.project(name="large")
    for number in range(_FILES):
        if number % 1000 == 0:
            (repo / f"d{number // 1000}").mkdir()
        (repo / f"d{number // 1000}/f{number}").touch()
    subprocess.run(["git", "add", "-A"], cwd=repo, env=bench.env, check=True)
    return repo


def _timed(shell: str, home: Path, repo: Path, lines: str) -> float:
    env = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    began = time.perf_counter()
    subprocess.run(
        [shell, "-i"],
        input=lines,
        text=True,
        cwd=repo,
        env=env,
        capture_output=True,
        check=True,
        start_new_session=True,
    )
    return time.perf_counter() - began


def _start(shell: str, home: Path, repo: Path) -> float:
    """Seconds to the first prompt, and out again."""
    return _timed(shell, home, repo, "exit\n")


def _prompts(shell: str, home: Path, repo: Path) -> float:
    """Seconds a prompt."""
    whole = _timed(shell, home, repo, ":\n" * _PROMPTS + "exit\n")
    return (whole - _timed(shell, home, repo, "exit\n")) / _PROMPTS
