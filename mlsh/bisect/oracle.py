"""What a probe's end says of its commit: git's exit codes, a number and a rule, and who is not to be believed.

| it ended with | the commit is |
|---|---|
| 0 | good; with a metric, what the value says |
| 1 to 124 | bad; with a metric can't tell, since the value is not that of a whole run (but nan is bad) |
| 125 | can't tell, as it says itself |
| 126, 127 | bad once the command ran at a good end, can't tell before: it may be missing everywhere |
| 128 and above, a signal, a time limit, want of memory | can't tell, with the reason |
| a set-up or checkout that failed | can't tell; but a full disk ends the session, see `NoPlace` |
| a worker that was lost, a cancelled probe | nothing: it is asked again |
"""

from __future__ import annotations

import math
import signal
from typing import Literal

import msgspec

from mlsh.bisect import metric as metrics
from mlsh.bisect.metric import Metric
from mlsh.bisect.probing import ProbeResult
from mlsh.bisect.rule import Calibration, Rule
from mlsh.errors import MlshError
from mlsh.shell.visible import printable

CANNOT_TELL, NOT_EXECUTABLE, NOT_FOUND, FIRST_SIGNAL = 125, 126, 127, 128
_ABSENT = {NOT_EXECUTABLE: "is not executable", NOT_FOUND: "was not found"}


class OracleMissing(MlshError):
    """The command can't be started at the good end either, so it says nothing of any commit."""


class NoPlace(MlshError):
    """A commit can't be put anywhere, and neither can any other: it says nothing of the commit."""


# As box/worker_tree.sh says it.
_NO_PLACE = {
    "the disk is full": "make room there, and go on: mlsh bisect resume",
    "its repository is gone: was it moved?": "go to where it is now, and go on there: mlsh bisect resume",
}


def check_place(result: ProbeResult) -> None:
    """Nothing, where the commit could be put into its folder, or git had a reason that may be the commit's own.

    Raises NoPlace.
    """
    if result.ending == "checkout-failed" and result.reason in _NO_PLACE:
        raise NoPlace(f"{result.worker}: {result.reason}", _NO_PLACE[result.reason])


class GoodUnmeasured(MlshError):
    """The rule compares with the good end, whose number is none to compare with."""


class Answer(msgspec.Struct, frozen=True):
    """What is known of a commit by one probe."""

    kind: Literal["good", "bad", "unknown"] | None
    """None: `value` is there, and has yet to be judged (no rule, or the good end is not measured yet)."""
    value: float | None = None
    reason: str = ""
    """In words, for a person, and harmless."""
    again: bool = False
    """Nothing was learnt that has to do with the commit: ask again."""


class Oracle(msgspec.Struct, frozen=True):
    """How answers are read. `ran` says that the command was started at a good end; see `checked`."""

    metric: Metric | None = None
    rule: Rule | None = None
    good: Calibration | None = None
    """What a rule that speaks of `good` needs."""
    ran: bool = False

    def answer(self, result: ProbeResult) -> Answer:
        """What a result says."""
        if result.ending in {"lost", "cancelled"}:
            return Answer("unknown", reason=printable(result.reason) or result.ending, again=True)
        if result.ending != "exited":
            return Answer("unknown", reason=printable(result.reason) or _ending(result))
        code = result.exit_code
        if code is None or not 0 <= code < FIRST_SIGNAL:
            return Answer("unknown", reason=_killed(code))
        if code == CANNOT_TELL:
            return Answer("unknown", reason="exit 125: the command says that it can't tell")
        if code in _ABSENT and not self.ran:
            reason = f"exit {code}: the command {_ABSENT[code]}, and has not run at a good commit yet"
            return Answer("unknown", reason=reason, again=True)
        if self.metric is not None:
            return self._by_metric(self.metric, code, result)
        if code == 0:
            return Answer("good", reason="exit 0")
        return Answer("bad", reason=f"exit {code}" + (f": the command {_ABSENT[code]}" if code in _ABSENT else ""))

    def _by_metric(self, metric: Metric, code: int, result: ProbeResult) -> Answer:
        reading = metrics.read(metric, result.output, result.metrics)
        if code != 0 and (reading.value is None or not math.isnan(reading.value)):
            # A crash is not a worse number. Many runs stop by themselves at a nan, though.
            name = metric.name or "the metric"
            return Answer("unknown", reason=f"exit {code}: {name} counts only where the command succeeds")
        if reading.value is None:
            return Answer("unknown", reason=reading.reason)
        return self.judge(reading.value)

    def judge(self, value: float) -> Answer:
        """What a value says, by the rule as far as it can judge yet. A broken number is bad without any rule."""
        if self.rule is None or (self.rule.good_runs and self.good is None and math.isfinite(value)):
            if math.isfinite(value):
                return Answer(None, value, f"{self._name()} {value:g}")
            return Answer("bad", value, f"{self._name()} is {value:g}")
        kind: Literal["good", "bad"] = "bad" if self.rule.is_bad(value, self.good or _UNMEASURED) else "good"
        return Answer(kind, value, self.rule.reason(value, self.good))

    def _name(self) -> str:
        return self.metric.name if self.metric is not None and self.metric.name else "the value"

    def checked(self, result: ProbeResult) -> Oracle:
        """The oracle that knows of this result at a good end. Raises OracleMissing where the command can't start."""
        code = result.exit_code if result.ending == "exited" else None
        if code is None or not 0 <= code < FIRST_SIGNAL or self.ran:
            return self
        if code in _ABSENT:
            raise OracleMissing(
                f"the command {_ABSENT[code]} (exit {code}) at the good {result.commit[:12]}, on {result.worker}",
                "name one that is there in old commits too; --overlay PATH takes a script of today along, "
                "and --setup prepares what it needs",
            )
        return msgspec.structs.replace(self, ran=True)

    def check_measured(self, answer: Answer, commit: str) -> None:
        """Raise GoodUnmeasured where this answer at a good end leaves the rule without what it compares with."""
        if self.rule is None or not self.rule.good_runs or self.good is not None or answer.value is None:
            return
        if not math.isfinite(answer.value):
            raise GoodUnmeasured(
                f"{self._name()} is {answer.value:g} at the good commit {commit[:12]}, and the rule compares with it",
                f"give a rule with a number (--bad-if '{self.rule.name} is nan'), or an older good commit",
            )

    def calibrated(self, good: Calibration) -> Oracle:
        """The oracle that knows the good end's values."""
        return msgspec.structs.replace(self, good=good)


# A value that is not finite is bad whatever good is; this is never compared with.
_UNMEASURED = Calibration(0.0, 0.0, 0)


def _ending(result: ProbeResult) -> str:
    if result.ending == "signal" and result.signal is not None:
        return f"killed by signal {_signal(result.signal)}"
    return {"timeout": "it took too long", "out-of-memory": "it ran out of memory"}.get(
        result.ending, result.ending.replace("-", " ")
    )


def _killed(code: int | None) -> str:
    if code is None:
        return "its exit code is not known"
    if code < 0:
        return f"killed by signal {_signal(-code)}"
    by = (
        f", as a command that was killed by signal {_signal(code - FIRST_SIGNAL)}"
        if code - FIRST_SIGNAL in _NAMES
        else ""
    )
    return f"exit {code}{by}: 128 and above say nothing of a commit"


_NAMES = {int(one): one.name for one in signal.Signals}


def _signal(number: int) -> str:
    return f"{number} ({_NAMES[number]})" if number in _NAMES else str(number)
