"""The options of `mlsh run` that say what a job waits for, and when it runs again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlsh.cli.options import complete_job

if TYPE_CHECKING:
    from mlsh.config import Settings
    from mlsh.jobs.onbox import OnBox

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--gpus", default="", metavar="N", help="Wait for N whole GPUs and have them alone; 0.5: share one."),
    click.option("--gpu-ids", default="", metavar="I,J", help="Wait for exactly these GPUs, by index or UUID."),
    click.option("--gpu-memory", default="", metavar="SIZE", help="Only GPUs with that much memory: 20G."),
    click.option("--slots", default=0, type=click.IntRange(0, 1000), metavar="N",
                 help="Wait until fewer than N jobs with --slots run on the box."),
    click.option("--priority", default=50, type=click.IntRange(0, 99), metavar="P", show_default=True,
                 help="Its place in line, 0 to 99: higher goes first."),
    click.option("--after", "after", multiple=True, metavar="JOB[:ok|fail|any]", shell_complete=complete_job,
                 help="Begin when that job has ended: well (ok, the default), badly, or at all."),
    click.option("--begin", default="", metavar="WHEN", help="Begin later: 2h (from now), 22:30, 2026-11-23T08:00."),
    click.option("--hold", is_flag=True, help="Launch it held: it waits for mlsh release."),
    click.option("--array", "array", default="", metavar="0-99%4",
                 help="Run it as many tasks, numbered; %4: four at a time. {task} in COMMAND is the number."),
    click.option("--sweep", "sweep", multiple=True, metavar="K=V,V",
                 help="Run it as a task for each value: lr=1e-3,1e-4 or seed=0..4. {lr} in COMMAND is the value."),
    click.option("--sweep-mode", default="grid", metavar="MODE", show_default=True,
                 help="Several --sweep: each value with each (grid), first with first (zip), or random:N of the grid."),
    click.option("--at-once", default=0, type=click.IntRange(0, 10_000), metavar="N",
                 help="At most N tasks of a sweep at a time. Default: as many as the box has cores, or free GPUs."),
    click.option("--max-retries", default=0, type=click.IntRange(0, 1000), metavar="N",
                 help="Run it again, up to N times, if it fails."),
    click.option("--retry-delay", default="10s", metavar="T", show_default=True,
                 help="How long to wait before the first retry; each further wait is twice as long, from 1s to 5m. "
                      "An attempt that ran for 10m begins them anew."),
    click.option("--restart", type=click.Choice(["on-failure", "always"]), default=None,
                 help="Run it again whenever it fails (or ends), and after a reboot of the box."),
)  # fmt: skip


def queue_options(function: F) -> F:
    """All of them, as keyword arguments for `queue_fields`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def queue_fields(
    settings: Settings,
    box: str,
    *,
    gpus: str,
    gpu_ids: str,
    gpu_memory: str,
    slots: int,
    priority: int,
    after: tuple[str, ...],
    begin: str,
    hold: bool,
    array: str,
    sweep: tuple[str, ...],
    sweep_mode: str,
    at_once: int,
    max_retries: int,
    retry_delay: str,
    restart: str | None,
) -> dict[str, Any]:
    """These options as fields of a Spec, and `watched`: what it runs after on other boxes, where there is such.

    Raises UsageError, and NotFound for a job that is not there.
    """
    from mlsh.errors import UsageError

    fields = wanted(gpus=gpus, gpu_ids=gpu_ids, gpu_memory=gpu_memory, slots=slots, priority=priority)
    fields["max_retries"] = max_retries
    _when(fields, settings, box, after, begin, retry_delay)
    if hold:
        if fields.get("held"):
            raise UsageError("--hold and --after a job on another box: both would release it", "leave --hold out")
        fields["held"] = "held at launch"
    if restart:
        fields["restart"] = restart
    if array or sweep:
        fields |= _tasks(array, sweep, sweep_mode, at_once)
    elif at_once:
        raise UsageError("--at-once is for --sweep; with --array it is the number after %: --array 0-99%4")
    return fields


def wanted(*, gpus: str, gpu_ids: str, gpu_memory: str, slots: int, priority: int, **_others: object) -> dict[str, Any]:
    """Those that say what the job has to have to begin, as fields of a Spec."""
    from mlsh.errors import UsageError
    from mlsh.jobs import queueing

    fields: dict[str, Any] = {"priority": priority, "slots": slots}
    if gpu_ids:
        if gpus:
            raise UsageError("--gpus says how many, and --gpu-ids which: give one of them")
        fields |= queueing.gpu_ids(gpu_ids)
    elif gpus:
        fields |= queueing.gpus(gpus)
    if gpu_memory:
        fields["gpu_memory_mib"] = queueing.memory_mib(gpu_memory, "--gpu-memory")
        if not (fields.get("gpus") or fields.get("gpu_share")):
            fields["gpus"] = 1
    if slots and (fields.get("gpus") or fields.get("gpu_share")):
        raise UsageError("--slots is for jobs without GPUs: those with GPUs have a line of their own")
    return fields


def _when(
    fields: dict[str, Any], settings: Settings, box: str, after: tuple[str, ...], begin: str, retry_delay: str
) -> None:
    from mlsh.jobs import queueing
    from mlsh.jobs.durations import parse

    if begin:
        fields["begin"] = round(queueing.begin(begin, time.time()), 3)
    fields["retry_delay_s"] = 0 if retry_delay in {"0", "0s"} else parse(retry_delay)
    if after:
        fields["after"] = []
        elsewhere: list[tuple[str, str]] = []
        for text in after:
            job, condition = queueing.after(text)
            there, job_id = _find_first(job, settings, box)
            if there.box.name == box:
                fields["after"].append(f"{job_id}:{condition}")
            else:
                elsewhere.append((f"{job_id}:{condition}", f"{job_id} on {there.box.name}"))
        if elsewhere:
            # A box knows nothing of others: it holds the job, and this machine watches (cli/release.py).
            fields["watched"] = [first for first, _ in elsewhere]
            who = f"{os.environ.get('USER', '') or os.getuid()}@{os.uname().nodename}"
            fields["held"] = f"waits for {' and '.join(said for _, said in elsewhere)}, watched by {who}"


def _find_first(job: str, settings: Settings, box: str) -> tuple[OnBox, str]:
    """The job that is to end first. One that another laptop launched on the new job's box is found there."""
    from mlsh.errors import NotFound
    from mlsh.jobs.find import find

    try:
        return find(job, settings)
    except NotFound as unknown:
        try:
            return find(job, settings, box)
        except NotFound:
            unknown.hint = "see what there is: mlsh ps -a"
            raise unknown from None


def _tasks(array: str, sweep: tuple[str, ...], mode: str, at_once: int) -> dict[str, Any]:
    from mlsh.errors import UsageError
    from mlsh.jobs import sweep as sweeps

    if array:
        if sweep or at_once:
            raise UsageError(
                "an array has numbers, and a sweep has values: give one of them",
                "--sweep task=0..99 --sweep lr=1e-3,1e-4",
            )
        sweeps.array(array)
        return {"array": array}
    # So that the same tasks are found again, when some of them are to be run again.
    seed = int.from_bytes(os.urandom(4), "big") if mode.startswith("random") else 0
    sweeps.sweep(sweep, sweeps.check_mode(mode), at_once, seed)
    return {"sweep": list(sweep), "sweep_mode": mode, "sweep_seed": seed, "at_once": at_once}
