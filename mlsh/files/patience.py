"""How a transfer goes on over connections that break: while something moves, and a few times where nothing does."""

from __future__ import annotations

import time
from collections.abc import Callable

from mlsh.errors import BoxUnfit, Unreachable
from mlsh.jobs.insist import ATTEMPTS
from mlsh.jobs.onbox import OnBox

_BACK_OFF_S = (0.3, 1.0, 2.0, 4.0, 8.0)


class Patience:
    """Counts the breaks in a row between which nothing moved."""

    def __init__(self, on_box: OnBox, say: Callable[[str], None]) -> None:
        self._on_box = on_box
        self._say = say
        self._failures = 0

    def after(self, error: Unreachable | BoxUnfit, has_moved: bool) -> None:
        """Wait a while before the next attempt, longer each time; raises the error where it is time to give up."""
        self._failures = 1 if has_moved else self._failures + 1
        if self._failures == ATTEMPTS:
            error.hint = "the same again goes on where it stopped"
            raise error
        self._say(f"{error.what}; going on")
        if self._failures > 1:
            self._on_box.box.drop_connection()
        time.sleep(_BACK_OFF_S[self._failures - 1])
