"""The picture of one box that the events of its watch add up to. Pure: a picture and an event give the next one."""

from __future__ import annotations

import time

import msgspec

from mlsh.jobs.reconnecting import Back, Lost
from mlsh.jobs.store import is_revived
from mlsh.jobs.watching import Beat, Event, Gpus, Host, JobChanged, JobGone, Line, Snapshot
from mlsh.records import Job, State

CONNECTING, WATCHED, LOST, REFUSED = "connecting", "watched", "lost", "refused"


class Picture(msgspec.Struct, frozen=True):
    """A box as it is known here. `connection` is one of the four words above, `reason` why it is not WATCHED.

    `jobs` is by id, `comes_back` as in a Listing.
    `now` was the box's clock when this machine's (`clock`) stood at `at`; `since` is when the
    connection was lost, by the latter. `gpus` and `host` are None until they were told.
    """

    box: str
    connection: str = CONNECTING
    reason: str = ""
    since: float = 0
    jobs: dict[str, Job] = {}
    line: dict[str, tuple[str, ...]] = {}
    gpus: Gpus | None = None
    host: Host | None = None
    node: str = ""
    unreadable: int = 0
    comes_back: str = ""
    now: int = 0
    at: float = 0

    def box_now(self, at: float) -> int:
        """The box's clock when ours stands at `at`."""
        return self.now + max(0, int(at - self.at))

    def sorted_jobs(self, at: float) -> list[Job]:
        """The jobs, oldest first, with the seconds that each has run by then and its place in line."""
        now, places = self.box_now(at), _places(self.line)
        jobs = [
            msgspec.structs.replace(job, running_s=_running_s(job.state, now), place=places.get(job.id))
            for job in self.jobs.values()
        ]
        return sorted(jobs, key=lambda job: (job.spec.created, job.id))


def reduce(picture: Picture, event: Event, at: float) -> Picture:
    """The picture after an event that was heard at `at`."""
    replace = msgspec.structs.replace
    match event:
        case Snapshot(listing):
            return replace(
                picture,
                connection=WATCHED,
                reason="",
                since=0,
                jobs={job.id: msgspec.structs.replace(job, running_s=None, place=None) for job in listing.jobs},
                line={},
                node=listing.node,
                unreadable=listing.unreadable,
                comes_back=listing.comes_back,
                now=listing.now,
                at=at,
            )
        case JobChanged(state, spec):
            known = picture.jobs.get(state.id)
            asked = spec if spec is not None else known.spec if known is not None else None
            if asked is None or asked.id != state.id:
                return picture
            how = picture.comes_back if is_revived(asked, state) else ""
            return replace(picture, jobs={**picture.jobs, state.id: Job(asked, state, picture.box, comes_back=how)})
        case JobGone(gone):
            return replace(picture, jobs={id_: job for id_, job in picture.jobs.items() if id_ != gone})
        case Line(need, ids):
            others = {key: value for key, value in picture.line.items() if key != need}
            return replace(picture, line={**others, need: ids} if ids else others)
        case Gpus():
            return replace(picture, gpus=event)
        case Host():
            return replace(picture, host=event)
        case Lost(reason, for_s):
            # What was known stays: as of then.
            return replace(picture, connection=LOST, reason=reason, since=at - for_s)
        case Back() | Beat():
            return picture


def refused(picture: Picture, reason: str, at: float) -> Picture:
    """The picture once the box won't have us, and nobody tries again."""
    return msgspec.structs.replace(picture, connection=REFUSED, reason=reason, since=at)


def changes(before: Picture, after: Picture) -> tuple[list[Job], list[Job]]:
    """The jobs that are new or stand otherwise than before, oldest first, and those that are gone."""
    if before.jobs is after.jobs:
        return [], []
    changed = [job for id_, job in after.jobs.items() if before.jobs.get(id_) != job]
    gone = [job for id_, job in before.jobs.items() if id_ not in after.jobs]
    return sorted(changed, key=lambda job: (job.spec.created, job.id)), gone


def clock() -> float:
    """Seconds that go on while the machine sleeps, where it can count those."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def _places(line: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Where each job stands in its line; an array has one place, that of its first ticket."""
    places: dict[str, int] = {}
    for ids in line.values():
        first = dict.fromkeys(id_.partition("-")[0] for id_ in ids)
        places |= {id_: place for place, id_ in enumerate(first, 1)}
    return places


def _running_s(state: State, now: int) -> int | None:
    if state.started is None:
        return None
    return max(0, (now if state.ended is None else state.ended) - state.started)
