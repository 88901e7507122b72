"""Which job does a person mean: an id or the start of one, a name, `@` for the last, `@~2` for two before.

`-17` behind any of these is the task 17 of that array.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mlsh.errors import MlshError, NotFound, UsageError
from mlsh.jobs import ids
from mlsh.records import Launched

_TASK = re.compile(r"(.+)-(\d{1,6})", re.ASCII)
_LAST = re.compile(r"@(?:~(\d{1,4}))?", re.ASCII)


class Choice(msgspec.Struct, frozen=True):
    """The job that was meant, with the number of its task where one was, or why none could be chosen."""

    found: Launched | None
    problem: MlshError | None = None
    task: int | None = None

    @property
    def id(self) -> str:
        """The id of the job or the task that was found."""
        if self.found is None:
            return ""
        return self.found.id if self.task is None else f"{self.found.id}-{self.task}"


def choose(text: str, known: Sequence[Launched], on: str | None = None) -> Choice:
    """Pick the job that `text` means among `known` (oldest first); pure.

    An id wins over a name, a name over the start of an id; of several jobs with one name, the newest is meant.
    A job that is really named `train-2` wins over the task 2 of `train`. `found` and `problem` are both None where
    `known` has no such job, and boxes may be asked.
    """
    whole = _choose(text, known, on)
    if whole.found is not None or (match := _TASK.fullmatch(text)) is None:
        return whole
    array = _choose(match[1], known, on)
    if array.found is None:
        return array
    # One of several jobs with this name may be an array; the record is asked for the newest.
    return Choice(array.found, task=int(match[2])) if array.found.array else Choice(None)


def only_job(text: str, known: Sequence[Launched], on: str | None = None) -> Launched | None:
    """Of `train-2`, the job `train` that is known and has no tasks."""
    match = _TASK.fullmatch(text)
    return _choose(match[1], known, on).found if match else None


def _choose(text: str, known: Sequence[Launched], on: str | None) -> Choice:
    jobs = [job for job in known if on is None or job.box == on]
    if last := _LAST.fullmatch(text):
        back = int(last[1] or 0)
        if back < len(jobs):
            return Choice(jobs[-1 - back])
        where = f" on {on}" if on else ""
        if not jobs:
            problem = NotFound(
                f"{text}: no job has been launched from here{where} yet",
                f"launch one: mlsh run{f' --on {on}' if on else ''} -- COMMAND",
            )
        else:
            count = "only 1 job was" if len(jobs) == 1 else f"only {len(jobs)} jobs were"
            problem = NotFound(f"{text}: {count} launched from here{where}", "see: mlsh ps -a")
        return Choice(None, problem)
    if text.startswith("@"):
        return Choice(None, UsageError(f"{text[:40]!r} is no job", "@ is the last job, @~2 two before it"))
    for job in jobs:
        if job.id == text:
            return Choice(job)
    named = [job for job in jobs if job.name == text]
    if named:
        return Choice(named[-1])
    begun = [job for job in jobs if job.id.startswith(text)] if ids.is_prefix(text) else []
    if len(begun) > 1:
        listed = ", ".join(f"{job.id} ({job.name or 'no name'}, {job.box})" for job in begun[-5:])
        return Choice(None, UsageError(f"{text} could be {len(begun)} jobs: {listed}", "type more of the id"))
    return Choice(begun[0] if begun else None)
