"""How the answers differ on both sides of the culprit, in words."""

from __future__ import annotations

import math
import statistics

import numpy as np

from mlsh.bisect.question import Question
from mlsh.bisect.search.belief import Values
from mlsh.bisect.search.search import Search

# Of two values a standard deviation says little, and a prior does no harm.
_FEWEST = 3


def effect(question: Question, search: Search) -> list[tuple[str, str]]:
    """Rows of a name and a text: rates of false answers, or the two kinds of a number, with direction and size."""
    if not search.noisy:
        return []
    belief = search.belief
    if isinstance(belief, Values):
        (good, good_sd), (bad, bad_sd) = _measured(search) or belief.kinds(search.weights())
        name = question.metric or "the value"
        spread = math.sqrt((good_sd**2 + bad_sd**2) / 2)
        change = f"{(bad - good) / abs(good):+.1%}" if good else f"{bad - good:+g}"
        size = f" by {abs(bad - good) / spread:.1f} standard deviations" if spread else ", the same each time"
        direction = "higher" if bad > good else "lower"
        text = f"{name} {good:.4g} ± {good_sd:.2g} before, {bad:.4g} ± {bad_sd:.2g} since: {change}, {direction}{size}"
        return [("effect", text)]
    channel = search.channel()
    text = f"a good commit fails {channel.good:.0%} of the time, a bad one passes {1 - channel.bad:.0%}"
    return [("noise", f"{text} (estimated)")]


def _measured(search: Search) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Mean and standard deviation of what runs without and with the likeliest culprit gave; None of too few."""
    best = int(np.argmax(search.weights()[:-1]))
    values: dict[bool, list[float]] = {False: [], True: []}
    for seen in search.seen:
        if seen.value is not None and math.isfinite(seen.value):
            values[bool(search.in_history(seen.commit)[best])].append(seen.value)
    if min(len(values[False]), len(values[True])) < _FEWEST:
        return None
    good, bad = ((statistics.fmean(of), statistics.stdev(of)) for of in (values[False], values[True]))
    return good, bad
