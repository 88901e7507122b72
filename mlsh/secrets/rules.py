"""Find secrets in a text: the rules of `providers.py` and `typed.py`, each run only where its own words stand.

Linear in the text: a rule looks at each line at most once, and no pattern backtracks over more than it may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlsh.secrets import providers, typed
from mlsh.secrets.plain import is_example
from mlsh.secrets.rule import Match, Rule

_GAPLESS = re.compile(r"[A-Za-z0-9_-]{16}")

TYPED = (*providers.RULES, *typed.AROUND, *typed.TYPED)
"""The rules for what a shell was given or printed: history, dotfiles, logs."""
WRITTEN = (*providers.RULES, *typed.AROUND, *typed.WRITTEN)
"""The rules for files of settings, and all others."""
CODE = (*providers.RULES, *typed.AROUND, *typed.CODE)
"""The rules for programs."""


def find(text: str, rules: tuple[Rule, ...] = TYPED) -> list[Match]:
    """The secrets in a text, in its order; none overlaps another. Where several rules see one, the first has it."""
    low = text.lower()
    if len(low) != len(text):
        # A few capitals grow when made small, which would move what follows them.
        low = "".join(small if len(small := char.lower()) == 1 else char for char in text)
    found: list[tuple[int, Match]] = []
    has_gapless = _GAPLESS.search(text) is not None
    for order, rule in enumerate(rules):
        if rule.is_gapless and not has_gapless:
            continue
        for need in rule.needs:
            if need in low:
                if not rule.also or any(other in low for other in rule.also):
                    found.extend((order, match) for match in _matches(rule, text, low))
                break
    return _apart(found)


def _matches(rule: Rule, text: str, low: str) -> Iterator[Match]:
    if rule.spans_lines:
        yield from _accepted(rule, text, 0, len(text))
        return
    for start, end in _lines(rule.needs, low):
        if rule.also and not any(other in low[start:end] for other in rule.also):
            continue
        yield from _accepted(rule, text, start, end)


def _lines(needs: tuple[str, ...], low: str) -> list[tuple[int, int]]:
    """The lines that hold one of these words, each once."""
    lines = set()
    for need in needs:
        at = low.find(need)
        while at >= 0:
            start = low.rfind("\n", 0, at) + 1
            end = low.find("\n", at)
            end = len(low) if end < 0 else end
            lines.add((start, end))
            at = low.find(need, end)
    return sorted(lines)


def _accepted(rule: Rule, text: str, start: int, end: int) -> Iterator[Match]:
    # `$` and lookarounds are to see one line as if it were alone.
    line = text if (start, end) == (0, len(text)) else text[start:end]
    for match in rule.pattern.finditer(line):
        group = match.lastindex or 0
        secret = match[group]
        if not is_example(secret) if rule.accepts is None else rule.accepts(match, secret):
            yield Match(rule, start + match.start(group), start + match.end(group))


def _apart(found: list[tuple[int, Match]]) -> list[Match]:
    """Of matches that overlap one, with all that any of them covers; the rule that comes first names it."""
    joined: list[tuple[int, Match]] = []
    for order, one in sorted(found, key=lambda each: (each[1].start, each[0])):
        if joined and one.start < joined[-1][1].end:
            before, last = joined[-1]
            rule = last.rule if before <= order else one.rule
            joined[-1] = (min(before, order), Match(rule, last.start, max(last.end, one.end)))
        else:
            joined.append((order, one))
    return [one for _, one in joined]
