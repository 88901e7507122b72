"""The laptop's own record of launched jobs: which job is on which box, newest last.

It only makes things quicker (`@`, an id without its box): the truth is on the boxes. A launch is written
down before it is sent, so that a laptop that dies in between still knows what to ask for. Where it can't
be written, the job goes on all the same, and the person is told.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from mlsh import config
from mlsh.box import process
from mlsh.records import Launched, from_json, to_json

_KEEP = 2000


def _path() -> Path:
    return config.state_dir() / "jobs.jsonl"


def add(entry: Launched) -> None:
    """Append a line; two mlsh at a time do no harm.

    A record that can't be written stops nobody's job: that is said once for each job, and is all.
    """
    try:
        _append(to_json(entry) + b"\n")
    except OSError as error:
        if not (entry.confirmed or entry.removed):
            process.log.warn(
                f"{_path()}: {error.strerror}: {entry.id} is not in this machine's record of jobs; "
                f"name its box to find it: mlsh show {entry.id} --on {entry.box}"
            )


def _append(line: bytes) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path, "a+b", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
            line = b"\n" + line  # the last one was cut short; this one need not be lost with it
        file.write(line)


def read() -> list[Launched]:
    """The jobs that were launched from here, oldest first; later lines about a job replace earlier ones."""
    try:
        lines = _path().read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    entries: dict[str, Launched] = {}
    for line in lines:
        try:
            entry = from_json(line, Launched)
        except msgspec.DecodeError:
            continue  # a line that a full disk cut short
        entries[entry.id] = entry
    if len(lines) > 2 * _KEEP:
        with contextlib.suppress(OSError):  # a folder that can't be written is named when a job is added
            _shorten()
    return [entry for entry in entries.values() if not entry.removed]


def rename_box(old: str, new: str) -> int:
    """The jobs that went to `old` are on `new` from now on; returns how many. Raises OSError."""
    moved = [msgspec.structs.replace(entry, box=new) for entry in read() if entry.box == old]
    if moved:
        _append(b"".join(to_json(entry) + b"\n" for entry in moved))
    return len(moved)


def forget_box(box: str) -> int:
    """No longer ask a box for the jobs that went there; they stay on it. Returns how many. Raises OSError."""
    gone = [msgspec.structs.replace(entry, removed=True) for entry in read() if entry.box == box]
    if gone:
        _append(b"".join(to_json(entry) + b"\n" for entry in gone))
    return len(gone)


def _shorten() -> None:
    path = _path()
    with open(path, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = file.read().splitlines(keepends=True)[-_KEEP:]
        # In place, since others wait for the lock on this very file.
        file.seek(0)
        file.writelines(kept)
        file.truncate()


def boxes(names: Callable[[], Collection[str]] = tuple) -> list[str]:
    """The boxes that jobs were launched on, the latest first.

    A box that never confirmed a launch counts only where `names()` has it: it may be a slip of the pen.
    """
    entries = read()
    confirmed = {entry.box for entry in entries if entry.confirmed}
    doubtful = {entry.box for entry in entries} - confirmed
    known = confirmed | (doubtful & set(names()) if doubtful else set())
    return [box for box in dict.fromkeys(entry.box for entry in reversed(entries)) if box in known]
