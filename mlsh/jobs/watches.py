"""Watch several boxes side by side: a thread each, so that one that is dead delays nobody."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence

import msgspec

from mlsh.box import Box
from mlsh.box.fanout import AT_ONCE, keep_quiet
from mlsh.errors import MlshError
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.picture import Picture, clock, reduce, refused
from mlsh.jobs.reconnecting import Lost
from mlsh.jobs.watching import Beat, Event, Watcher

# A change is shown at once, and what comes right behind it is shown with it.
_GATHER_S = 0.02


class Refused(msgspec.Struct, frozen=True):
    """The box won't have us: its watch has ended."""

    error: MlshError


class Change(msgspec.Struct, frozen=True):
    """What happened on a box, and its picture before and after."""

    event: Event | Refused
    before: Picture
    after: Picture


class Watches:
    """Boxes that are watched. `pictures` is by name, in the order of the boxes."""

    def __init__(self, boxes: Sequence[Box], with_gpus: bool = False) -> None:
        if len(boxes) > 1:
            keep_quiet(boxes)
        self.pictures = {box.name: Picture(box.name) for box in boxes}
        self.refused: dict[str, MlshError] = {}
        self._heard: queue.SimpleQueue[tuple[str, Event | Refused | BaseException, float]] = queue.SimpleQueue()
        self._connecting = threading.Semaphore(AT_ONCE)
        self._watchers = [Watcher(OnBox(box), with_gpus) for box in boxes]
        for box, watcher in zip(boxes, self._watchers, strict=True):
            threading.Thread(
                target=self._watch, args=(box.name, watcher), name=f"watch-{box.name}", daemon=True
            ).start()

    def _watch(self, box: str, watcher: Watcher) -> None:
        try:
            events = watcher.events()
            # Fifty logins at the same moment would only wait for each other's processor.
            with self._connecting:
                first = next(events, None)
            if first is not None:
                self._heard.put((box, first, clock()))
            for event in events:
                if not isinstance(event, Beat):
                    self._heard.put((box, event, clock()))
        except MlshError as error:
            self._heard.put((box, Refused(error), clock()))
        except BaseException as error:  # noqa: BLE001  (it is raised again where the changes are read)
            self._heard.put((box, error, clock()))

    def changes(self, within_s: float) -> Iterator[Change]:
        """What happens within so many seconds: returns when something did, and all that came with it was given."""
        until = time.monotonic() + within_s
        while True:
            try:
                box, event, at = self._heard.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            until = min(until, time.monotonic() + _GATHER_S)
            if isinstance(event, BaseException):
                raise event
            before = self.pictures[box]
            if isinstance(event, Refused):
                after = refused(before, event.error.what, at)
                self.refused[box] = event.error
            else:
                after = reduce(before, event, at)
            self.pictures[box] = after
            yield Change(event, before, after)

    def close(self) -> None:
        """Let go of all of them."""
        for watcher in self._watchers:
            watcher.stop()


def told_lost(change: Change) -> Lost | None:
    """The break that this change is the first word of, if it is one."""
    if isinstance(change.event, Lost) and change.before.connection != change.after.connection:
        return change.event
    return None
