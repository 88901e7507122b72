"""The workers of a bisection: each runs one probe at a time, in a tree of its own.

A worker is an ordinary job whose command is a small sh loop (`box/worker.sh`), so a queue, GPUs, variables, `mlsh ps`
and `mlsh cancel` come with it. It outlives this process: what it was running is finished, and its result lies on the
box until somebody asks (`Workers.collect`).
"""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from mlsh import config
from mlsh.bisect import workers_job, worktrees
from mlsh.bisect.probing import Probe, ProbeResult
from mlsh.bisect.sources import Confirm, Here, Sent, Source
from mlsh.bisect.workers_plan import Event, Finished, Started, WorkerBack, WorkerLost, WorkerPlan
from mlsh.bisect.workers_talk import Talk
from mlsh.box import LOCAL, open_box, process
from mlsh.errors import MlshError, NotFound
from mlsh.jobs.onbox import OnBox, Progress
from mlsh.jobs.setup import lock_files_key

__all__ = ["Event", "Finished", "Started", "WorkerBack", "WorkerLost", "WorkerPlan", "Workers", "cleanup"]

LOST_AFTER_S = 60.0


class Workers:
    """All workers of one bisection. Its methods may be called from any thread."""

    def __init__(
        self,
        bisection: str,
        git_dir: Path,
        commits: Sequence[str],
        lost_after_s: float = LOST_AFTER_S,
        confirm: Confirm = None,
        progress: Progress | None = None,
    ) -> None:
        """`commits` are all that may be probed, the bad end first. `git_dir` is the directory all worktrees share.

        `confirm` is asked before the commits are sent to a box, with the bytes and the ten largest files, and refuses
        by raising. A worker is lost when it could not be reached for `lost_after_s` seconds.
        """
        self._bisection = bisection
        self._git_dir = git_dir
        self._commits = list(commits)
        self._lost_after_s = lost_after_s
        self._confirm, self._progress = confirm, progress
        self._settings = config.load()
        self._talks: dict[str, Talk] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._session = secrets.token_hex(4)
        self._keys: dict[str, str] = {}
        self._sources: dict[str, Source] = {}

    def start(self, plans: Sequence[WorkerPlan]) -> None:
        """Start a worker for each plan, side by side; one that still runs from before is taken over.

        One that can't start is told as WorkerLost. Where none starts, the first one's error is raised.
        """
        errors: dict[str, BaseException] = {}
        self._sources = sources = {plan.box: self._source(plan) for plan in plans}

        def begin(plan: WorkerPlan) -> None:
            talk = Talk(
                plan, self._on(plan.box), sources[plan.box], self._events.put, self._session, self._lost_after_s
            )
            try:
                talk.begin()
            except (MlshError, OSError) as error:
                errors[plan.name] = error
                self._events.put(WorkerLost(plan.name, error.what if isinstance(error, MlshError) else str(error)))
            else:
                self._talks[plan.name] = talk

        _side_by_side([lambda plan=plan: begin(plan) for plan in plans])  # type: ignore[misc]
        if errors and len(errors) == len(plans):
            while not self._events.empty():
                self._events.get()
            raise errors[plans[0].name]

    @property
    def names(self) -> list[str]:
        """The workers that were started."""
        return list(self._talks)

    def under_way(self) -> dict[int, str]:
        """The probes that were asked and have not ended, with their workers: after `start` also those from before."""
        return {number: name for name, talk in self._talks.items() for number in talk.under_way()}

    def bring(self, worker: str, commit: str) -> None:
        """Have a commit where a worker can run it, which was made after `start`, on top of one of the first.

        Raises GitFailed, and what its box raises.
        """
        box = self._talks[worker].plan.box
        self._sources[box].bring(self._on(box), commit)

    def ask(self, worker: str, probe: Probe) -> None:
        """Have a worker run a probe, after what it was asked before."""
        talk = self._talks[worker]
        talk.ask(probe, self._key(talk.plan, probe.commit))

    def cancel(self, number: int) -> None:
        """End a probe; its worker goes on, and tells the probe as Finished, `cancelled`."""
        for talk in self._talks.values():
            if talk.cancel(number):
                return

    def next_event(self, timeout_s: float | None = None) -> Event | None:
        """The next thing that happens, or None after `timeout_s` seconds (None: wait for ever)."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def collect(self, numbers: Sequence[int]) -> list[ProbeResult]:
        """The results that lie on the boxes for these numbers: what came while nobody was there.

        A box that can't be asked is told of on stderr, and its results are missing.
        """
        found: list[ProbeResult] = []

        def ask(job_id: str, box: str, worker: str) -> None:
            try:
                found.extend(workers_job.noted(self._on(box), job_id, worker, list(numbers)).results)
            except NotFound:
                pass  # somebody removed the job
            except MlshError as error:
                process.log.warn(f"{worker}: what it found since can't be asked for: {error.what}")

        if numbers:
            jobs = workers_job.jobs_of(self._bisection)
            _side_by_side(
                [lambda job=job: ask(job.id, job.box, workers_job.named(job)) for job in jobs]  # type: ignore[misc]
            )
        return sorted(found, key=lambda result: result.number)

    def close(self) -> None:
        """End the workers' jobs and remove their trees. What can't be ended is told of on stderr."""

        def end(talk: Talk) -> None:
            try:
                talk.close()
            except MlshError as error:
                process.log.warn(f"{talk.plan.name}: its job {talk.job_id} could not be ended: {error.what}")

        _side_by_side([lambda talk=talk: end(talk) for talk in self._talks.values()])  # type: ignore[misc]
        self._talks.clear()

    def _on(self, box: str) -> OnBox:
        # A client each: a worker's channel and its launch must not wait for another's.
        return OnBox(open_box(box, self._settings))

    def _source(self, plan: WorkerPlan) -> Source:
        if plan.box == LOCAL:
            return Here(self._git_dir, self._bisection, self._commits[0])
        return Sent(self._git_dir, plan.top, self._commits, self._confirm, self._progress)

    def _key(self, plan: WorkerPlan, commit: str) -> str:
        """What the set-up of this commit depends on, by name."""
        if not plan.setup:
            return ""
        if commit not in self._keys:
            self._keys[commit] = lock_files_key(plan.setup, self._git_dir, commit, plan.subdir)
        return self._keys[commit]


def cleanup(bisection: str, git_dir: Path) -> None:
    """End what workers of this bisection are left anywhere, and remove their trees: after one that was killed.

    Boxes that can't be reached are told of on stderr.
    """
    settings = config.load()

    def clear(job_id: str, box: str) -> None:
        on_box = OnBox(open_box(box, settings))
        try:
            workers_job.end(on_box, job_id)
            on_box.call("worker_clear", job_id)
        except NotFound:
            pass
        except MlshError as error:
            process.log.warn(f"{box}: the worker {job_id} could not be ended: {error.what}")

    jobs = workers_job.jobs_of(bisection)
    _side_by_side([lambda job=job: clear(job.id, job.box) for job in jobs])  # type: ignore[misc]
    for tree in worktrees.of(git_dir, bisection):
        worktrees.remove(git_dir, tree)


def _side_by_side(todo: Sequence[Callable[[], None]]) -> None:
    """Call all of them, each in a thread, and wait. An error of one is raised when all are done."""
    raised: list[BaseException] = []

    def call(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:  # noqa: BLE001  (raised below, in the caller's thread)
            raised.append(error)

    threads = [threading.Thread(target=call, args=(one,), daemon=True) for one in todo]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]
