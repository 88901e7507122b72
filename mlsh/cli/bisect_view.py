"""What a person sees of a bisection while it runs: a picture on a terminal, lines in a pipe."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mlsh.bisect.bisection import Audience, Bisection, Observed, Running
from mlsh.bisect.search.range import Purpose
from mlsh.bisect.search.search import Search
from mlsh.cli.screen import Screen, draws_boxes
from mlsh.cli.talk import paint, say
from mlsh.shell.table import clip, pad, width
from mlsh.shell.visible import printable

_COLOUR = {"good": "green", "bad": "red", "unknown": "yellow"}
_WORD = {"good": "good", "bad": "bad", "unknown": "can't tell", None: "measured"}
_MOST_BARS = 12


def long(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def outcome(seen: Observed) -> str:
    """An answer in words: the kind, and why."""
    word = _WORD[seen.answer.kind]
    return f"{word}: {printable(seen.answer.reason)}" if seen.answer.reason else word


class Keeping(Audience):
    """Passes everything on, and keeps the answers for the table at the end."""

    def __init__(self, audience: Audience, seen: list[Observed]) -> None:
        self._audience, self._seen = audience, seen

    def observed(self, seen: Observed) -> None:
        """An answer."""
        self._seen.append(seen)
        self._audience.observed(seen)

    def asked(self, running: Running) -> None:
        """A probe."""
        self._audience.asked(running)

    def dropped(self, running: Running, reason: str) -> None:
        """A probe without an answer."""
        self._audience.dropped(running, reason)

    def turned_noisy(self) -> None:
        """Answers contradict each other."""
        self._audience.turned_noisy()

    def lost(self, worker: str, why: str) -> None:
        """A worker is gone."""
        self._audience.lost(worker, why)

    def back(self, worker: str) -> None:
        """A worker is there again."""
        self._audience.back(worker)

    def tick(self) -> None:
        """Something may have changed."""
        self._audience.tick()


class Lines(Audience):
    """A line on stderr for each thing that happens."""

    def __init__(self, subjects: Mapping[str, str]) -> None:
        self._subjects = subjects

    def observed(self, seen: Observed) -> None:
        """An answer."""
        why = "" if seen.ask.purpose == Purpose.SEARCH else f"{seen.ask.purpose}, "
        about = f"{why}{long(seen.duration_s)}" + ("" if seen.worker == "local" else f" on {seen.worker}")
        subject = clip(printable(self._subjects.get(seen.ask.commit, "")), 60)
        say(f"{seen.number:3}  {seen.ask.commit[:10]}  {outcome(seen)}  ({about})  {subject}")

    def dropped(self, running: Running, reason: str) -> None:
        """A probe without an answer."""
        say(f"{running.number:3}  {running.ask.commit[:10]}  no answer from {running.worker}: {reason}")

    def turned_noisy(self) -> None:
        """Answers contradict each other."""
        say("answers contradict each other, so some are false; from here on each counts as likely, not as sure")
        say("the two ends are run again, to learn how often; next time say so at once: --flaky")

    def lost(self, worker: str, why: str) -> None:
        """A worker is gone."""
        say(f"{worker} is lost: {why}")

    def back(self, worker: str) -> None:
        """A worker is there again."""
        say(f"{worker} is back")


class Events(Audience):
    """A JSON object a line on stdout for each thing that happens."""

    def _put(self, **fields: Any) -> None:
        print(json.dumps(fields), flush=True)

    def asked(self, running: Running) -> None:
        """A probe."""
        ask = running.ask
        self._put(event="asked", number=running.number, commit=ask.commit, purpose=ask.purpose, worker=running.worker)

    def observed(self, seen: Observed) -> None:
        """An answer."""
        self._put(
            event="answered", number=seen.number, commit=seen.ask.commit, purpose=seen.ask.purpose,
            answer=seen.answer.kind, value=finite(seen.answer.value), reason=printable(seen.answer.reason),
            worker=seen.worker, seconds=round(seen.duration_s, 3),
        )  # fmt: skip

    def dropped(self, running: Running, reason: str) -> None:
        """A probe without an answer."""
        self._put(event="dropped", number=running.number, commit=running.ask.commit, reason=printable(reason))

    def turned_noisy(self) -> None:
        """Answers contradict each other."""
        self._put(event="noisy")

    def lost(self, worker: str, why: str) -> None:
        """A worker is gone."""
        self._put(event="worker-lost", worker=worker, reason=printable(why))

    def back(self, worker: str) -> None:
        """A worker is there again."""
        self._put(event="worker-back", worker=worker)


def finite(value: float | None) -> float | str | None:
    """A number that JSON can hold; nan and the infinities as words."""
    return value if value is None or abs(value) < float("inf") else str(value)


class Picture(Audience):
    """The range, the likeliest commits as bars, what runs, and how much is left; drawn again in place."""

    def __init__(self, subjects: Mapping[str, str], screen: Screen) -> None:
        self._subjects, self.screen = subjects, screen
        self._began = time.monotonic()
        self._durations: list[float] = []
        self._last: list[str] = []
        self._note = ""
        self.bisection: Bisection | None = None

    def observed(self, seen: Observed) -> None:
        """An answer."""
        self._durations.append(seen.duration_s)
        kind = seen.answer.kind
        mark = paint(pad(_WORD[kind], 10), _COLOUR.get(kind or "", "cyan"))
        line = f"{seen.number:4}  {seen.ask.commit[:10]}  {mark}  {printable(seen.answer.reason)}"
        self._last = [*self._last, line][-4:]
        self.tick()

    def dropped(self, running: Running, reason: str) -> None:
        """A probe without an answer."""
        line = f"{running.number:4}  {running.ask.commit[:10]}  {pad('no answer', 10)}  {printable(reason)}"
        self._last = [*self._last, line][-4:]

    def turned_noisy(self) -> None:
        """Answers contradict each other."""
        self._note = "answers contradict each other: each counts as likely now, not as sure (--flaky)"

    def lost(self, worker: str, why: str) -> None:
        """A worker is gone."""
        self._note = f"{worker} is lost: {printable(why)}"

    def back(self, worker: str) -> None:
        """A worker is there again."""
        self._note = f"{worker} is back"

    def tick(self) -> None:
        """Draw, if it is time."""
        if self.screen.due_s() == 0:
            self.screen.draw(self.lines())

    def lines(self) -> list[str]:
        """The picture as it is now, in the size that the screen has."""
        if self.bisection is None:
            return [""]
        size = self.screen.size
        search = self.bisection.search
        head = [self._progress(search)]
        tail = self._running(size.columns)
        if self._last:
            tail += ["", *(clip_painted(line, size.columns - 1) for line in self._last)]
        if self._note:
            tail += [paint(clip(self._note, size.columns - 1), "yellow")]
        room = size.lines - len(head) - len(tail) - 2
        return [*head, *bars(search, self._subjects, size.columns, min(room, _MOST_BARS)), *tail][: size.lines - 1]

    def _progress(self, search: Search) -> str:
        weights = search.weights()[:-1]
        done, wanted = search.at_ends()
        parts = [f"{int((weights > weights.max() / 1000).sum())} of {search.graph.n} commits left"]
        if done < wanted:
            parts.append(f"run {done + 1} of {wanted} at the ends")
        else:
            parts.append(f"{search.runs()} runs" + (f" and {done} at the ends" if search.noisy else ""))
            if search.verdict() is None:
                left = search.runs_left()
                parts.append(f"about {left} more{self._time_for(left)}")
        parts.append(f"{long(time.monotonic() - self._began)} so far")
        return paint(clip(f"bisect  {', '.join(parts)}", self.screen.size.columns - 1), "bold")

    def _time_for(self, runs: int) -> str:
        if not self._durations or self.bisection is None:
            return ""
        at_once = max(len(self.bisection.running), 1)
        return f" ({long(runs * sum(self._durations) / len(self._durations) / at_once)})"

    def _running(self, columns: int) -> list[str]:
        assert self.bisection is not None  # noqa: S101
        now = time.monotonic()
        lines = []
        for running in list(self.bisection.running.values()):
            since = "starts" if running.since is None else long(now - running.since)
            subject = printable(self._subjects.get(running.ask.commit, ""))
            why = "ends" if running.cancelled else running.ask.purpose
            line = f"{running.number:4}  {running.ask.commit[:10]}  {why}, {running.worker}, {since}  {subject}"
            lines.append(clip(line, columns - 1))
        return ["", *lines] if lines else []


def bars(search: Search, subjects: Mapping[str, str], columns: int, most: int) -> list[str]:
    """The likeliest commits, newest first, a bar each for its share of the posterior."""
    if most <= 0:
        return []
    weights = search.weights()
    top = sorted(range(search.graph.n), key=lambda c: (-weights[c], -c))[:most]
    shown = [c for c in sorted(top, reverse=True) if weights[c] > 0.0005]
    if len(shown) == most and weights[shown].max() <= 1.01 * weights[:-1][weights[:-1] > 0].min():
        return [clip(f"each of {int((weights[:-1] > 0).sum())} commits is as likely as the others", columns - 1)]
    full = max((float(weights[c]) for c in shown), default=1.0) or 1.0
    block = "█" if draws_boxes() else "#"
    lines = []
    for commit in shown:
        share = float(weights[commit])
        bar = block * max(1, round(12 * share / full))
        name = search.range.commits[commit]
        text = f"{name[:10]}  {share:6.1%}  {pad(bar, 12)}  {printable(subjects.get(name, ''))}"
        lines.append(clip(text, columns - 1))
    if weights[-1] > 0.0005:
        lines.append(clip(f"{'none':10}  {weights[-1]:6.1%}  {'':12}  no commit of this range", columns - 1))
    return lines


def clip_painted(text: str, cells: int) -> str:
    """A line with colours in it, cut so that it takes at most so many cells."""
    shown, used, at = "", 0, 0
    while at < len(text) and used < cells:
        if text[at] == "\x1b":
            end = text.index("m", at) + 1
            shown, at = shown + text[at:end], end
        else:
            shown, used, at = shown + text[at], used + width(text[at]), at + 1
    return shown + ("\x1b[0m" if "\x1b" in shown else "")


def wants_picture() -> bool:
    """Whether a person looks at stdout."""
    return os.isatty(sys.stdout.fileno()) and os.environ.get("TERM", "dumb") != "dumb"


def evidence(seen: Sequence[Observed], subjects: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The rows of the table of all runs: number, commit, answer, why, where, how long, subject."""
    return [
        (
            str(one.number),
            one.ask.commit[:10],
            _WORD[one.answer.kind],
            printable(one.answer.reason),
            one.ask.purpose if one.ask.purpose != Purpose.SEARCH else "",
            one.worker,
            long(one.duration_s),
            printable(subjects.get(one.ask.commit, "")),
        )
        for one in seen
    ]


def tally(search: Search, seen: Sequence[Observed], subjects: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The same by commit, newest first: commit, how often it answered what, or its values, and subject."""
    by_commit: dict[str, list[Observed]] = {}
    for one in seen:
        by_commit.setdefault(one.ask.commit, []).append(one)
    place = {commit: at for at, commit in enumerate(search.range.commits)}
    newest_first = sorted(by_commit, key=lambda commit: -place.get(commit, -1))
    return [(commit[:10], _told(by_commit[commit]), printable(subjects.get(commit, ""))) for commit in newest_first]


def _told(seen: Sequence[Observed]) -> str:
    values = [one.answer.value for one in seen if one.answer.value is not None]
    if len(values) == len(seen) and len(values) > 1:
        mean = sum(values) / len(values)
        return f"{mean:.5g} (mean of {len(values)}, {min(values):.5g} to {max(values):.5g})"
    if len(values) == len(seen):
        return f"{values[0]:.5g}"
    kinds = [_WORD[one.answer.kind] for one in seen]
    return ", ".join(f"{kind} {kinds.count(kind)}x" for kind in dict.fromkeys(kinds))
