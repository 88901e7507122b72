"""A bisection as its journal has it: written down as it happens, and built again from what was written."""

from __future__ import annotations

import time

import msgspec

from mlsh.bisect import events
from mlsh.bisect.bisection import Observed, Running
from mlsh.bisect.candidates import Candidates
from mlsh.bisect.journal import Journal
from mlsh.bisect.oracle import Answer
from mlsh.bisect.search.range import Ask, Purpose, Range, Seen
from mlsh.bisect.search.verdict import CredibleSet, Culprit, EndsWrong, NoCulprit, Verdict


def range_of(found: Candidates) -> Range:
    """The candidates as the search takes them."""
    order = tuple(reversed(found.git_order))
    return Range(
        commits=found.commits,
        parents=found.parents,
        outside=found.outside_parents,
        bad=found.bad,
        goods=found.goods,
        oldest_first=() if order == tuple(range(len(order))) else order,
        merge_bases=found.merge_bases,
    )


class Recorder:
    """Writes what happens to a journal; each call returns when it is on the disk."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def asked(self, number: int, ask: Ask, worker: str) -> None:
        """A probe is about to be asked."""
        self._journal.append(
            events.Asked(at=time.time(), number=number, commit=ask.commit, purpose=ask.purpose, worker=worker)
        )

    def observed(self, seen: Observed) -> None:
        """An answer came."""
        self._journal.append(
            events.Observed(
                at=time.time(),
                number=seen.number,
                commit=seen.ask.commit,
                kind=seen.answer.kind,
                purpose=seen.ask.purpose,
                value=seen.answer.value,
                reason=seen.answer.reason,
                duration_s=seen.duration_s,
                worker=seen.worker,
            )
        )

    def dropped(self, number: int, reason: str) -> None:
        """A probe will get no answer."""
        self._journal.append(events.Cancelled(at=time.time(), number=number, reason=reason))

    def turned_noisy(self) -> None:
        """Answers contradicted each other."""
        self._journal.append(events.Turned(at=time.time(), mode="noisy"))

    def ended(self, verdict: Verdict) -> None:
        """This is how it ended."""
        self._journal.append(
            msgspec.structs.replace(event_of(verdict), at=time.time()),
        )


def event_of(verdict: Verdict) -> events.Verdict:
    """A verdict as the journal keeps it."""
    match verdict:
        case Culprit():
            return events.Verdict(kind="culprit", commits=[verdict.commit], confidence=verdict.confidence)
        case CredibleSet():
            return events.Verdict(
                kind="set",
                commits=list(verdict.commits),
                confidence=verdict.confidence,
                reason="gave up" if verdict.gave_up else "",
            )
        case NoCulprit():
            return events.Verdict(kind="none", confidence=verdict.confidence)
        case EndsWrong():
            return events.Verdict(kind="ends", commits=list(verdict.commits), reason=verdict.trouble)
    raise TypeError(verdict)


def seen_by(answer: events.Observed | events.Marked) -> Observed:
    """An answer of the journal as the loop takes it; a mark by hand is one of the search."""
    if isinstance(answer, events.Marked):
        ask = Ask(answer.commit, Purpose.SEARCH)
        return Observed(answer.number, ask, Answer(answer.kind, reason="by hand"), "you", 0.0)
    ask = Ask(answer.commit, _purpose(answer.purpose))
    return Observed(
        answer.number, ask, Answer(answer.kind, answer.value, answer.reason), answer.worker, answer.duration_s
    )


def skips_of(standing: events.Standing) -> list[Seen]:
    """The commits that a person skipped, as the search takes them."""
    return [Seen(commit, Purpose.SEARCH, "unknown") for commit in sorted(standing.skipped)]


def running_of(pending: events.Asked) -> Running:
    """A probe that was asked before, as the loop has it."""
    return Running(pending.number, Ask(pending.commit, _purpose(pending.purpose)), pending.worker)


def _purpose(word: str) -> Purpose:
    # A later mlsh may know more of them; an answer is one wherever it came from.
    return Purpose(word) if word in set(Purpose) else Purpose.SEARCH
