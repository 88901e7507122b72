"""When is a value bad: `--bad-if 'val_loss > 0.35'`, also beside what the good end gives: `val_loss > good + 5%`.

    rule  :=  NAME ('<' | '<=' | '>' | '>=') limit   |   NAME 'is' ('nan' | 'inf')
    limit :=  number   |   'good'   |   'good' ('+' | '-') number ['%' | 'sd']   |   'good' ('*' | '/') number

`good` is the mean of the good end's values, `5%` is of its size without sign, `sd` their standard deviation. A value
that is nan or infinite is bad by any comparison: every comparison with nan is false, and `val_loss > 0.35` would call a
run good whose loss is broken. `is nan` and `is inf` ask for just that.
"""

from __future__ import annotations

import math
import operator
import re
import statistics
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from mlsh.bisect.metric import NAME
from mlsh.errors import UsageError
from mlsh.shell.visible import printable

OPTION = "--bad-if"
FORMS = "say NAME > 0.35 (or < >= <=), NAME > good + 5%, NAME > good * 1.1, NAME > good + 3 sd, or NAME is nan"
_LONGEST = 500
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_TOKEN = re.compile(r"\s*(?:<=|>=|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[A-Za-z]+|\S)", re.ASCII)
_FIRST = re.compile(rf"\s*({NAME})")
_SD_RUNS = 5


class Calibration(msgspec.Struct, frozen=True):
    """What the good end gives. `sd` is None where one run can't tell it."""

    mean: float
    sd: float | None
    runs: int


def calibrate(values: Sequence[float]) -> Calibration:
    """The calibration by the values of runs at the good end, all finite, of which there is at least one."""
    mean = statistics.fmean(values)
    return Calibration(mean, statistics.stdev(values) if len(values) > 1 else None, len(values))


class Rule(msgspec.Struct, frozen=True):
    """A rule that was read. The limit is `number`, or made of good, `step` and `number`."""

    words: str
    name: str
    compare: str
    """`<`, `<=`, `>`, `>=`, or `is nan`, `is inf`."""
    number: float = 0.0
    step: str = ""
    """Empty where the limit is a number; else `good`, `+`, `-`, `+%`, `-%`, `+sd`, `-sd`, `*`, `/`."""

    @property
    def good_runs(self) -> int:
        """How many runs at the good end it needs before it can judge."""
        return 0 if not self.step else _SD_RUNS if "sd" in self.step else 1

    def limit(self, good: Calibration | None = None) -> float:
        """What a value is compared with. Raises UsageError where the good end has not been measured enough."""
        if not self.step:
            return self.number
        if good is None:
            raise UsageError(f"{OPTION} {self.words}: the good end has no value yet", "let it run there first")
        sign = -1.0 if self.step.startswith("-") else 1.0
        match self.step[1:] if self.step != "good" else self.step:
            case "good":
                return good.mean
            case "%":
                return good.mean + sign * self.number / 100 * abs(good.mean)
            case "sd":
                if good.sd is None:
                    raise UsageError(f"{OPTION} {self.words}: one run can't tell a deviation", "run the good end again")
                return good.mean + sign * self.number * good.sd
        if self.step in "*/":
            return good.mean * self.number if self.step == "*" else good.mean / self.number
        return good.mean + sign * self.number

    def is_bad(self, value: float, good: Calibration | None = None) -> bool:
        """Whether a value is bad. Raises UsageError as `limit` does."""
        if self.compare == "is nan":
            return math.isnan(value)
        if self.compare == "is inf":
            return math.isinf(value)
        limit = self.limit(good)
        return not math.isfinite(value) or bool(_COMPARE[self.compare](value, limit))

    def reason(self, value: float, good: Calibration | None = None) -> str:
        """In words: `val_loss 0.41 > 0.35`, and from where the limit is."""
        shown = f"{self.name} {value:g}"
        if self.compare.startswith("is ") or not math.isfinite(value):
            return shown
        limit = self.limit(good)
        compare = self.compare if _COMPARE[self.compare](value, limit) else f"is not {self.compare}"
        source = f" ({self.words.partition(self.compare)[2].strip()})" if self.step else ""
        return f"{shown} {compare} {limit:g}{source}"


def rule(text: str) -> Rule:
    """Read a rule. Raises UsageError, which says at which character it stops making sense."""
    if "\n" in text or "\0" in text or len(text) > _LONGEST:
        raise UsageError(f"{OPTION}: a rule is one line, of at most {_LONGEST} characters", FORMS)
    return _Parser(text).rule()


class _Parser:
    """A rule's words, taken one by one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rule(self) -> Rule:
        first = _FIRST.match(self._text)
        if first is None:
            self._refuse("the name of a metric")
        name, self._at = first[1], first.end()
        words = " ".join(self._text.split())
        if (compare := self._take(*_COMPARE, "is")) == "is":
            is_what = self._take("nan", "inf", wanted="nan or inf")
            self._end()
            return Rule(words, name, f"is {is_what}")
        if not compare:
            self._refuse("<, <=, >, >= or is")
        if (number := self._number()) is not None:
            self._end()
            return Rule(words, name, compare, number)
        self._take("good", wanted="a number or good")
        step, number = self._step()
        self._end()
        return Rule(words, name, compare, number, step)

    def _step(self) -> tuple[str, float]:
        signed = self._number(signed=True)
        if signed is not None:  # `good +5%`: the sign stuck to the number
            sign, number = ("-" if math.copysign(1, signed) < 0 else "+"), abs(signed)
        else:
            sign = self._take("+", "-", "*", "/")
            if not sign:
                return "good", 0.0
            unsigned = self._number(unsigned=True)
            if unsigned is None:
                self._refuse("a number")
            number = unsigned
        if sign == "/" and number == 0:
            self._refuse("a number other than 0")
        return sign + (self._take("%", "sd") if sign in "+-" else ""), number

    def _next(self) -> tuple[str, int]:
        found = _TOKEN.match(self._text, self._at)
        return (found[0].strip(), found.end()) if found else ("", self._at)

    def _take(self, *words: str, wanted: str = "") -> str:
        """Take the next word if it is one of these; else nothing, or an error where one is `wanted`."""
        word, end = self._next()
        if word.lower() in words:
            self._at = end
            return word.lower()
        if wanted:
            self._refuse(wanted)
        return ""

    def _number(self, *, signed: bool = False, unsigned: bool = False) -> float | None:
        word, end = self._next()
        has_sign = word[:1] in {"+", "-"}
        if not re.search(r"\d", word) or (signed and not has_sign) or (unsigned and has_sign):
            return None
        try:
            number = float(word)
        except ValueError:
            return None
        if not math.isfinite(number):
            self._refuse("a number that is not so large")
        self._at = end
        return number

    def _end(self) -> None:
        if self._text[self._at :].strip():
            self._refuse("the end of the rule")

    def _refuse(self, wanted: str) -> NoReturn:
        rest = self._text[self._at :]
        at = self._at + len(rest) - len(rest.lstrip()) + 1
        word = printable(self._next()[0][:40])
        there = f"{word!r} stands" if word else "it ends"
        raise UsageError(
            f"{OPTION} {printable(self._text[:80])!r}: at character {at} {there} where {wanted} is expected", FORMS
        )
