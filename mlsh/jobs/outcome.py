"""What a job's end means for the exit code of the command that waited for it."""

from __future__ import annotations

from mlsh.errors import ExitCode
from mlsh.records import JobState, State

DAMAGED = "the copy of the code on the box was damaged"
"""The reason of a job that never began since its code could not be read (runner.sh): it may be launched again."""


def exit_code(state: State) -> int:
    """The job's own code; 130 when it was cancelled, 124 when its time ran out, 72 when it was lost."""
    match state.state:
        case JobState.SUCCEEDED:
            return 0
        case JobState.FAILED:
            return state.code if state.code else 1
        case JobState.CANCELLED:
            return ExitCode.INTERRUPTED
        case JobState.TIMEOUT:
            return ExitCode.TIMEOUT
        case JobState.LOST:
            return ExitCode.LOST
        case _:
            return ExitCode.TRY_AGAIN


def tell(state: State) -> str:
    """The end in words: `FAILED with exit code 3`."""
    match state.state:
        case JobState.FAILED if state.reason:
            return f"FAILED: {state.reason}{_signal_name(state.reason)}"
        case JobState.FAILED:
            return f"FAILED with exit code {state.code}"
        case _ if state.reason:
            return f"{state.state.value}: {state.reason}"
        case _:
            return state.state.value


def _signal_name(reason: str) -> str:
    """` (SIGKILL)` for `ended by signal 9`; nothing for a number that has no name here."""
    _, found, number = reason.partition("ended by signal ")
    if not found or not number.isdecimal():
        return ""
    import signal

    try:
        return f" ({signal.Signals(int(number)).name})"
    except ValueError:
        return ""
