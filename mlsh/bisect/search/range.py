"""What is searched, what is asked, and what was seen: values."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

Kind = Literal["good", "bad", "unknown"]


class Range(msgspec.Struct, frozen=True):
    """The commits that may be the culprit: ancestors of `bad` that no good commit reaches."""

    commits: tuple[str, ...]
    """Their names, each after its parents."""
    parents: tuple[tuple[int, ...], ...]
    """For each its parents in this range, as positions."""
    outside: tuple[tuple[str, ...], ...]
    """For each its parents that are not: they are good."""
    bad: str
    goods: tuple[str, ...]
    oldest_first: tuple[int, ...] = ()
    """The positions in the reverse of `git rev-list`'s order, where that is another one."""
    merge_bases: tuple[str, ...] = ()
    """Where a good is no ancestor of bad: what must be good for the question to make sense, and is asked first."""


class Purpose(enum.StrEnum):
    """Why a commit is tested."""

    BAD_END = "bad end"
    GOOD_END = "good end"
    MERGE_BASE = "merge base"
    SEARCH = "search"
    CONFIRM = "confirm"


CONTROLS = frozenset({Purpose.BAD_END, Purpose.GOOD_END, Purpose.MERGE_BASE})


class Ask(msgspec.Struct, frozen=True):
    """A test that is wanted."""

    commit: str
    purpose: Purpose


class Seen(msgspec.Struct, frozen=True):
    """An answer. "unknown": this commit can't be tested. A value without a rule leaves `kind` to be found out: None."""

    commit: str
    purpose: Purpose
    kind: Kind | None
    value: float | None = None


class Options(msgspec.Struct, frozen=True):
    """How sure to be, and what is known of the oracle."""

    confidence: float = 0.95
    """The posterior at which a culprit is named."""
    noisy: bool = False
    """Whether answers may be false from the start; else they are taken as sure until they contradict each other."""
    values: bool = False
    """Whether an answer is a number whose two kinds are learnt. Such an oracle is always noisy."""
    controls: int = 8
    """Runs at either end that teach the noise, at least."""
    confirmations: int = 2
    """Runs at the culprit, and at each of its parents, before it is named, where answers may be false."""
    prior_none: float = 0.2
    """How likely it is beforehand that no commit of the range is to blame, where answers may be false."""
    max_runs: int | None = None
    """After this many runs beyond the ends the search ends with what it has. Default: several times what it should
    take where answers may be false, and no limit where they are sure."""
