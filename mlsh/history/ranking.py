"""Which of the commands that match a person most likely means. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

_DAY_S = 86400.0


def score(text: str, words: Sequence[str], *, age_s: float, uses: int, is_here: bool, failed: bool) -> float:
    """How likely a command is the one that is meant; more is better, and only differences mean something.

    A day of age counts most among fresh commands (the logarithm of it), a tenfold use makes up for some four days of a
    week, and so does the same folder. A command that begins with what was typed comes before one that has it somewhere;
    one that failed the last time comes a little later.
    """
    points = -math.log2(1 + max(0.0, age_s) / _DAY_S)
    points += 0.6 * math.log2(max(1, uses))
    if is_here:
        points += 2.0
    if failed:
        points -= 0.5
    if words and text[: len(words[0])].lower() == words[0].lower():
        points += 1.5
    return points
