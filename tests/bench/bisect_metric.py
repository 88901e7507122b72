"""A number that jumps about: the likelihood of each value against the best threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlsh.bisect.search.range import Options
from tests.bench.bisect_setting import Setting
from tests.bench.bisect_trials import Job, Noise, all_of, mean, ours, share, table, verdict_on


def metric(setting: Setting) -> list[str]:
    """Effects of 1, 2 and 3 standard deviations; the threshold is half-way, where no other one is better."""
    header = [
        "effect",
        "how",
        "right",
        "calibration",
        "search",
        "confirmation",
        "all runs",
        "fewer, as often right",
    ]
    rows: list[Sequence[object]] = []
    for effect in (1.0, 2.0, 3.0):
        false = math.erfc(effect / 2 / math.sqrt(2)) / 2
        ways = [
            ("the values themselves", Options(values=True), Noise(0, 0), effect),
            (f"a threshold half-way ({false:.1%} false)", Options(noisy=True), Noise(false, false), None),
        ]
        found = []
        for name, options, lies, of in ways:
            jobs = [
                Job("line" if seed % 2 else "branched", 300, 30_000 + seed, options, lies, of)
                for seed in range(setting.trials)
            ]
            found.append((name, all_of(ours, jobs)))
        values, threshold = (outcomes for _, outcomes in found)
        fewer = mean(o.runs for o in values) < mean(o.runs for o in threshold)
        # A part of a per cent is chance, in 300 trials.
        as_right = mean(o.right for o in values) >= min(mean(o.right for o in threshold), 0.97) - 0.01
        for at, (name, outcomes) in enumerate(found):
            row = [
                f"{effect:g} sd",
                name,
                share(o.right for o in outcomes),
                f"{mean(o.calibration for o in outcomes):.1f}",
                f"{mean(o.search for o in outcomes):.1f}",
                f"{mean(o.confirmation for o in outcomes):.1f}",
                f"{mean(o.runs for o in outcomes):.1f}",
                verdict_on(met=fewer and as_right) if at == 0 else "",
            ]
            rows.append(row)
            setting.say(row)
    return table(header, rows)
