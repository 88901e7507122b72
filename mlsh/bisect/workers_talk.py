"""Talk with one worker: over one channel, which is made again when it breaks, and in a thread of its own.

The worker notes each event in a file and this end counts the lines that it has had, so a broken channel loses nothing
and doubles nothing. What was asked and has not begun is asked again: the worker begins no number twice.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable

from mlsh.bisect import workers_job
from mlsh.bisect.probing import Probe
from mlsh.bisect.sources import Source
from mlsh.bisect.workers_plan import Event, Finished, Started, WorkerBack, WorkerLost, WorkerPlan
from mlsh.bisect.workers_said import Reader, Results, Said
from mlsh.box import process
from mlsh.box.failures import jitter
from mlsh.errors import BoxError, MlshError, Unreachable
from mlsh.jobs.onbox import BEGIN, OnBox
from mlsh.jobs.reconnecting import BACK_OFF_S, read_both

BEAT_S = 5.0
_LAUNCHES_IN_VAIN = 3
_REPLY = b"mlsh-reply 1\n"


class _Gone(Exception):
    """The worker's job has ended."""

    def __init__(self, why: str, again: bool) -> None:
        super().__init__(why)
        self.why = why
        self.again = again


class Talk:
    """One worker: its job, what it was asked, and the channel to it."""

    def __init__(
        self,
        plan: WorkerPlan,
        on_box: OnBox,
        source: Source,
        tell: Callable[[Event], None],
        session: str,
        lost_after_s: float,
    ) -> None:
        self.plan = plan
        self.job_id = ""
        self._on_box = on_box
        self._source = source
        self._tell = tell
        self._session = session
        self._lost_after_s = lost_after_s
        self._lock = threading.RLock()
        self._asked: dict[int, tuple[Probe, str]] = {}
        self._begun: set[int] = set()
        self._dropped: set[int] = set()
        self._heard = 0
        self._stream: process.Started | None = None
        self._connected = False
        self._lost = False
        self._broken_at: float | None = None
        self._in_vain = 0
        self._beat_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name=f"worker-{plan.name}", daemon=True)

    # -- from the thread of whoever leads the bisection

    def begin(self) -> None:
        """Take over the worker that still runs from before, or launch one. Raises what `workers_job.start` does."""
        if living := workers_job.living(self._on_box, self.plan):
            self.job_id = living
            found = workers_job.noted(self._on_box, living, self.plan.name, None)
            self._heard = found.heard
            for number, commit in found.under_way.items():
                self._asked[number] = (Probe(number, commit), "")
                self._begun.add(number)
        else:
            self.job_id = workers_job.start(self._on_box, self.plan, self._source)
        self._thread.start()

    def under_way(self) -> list[int]:
        """The numbers that it was asked and that have not ended."""
        with self._lock:
            return sorted(self._asked)

    def ask(self, probe: Probe, key: str) -> None:
        """Have it run a probe, after those that it was asked before. `key` names the lock files at that commit."""
        with self._lock:
            self._asked[probe.number] = (probe, key)
            if self._connected:
                self._send(self._ask_line(probe, key))

    def cancel(self, number: int) -> bool:
        """End a probe; False where this worker does not have it."""
        with self._lock:
            if number not in self._asked:
                return False
            if self._connected:
                self._send(f"cancel {number}")
            else:
                self._dropped.add(number)
            return True

    def close(self) -> None:
        """End the job and remove its tree. Raises what ending a job raises."""
        self._closing.set()
        with self._lock:
            if self._connected:
                for number in self._asked:
                    self._send(f"cancel {number}")
                self._send("end")
        if self._thread.is_alive():
            self._thread.join(6.0 if self._connected else 0.2)
        self._hang_up()
        if self._thread.is_alive():
            self._thread.join(15.0)
        if self.job_id:
            workers_job.end(self._on_box, self.job_id)
            self._source.clear(self._on_box, self.job_id)

    # -- in its own thread

    def _guarded(self) -> None:
        try:
            self._work()
        except BaseException as error:
            # A mistake of ours: whoever waits for this worker must not wait for ever.
            self._lose(f"{type(error).__name__}: {error}")
            raise

    def _work(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            try:
                if not self.job_id:
                    self._launch_again()
                self._converse()
                attempt = 0
            except Unreachable as error:
                self._break_off(error.what)
                # It answered for a while: begin with short pauses again.
                attempt = 0 if self._broken_at is None else attempt + 1
                self._closing.wait(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)] * jitter())
            except _Gone as gone:
                self._hang_up()
                if self._closing.is_set():
                    return
                self._lose(gone.why)
                self._in_vain += 1
                if not gone.again or self._in_vain > _LAUNCHES_IN_VAIN:
                    return
                with contextlib.suppress(MlshError):
                    self._source.clear(self._on_box, self.job_id)
                self.job_id, self._heard = "", 0
            except MlshError as error:
                self._hang_up()
                self._lose(error.what)
                return

    def _launch_again(self) -> None:
        self.job_id = workers_job.start(self._on_box, self.plan, self._source)

    def _break_off(self, why: str) -> None:
        """The channel broke. The worker does not know, and goes on."""
        self._hang_up()
        now = time.monotonic()
        if self._broken_at is None:
            self._broken_at = now
        if now - self._broken_at >= self._lost_after_s and not self._lost:
            self._lose(why)
        self._on_box.box.drop_connection()

    def _lose(self, why: str) -> None:
        with self._lock:
            numbers = tuple(sorted(self._asked))
            self._dropped.update(numbers)
            self._asked.clear()
            self._begun.clear()
            told, self._lost = self._lost, True
        if not told or numbers:
            self._tell(WorkerLost(self.plan.name, why, numbers))

    def _hang_up(self) -> None:
        with self._lock:
            stream, self._stream, self._connected = self._stream, None, False
        if stream is not None:
            process.stop(stream, grace_s=0.1)
            for pipe in (stream.stdin, stream.stdout, stream.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _send(self, line: str) -> None:
        """Say a line; where the channel has broken it is said again over the next one."""
        stream = self._stream
        if stream is not None and stream.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.stdin.write(line.encode() + b"\n")

    def _ask_line(self, probe: Probe, key: str) -> str:
        return f"ask {probe.number} {probe.commit} {key or '-'} {self._session}"

    def _converse(self) -> None:
        """One channel, to its end. Raises Unreachable when it breaks or falls silent, _Gone when the job has ended."""
        nonce = secrets.token_hex(8)
        reader, results = Reader(nonce), Results(self.plan.name)
        talk = before = b""
        stream = self._on_box.stream("worker_talk", self.job_id, nonce, str(self._heard), stdin=True)
        if stream.stdin is None or stream.stdout is None or stream.stderr is None:
            raise AssertionError("streams are piped")
        self._stream = stream
        with contextlib.suppress(OSError):
            stream.stdin.write(BEGIN)
        for pipe, data in read_both(stream.stdout, stream.stderr, self._on_box.box.name):
            if pipe == "stderr":
                talk = (talk + data)[-4000:]
                continue
            before = (before + data)[:4000]
            for said in reader.feed(data):
                self._take(said, results)
            self._beat()
        self._raise_for(stream.wait(), before, talk)

    def _raise_for(self, code: int, before: bytes, talk: bytes) -> None:
        name = self._on_box.box.name
        if code == 97:
            self._on_box.install()
            return
        head, replied, answer = before.partition(_REPLY)
        if code == 96:
            raise self._on_box.error(answer)
        failure = self._on_box.box.explain_failure(process.Ran(("ssh",), code, before, talk))
        if isinstance(failure, BoxError):
            raise failure
        if not replied and code >= 0 and code != 255:
            raise self._on_box.silent(code, talk or head)
        raise Unreachable(name, "the connection ended")

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beat_at >= BEAT_S:
            self._beat_at = now
            with self._lock:
                self._send("beat")

    def _take(self, said: Said, results: Results) -> None:
        result = results.take(said)
        match said.words:
            case ["begins"]:
                self._begins()
            case ["begun", number, *_]:
                self._heard = said.heard
                with self._lock:
                    known = int(number) in self._asked and int(number) not in self._begun
                    self._begun.add(int(number))
                if known:
                    self._tell(Started(int(number), self.plan.name))
            case ["ready" | "over"]:
                self._heard = said.heard
            case ["done"]:
                # Not before: a result of which only a part has come is told again.
                self._heard = said.heard
                if result is not None:
                    with self._lock:
                        asked = self._asked.pop(result.number, None)
                        self._begun.discard(result.number)
                    self._in_vain = 0
                    if asked is not None:
                        self._tell(Finished(result))
            case ["gone", state, *about]:
                why = " ".join(about)
                raise _Gone(_in_words(state, why), state != "CANCELLED")

    def _begins(self) -> None:
        """The worker listens: say who we are, and all that it may not have heard."""
        with self._lock:
            self._connected = True
            self._broken_at = None
            self._send(f"hello {self._session}")
            for number in sorted(self._dropped):
                self._send(f"cancel {number}")
            self._dropped.clear()
            for number, (probe, key) in sorted(self._asked.items()):
                if number not in self._begun:
                    self._send(self._ask_line(probe, key))
            was_lost, self._lost = self._lost, False
        if was_lost:
            self._tell(WorkerBack(self.plan.name))


def _in_words(state: str, json: str) -> str:
    reason = json.partition('"reason":"')[2].partition('"')[0]
    words = {
        "CANCELLED": "its job was cancelled",
        "SUCCEEDED": "it heard nothing from this machine for too long, and ended",
        "TIMEOUT": "its job ran out of time",
    }
    return f"{words.get(state, 'its job ended')}{': ' if reason else ''}{reason}"
