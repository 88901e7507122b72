"""What a worker is to be, and what is heard of workers."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mlsh.bisect.probing import ProbeResult
from mlsh.jobs.launch import Values
from mlsh.records import Spec


class WorkerPlan(msgspec.Struct, frozen=True):
    """One worker. `slot` counts from 1 on each box, and tells the workers of one box apart.

    `git_dir` is the git directory that all worktrees share, `top` the top of the person's work tree and `subdir` the
    folder in it where the command is to run. `overlay` are paths below `top` that are put over each commit as they are
    now. `spec` has the options of the job (gpus, slots, time_limit_s, env, ...); its id, name, box, code and argv are
    not looked at. `values` are its variables.
    """

    bisection: str
    """A name for the bisection: letters, digits and . _ + = , -"""
    box: str
    slot: int
    argv: list[str]
    git_dir: Path
    top: Path
    spec: Spec
    values: Values
    subdir: str = ""
    overlay: tuple[str, ...] = ()
    setup: str = ""
    timeout_s: int | None = None
    metrics_file: str = ""
    """Relative to where the command runs."""
    clean: bool = False
    silence_s: int = 900
    """A worker that has heard nothing from the laptop for so long ends after its probe."""

    @property
    def name(self) -> str:
        """The worker as a person names it: `gpu1`, `gpu1#2`."""
        return worker_name(self.box, self.slot)

    @property
    def job_name(self) -> str:
        """The name of its job."""
        return f"{job_prefix(self.bisection)}{self.slot}"


def worker_name(box: str, slot: int) -> str:
    """A worker as a person names it."""
    return box if slot == 1 else f"{box}#{slot}"


def job_prefix(bisection: str) -> str:
    """How the names of a bisection's jobs begin; its slot follows."""
    return f"bisect-{bisection}-"


class Started(msgspec.Struct, frozen=True):
    """A probe has begun: its commit is being checked out."""

    number: int
    worker: str


class Finished(msgspec.Struct, frozen=True):
    """A probe has ended, one way or another."""

    result: ProbeResult


class WorkerLost(msgspec.Struct, frozen=True):
    """A worker is gone, or out of reach for too long. What it was asked will get no answer: ask another.

    `why` in words. `numbers` are the probes that it had.
    """

    worker: str
    why: str
    numbers: tuple[int, ...] = ()


class WorkerBack(msgspec.Struct, frozen=True):
    """A worker that was lost, or another one in its place, can be asked again."""

    worker: str


Event = Started | Finished | WorkerLost | WorkerBack
