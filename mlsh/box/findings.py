"""What a check of a box found, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from mlsh.box import LOCAL

Status = Literal["ok", "warn", "fail", "skip"]
_ORDER: tuple[Status, ...] = ("skip", "ok", "warn", "fail")


class Finding(msgspec.Struct, frozen=True):
    """One check of one box. `mend` is what to type, or to do, where the status is warn or fail."""

    check: str
    status: Status
    what: str
    mend: str = ""


def worst(findings: Iterable[Finding]) -> Status:
    """The worst status of several findings."""
    return max((finding.status for finding in findings), key=_ORDER.index, default="skip")


def on(box: str, command: str) -> str:
    """The command as a person types it here to run it on a box. It must hold no single quote."""
    return command if box == LOCAL else f"ssh {box} '{command}'"
