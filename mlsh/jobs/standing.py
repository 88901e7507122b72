"""What a job waits for, where it stands in line, and what it holds, in words. Pure."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

import msgspec

from mlsh.records import Job, JobState, Spec

_CONDITIONS = {"ok": "succeeded", "fail": "failed", "any": "ended"}


class Counts(msgspec.Struct, frozen=True):
    """How many tasks of an array stand how."""

    total: int
    pending: int
    running: int
    succeeded: int
    failed: int
    cancelled: int

    @property
    def ended(self) -> int:
        """Those that have ended."""
        return self.succeeded + self.failed + self.cancelled


def is_array(spec: Spec) -> bool:
    """Whether the job is many tasks."""
    return bool(spec.array or spec.sweep)


def counts(job: Job) -> Counts | None:
    """What the array's state says of its tasks; None for a single job, and where nothing has been said yet."""
    words = job.state.tasks.split()
    if not is_array(job.spec) or len(words) != 5 or not all(word.isdecimal() for word in words):
        return None
    numbers = [int(word) for word in words]
    return Counts(sum(numbers), *numbers)


def array_of(job_id: str) -> tuple[str, int | None]:
    """The id of the array and the number of `ID-NUMBER`; of any other id, itself and None."""
    array, found, number = job_id.partition("-")
    return array, int(number) if found else None


def waits_for(job: Job) -> str:
    """What a PENDING job waits for: `2 GPUs`, `k7w2m9qx to have succeeded`, a time; "" where it is nothing."""
    state = job.state
    if state.state is not JobState.PENDING:
        return ""
    match state.phase:
        case "queue":
            return state.reason or wish(job.spec)
        case "after":
            first, _, condition = state.reason.partition(":")
            return f"{first} to have {_CONDITIONS.get(condition, 'ended')}"
        case "begin":
            return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.spec.begin)) if job.spec.begin else "its time"
        case "hold":
            return f"mlsh release ({state.reason})" if state.reason else "mlsh release"
        case "retry":
            return state.reason or "its next attempt"
        case _:
            return ""


def wish(spec: Spec) -> str:
    """What a job asks of its box, as wait_turn.sh says it."""
    if spec.gpu_ids:
        return f"the GPU {spec.gpu_ids}"
    if spec.gpu_share:
        return "a share of a GPU"
    if spec.gpus:
        return f"{spec.gpus} GPU{'s' if spec.gpus > 1 else ''}"
    return f"one of {spec.slots} slots" if spec.slots else ""


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def notes(job: Job) -> list[str]:
    """What is worth a word beside the state: the place in line, the GPUs, the attempt, tasks that failed."""
    said = []
    waits = waits_for(job)
    if waits and job.place is not None:
        said.append(f"{ordinal(job.place)} in line: {waits}")
    elif waits:
        said.append(f"waits for {waits}")
    if job.state.gpus and job.state.state is JobState.RUNNING:
        said.append(f"GPU {job.state.gpus.replace(' ', ',')}")
    # What waits for its next attempt has said which.
    if job.state.attempt > 1 and not (waits and job.state.phase == "retry"):
        said.append(f"attempt {job.state.attempt}")
    tasks = counts(job)
    if tasks is not None and tasks.failed:
        said.append(f"{tasks.failed} failed")
    if tasks is not None and tasks.cancelled:
        said.append(f"{tasks.cancelled} cancelled")
    return said


def state_words(job: Job) -> str:
    """The state with its exit code, its phase, or how far an array is: `FAILED 3`, `RUNNING 80/100`."""
    state = job.state
    if state.state is JobState.FAILED and state.code is not None:
        return f"{state.state.value} {state.code}"
    more = progress(job) if not state.phase else "" if state.phase == "launch" else state.phase
    return f"{state.state.value} {more}".rstrip()


def progress(job: Job) -> str:
    """`80/100` for an array that runs, else ""."""
    tasks = counts(job)
    return "" if tasks is None or job.state.state is not JobState.RUNNING else f"{tasks.ended}/{tasks.total}"


def told(tasks: Counts) -> str:
    """`100: 80 succeeded, 3 failed, 17 pending`."""
    names = ("succeeded", "failed", "cancelled", "running", "pending")
    parts = [f"{count} {name}" for name in names if (count := getattr(tasks, name))]
    return f"{tasks.total}: {', '.join(parts)}"


def asked(spec: Spec) -> str:
    """The sweep or the array as it was asked for; "" for a single job."""
    if not is_array(spec):
        return ""
    said = f"--array {spec.array}" if spec.array else " ".join(spec.sweep)
    if len(spec.sweep) > 1 or spec.sweep_mode != "grid":
        said += f" ({spec.sweep_mode})"
    if spec.only:
        numbers = ", ".join(map(str, spec.only[:10])) + (", ..." if len(spec.only) > 10 else "")
        said += f"; of it only {numbers}"
    return said


def places(tickets: Iterable[str], ended: Collection[str] = ()) -> dict[str, int]:
    """Where each job stands in its line, 1 being the next, by id; from `NODE/KIND/TICKET` lines in their order.

    A ticket is `<rank>-<number>-<id>`; one of an array ends with its task's number or with `z` (line.sh), and the
    array has one place, that of its first ticket. Tickets of jobs that have `ended` lie there until somebody sees it.
    """
    found: dict[str, int] = {}
    ahead: dict[str, int] = {}
    for ticket in tickets:
        line, _, name = ticket.rpartition("/")
        job_id = name.split("-", 3)[2] if name.count("-") >= 2 else ""
        if job_id and job_id not in found and job_id not in ended:
            ahead[line] = ahead.get(line, 0) + 1
            found[job_id] = ahead[line]
    return found
