"""Which workers are there, and what each of them runs: the part of a loop that does not care what is searched."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from mlsh.bisect.probing import ProbeResult
from mlsh.bisect.workers_plan import Event, Finished, Started, WorkerBack, WorkerLost
from mlsh.errors import MlshError

TICK_S = 1.0
"""How long a loop waits for an event before it looks around."""


class NoWorkers(MlshError):
    """Every worker is gone; what a journal has of it is kept."""


class Run(Protocol):
    """What a worker was asked. `since` is of `time.monotonic`, None until it has begun."""

    number: int
    worker: str
    since: float | None
    cancelled: bool


class Audience(Protocol):
    """Who is told of workers."""

    def lost(self, worker: str, why: str) -> None:
        """A worker is gone."""

    def back(self, worker: str) -> None:
        """A worker can be asked again."""


R = TypeVar("R", bound=Run)


class Heard(Generic[R]):
    """What an event meant: a run with its result, or the runs that a lost worker took with it."""

    def __init__(self, finished: tuple[R, ProbeResult] | None = None, gone: Iterable[R] = (), why: str = "") -> None:
        self.finished, self.gone, self.why = finished, list(gone), why


class Roster(Generic[R]):
    """The workers by name, and `running`: what they run, by number."""

    def __init__(self, names: Iterable[str], audience: Audience) -> None:
        self.running: dict[int, R] = {}
        self._there = dict.fromkeys(names, True)
        self._audience = audience

    def idle(self, hint: str) -> list[str]:
        """Those that can be asked now. Raises NoWorkers, with this hint, where none is left at all."""
        if not any(self._there.values()):
            raise NoWorkers("no worker is left", hint)
        busy = {run.worker for run in self.running.values()}
        return [name for name, is_there in self._there.items() if is_there and name not in busy]

    def live(self) -> list[R]:
        """The runs whose answer is still wanted."""
        return [run for run in self.running.values() if not run.cancelled]

    def lose(self, worker: str, why: str) -> None:
        """A worker is gone."""
        self._there[worker] = False
        self._audience.lost(worker, why)

    def hear(self, event: Event | None) -> Heard[R]:
        """Note what happened. A cancelled run's result is nobody's."""
        match event:
            case Started(number=number):
                if number in self.running:
                    self.running[number].since = time.monotonic()
            case Finished(result=result):
                if (run := self.running.pop(result.number, None)) is not None and not run.cancelled:
                    return Heard((run, result))
            case WorkerLost(worker=worker, why=why):
                self.lose(worker, why)
                gone = [run for run in self.running.values() if run.worker == worker]
                for run in gone:
                    del self.running[run.number]
                return Heard(gone=gone, why=why)
            case WorkerBack(worker=worker):
                self._there[worker] = True
                self._audience.back(worker)
            case None:
                pass
        return Heard()
