"""What a job is, as it is written on its box and on the laptop.

`Spec` and `State` are the two JSON files of a job (docs/box-layout.md). They are read leniently, so that
boxes and laptops with different versions of mlsh can work together: unknown fields are ignored, missing
ones have the defaults below.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

LAYOUT = 1
"""Version of the files on the box. A box with a newer one is read as far as it can be understood."""


class JobState(enum.StrEnum):
    """Where a job stands. The last five are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    LOST = "LOST"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended for good."""
        return self not in {JobState.PENDING, JobState.RUNNING}


class Code(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which code a job runs.

    `commit` names the snapshot: equal commits mean byte-equal folders. `base`, `branch` and `changed`
    tell where the person's repository stood: its HEAD, its branch, and how many files differed from HEAD.
    """

    repo: str
    commit: str
    folder: str = ""
    subdir: str = ""
    base: str = ""
    branch: str = ""
    changed: int = 0


class Spec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was asked for. Written once, at launch; names of variables, never their values.

    Times are seconds since the epoch by the laptop's clock; `time_limit_s`, `grace_s` and `retry_delay_s` are
    seconds. `gpus` are whole ones and `gpu_share` is the part of one, of which at most one is not 0; `slots` is how
    many such jobs the box may run side by side (0: it does not wait); a higher `priority` goes first.
    `after` holds `ID:CONDITION`, with ok, fail or any. `array` or `sweep` make it many tasks (jobs/sweep.py),
    `only` those of them that are run again.
    """

    id: str
    argv: list[str]
    box: str
    created: float
    name: str = ""
    who: str = ""
    engine: str = "tmux"
    code: Code | None = None
    workdir: str = ""
    env: list[str] = []
    secrets: list[str] = []
    tags: list[str] = []
    outputs: list[str] = []
    time_limit_s: int | None = None
    grace_s: int = 10
    setup: str = ""
    setup_key: str = ""
    shell: str = "interactive"
    width: int = 120
    height: int = 40
    retry_of: str = ""
    gpus: int = 0
    gpu_share: float = 0
    gpu_ids: str = ""
    gpu_memory_mib: int = 0
    slots: int = 0
    priority: int = 50
    after: list[str] = []
    begin: float = 0
    held: str = ""
    max_retries: int = 0
    retry_delay_s: int = 10
    restart: str = ""
    array: str = ""
    sweep: list[str] = []
    sweep_mode: str = "grid"
    sweep_seed: int = 0
    fail_if: list[str] = []
    idle_timeout_s: int | None = None
    memory_mib: int | None = None
    notify: list[str] = []
    at_once: int = 0
    only: list[int] = []
    layout: int = LAYOUT


class State(msgspec.Struct, frozen=True):
    """How a job stands, as its runner last said. Times are seconds since the epoch by the box's clock.

    `gpus` are the indices that it holds, with blanks between. `attempt` counts from 1.
    """

    state: JobState
    id: str = ""
    phase: str = ""
    reason: str = ""
    code: int | None = None
    node: str = ""
    boot: str = ""
    runner: int | None = None
    started: int | None = None
    ended: int | None = None
    attempt: int = 1
    gpus: str = ""
    tasks: str = ""


class Job(msgspec.Struct, frozen=True):
    """A job as a box tells it. `running_s` is by the box's own clock, so that a wrong laptop clock doesn't matter.

    `place` is where it stands in line, 1 being the next. `task` is its number where it is a task of an array, and
    `params` its parameters.
    `comes_back` is how it is started again after a boot of its box: `systemd`, `cron`, `contact`, or "" if it is not.
    """

    spec: Spec
    state: State
    box: str
    running_s: int | None = None
    comes_back: str = ""
    place: int | None = None
    task: int | None = None
    params: Mapping[str, str] = {}

    @property
    def id(self) -> str:
        """The job's id."""
        return self.spec.id

    @property
    def label(self) -> str:
        """The name where there is one, else the id."""
        return self.spec.name or self.spec.id


class Launched(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the laptop's own record: this job was sent to this box."""

    id: str
    box: str
    created: float
    name: str = ""
    confirmed: bool = False
    removed: bool = False
    array: bool = False


def to_json(value: Any) -> bytes:
    """One line of JSON."""
    return msgspec.json.encode(value)


def from_json(data: bytes | str, kind: type[T]) -> T:
    """Read JSON as `kind`; raises msgspec.DecodeError (ValidationError where only the shape is wrong)."""
    return msgspec.json.decode(data, type=kind)
