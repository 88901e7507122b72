"""Answers that are false now and then: how often the search is right, in how many runs, and how well it knows."""

from __future__ import annotations

from collections.abc import Sequence

from mlsh.bisect.search.range import Options
from tests.bench.bisect_peers import bayesect, believing, best_of_five, bound
from tests.bench.bisect_setting import Setting
from tests.bench.bisect_trials import Job, Noise, Outcome, all_of, mean, ours, share, table, verdict_on

TEN = Noise(0.1, 0.1)
_MISSES = Noise(0.3, 0.02)
_CONFIDENCE = 0.95


def noise(setting: Setting) -> list[str]:
    """Ranges of 100, 300 and 1,000 at 10 % false answers, one of 300 at 30 % misses; beside git and git-bayesect."""
    header = [
        "range",
        "tool",
        "right",
        "search",
        "calibration",
        "confirmation",
        "all runs",
        "bound",
        "search / bound",
        "",
    ]
    rows: list[Sequence[object]] = []
    for n, lies, goal in [(100, TEN, 0.98), (300, TEN, 0.98), (1000, TEN, 0.98), (300, _MISSES, 0.97)]:
        least = bound(n, lies, _CONFIDENCE)
        both = {shape: _jobs(setting, shape, n, lies) for shape in ("line", "branched")}
        found: list[tuple[str, list[Outcome]]] = []
        for shape, jobs in both.items():
            found.append((f"**mlsh**, {shape}", all_of(ours, jobs)))
        found.append(("git bisect, branched", all_of(believing, both["branched"])))
        found.append(("git bisect, best of five, branched", all_of(best_of_five, both["branched"])))
        if setting.peers is not None:
            found.append(("git-bayesect 1.2, line", bayesect(setting.peers, both["line"], _CONFIDENCE)))
        for tool, outcomes in found:
            row = _row(f"{n:,}; {lies}", tool, outcomes, least)
            if "mlsh" in tool:
                right, ratio = mean(o.right for o in outcomes), mean(o.search for o in outcomes) / least
                row.append(verdict_on(met=right >= goal and (ratio <= 1.6 or lies is not TEN)))
            else:
                row.append("")
            rows.append(row)
            setting.say(row)
    return table(header, rows)


def _jobs(setting: Setting, shape: str, n: int, lies: Noise) -> list[Job]:
    options = Options(noisy=True, confidence=_CONFIDENCE)
    return [Job(shape, n, seed, options, lies) for seed in range(setting.trials)]


def _row(of: str, tool: str, outcomes: list[Outcome], least: float) -> list[object]:
    searching = mean(o.search for o in outcomes)
    return [
        of,
        tool,
        share(o.right for o in outcomes),
        f"{searching:.1f}",
        f"{mean(o.calibration for o in outcomes):.1f}",
        f"{mean(o.confirmation for o in outcomes):.1f}",
        f"{mean(o.runs for o in outcomes):.1f}",
        f"{least:.1f}",
        f"{searching / least:.2f}",
    ]


def calibration(setting: Setting) -> list[str]:
    """Of the answers that are stated at 0.90 to 0.95: how many are right."""
    header = ["confirmations", "stated at", "answers", "right", "goal", ""]
    rows: list[Sequence[object]] = []
    for confirmations in (0, 2):
        options = Options(noisy=True, confidence=0.9, confirmations=confirmations)
        jobs = [
            Job(shape, n, 10_000 + seed, options, lies)
            for lies in (TEN, Noise(0.2, 0.2), _MISSES)
            for n in (100, 300)
            for shape in ("line", "branched")
            for seed in range(max(1, setting.trials // 6))
        ]
        blamed = [o for o in all_of(ours, jobs) if o.said == "Culprit"]
        for low, high in [(0.9, 0.95), (0.95, 0.99), (0.99, 1.01)]:
            inside = [o for o in blamed if low <= o.confidence < high]
            goal = low == 0.9
            met = 0.85 <= mean(o.right for o in inside) <= 0.99
            stated = f"{low:.2f} to {min(high, 1):.2f}"
            if inside:
                stated += f", {mean(o.confidence for o in inside):.3f} on average"
            row = [
                confirmations,
                stated,
                f"{len(inside)} of {len(jobs)}",
                share(o.right for o in inside),
                "85 to 99 %" if goal else "",
                verdict_on(met=met) if goal else "",
            ]
            rows.append(row)
            setting.say(row)
    return table(header, rows)


def none(setting: Setting) -> list[str]:
    """No culprit: both ends, and all between, fail equally often."""
    header = ["oracle", "says so", "blames a commit", "can't tell", "runs", "goal", ""]
    rows: list[Sequence[object]] = []
    kinds: list[tuple[str, Noise, float | None]] = [
        (f"fails {rate:.0%} of the time, everywhere", Noise(1 - rate, rate), None) for rate in (0.02, 0.1, 0.3)
    ]
    kinds.append(("a number, the same everywhere", Noise(0, 0), 0.0))
    for name, lies, effect in kinds:
        options = Options(noisy=True, values=effect is not None)
        jobs = [
            Job("line" if seed % 2 else "branched", 300, 20_000 + seed, options, lies, effect, has_culprit=False)
            for seed in range(setting.trials)
        ]
        outcomes = all_of(ours, jobs)
        row = [
            name,
            share(o.right for o in outcomes),
            f"{mean(o.said == 'Culprit' for o in outcomes):.1%}",
            f"{mean(o.said == 'CredibleSet' for o in outcomes):.1%}",
            f"{mean(o.runs for o in outcomes):.1f}",
            ">= 95 %",
            verdict_on(met=mean(o.right for o in outcomes) >= 0.95),
        ]
        rows.append(row)
        setting.say(row)
    return table(header, rows)
