"""The loop of `within`: both ends first, then the sets that delta debugging asks for, until a few pieces are left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec

from mlsh.bisect import bisection
from mlsh.bisect.hunks import Difference
from mlsh.bisect.oracle import NOT_EXECUTABLE, NOT_FOUND, Answer, Oracle
from mlsh.bisect.probing import Probe, ProbeResult
from mlsh.bisect.roster import TICK_S, Roster
from mlsh.bisect.rule import calibrate
from mlsh.bisect.search.delta import Delta, Minimal
from mlsh.bisect.search.range import Purpose
from mlsh.bisect.search.repeats import Once, Repeated, ends_differ
from mlsh.bisect.search.verdict import EndsWrong, EndTrouble
from mlsh.bisect.workers_plan import Event
from mlsh.errors import BoxError

_MOST_CONTROLS = 4
_MOST_UNKNOWN = 3
_NOT_TWICE = frozenset({NOT_EXECUTABLE, NOT_FOUND})


class Crew(bisection.Crew, Protocol):
    """The workers; see `workers.Workers`."""

    def bring(self, worker: str, commit: str) -> None:
        """Have a new commit where a worker can run it."""


class Wish(msgspec.Struct, frozen=True):
    """How sure to be. `controls` are the runs at either end, where answers may be false (`flaky`)."""

    flaky: bool = False
    confidence: float = 0.95
    controls: int = 8
    max_runs: int | None = None
    """Beside those at the ends."""


class Try(msgspec.Struct):
    """A run of the command with the pieces of `mask`. `since` is of `time.monotonic`, None until it has begun."""

    number: int
    mask: int
    purpose: Purpose
    worker: str
    since: float | None = None
    cancelled: bool = False


class Tried(msgspec.Struct, frozen=True):
    """What a run said."""

    number: int
    mask: int
    purpose: Purpose
    answer: Answer
    worker: str
    duration_s: float


class Watcher:
    """Who watches. This one does nothing; a front end overrides what it wants to show."""

    def tried(self, tried: Tried) -> None:
        """An answer came."""

    def dropped(self, one: Try, reason: str) -> None:
        """A run will get no answer."""

    def lost(self, worker: str, why: str) -> None:
        """A worker is gone."""

    def back(self, worker: str) -> None:
        """A worker can be asked again."""

    def tick(self) -> None:
        """Something may have changed, or a second went by."""


class Narrowing:
    """One difference, the command that tells good from bad, and the workers that run it."""

    def __init__(self, difference: Difference, oracle: Oracle, crew: Crew, wish: Wish, watcher: Watcher) -> None:
        self.tried: list[Tried] = []
        self.delta: Delta | None = None
        self._difference, self._oracle, self._crew, self._wish, self._watcher = difference, oracle, crew, wish, watcher
        self._full = (1 << len(difference.pieces)) - 1
        self._roster: Roster[Try] = Roster(crew.names, watcher)
        self._held: list[tuple[Try, ProbeResult]] = []
        self._next = 1
        rule_runs = oracle.rule.good_runs if oracle.rule is not None else 0
        controls = wish.controls if wish.flaky else 1
        self._controls = {0: max(controls, rule_runs), self._full: controls}

    @property
    def running(self) -> dict[int, Try]:
        """What workers have, by number."""
        return self._roster.running

    def run(self) -> Minimal | EndsWrong:
        """Narrow to the end. Raises NoWorkers, OracleMissing, GitRefused."""
        found: Minimal | EndsWrong | None = None
        while found is None:
            self._ask()
            if self.running:
                self._hear(self._crew.next_event(TICK_S))
            found = self._ends() if self.delta is None else self.delta.result()
        for one in self.running.values():
            self._cancel(one, "the answer is known")
        return found

    def ends(self) -> dict[int, tuple[int, int]]:
        """The fails and passes seen at the good end (0) and at the bad one (all bits set)."""
        kinds = {end: [one.answer.kind for one in self.tried if one.mask == end] for end in (0, self._full)}
        return {end: (found.count("bad"), found.count("good")) for end, found in kinds.items()}

    # Ask

    def _ask(self) -> None:
        idle = self._roster.idle("nothing can be run any more; see what they said: mlsh ps -a")
        if self.delta is not None:
            live = self._roster.live()
            obsolete = self.delta.obsolete([one.mask for one in live])
            for one in live:
                if one.mask in obsolete:
                    self._cancel(one, "its answer no longer matters")
        for worker, (mask, commit) in zip(idle, self._wanted(len(idle)), strict=False):
            try:
                self._crew.bring(worker, commit)
            except BoxError as error:
                self._roster.lose(worker, error.what)
                continue
            purpose = {0: Purpose.GOOD_END, self._full: Purpose.BAD_END}.get(mask, Purpose.SEARCH)
            self.running[self._next] = Try(self._next, mask, purpose, worker)
            self._crew.ask(worker, Probe(self._next, commit))
            self._next += 1

    def _wanted(self, most: int) -> list[tuple[int, str]]:
        """The sets to run next, with their commits."""
        waiting = [one.mask for one in self._roster.live()]
        waiting += [one.mask for one, _ in self._held]
        while True:
            masks = self._ends_wanted(waiting) if self.delta is None else self.delta.ask(most, waiting)
            made = {mask: self._difference.commit(mask) for mask in masks[:most]}
            found = [(mask, commit) for mask in masks[:most] if (commit := made[mask]) is not None]
            if self.delta is None or len(found) == len(masks[:most]):
                return found
            for mask, commit in made.items():
                if commit is None:
                    self.delta.rule_out(mask)

    def _ends_wanted(self, waiting: Sequence[int]) -> list[int]:
        """Runs at the two ends, in turn."""
        lacking = {
            end: controls - waiting.count(end) - sum(one.mask == end for one in self.tried)
            for end, controls in self._controls.items()
        }
        return [end for turn in range(max(lacking.values())) for end in lacking if turn < lacking[end]]

    def _cancel(self, one: Try, reason: str) -> None:
        if not one.cancelled:
            one.cancelled = True
            self._watcher.dropped(one, reason)
            self._crew.cancel(one.number)

    # Hear

    def _hear(self, event: Event | None) -> None:
        heard = self._roster.hear(event)
        if heard.finished is not None:
            self._finished(*heard.finished)
        self._watcher.tick()

    def _finished(self, one: Try, result: ProbeResult) -> None:
        if one.purpose == Purpose.GOOD_END:
            self._oracle = self._oracle.checked(result)
        elif result.exit_code in _NOT_TWICE and not self._oracle.ran and 0 not in {tried.mask for tried in self.tried}:
            # Whether the command is there at all is known once it was tried at the good end.
            self._held.append((one, result))
            return
        answer = self._oracle.answer(result)
        if answer.again:
            self._watcher.dropped(one, answer.reason)
            return
        if one.purpose == Purpose.GOOD_END:
            self._oracle.check_measured(answer, result.commit)
        self._take(Tried(one.number, one.mask, one.purpose, answer, result.worker, result.duration_s))
        if one.purpose == Purpose.GOOD_END:
            held, self._held = self._held, []
            for waiting, its_result in held:
                self._finished(waiting, its_result)

    def _take(self, tried: Tried) -> None:
        self.tried.append(tried)
        self._calibrate()
        for late in [one for one in self.tried[:-1] if one.answer.kind is None] if self._can_judge() else ():
            self._judged(late)
        tried = self.tried[-1]
        if tried.answer.kind is None and self._can_judge():
            tried = self._judged(tried)
        self._watcher.tried(tried)
        if self.delta is not None and tried.answer.kind is not None:
            self.delta.tell(tried.mask, tried.answer.kind)

    def _judged(self, tried: Tried) -> Tried:
        """The same run, with what its value says now that the good end is measured."""
        assert tried.answer.value is not None  # noqa: S101
        judged = msgspec.structs.replace(tried, answer=self._oracle.judge(tried.answer.value))
        self.tried[self.tried.index(tried)] = judged
        return judged

    def _can_judge(self) -> bool:
        rule = self._oracle.rule
        return rule is not None and (not rule.good_runs or self._oracle.good is not None)

    def _calibrate(self) -> None:
        rule = self._oracle.rule
        if rule is None or not rule.good_runs or self._oracle.good is not None:
            return
        values = [one.answer.value for one in self.tried if one.mask == 0 and one.answer.value is not None]
        finite = [value for value in values if math.isfinite(value)]
        if len(finite) >= rule.good_runs:
            self._oracle = self._oracle.calibrated(calibrate(finite))

    # The ends

    def _ends(self) -> EndsWrong | None:
        """What is wrong with them; None where nothing is, or not yet."""
        unknown = [
            end
            for end in self._controls
            if sum(one.mask == end and one.answer.kind == "unknown" for one in self.tried)
            >= (_MOST_UNKNOWN if self._wish.flaky else 1)
        ]
        if unknown:
            return EndsWrong(EndTrouble.UNTESTABLE, tuple(self._named(end) for end in unknown))
        if self._held or any(
            sum(one.mask == end for one in self.tried) < controls for end, controls in self._controls.items()
        ):
            return None
        rule = self._oracle.rule
        if rule is not None and rule.good_runs and self._oracle.good is None:
            self._controls[0] += 1  # some of its runs told no value
            return None
        ends = self.ends()
        good, bad = ends[0], ends[self._full]
        passes, fails = bad[1] > bad[0], good[0] > good[1]
        if not self._wish.flaky:
            if wrong := passes + 2 * fails:
                return self._wrong(wrong)
            self.delta = Delta(len(self._difference.pieces), Once(), self._wish.max_runs)
            return None
        is_worse = bad[0] * sum(good) > good[0] * sum(bad)
        if is_worse and ends_differ(good, bad) >= self._wish.confidence:
            judge = Repeated(self._wish.confidence, good, bad)
            self.delta = Delta(len(self._difference.pieces), judge, self._wish.max_runs)
            return None
        if is_worse and self._controls[self._full] < _MOST_CONTROLS * self._wish.controls:
            # Something differs: more runs may tell it.
            self._controls = {end: controls + self._wish.controls for end, controls in self._controls.items()}
            return None
        return self._wrong(passes + 2 * fails or 1)

    def _wrong(self, which: int) -> EndsWrong:
        trouble = {1: EndTrouble.BAD_PASSES, 2: EndTrouble.GOOD_FAILS, 3: EndTrouble.SWAPPED}[which]
        wrong = [self._full] * (which & 1) + [0] * (which >> 1)
        return EndsWrong(trouble, tuple(self._named(end) for end in wrong))

    def _named(self, end: int) -> str:
        return self._difference.bad if end else self._difference.good
