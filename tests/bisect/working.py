"""A repository, workers on it, and what is heard of them: for the tests of workers."""

import contextlib
import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlsh.bisect.probing import Probe, ProbeResult
from mlsh.bisect.workers import Event, Finished, Started, WorkerLost, WorkerPlan, Workers
from mlsh.records import Spec
from tests.bed import Laptop
from tests.jobs.in_process import NO_VALUES

TIMEOUT_S = 30


def git(folder: Path, *words: str, env: dict[str, str] | None = None) -> str:
    """Run git as the test's person; returns its output."""
    ran = subprocess.run(
        ["git", "-C", str(folder), *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **(env or {})},
    )
    return ran.stdout.strip()


def history(laptop: Laptop, versions: list[dict[str, str]], name: str = "project") -> tuple[Path, list[str]]:
    """A repository with a commit for each of these folders of files; its path, and the commits, oldest first."""
    top = laptop.home / name
    top.mkdir()
    git(top, "init", "-q")
    commits = []
    for number, files in enumerate(versions):
        for path in git(top, "ls-files").splitlines():
            (top / path).unlink()
        for path, text in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text)
        git(top, "add", "-A")
        git(top, "commit", "-q", "--allow-empty", "-m", f"version {number}")
        commits.append(git(top, "rev-parse", "HEAD"))
    return top, commits


def fingerprint(top: Path) -> dict[str, str]:
    """Every file of a work tree and its git directory, but mlsh's own folder there, by its bytes."""
    found = {}
    for path in sorted(top.rglob("*")):
        inside = path.relative_to(top).as_posix()
        if inside.startswith((".git/mlsh", ".git/refs/mlsh")):
            continue
        if path.is_symlink():
            found[inside] = os.readlink(path)
        elif path.is_file():
            found[inside] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[inside] = "/"
    return found


class Crew:
    """Workers, and all that they have told so far."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.events: list[Event] = []
        self.results: dict[int, ProbeResult] = {}

    def until(self, true: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
        """Take events until something is so."""
        deadline = time.monotonic() + timeout_s
        while not true():
            event = self.workers.next_event(max(0.0, deadline - time.monotonic()))
            assert event is not None, f"waited {timeout_s} s for {what}; heard {self.events}"
            self.events.append(event)
            if isinstance(event, Finished):
                assert event.result.number not in self.results, "a number is told once"
                self.results[event.result.number] = event.result

    def result(self, number: int, timeout_s: float = TIMEOUT_S) -> ProbeResult:
        """Wait for a probe's end."""
        self.until(lambda: number in self.results, f"the end of {number}", timeout_s)
        return self.results[number]

    def started(self, number: int) -> None:
        """Wait until a probe has begun."""
        self.until(
            lambda: any(isinstance(event, Started) and event.number == number for event in self.events),
            f"the begin of {number}",
        )

    def lost(self, timeout_s: float = TIMEOUT_S) -> WorkerLost:
        """Wait until a worker is lost."""
        found: list[WorkerLost] = []

        def told() -> bool:
            found[:] = [event for event in self.events if isinstance(event, WorkerLost)]
            return bool(found)

        self.until(told, "a lost worker", timeout_s)
        return found[-1]

    def probe(self, number: int, commit: str, worker: str = "local", timeout_s: float = TIMEOUT_S) -> ProbeResult:
        """Ask, and wait for the answer."""
        self.workers.ask(worker, Probe(number, commit))
        return self.result(number, timeout_s)


def plan(
    top: Path, *argv: str, box: str = "local", slot: int = 1, bisection: str = "one", **more: object
) -> WorkerPlan:
    """A worker that runs a command; a single word is for `sh -c`."""
    words = list(argv) if len(argv) > 1 else ["sh", "-c", argv[0]]
    spec = Spec(id="", argv=[], box=box, created=0, shell="none", grace_s=1)  # noqa: S604
    return WorkerPlan(bisection, box, slot, words, top / ".git", top, spec, NO_VALUES, **more)  # type: ignore[arg-type]


@contextlib.contextmanager
def crew(top: Path, commits: list[str], *plans: WorkerPlan, **more: float) -> Iterator[Crew]:
    """Workers that have started, and are closed in the end."""
    workers = Workers(plans[0].bisection, top / ".git", commits, **more)
    workers.start(plans)
    try:
        yield Crew(workers)
    finally:
        workers.close()
