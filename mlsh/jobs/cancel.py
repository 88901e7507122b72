"""Cancel a job: every process of it, on its box, whatever signals they ignore."""

from __future__ import annotations

from typing import NamedTuple

from mlsh.jobs.insist import insist, whole
from mlsh.jobs.onbox import OnBox
from mlsh.records import State, from_json

_AFTER_GRACE_S = 60
_LONGEST_OWN_GRACE_S = 3600


class Cancelled(NamedTuple):
    """How the job stands now, and whether it had ended before it was told to."""

    state: State
    had_ended: bool


def cancel(on_box: OnBox, job_id: str, grace_s: int | None = None) -> Cancelled:
    """End a job and return how it stands then; a job that had ended is left as it is.

    SIGINT to all its processes, `grace_s` seconds later (None: as the job was launched with) SIGTERM, 5 s
    later SIGKILL. Done by the box: it goes on if the connection breaks. Raises BoxUnfit where a process
    outlives even SIGKILL.
    """
    words = ("cancel", job_id, "-" if grace_s is None else str(grace_s))
    limit_s = _AFTER_GRACE_S + (_LONGEST_OWN_GRACE_S if grace_s is None else grace_s)
    asked = 0

    def ask() -> bytes:
        nonlocal asked
        asked += 1
        return whole(on_box.call(*words, timeout_s=limit_s), on_box)

    lines = insist(ask, on_box).splitlines()
    # Where it was asked twice, the first may have been what ended the job.
    return Cancelled(from_json(lines[-2], State), lines[0] == b"over" and asked == 1)
