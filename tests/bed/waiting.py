"""Waiting for something to become true, with a deadline and a name."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlineError(AssertionError):
    """What a test waited for did not happen before the deadline."""


def wait_for(predicate: Callable[[], T], timeout_s: float, what: str) -> T:
    """Call `predicate` until it returns something true, and return that.

    Raises DeadlineError, naming `what` and the last value, after `timeout_s`. Polls every 5 ms at first,
    later every 100 ms, so that a quick event costs nothing and a slow one costs no CPU.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = 0.005
    while True:
        value = predicate()
        if value:
            return value
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineError(f"waited {timeout_s:g} s for {what}; last seen: {value!r}")
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 1.5, 0.1)
