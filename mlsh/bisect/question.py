"""What a bisection was asked: everything that it takes to go on with it on another day."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mlsh.bisect.metric import Metric
from mlsh.bisect.oracle import Oracle
from mlsh.bisect.rule import OPTION, Rule, rule
from mlsh.bisect.search.range import Options
from mlsh.errors import UsageError
from mlsh.shell.visible import printable


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """The options of `mlsh bisect run`, as typed; commits by their full names. Names of variables, never values.

    `subdir` is the folder of the work tree in which the command runs, `workers` how many there are on all `boxes`
    together.
    """

    argv: list[str] = []
    good: list[str] = []
    bad: str = ""
    first_parent: bool = False
    paths: list[str] = []
    subdir: str = ""
    boxes: tuple[str, ...] = ("local",)
    workers: int = 1
    confidence: float = 0.95
    flaky: bool = False
    controls: int = 8
    max_runs: int | None = None
    metric: str = ""
    metric_regex: str = ""
    metric_file: str = ""
    bad_if: str = ""
    overlay: list[str] = []
    setup: str = ""
    timeout_s: int | None = None
    clean: bool = False
    env: list[str] = []
    secrets: list[str] = []
    gpus: int = 0
    gpu_share: float = 0
    gpu_ids: str = ""
    gpu_memory_mib: int = 0
    slots: int = 0
    priority: int = 50

    @property
    def has_metric(self) -> bool:
        """Whether a number is read, and not only the exit code."""
        return bool(self.metric or self.metric_regex or self.bad_if)

    def rule(self) -> Rule | None:
        """The rule that says which numbers are bad. Raises UsageError."""
        return rule(self.bad_if) if self.bad_if else None

    def oracle(self) -> Oracle:
        """How answers are read. Raises UsageError where the rule can't be read, or is about another number."""
        found = self.rule()
        if not self.has_metric:
            return Oracle()
        if self.metric and found is not None and found.name != self.metric:
            raise UsageError(
                f"{OPTION} speaks of {printable(found.name)}, and --metric reads {printable(self.metric)}",
                "name the same number in both, or leave out --metric: the rule names one",
            )
        name = self.metric or ("" if self.metric_regex or found is None else found.name)
        return Oracle(Metric(name, self.metric_regex, self.metric_file), found)

    def options(self) -> Options:
        """How sure to be, for the search."""
        return Options(
            confidence=self.confidence,
            noisy=self.flaky,
            values=self.has_metric and not self.bad_if,
            controls=self.controls,
            max_runs=self.max_runs,
        )


_TIME = re.compile(
    r"(?:^|[^a-z])(?:time|times|seconds?|secs?|ms|us|latency|duration|elapsed|wall|throughput|speed|fps|qps|rps|"
    r"(?:it|iter|steps?|samples?|tokens?|tok|images?|img|examples?)s?(?:_?per_?|/)s(?:ec)?)(?:$|[^a-z])",
    re.IGNORECASE,
)


def measures_time(name: str) -> bool:
    """Whether a metric is a time or a speed by its name: what else runs on the machine then changes it."""
    return _TIME.search(name) is not None


def spread(boxes: Sequence[str], workers: int) -> list[tuple[str, int]]:
    """Which workers there are: a box and a number from 1 for each, evenly over the boxes."""
    return [(boxes[at % len(boxes)], at // len(boxes) + 1) for at in range(workers)]
