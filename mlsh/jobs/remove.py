"""Forget jobs, and give back what none needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from mlsh.jobs import journal
from mlsh.jobs.insist import insist
from mlsh.jobs.onbox import OnBox
from mlsh.records import Job, Launched

_TIMEOUT_S = 600
_AT_ONCE = 200


def remove(on_box: OnBox, ids: Sequence[str]) -> dict[str, str]:
    """Remove jobs that have ended; the fate of each: `removed`, `kept` (it runs), `absent`, or `stuck`."""
    fates: dict[str, str] = {}
    # A box with thousands of them: neither its command line nor our patience is for all at once.
    for first in range(0, len(ids), _AT_ONCE):
        batch = ids[first : first + _AT_ONCE]
        answer = insist(partial(on_box.call, "remove", *batch, timeout_s=_TIMEOUT_S), on_box)
        lines = [line.partition(" ") for line in answer.decode().splitlines()]
        told = {job_id: fate for fate, _, job_id in lines}
        # Now, not at the end: whoever loses patience in between has a record that is true.
        _note({job_id for job_id, fate in told.items() if fate in {"removed", "absent"}})
        fates |= told
    return fates


def _note(gone: Collection[str]) -> None:
    for entry in journal.read():
        if entry.id in gone:
            journal.add(Launched(entry.id, entry.box, entry.created, entry.name, removed=True))


def old_jobs(jobs: Sequence[Job], now: int, older_than_s: int) -> list[Job]:
    """The jobs that ended more than `older_than_s` seconds before `now` (the box's clock)."""
    return [
        job
        for job in jobs
        if job.state.state.is_final and job.state.ended is not None and now - job.state.ended > older_than_s
    ]


def prune(on_box: OnBox) -> int:
    """Drop snapshots, setups and stages that no job needs; returns how many bytes that gave back."""
    answer = insist(lambda: on_box.call("prune", timeout_s=_TIMEOUT_S), on_box)
    for line in answer.decode().splitlines():
        if line.startswith("freed "):
            return int(line.split()[1])
    return 0
