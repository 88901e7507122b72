"""The loop: ask the search what to run, have workers run it, write down what they saw, until there is a verdict.

Each question and each answer is in the journal, on the disk, before anything follows from it. So a bisection that is
killed goes on from its journal and asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from mlsh.bisect.oracle import Answer, GoodUnmeasured, NoPlace, Oracle, check_place
from mlsh.bisect.probing import Probe, ProbeResult
from mlsh.bisect.roster import TICK_S, Roster
from mlsh.bisect.rule import calibrate
from mlsh.bisect.search.range import CONTROLS, Ask, Purpose, Seen
from mlsh.bisect.search.search import Search
from mlsh.bisect.search.verdict import Verdict
from mlsh.bisect.workers_plan import Event

_PRINTED_BYTES = 8192
_NOT_TWICE = frozenset({126, 127})


class Running(msgspec.Struct):
    """A probe that a worker has. `since` is of `time.monotonic`, None until it has begun."""

    number: int
    ask: Ask
    worker: str
    since: float | None = None
    cancelled: bool = False


class Observed(msgspec.Struct, frozen=True):
    """An answer with its evidence: who gave it, and after how long."""

    number: int
    ask: Ask
    answer: Answer
    worker: str
    duration_s: float


class Crew(Protocol):
    """The workers; see `workers.Workers`."""

    @property
    def names(self) -> list[str]:
        """Those that can be asked."""

    def ask(self, worker: str, probe: Probe) -> None:
        """Have one run a probe."""

    def cancel(self, number: int) -> None:
        """End a probe; it is told as finished."""

    def next_event(self, timeout_s: float | None = None) -> Event | None:
        """What happens next, or None after that time."""


class Record(Protocol):
    """Where a bisection is written down; see `journal.Journal`."""

    def asked(self, number: int, ask: Ask, worker: str) -> None:
        """A probe is about to be asked."""

    def observed(self, seen: Observed) -> None:
        """An answer came."""

    def dropped(self, number: int, reason: str) -> None:
        """A probe will get no answer: cancelled, or its worker is gone."""

    def turned_noisy(self) -> None:
        """Answers contradicted each other."""

    def ended(self, verdict: Verdict) -> None:
        """This is how it ended."""


class Audience:
    """Who watches a bisection. This one does nothing; a front end overrides what it wants to show."""

    def asked(self, running: Running) -> None:
        """A worker was given a probe."""

    def observed(self, seen: Observed) -> None:
        """An answer came."""

    def dropped(self, running: Running, reason: str) -> None:
        """A probe will get no answer."""

    def turned_noisy(self) -> None:
        """Answers contradicted each other: from now on they may be false."""

    def lost(self, worker: str, why: str) -> None:
        """A worker is gone."""

    def back(self, worker: str) -> None:
        """A worker can be asked again."""

    def tick(self) -> None:
        """Something may have changed, or a second went by."""


class Bisection:
    """One search, its oracle and its workers."""

    def __init__(
        self, search: Search, oracle: Oracle, crew: Crew, record: Record, audience: Audience, first_number: int = 1
    ) -> None:
        self.search, self.oracle = search, oracle
        self.printed: dict[str, bytes] = {}
        """The end of what the last run at each of the ends printed, by commit; of runs since this process began."""
        self._crew, self._record, self._audience = crew, record, audience
        self._roster: Roster[Running] = Roster(crew.names, audience)
        self._next = first_number
        self._held: list[tuple[Running, ProbeResult]] = []
        self._unjudged: list[Observed] = []

    @property
    def running(self) -> dict[int, Running]:
        """What workers have, by number."""
        return self._roster.running

    def adopt(self, running: Sequence[Running]) -> None:
        """Take probes over that workers have from before."""
        self._roster.running |= {one.number: one for one in running}

    def take(self, seen: Observed) -> None:
        """Take an answer that is written down already."""
        if seen.ask.purpose in {Purpose.GOOD_END, Purpose.MERGE_BASE} and seen.answer.kind != "unknown":
            self.oracle = msgspec.structs.replace(self.oracle, ran=True)
        self._weigh(seen, is_new=False)

    def finish(self, running: Running, result: ProbeResult) -> None:
        """Take a result that came while nobody was there."""
        self._finished(running, result)

    def run(self) -> Verdict:
        """Search to the end. Raises NoWorkers, OracleMissing, NoPlace, and what writing the journal raises."""
        while (verdict := self.search.verdict()) is None:
            self._drop_obsolete()
            self._ask()
            self._hear(self._crew.next_event(TICK_S))
        for running in self.running.values():
            self._cancel(running, "the answer is known")
        self._record.ended(verdict)
        return verdict

    # Ask

    def _ask(self) -> None:
        idle = self._roster.idle("what was found so far is kept; go on with: mlsh bisect resume")
        if not idle:
            return
        waiting = [running.ask for running in self._roster.live()]
        waiting += [running.ask for running, _ in self._held] + [seen.ask for seen in self._unjudged]
        asks = self._calibrating(waiting) if self._must_calibrate() else self.search.ask(len(idle), waiting)
        for worker, ask in zip(idle, asks, strict=False):
            running = Running(self._next, ask, worker)
            self._next += 1
            self._record.asked(running.number, ask, worker)
            self.running[running.number] = running
            self._audience.asked(running)
            self._crew.ask(worker, Probe(running.number, ask.commit))

    def _must_calibrate(self) -> bool:
        """Whether the rule speaks of the good end, and that is not known yet."""
        return self.oracle.rule is not None and self.oracle.rule.good_runs > 0 and self.oracle.good is None

    def _calibrating(self, waiting: Sequence[Ask]) -> list[Ask]:
        assert self.oracle.rule is not None  # noqa: S101
        goods = self.search.range.goods
        wanted = self.oracle.rule.good_runs - sum(ask.purpose == Purpose.GOOD_END for ask in waiting)
        return [Ask(goods[at % len(goods)], Purpose.GOOD_END) for at in range(max(wanted, 0))]

    def _drop_obsolete(self) -> None:
        live = self._roster.live()
        obsolete = self.search.obsolete([running.ask for running in live])
        for running in live:
            if running.ask in obsolete:
                self._cancel(running, "its answer no longer matters")

    def _cancel(self, running: Running, reason: str) -> None:
        if not running.cancelled:
            running.cancelled = True
            self._record.dropped(running.number, reason)
            self._audience.dropped(running, reason)
            self._crew.cancel(running.number)

    # Hear

    def _hear(self, event: Event | None) -> None:
        heard = self._roster.hear(event)
        if heard.finished is not None:
            self._finished(*heard.finished)
        for running in heard.gone:
            self._dropped(running, heard.why)
        self._audience.tick()

    def _dropped(self, running: Running, reason: str) -> None:
        if not running.cancelled:
            self._record.dropped(running.number, reason)
            self._audience.dropped(running, reason)

    def _finished(self, running: Running, result: ProbeResult) -> None:
        try:
            check_place(result)
        except NoPlace:
            self._dropped(running, result.reason)
            raise
        if running.ask.purpose in CONTROLS:
            self.printed[running.ask.commit] = result.output[-_PRINTED_BYTES:]
        if running.ask.purpose in {Purpose.GOOD_END, Purpose.MERGE_BASE}:
            self.oracle = self.oracle.checked(result)
        elif result.exit_code in _NOT_TWICE and not self.oracle.ran:
            # Whether the command is there at all is known once it was tried at a good end.
            self._held.append((running, result))
            return
        answer = self.oracle.answer(result)
        if answer.again:
            self._dropped(running, answer.reason)
            return
        if running.ask.purpose == Purpose.GOOD_END:
            try:
                self.oracle.check_measured(answer, running.ask.commit)
            except GoodUnmeasured:
                self._dropped(running, answer.reason)
                raise
        seen = Observed(running.number, running.ask, answer, result.worker, result.duration_s)
        self._record.observed(seen)
        self._audience.observed(seen)
        self._weigh(seen)
        if self._held and self.oracle.ran:
            held, self._held = self._held, []
            for one, its_result in held:
                self._finished(one, its_result)

    def _weigh(self, seen: Observed, *, is_new: bool = True) -> None:
        """Give an answer to the search, as soon as it can be judged."""
        if seen.answer.kind is None and not self.search.options.values:
            self._unjudged.append(seen)
            self._calibrate()
            return
        was_noisy = self.search.noisy
        self.search.tell(Seen(seen.ask.commit, seen.ask.purpose, seen.answer.kind, seen.answer.value))
        if self.search.noisy and not was_noisy and is_new:
            self._record.turned_noisy()
            self._audience.turned_noisy()

    def _calibrate(self) -> None:
        rule = self.oracle.rule
        assert rule is not None  # noqa: S101
        at_good = [one.answer.value for one in self._unjudged if one.ask.purpose in CONTROLS - {Purpose.BAD_END}]
        if len(at_good) < rule.good_runs:
            return
        self.oracle = self.oracle.calibrated(calibrate([value for value in at_good if value is not None]))
        waiting, self._unjudged = self._unjudged, []
        for seen in waiting:
            assert seen.answer.value is not None  # noqa: S101
            self._weigh(msgspec.structs.replace(seen, answer=self.oracle.judge(seen.answer.value)))
