"""Find the servers that a job's log tells of, while the job runs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from mlsh.errors import Unreachable
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.ports import Found, Recogniser
from mlsh.records import State, from_json

_PAUSE_S = (0.5, 0.5, 1.0, 1.0, 2.0)
# A line that was cut at the end of one look is read again in the next.
_OVERLAP = 8192


class Look(msgspec.Struct, frozen=True):
    """How the job stands, and the servers that its log has told of so far; `lost` says why nobody could look."""

    state: State | None
    found: list[Found]
    lost: str = ""


def looks(on_box: OnBox, job_id: str) -> Iterator[Look]:
    """One look at the log after another, for ever. Raises NotFound, and Unreachable where the first one fails."""
    reader: Recogniser | None = None
    at = turn = 0
    while True:
        try:
            answer = on_box.call("urls", job_id, str(at))
            size, state, lines = _parse(answer, on_box.box.name)
        except Unreachable as error:
            if reader is None:
                raise
            yield Look(None, reader.found, error.what)
        else:
            reader = reader or Recogniser({state.node, state.node.partition(".")[0], on_box.box.name})
            reader.feed(lines)
            at = max(0, size - _OVERLAP)
            yield Look(state, reader.found)
        time.sleep(_PAUSE_S[min(turn, len(_PAUSE_S) - 1)])
        turn += 1


def _parse(answer: bytes, box: str) -> tuple[int, State, bytes]:
    head, _, rest = answer.partition(b"\n")
    state, _, lines = rest.partition(b"\n")
    if not head.startswith(b"size ") or not answer.endswith(b"end\n"):
        raise Unreachable(box, "its answer was cut short", "try again")
    return int(head[5:]), from_json(state, State), lines[: -len(b"end\n")]
