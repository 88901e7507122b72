"""What is asked of a worker, and what comes back."""

from __future__ import annotations

from typing import Literal

import msgspec

Ending = Literal["exited", "signal", "timeout", "out-of-memory", "setup-failed", "checkout-failed", "cancelled", "lost"]
"""How a probe ended. Only "exited" says anything about the commit."""


class Probe(msgspec.Struct, frozen=True):
    """One run of the oracle's command at a commit. `number` counts from 1 in a bisection; none is used twice."""

    number: int
    commit: str
    """The full name of the commit."""


class ProbeResult(msgspec.Struct, frozen=True):
    """What a worker saw. `exit_code` is there where `ending` is "exited", `signal` where it is "signal"."""

    number: int
    commit: str
    worker: str
    """Where it ran, as a person names it: `local`, `gpu1`, `gpu1#2`."""
    ending: Ending
    duration_s: float
    """The command's own time, without checkout and set-up."""
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    """In words, for a person: "killed by signal 11 (SIGSEGV)", "took longer than 600 s"."""
    output: bytes = b""
    """The end of what it printed, at most `OUTPUT_KEPT` bytes."""
    metrics: bytes = b""
    """The file that `--metric-file` names, as the probe left it; empty where there is none."""


OUTPUT_KEPT = 1 << 20
