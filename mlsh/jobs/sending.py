"""Bring a snapshot to a box: only what it lacks, along with the launch where that is little."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

from mlsh import config
from mlsh.box import process
from mlsh.errors import BoxError
from mlsh.git.snapshot import BigFile, Snapshot
from mlsh.jobs.insist import insist, whole
from mlsh.jobs.onbox import OnBox, Progress
from mlsh.records import Code

_ALONG_BYTES = 1 << 18


class Along(NamedTuple):
    """A small pack of so many objects, built on the commit `base` that the box should have."""

    base: str
    objects: int
    pack: bytes


class Sending:
    """The code of one launch on its way to one box."""

    def __init__(
        self,
        on_box: OnBox,
        snapshot: Snapshot,
        confirm: Callable[[int, list[BigFile]], None] | None,
        progress: Progress | None,
    ) -> None:
        self._on_box = on_box
        self._snapshot = snapshot
        self._confirm = confirm
        self._progress = progress
        self._sent = False
        # What this laptop last sent there is a guess, and a good one: the box says so where it is wrong.
        self._memory = config.cache_dir() / "sent" / on_box.box.name / snapshot.name

    def changed(self) -> Along | None:
        """Bring changed code before the box has to ask for it: as a pack to go along, or sent when that is large.

        None too where nothing has changed since the last launch there. Raises SnapshotRefused when `confirm` does.
        """
        known = _read(self._memory)
        if not known or known == self._snapshot.commit:
            return None
        from mlsh.git import pack

        if not pack.has_commit(self._snapshot, known):
            return None
        self._ask_size(known)
        if small := pack.small(self._snapshot, known):
            return Along(known, small[1], small[0])
        with pack.packed(self._snapshot, known) as (file, size, objects):
            if size <= _ALONG_BYTES:
                return Along(known, objects, file.read())
            self._send(file, size, objects, known)
        return None

    def missing(self, answer: bytes) -> None:
        """Send what the box said that it `need`s, built on something that it said to `have`.

        Raises SnapshotRefused when `confirm` does, and BoxError where the box has been sent it before.
        """
        if self._sent:
            name = self._on_box.box.name
            raise BoxError(name, "it does not keep the code that was sent", f"see: mlsh box doctor {name}")
        from mlsh.git import pack

        if b"damaged" in answer.splitlines():
            process.log.warn(f"{self._on_box.box.name}: its copy of this code was damaged; sending all of it again")
        base = next((commit for commit in _haves(answer) if pack.has_commit(self._snapshot, commit)), None)
        self._ask_size(base)
        with pack.packed(self._snapshot, base) as (file, size, objects):
            self._send(file, size, objects, base)
        self._sent = True

    def remember(self) -> None:
        """The box has it now."""
        if _read(self._memory) != self._snapshot.commit:
            # Only a guess for the next launch; this one has started, whatever becomes of our cache.
            with contextlib.suppress(OSError):
                self._memory.parent.mkdir(parents=True, exist_ok=True)
                self._memory.write_text(self._snapshot.commit)

    def _ask_size(self, base: str | None) -> None:
        from mlsh.git import pack

        # What changed since the last snapshot has been asked about when it was taken.
        if self._confirm is not None and (base is None or base != self._snapshot.before):
            self._confirm(*pack.sizes_to_send(self._snapshot, base))

    def _send(self, file: IO[bytes], size: int, objects: int, base: str | None) -> None:
        words = [self._snapshot.name, self._snapshot.commit, base or "-", str(objects)]

        def send() -> bytes:
            answer = self._on_box.send("receive", *words, file=file, size=size, progress=self._progress)
            return whole(answer, self._on_box)

        answer = insist(send, self._on_box)
        if answer.startswith(b"need ") and base is not None:
            # Our memory of the box was wrong: it was cleaned, or made anew. Where it names what it says that it
            # has not (somebody's git put its references together), send all.
            self.missing(b"" if base in _haves(answer) else answer)


def _haves(answer: bytes) -> list[str]:
    return [line[5:].decode() for line in answer.splitlines() if line.startswith(b"have ")]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def kept_here(code: Code) -> Snapshot | None:
    """The snapshot of a job that was launched from this machine, where its cache still has it."""
    from mlsh.git.shadow import shadow_of

    shadow = shadow_of(Path(code.folder))
    if not (shadow / "refs" / "mlsh" / code.commit).exists():
        return None
    # The folder may be gone by now; git needs one to stand in.
    return Snapshot(code.commit, "", str(shadow), str(shadow), code.repo)
