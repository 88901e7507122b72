"""What became of each path of a pull or a push, and the exit code of it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mlsh.errors import ExitCode


class Outcome(NamedTuple):
    """What became of a path.

    `status` is brought (or sent), same (as it was there), skipped, or one of `EXIT_CODES`.
    """

    path: bytes
    status: str
    size: int = 0
    why: str = ""


EXIT_CODES = {
    "refused": ExitCode.REFUSED,
    "blocked": ExitCode.INTERNAL,
    "unreadable": ExitCode.BOX_UNFIT,
    "changing": ExitCode.TRY_AGAIN,
    "gone": ExitCode.TRY_AGAIN,
}


def exit_code(outcomes: Sequence[Outcome]) -> ExitCode:
    """0 where all came that can come, else the code of the first kind of trouble in `EXIT_CODES`."""
    statuses = {outcome.status for outcome in outcomes}
    return next((code for status, code in EXIT_CODES.items() if status in statuses), ExitCode.OK)
