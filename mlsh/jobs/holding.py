"""Hold jobs that have not begun, and let them go."""

from __future__ import annotations

from collections.abc import Sequence

from mlsh.jobs.insist import insist, whole
from mlsh.jobs.onbox import OnBox

_NOT_IN_A_REASON = str.maketrans(dict.fromkeys('"\\{}\n\r', " "))


def hold(on_box: OnBox, ids: Sequence[str], why: str) -> dict[str, str]:
    """Keep jobs from beginning; the fate of each: `held`, `late` (it runs, or has ended) or `absent`.

    Of an array no further task begins.
    """
    return _tell(on_box, "on", why, ids)


def release(on_box: OnBox, ids: Sequence[str]) -> dict[str, str]:
    """Let held jobs begin; the fate of each: `released`, `unheld` (it was not held), `late` or `absent`."""
    return _tell(on_box, "off", "-", ids)


def drop(on_box: OnBox, job_id: str, why: str) -> str:
    """End a held job, which becomes CANCELLED with this reason: `dropped`, `unheld`, `late` or `absent`."""
    return _tell(on_box, "drop", why, [job_id])[job_id]


def _tell(on_box: OnBox, how: str, why: str, ids: Sequence[str]) -> dict[str, str]:
    asked = 0

    def ask() -> bytes:
        nonlocal asked
        asked += 1
        # What goes into a state must not end its fields; see put_state in lib.sh.
        return whole(on_box.call("hold", how, why.translate(_NOT_IN_A_REASON)[:200], *ids), on_box)

    lines = insist(ask, on_box).decode().splitlines()
    fates = {job_id: fate for fate, _, job_id in (line.partition(" ") for line in lines[:-1])}
    if asked > 1:
        # The answer to the first question was lost, and it may have been what did it.
        done = {"off": "released", "drop": "dropped"}.get(how, "unheld")
        fates = {job_id: done if fate == "unheld" else fate for job_id, fate in fates.items()}
    return {job_id: fates.get(job_id, "absent") for job_id in ids}
