"""Simulated searches by the hundred: what is asked of each, what came of it, and two processes that do them."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from mlsh.bisect.search.range import Options, Purpose
from mlsh.bisect.search.search import Search
from mlsh.bisect.search.verdict import CredibleSet, Culprit, NoCulprit
from tests.bisect.shapes import Oracle, branches, line, lying, measuring, range_of, searched

T = TypeVar("T")
R = TypeVar("R")


class Noise(NamedTuple):
    """How often an answer is false: bad commits that pass, good ones that fail."""

    miss: float
    alarm: float

    def __str__(self) -> str:
        return f"{self.miss:.0%} misses, {self.alarm:.0%} false alarms"


class Job(NamedTuple):
    """One search. `effect` in standard deviations is for an oracle that gives a number, `noise` for any other one."""

    shape: str
    """"line" or "branched"."""
    n: int
    seed: int
    options: Options
    noise: Noise = Noise(0.0, 0.0)
    effect: float | None = None
    has_culprit: bool = True

    def parents(self) -> list[tuple[int, ...]]:
        return line(self.n) if self.shape == "line" else branches(self.n, self.seed)

    def drawn(self) -> tuple[int | None, random.Random]:
        """The culprit, and the chance that the oracle goes on with."""
        chance = random.Random(self.seed)
        culprit = chance.randrange(self.n)
        return culprit if self.has_culprit else None, chance

    def oracle(self, chance: random.Random) -> Oracle:
        if self.effect is None:
            return lying(chance, self.noise.miss, self.noise.alarm)
        return measuring(chance, self.effect)


class Outcome(NamedTuple):
    """How a search ended, and its runs."""

    right: bool
    said: str
    confidence: float
    search: int
    calibration: int = 0
    confirmation: int = 0

    @property
    def runs(self) -> int:
        return self.search + self.calibration + self.confirmation


def ours(job: Job) -> Outcome:
    """The search of mlsh."""
    culprit, chance = job.drawn()
    search = Search(range_of(job.parents()), job.options)
    verdict, runs, _ = searched(search, culprit, job.oracle(chance))
    right = isinstance(verdict, NoCulprit) if culprit is None else False
    confidence = 0.0
    if isinstance(verdict, Culprit):
        right, confidence = culprit is not None and verdict.commit == f"c{culprit}", verdict.confidence
    elif isinstance(verdict, NoCulprit | CredibleSet):
        confidence = verdict.confidence
    return Outcome(
        right,
        type(verdict).__name__,
        confidence,
        runs[Purpose.SEARCH],
        runs[Purpose.GOOD_END] + runs[Purpose.BAD_END],
        runs[Purpose.CONFIRM],
    )


def all_of(do: Callable[[T], R], jobs: Iterable[T]) -> list[R]:
    """Each job done, on two processes that let others go first."""
    with multiprocessing.Pool(2, initializer=os.nice, initargs=(10,)) as pool:
        return pool.map(do, list(jobs), chunksize=4)


def mean(values: Iterable[float]) -> float:
    """The mean; 0 of nothing."""
    found = list(values)
    return math.fsum(found) / len(found) if found else 0.0


def share(hits: Iterable[bool]) -> str:
    """As a percentage, with the numbers that it is of."""
    found = list(hits)
    return f"{mean(found):.1%} ({sum(found)} of {len(found)})" if found else "none"


def verdict_on(*, met: bool) -> str:
    """The word for a goal."""
    return "met" if met else "**missed**"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """As Markdown."""
    return [
        f"| {' | '.join(header)} |",
        "|" + "---|" * len(header),
        *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows),
    ]
