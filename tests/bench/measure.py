"""Measure two commands in turn, and compare them pair by pair: the machine's speed drifts, a ratio less so."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """One run of a command: seconds of wall clock and of CPU, and the peak memory of the largest process in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


class Row(NamedTuple):
    """A line of the table: medians of ours and of the other, the ratio's median and its range, and the goal."""

    what: str
    against: str
    ours: str
    other: str
    ratio: float
    low: float
    high: float
    goal: str
    met: bool


def once(argv: Sequence[str], env: Mapping[str, str], cwd: Path, stdout: int = subprocess.DEVNULL) -> Run:
    """Run a command that must succeed."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"{' '.join(argv)[:200]} ended with {process.returncode}: {said.read()[-500:]!r}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def pairs(ours: Callable[[], float], other: Callable[[], float], count: int) -> tuple[list[float], list[float]]:
    """`count` values of each, in turn, after one of each that doesn't count."""
    ours(), other()
    left, right = [], []
    for _ in range(count):
        left.append(ours())
        right.append(other())
    return left, right


def row(
    what: str,
    against: str,
    left: Sequence[float],
    right: Sequence[float],
    goal: float,
    *,
    at_least: bool = False,
    unit: str = "ms",
) -> Row:
    """Compare paired values. `at_least`: the ratio should be no smaller than the goal, else no larger."""
    scale = 1000 if unit == "ms" else 1
    digits = 1 if unit == "ms" and statistics.median(right) < 0.02 else 0
    ratios = sorted(a / b for a, b in zip(left, right, strict=True))
    middle = statistics.median(left) / statistics.median(right)
    return Row(
        what,
        against,
        f"{statistics.median(left) * scale:.{digits}f} {unit}",
        f"{statistics.median(right) * scale:.{digits}f} {unit}",
        middle,
        ratios[0],
        ratios[-1],
        f"{'>=' if at_least else '<='} {goal:g}",
        middle >= goal if at_least else middle <= goal,
    )


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as Markdown."""
    lines = ["| what | against | ours | against it | ratio (range) | goal | |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {r.what} | {r.against} | {r.ours} | {r.other} | **{r.ratio:.2f}** ({r.low:.2f} to {r.high:.2f}) "
        f"| {r.goal} | {'met' if r.met else 'missed'} |"
        for r in rows
    ]
    return lines
