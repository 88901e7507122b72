"""What a job waits for before it begins: GPUs, a slot, a time, another job; and when it runs again. Pure."""

from __future__ import annotations

import math
import re
import time
from typing import Any

from mlsh.errors import UsageError
from mlsh.jobs import durations
from mlsh.records import JobState, Spec

SHARES = 20
"""Into how many parts a GPU is cut for those that share it (SHARES in wait_turn.sh)."""

_SIZE = re.compile(r"(\d{1,7})(?:\.(\d))?\s*([GM])(?:i?B)?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d))?", re.ASCII)
_GPU_ID = re.compile(r"\d{1,3}|GPU-[0-9A-Fa-f-]{4,60}", re.ASCII)


def gpus(text: str) -> dict[str, Any]:
    """`--gpus 2` or `--gpus 0.5`, as fields of Spec."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if 0 < number < 1:
        if number * SHARES < 1:
            raise UsageError(f"--gpus {text}: the smallest share of a GPU is {1 / SHARES}")
        return {"gpu_share": number}
    if not 0 <= number <= 64 or number != int(number):
        raise UsageError(
            f"--gpus {text[:20]}: say how many, or what part of one", "--gpus 2, or --gpus 0.5 to share one"
        )
    return {"gpus": int(number)}


def gpu_ids(text: str) -> dict[str, Any]:
    """`--gpu-ids 0,3`: exactly these, by index or by UUID."""
    ids = text.split(",")
    if not all(_GPU_ID.fullmatch(one) for one in ids) or len(set(ids)) != len(ids):
        raise UsageError(
            f"--gpu-ids {text[:60]}: these are no GPUs", "by index or UUID, as mlsh box gpus shows them: --gpu-ids 0,3"
        )
    return {"gpu_ids": text, "gpus": len(ids)}


def memory_mib(text: str, option: str) -> int:
    """MiB of `20G`, `500M` or `1.5GiB`."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{option} {text[:20]}: how much?", f"say {option} 20G or {option} 500M")
    tenths = int(match[1]) * 10 + int(match[2] or 0)
    return tenths * (1024 if match[3].upper() == "G" else 1) // 10


def begin(text: str, now: float) -> float:
    """When to begin, in seconds since the epoch: `2h` or `+2h` from now, `02:30`, or `2026-11-23 08:00`, local time."""
    if clock := _CLOCK.fullmatch(text):
        today = time.localtime(now)
        fields = (int(clock[1]), int(clock[2]), 0, 0, 0, -1)
        at = time.mktime((today.tm_year, today.tm_mon, today.tm_mday, *fields))
        # mktime takes the 32nd of a month, and knows of summer time.
        return at if at > now else time.mktime((today.tm_year, today.tm_mon, today.tm_mday + 1, *fields))
    if date := _DATE.fullmatch(text):
        try:
            at = time.mktime(time.strptime(f"{date[1]} {date[2]}:{date[3] or '00'}", "%Y-%m-%d %H:%M:%S"))
        except (ValueError, OverflowError):
            raise UsageError(f"--begin {text}: there is no such day or time") from None
        if at <= now:
            raise UsageError(f"--begin {text} is over")
        return at
    try:
        return now + durations.parse(text.removeprefix("+"))
    except UsageError:
        raise UsageError(f"--begin {text[:30]!r} is no time", "say 2h (from now), 22:30, or 2026-11-23T08:00") from None


def after(text: str) -> tuple[str, str]:
    """The job and the condition of `--after JOB[:ok|fail|any]`."""
    job, found, condition = text.rpartition(":")
    if not found:
        return text, "ok"
    if condition not in {"ok", "fail", "any"} or not job:
        raise UsageError(f"--after {text[:60]}: after what of it?", "say JOB:ok (it succeeded), JOB:fail or JOB:any")
    return job, condition


def verdict(other: str, condition: str, state: JobState) -> str:
    """Why a job that was to run after `other`, which ended so, will never run; "" if it may. As after.sh says it."""
    went_well, was_cancelled = state is JobState.SUCCEEDED, state is JobState.CANCELLED
    may_go = {"any": True, "ok": went_well, "fail": not went_well and not was_cancelled}
    if may_go[condition]:
        return ""
    if condition == "ok":
        return f"it was to run only if {other} succeeds, and that is {state.value}"
    ended = "was cancelled" if was_cancelled else f"is {state.value}"
    return f"it was to run only if {other} fails, and that {ended}"


def plan(spec: Spec, now: float) -> dict[str, str]:
    """The same for the box, as variables of job.sh (docs/box-layout.md); only what differs from doing nothing."""
    said: dict[str, str] = {}
    if spec.gpus or spec.gpu_share:
        said |= {"need": "gpu", "count": str(spec.gpus or 1)}
        if spec.gpu_share:
            said["share"] = str(int(spec.gpu_share * SHARES + 1e-9))
        if spec.gpu_ids:
            said["gpu_ids"] = spec.gpu_ids
        if spec.gpu_memory_mib:
            said["gpu_memory"] = str(spec.gpu_memory_mib)
    elif spec.slots:
        said |= {"need": "cpu", "slots": str(spec.slots)}
    if spec.priority != 50:
        said["priority"] = str(spec.priority)
    if spec.after:
        said["after"] = " ".join(spec.after)
    if spec.begin:
        # As a length of time: the box's clock may be wrong.
        said["begin_in"] = str(max(0, math.ceil(spec.begin - now)))
    if spec.max_retries:
        said["max_retries"] = str(spec.max_retries)
    if spec.restart:
        said["restart"] = spec.restart
    if spec.max_retries or spec.restart:
        said["retry_delay"] = str(spec.retry_delay_s)
    if said:
        said |= {"width": str(spec.width), "height": str(spec.height)}
    return said
