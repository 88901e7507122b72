"""How a search can end."""

from __future__ import annotations

import enum

import msgspec


class EndTrouble(enum.StrEnum):
    """What is wrong with the ends of a range, so that a search in it would mean nothing."""

    BAD_PASSES = "the bad end passes"
    GOOD_FAILS = "a good end fails"
    SWAPPED = "the bad end passes and the good end fails"
    BASE_FAILS = "the merge base fails"
    UNTESTABLE = "an end can't be tested"


class Verdict(msgspec.Struct, frozen=True):
    """The end of a search; one of those below."""


class Culprit(Verdict, frozen=True):
    """This commit did it. `confidence` is its posterior; 1.0 where the oracle never lied."""

    commit: str
    confidence: float


class CredibleSet(Verdict, frozen=True):
    """One of these did it, and nothing that can be tested tells them apart (or `gave_up`: the runs were used up)."""

    commits: tuple[str, ...]
    confidence: float
    gave_up: bool = False


class NoCulprit(Verdict, frozen=True):
    """The ends don't differ: nothing in this range changed what the oracle sees."""

    confidence: float


class EndsWrong(Verdict, frozen=True):
    """The ends don't answer as they should. `commits` are those that didn't."""

    trouble: EndTrouble
    commits: tuple[str, ...]
