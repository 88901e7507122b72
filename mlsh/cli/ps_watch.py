"""`mlsh ps -w`: the list of jobs, as it changes."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlsh.cli.ps import as_fields, lines_of, wanted
from mlsh.cli.screen import Screen, has_screen
from mlsh.cli.talk import paint, say
from mlsh.errors import ExitCode
from mlsh.jobs.durations import show
from mlsh.jobs.picture import CONNECTING, LOST, REFUSED, WATCHED, Picture, changes, clock
from mlsh.jobs.reconnecting import Back
from mlsh.jobs.watches import Change, Refused, Watches, told_lost
from mlsh.jobs.watching import Snapshot
from mlsh.shell.table import clip
from mlsh.shell.visible import printable

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.records import Job

# The seconds that a job has run go on.
_TICK_S = 1.0


class Filter(NamedTuple):
    """Which jobs are to be listed."""

    everything: bool = False
    states: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def takes(self, job: Job, now: int) -> bool:
        """Whether this one is; `now` is its box's clock."""
        return wanted(job, now, self.everything or bool(self.states), list(self.states), self.tags)


def watch_jobs(boxes: Sequence[Box], chosen: Filter, as_json: bool) -> int:
    """Show the jobs of boxes until Ctrl-C; returns the exit code."""
    watches = Watches(boxes)
    try:
        if has_screen() and not as_json:
            return redraw(watches, lambda size: _lines(watches, chosen, size))
        return _print_changes(watches, chosen, as_json)
    except KeyboardInterrupt:
        return ExitCode.OK
    finally:
        watches.close()


# On a terminal


def redraw(watches: Watches, lines: Callable[[os.terminal_size], list[str]]) -> int:
    """Draw `lines` of a size again whenever something changed, until Ctrl-C or until no box is left."""
    screen = Screen()

    def now() -> list[str]:
        return lines(screen.size)

    with screen.held(now):
        # One box alone may ask for a passphrase: the screen is its until it has said something.
        if len(watches.pictures) > 1:
            screen.draw(now())
        while not _all_refused(watches):
            for _ in watches.changes(_TICK_S):
                pass
            if (due_s := screen.due_s()) > 0:
                for _ in watches.changes(due_s):
                    pass
            if len(watches.pictures) > 1 or any(one.connection != CONNECTING for one in watches.pictures.values()):
                screen.draw(now())
    return exit_code(watches)


def _all_refused(watches: Watches) -> bool:
    return all(picture.connection == REFUSED for picture in watches.pictures.values())


def exit_code(watches: Watches) -> int:
    """Say why boxes refused us, and return the code for it."""
    for error in watches.refused.values():
        say(error.what)
        if error.hint:
            print(f"      {printable(error.hint)}", file=sys.stderr)
    return max((int(error.exit_code) for error in watches.refused.values()), default=int(ExitCode.OK))


def _lines(watches: Watches, chosen: Filter, size: os.terminal_size) -> list[str]:
    at = clock()
    pictures = list(watches.pictures.values())
    jobs = [job for one in pictures for job in one.sorted_jobs(at) if chosen.takes(job, one.box_now(at))]
    notes = notes_of(pictures, at, size.columns)
    # The last line stays free, so that nothing scrolls.
    room = max(1, size.lines - 2 - min(len(notes), size.lines // 2))
    kept = keep(jobs, room)
    if len(kept) < len(jobs):
        kept = keep(jobs, max(1, room - 1))
        notes = [
            clip(
                f"{len(jobs) - len(kept)} more are hidden: a larger window, or fewer jobs: --state RUNNING",
                size.columns,
            ),
            *notes,
        ]
    if kept:
        table = lines_of(kept, True, size.columns)
    elif any(one.connection == WATCHED for one in pictures):
        table = [clip("no jobs since yesterday" if chosen == Filter() else "no such jobs", size.columns)]
    else:
        table = []
    return [*table, *notes][: max(1, size.lines - 1)] or [""]


def notes_of(pictures: Sequence[Picture], at: float, columns: int) -> list[str]:
    """A line for each box that is not heard of just now."""
    lines = []
    for one in pictures:
        if (text := note_of(one, at)) is not None:
            colour = "dim" if one.connection == CONNECTING else "red"
            lines.append(paint(clip(printable(text), columns), colour))
    return lines


def note_of(picture: Picture, at: float) -> str | None:
    """Why a box is not heard of just now, in words."""
    if picture.connection == WATCHED:
        return None
    if picture.connection == CONNECTING:
        return f"{picture.box}: connecting"
    reason = picture.reason.removeprefix(f"{picture.box}: ")
    if picture.connection == LOST:
        known = "shown as it was; " if picture.now else ""
        return f"{picture.box}: no connection for {show(int(at - picture.since))}, {known}trying again: {reason}"
    return f"{picture.box}: {reason}"


def keep(jobs: list[Job], room: int) -> list[Job]:
    """Those of the jobs that are worth most, in their order: that run, that wait, and the last ones that ended."""
    if len(jobs) <= room:
        return jobs
    rank = {"RUNNING": 0, "PENDING": 1}
    order = sorted(
        range(len(jobs)),
        key=lambda number: (rank.get(jobs[number].state.state.value, 2), -(jobs[number].state.ended or 0), number),
    )
    return [jobs[number] for number in sorted(order[:room])]


# In a pipe


def _print_changes(watches: Watches, chosen: Filter, as_json: bool) -> int:
    header = True
    hung_up = select.poll()
    hung_up.register(1, 0)
    while not _all_refused(watches):
        for change in watches.changes(_TICK_S):
            changed, gone = _of_interest(change, chosen)
            if as_json:
                for fields in _as_events(change, changed, gone):
                    _put_json(fields)
            elif changed or gone:
                removed = {job.id: "REMOVED" for job in gone}
                print("\n".join(lines_of([*changed, *gone], header, None, removed)))
                header = False
            if not as_json:
                _say(change)
        sys.stdout.flush()
        if any(state & (select.POLLERR | select.POLLHUP) for _, state in hung_up.poll(0)):
            return ExitCode.OK  # the reader has seen enough
    return exit_code(watches)


def _of_interest(change: Change, chosen: Filter) -> tuple[list[Job], list[Job]]:
    """The jobs that changed and are listed, or were before; and of those that are gone, the ones that were listed."""
    at = clock()
    now = change.after.box_now(at)
    before = change.before.jobs
    changed, gone = changes(change.before, change.after)
    ids = {
        job.id for job in changed if chosen.takes(job, now) or (job.id in before and chosen.takes(before[job.id], now))
    }
    if not ids:
        return [], [job for job in gone if chosen.takes(job, now)]
    return (
        [job for job in change.after.sorted_jobs(at) if job.id in ids],
        [job for job in gone if chosen.takes(job, now)],
    )


def _as_events(change: Change, changed: list[Job], gone: list[Job]) -> list[dict[str, Any]]:
    box = change.after.box
    events = [{"event": "job", **as_fields(job)} for job in changed]
    events += [{"event": "gone", "id": job.id, "name": job.spec.name, "box": box} for job in gone]
    if isinstance(change.event, Snapshot):
        events.append({"event": "watching", "box": box})
    elif (lost := told_lost(change)) is not None:
        events.append({"event": "lost", "box": box, "reason": lost.reason})
    elif isinstance(change.event, Refused):
        events.append({"event": "refused", "box": box, "reason": change.event.error.what})
    return events


def _put_json(fields: dict[str, Any]) -> None:
    from mlsh.records import to_json

    sys.stdout.write(to_json(fields).decode() + "\n")


def _say(change: Change) -> None:
    if (lost := told_lost(change)) is not None:
        say(f"{lost.reason}; trying again")
    elif isinstance(change.event, Back):
        say(f"{change.after.box}: connected again")
