"""What happens in a bisection, one value an event, and where it stands after them. Pure.

A line of the journal is one of these as JSON. A later mlsh may add fields and events: fields that are not known are
ignored, and an event that is not known is kept as `Other`. What would be understood wrongly raises the layout's number.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec

LAYOUT = 1

Kind = Literal["good", "bad", "unknown"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    """`at` is when it happened, in seconds since the epoch by this machine's clock."""

    at: float = 0.0


class Begun(Event, frozen=True, kw_only=True, tag="begun"):
    """The first line: all that was asked for. No path of this machine is in it, so the repository may be moved."""

    layout: int = LAYOUT
    id: str
    bad: str
    goods: list[str]
    """Full names of commits; as they were typed in `bad_typed` and `goods_typed`."""
    bad_typed: str = ""
    goods_typed: list[str] = []
    argv: list[str] = []
    """The oracle's command; empty where a person answers."""
    first_parent: bool = False
    pathspecs: list[str] = []
    options: dict[str, Any] = {}
    """The other options, by their long names."""
    mlsh: str = ""
    """The version that began it."""


class Asked(Event, frozen=True, kw_only=True, tag="asked"):
    """A probe was given to a worker."""

    number: int
    commit: str
    purpose: str = ""
    worker: str = ""
    job: str = ""
    """The job's id, where the probe is one that outlives this process."""


class Observed(Event, frozen=True, kw_only=True, tag="observed"):
    """An answer. `kind` is None where the value has yet to be judged."""

    number: int
    commit: str
    kind: Kind | None
    purpose: str = ""
    value: float | None = None
    reason: str = ""
    duration_s: float = 0.0
    worker: str = ""
    ending: str = ""
    again: bool = False
    """Nothing was learnt of the commit, as of a worker that was lost."""


class Cancelled(Event, frozen=True, kw_only=True, tag="cancelled"):
    """A probe was ended because its answer no longer mattered."""

    number: int
    reason: str = ""


class Marked(Event, frozen=True, kw_only=True, tag="marked"):
    """A person said what a commit is. It counts as an observation, and can be undone as one."""

    number: int
    commit: str
    kind: Literal["good", "bad"]


class Skipped(Event, frozen=True, kw_only=True, tag="skipped"):
    """A person said that these commits can't be tested."""

    number: int
    commits: list[str]


class Undone(Event, frozen=True, kw_only=True, tag="undone"):
    """The observation, mark or skip with this number counts no longer."""

    number: int
    reason: str = ""


class Turned(Event, frozen=True, kw_only=True, tag="turned"):
    """The way of searching changed: `noisy` since two answers contradicted each other, say."""

    mode: str
    reason: str = ""


class Verdict(Event, frozen=True, kw_only=True, tag="verdict"):
    """The end: a culprit, the commits that can't be told apart, or none. Void once anything is seen or undone."""

    kind: str
    commits: list[str] = []
    confidence: float = 0.0
    reason: str = ""
    details: dict[str, Any] = {}


class Other(msgspec.Struct, frozen=True):
    """An event that a later mlsh wrote."""

    fields: dict[str, Any]


Known = Begun | Asked | Observed | Cancelled | Marked | Skipped | Undone | Turned | Verdict
AnyEvent = Known | Other
_NAMES = {kind.__struct_config__.tag for kind in get_args(Known)}
_SUM = b',"sum":"'
_SUM_LENGTH = len(_SUM) + 8 + 2


class Damaged(ValueError):
    """A line that is not what was written."""


def to_line(event: Known) -> bytes:
    """The event as a line of JSON, which ends in a sum of its bytes."""
    fields = msgspec.to_builtins(event)
    value = fields.get("value")
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no nan, and a null would be read back as no value.
        fields["value"] = repr(value)
    body = msgspec.json.encode(fields)
    return body[:-1] + _SUM + b"%08x" % zlib.crc32(body) + b'"}\n'


def from_line(line: bytes) -> AnyEvent:
    """The event of a line without its line end. Raises Damaged."""
    body, tail = line[:-_SUM_LENGTH] + b"}", line[-_SUM_LENGTH:]
    if tail != _SUM + b"%08x" % zlib.crc32(body) + b'"}':
        raise Damaged("its sum is wrong")
    try:
        fields = msgspec.json.decode(body)
        if fields.get("event") not in _NAMES:
            return Other(fields)
        if isinstance(fields.get("value"), str):
            fields["value"] = float(fields["value"])
        event: Known = msgspec.convert(fields, Known)
    except (msgspec.DecodeError, ValueError, AttributeError, TypeError) as error:
        raise Damaged(str(error)) from error
    return event


class Standing(msgspec.Struct, frozen=True):
    """Where a bisection stands."""

    begun: Begun | None
    observations: tuple[Observed | Marked, ...]
    """Those in force, oldest first: undone ones and those to be asked again are left out."""
    skipped: frozenset[str]
    pending: tuple[Asked, ...]
    """Asked and never answered nor cancelled: what ran when mlsh was killed, or runs still."""
    turned: tuple[Turned, ...]
    verdict: Verdict | None
    next_number: int
    """The number for the next probe, mark or skip."""
    undone: frozenset[int]


def standing(events: Sequence[AnyEvent]) -> Standing:
    """Fold the events of a journal. Of two answers to one number the first counts."""
    begun: Begun | None = None
    asked: dict[int, Asked] = {}
    answers: dict[int, Observed | Marked | Skipped] = {}
    cancelled: set[int] = set()
    undone: set[int] = set()
    turned: list[Turned] = []
    verdict: Verdict | None = None
    highest = 0
    for event in events:
        if isinstance(event, Asked | Observed | Cancelled | Marked | Skipped | Undone):
            highest = max(highest, event.number)
        match event:
            case Begun():
                begun = begun or event
            case Asked():
                asked.setdefault(event.number, event)
            case Observed() | Marked() | Skipped():
                answers.setdefault(event.number, event)
                if not (isinstance(event, Observed) and event.again):
                    verdict = None
            case Cancelled():
                cancelled.add(event.number)
            case Undone():
                undone.add(event.number)
                verdict = None
            case Turned():
                turned.append(event)
            case Verdict():
                verdict = event
            case Other(fields):
                number = fields.get("number")
                highest = max(highest, number if isinstance(number, int) else 0)
    counted = [answer for number, answer in answers.items() if number not in undone]
    return Standing(
        begun=begun,
        observations=tuple(
            one for one in counted if isinstance(one, Marked) or (isinstance(one, Observed) and not one.again)
        ),
        skipped=frozenset(commit for one in counted if isinstance(one, Skipped) for commit in one.commits),
        pending=tuple(one for number, one in asked.items() if number not in answers and number not in cancelled),
        turned=tuple(turned),
        verdict=verdict,
        next_number=highest + 1,
        undone=frozenset(undone),
    )
