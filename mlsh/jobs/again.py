"""What a job that is run again takes over of the first one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mlsh.errors import UsageError
from mlsh.jobs.standing import is_array
from mlsh.records import Job, Spec


def begins_at_once(spec: Spec) -> tuple[Spec, list[str]]:
    """The spec without what the first waited for before it stood in line, and the options that this left out."""
    left = [f"--after {first}" for first in spec.after]
    if spec.begin:
        left.append("--begin")
    if spec.held:
        left.append("--hold")
    return msgspec.structs.replace(spec, after=[], begin=0.0, held=""), left


def only_task(spec: Spec, number: int) -> Spec:
    """Of an array's spec, one task of it."""
    return msgspec.structs.replace(spec, only=[number])


def only_failed(array: Job, tasks: Sequence[Job]) -> Spec:
    """Of an array's spec, the tasks that have ended and did not succeed, or can't begin any more.

    Raises UsageError where there is none, and where it is a single job.
    """
    if not is_array(array.spec):
        raise UsageError(f"{array.id} is one job, and has no tasks", f"run it again: mlsh retry {array.id}")
    failed = [task.task for task in tasks if task.state.state.is_final and task.state.state.value != "SUCCEEDED"]
    if not failed:
        raise UsageError(f"no task of {array.id} has failed", f"all of them again: mlsh retry {array.id}")
    return msgspec.structs.replace(array.spec, only=[number for number in failed if number is not None])
