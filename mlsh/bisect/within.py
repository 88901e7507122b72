"""What one narrowing has in the repository while it runs: a name, refs, workers; and what a killed one left."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from mlsh.bisect import hunks, workers
from mlsh.bisect.repository import Repository
from mlsh.jobs import ids


def folder(common: Path) -> Path:
    """Where each narrowing has a file that it holds a lock on while it lives."""
    return common / "mlsh" / "within"


@contextlib.contextmanager
def claimed(repository: Repository) -> Iterator[str]:
    """A name for a narrowing, for as long as it lasts; its refs go with it. Clears up after those that were killed."""
    place = folder(repository.common)
    place.mkdir(parents=True, exist_ok=True)
    for left in sorted(place.iterdir()):
        _clear(repository, left)
    identity = ids.new_id()
    with open(place / identity, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield identity
        finally:
            hunks.let_go(repository, f"{hunks.REFS}/{identity}")
            (place / identity).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                place.rmdir()


def _clear(repository: Repository, left: Path) -> None:
    with contextlib.suppress(FileNotFoundError), open(left, "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # it runs
        workers.cleanup(left.name, repository.common)
        hunks.let_go(repository, f"{hunks.REFS}/{left.name}")
        left.unlink(missing_ok=True)
