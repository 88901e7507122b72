"""Find a number by its name in what a command printed, or in a file that it wrote. What it printed is hostile.

The last one counts: a run prints its loss many times. Each look is linear in the size of the text.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from mlsh.bisect.probing import OUTPUT_KEPT
from mlsh.errors import UsageError
from mlsh.shell.sanitize import clean_log
from mlsh.shell.visible import printable

NAME = r"[\w@%./-]+"
# Possessive throughout, so that no digit is given back: of `1.2.3` there is no number 1.2, of `0,35` no 0.
_DIGITS = r"(?:\d{1,3}(?:,\d{3})++(?=\.\d)|\d{1,400}+)(?:\.\d{0,400}+)?+|\.\d{1,400}+"
NUMBER = rf"[-+]?(?:(?i:nan|inf(?:inity)?+)(?!\w)|(?:{_DIGITS})(?:[eE][-+]?\d{{1,5}}+)?+)"
# `tensor(0.35, device='cuda:0')` and `np.float64(0.35)` are how libraries print a number.
_WRAPPED = r"(?:(?:tensor|array|(?:np|numpy)\.float\d{2})\()?+"
_UNIT = r"[A-Za-zµ%°][A-Za-zµ%°/]{0,11}+|[ ](?:[mnuµ]?s|min|h|[kKMGT]i?B|%)(?![\w=:])"
_VALUE = (
    rf"[\"']?[ \t]{{0,64}}+[=:][ \t]{{0,64}}+[\"']?{_WRAPPED}(?P<value>{NUMBER})(?P<unit>{_UNIT})?+"
    r"(?!\w)(?!,\d)(?![.:]\d)"
)
# `loss` is not the end of `val_loss`, nor of `train/loss`.
_BEFORE = r"(?<![\w@%./-])"
_ANY = re.compile(rf"{_BEFORE}(?P<name>[\w@%./-]{{1,80}}+){_VALUE}")
_COLOURS = re.compile(r"\x1b\[[0-9;:]{0,64}[mK]")
_WHOLE = re.compile(rf"\s*({NUMBER})\s*")
_LONGEST_LINE = 16_384
_LOOKED_THROUGH = 1 << 16
_MOST_REGEX_LINES = 100_000
# Lines with the name and no number: a JSON text that is broken takes 20 us to find so.
_MOST_LINES = 10_000


class Metric(msgspec.Struct, frozen=True):
    """Which number is meant: by its name, or by an expression whose first group (or `value`) it is."""

    name: str
    regex: str = ""
    file: str = ""
    """The file that holds it, as it was named; empty where the output does."""


class Reading(msgspec.Struct, frozen=True):
    """The number, or in `reason` why there is none. `unit` is what was printed behind it; the number is as printed."""

    value: float | None
    reason: str = ""
    unit: str = ""


def check(metric: Metric) -> Metric:
    """Return the metric if it can be looked for. Raises UsageError."""
    if metric.regex:
        try:
            re.compile(metric.regex)
        except (re.error, RecursionError, OverflowError) as error:
            at = getattr(error, "pos", None)
            where = f" (at character {at + 1})" if at is not None else ""
            raise UsageError(
                f"--metric-regex {printable(metric.regex[:80])!r} is no regular expression: {error}{where}",
                "an expression of Python with one group, such as 'val_loss=([0-9.]+)'",
            ) from error
    elif not re.fullmatch(NAME, metric.name):
        raise UsageError(
            f"--metric {printable(metric.name[:80])!r}: a name is letters, digits and _ @ % . / -",
            "give the name as it is printed before = or :, or use --metric-regex",
        )
    return metric


def read(metric: Metric, output: bytes, file: bytes = b"") -> Reading:
    """The metric's value in the output, or in the file where `metric.file` names one."""
    if metric.file:
        if not file:
            return Reading(None, f"the command left nothing in {printable(metric.file)}")
        return _read_text(metric, file.decode(errors="replace"), printable(metric.file))
    text = _COLOURS.sub("", clean_log(output)).replace("\r", "\n")
    if len(output) >= OUTPUT_KEPT:
        # Its first line may be the rest of one: of `val_loss=3` there may be `loss=3`.
        text = text.partition("\n")[2]
    return _read_text(metric, text, "its output")


def _read_text(metric: Metric, text: str, where: str) -> Reading:
    if metric.regex:
        return _by_regex(metric.regex, text, where)
    if metric.file:
        document = _json(text)
        if document is not None:
            found = _look_up(document, metric.name)
            if found is not None:
                return Reading(found)
        if whole := _WHOLE.fullmatch(text[:_LONGEST_LINE]):
            return Reading(float(whole[1].replace(",", "")))
    leaf = metric.name.rpartition(".")[2]
    pattern = re.compile(f"{_BEFORE}{re.escape(metric.name)}{_VALUE}")
    for line in itertools.islice(_lines_with(leaf, text), _MOST_LINES):
        if line.lstrip().startswith("{") and (document := _json(line)) is not None:
            value = _look_up(document, metric.name)
            if value is not None:
                return Reading(value)
        last = None
        for last in pattern.finditer(line):  # noqa: B007 - the last one is meant
            pass
        if last is not None:
            return Reading(float(last["value"].replace(",", "")), unit=(last["unit"] or "").strip())
    return Reading(None, _nothing(metric.name, text, where))


def _lines_with(word: str, text: str) -> Iterator[str]:
    """The lines that hold the word, the last one first."""
    end = len(text)
    while (at := text.rfind(word, 0, end)) >= 0:
        start = text.rfind("\n", 0, at) + 1
        stop = text.find("\n", at)
        yield text[start : stop if stop >= 0 else len(text)]
        end = start


def _json(text: str) -> Any:
    """The value of a JSON text, NaN and Infinity allowed as Python writes them; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _look_up(document: Any, name: str) -> float | None:
    """The number under `name`: the key itself, or `a.b` as b within a."""
    if not isinstance(document, dict):
        # A file may be a list of rows, of which the last counts.
        return _look_up(document[-1], name) if isinstance(document, list) and document else None
    if name in document:
        return _number(document[name])
    head, dot, rest = name.partition(".")
    while dot:
        if isinstance(document.get(head), dict) and (found := _look_up(document[head], rest)) is not None:
            return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        found = _WHOLE.fullmatch(value[:_LONGEST_LINE])
        return float(found[1].replace(",", "")) if found else None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return None


def _by_regex(regex: str, text: str, where: str) -> Reading:
    pattern = re.compile(regex)
    group = "value" if "value" in pattern.groupindex else 1 if pattern.groups else 0
    unread = ""
    for line in reversed(text.rsplit("\n", _MOST_REGEX_LINES)):
        for found in reversed(list(pattern.finditer(line[:_LONGEST_LINE]))):
            number = _WHOLE.fullmatch(found[group] or "")
            if number:
                return Reading(float(number[1].replace(",", "")))
            unread = unread or f"; it found {printable((found[group] or '')[:40])!r}, which is no number"
    return Reading(None, f"--metric-regex finds no number in {where}{unread}")


def _nothing(name: str, text: str, where: str) -> str:
    """Why there is no value: what was looked for, and which names there are."""
    if not text.strip():
        return f"no {name}=... in {where}, which is empty"
    from difflib import get_close_matches

    end = text[-_LOOKED_THROUGH:]
    seen = dict.fromkeys(found["name"] for found in _ANY.finditer(end))
    for line in end.splitlines()[-200:]:
        if line.lstrip().startswith("{") and isinstance(document := _json(line), dict):
            seen.update(dict.fromkeys(key for key in document if _number(document[key]) is not None))
    names = [found for found in seen if found != name][-500:]
    last = name.rpartition("/")[2].rpartition(".")[2]
    near = [other for other in names if re.split(r"[/.]", other)[-1] == last]
    near += get_close_matches(name, names, n=3, cutoff=0.5)
    shown = list(dict.fromkeys(near))[:3] or names[-3:]
    there = f"; it has {', '.join(printable(other[:60]) for other in shown)}" if shown else ""
    return f"no {name}=... or {name}: ... in {where}{there}"
