"""Which forwards there are on this machine: a file and a lock each, in mlsh's state folder.

A forward holds the lock (flock) of its number for as long as it lives, so whether it lives is never a guess: the kernel
drops the lock however its holder dies. What is asked of it lies beside it as a file too, since a process id may be
another's by now.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

import msgspec

from mlsh import config
from mlsh.records import from_json, to_json

_MOST = 1000


class Port(msgspec.Struct, frozen=True):
    """A port of this machine that leads to one of the box. `url` may hold a token, which is a secret."""

    local: int
    remote: int
    kind: str = ""
    url: str = ""
    is_open: bool | None = None


class Forward(msgspec.Struct, frozen=True):
    """A forward as it stands: `state` is connecting, connected or reconnecting, `reason` why. `since` is an epoch."""

    box: str
    ports: list[Port]
    number: int = 0
    job: str = ""
    state: str = "connecting"
    reason: str = ""
    background: bool = False
    since: float = 0.0
    pid: int = 0
    node: str = ""


def folder() -> Path:
    """Where they are kept; 0700, for a URL may hold a token."""
    return config.state_dir() / "forwards"


class Entry:
    """The record of a forward of this process, from `claim` to `release`."""

    def __init__(self, number: int, lock: int, forward: Forward) -> None:
        self.number = number
        self._lock = lock
        self._forward = forward
        self._write()

    @property
    def forward(self) -> Forward:
        """What it says now."""
        return self._forward

    def update(self, forward: Forward) -> None:
        """Say something else."""
        if forward != self._forward:
            self._forward = forward
            # A full disk must not end a tunnel that works.
            with contextlib.suppress(OSError):
                self._write()

    def _write(self) -> None:
        path = _path(self.number, "json")
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(to_json(self._forward) + b"\n")
        aside.replace(path)

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether `mlsh forward stop` was called for it."""
        return _path(self.number, "stop").exists()

    def release(self) -> None:
        """Take the record away."""
        _forget(self.number)
        os.close(self._lock)


def claim(forward: Forward) -> Entry:
    """Give a forward the lowest number that is free, and write it down."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(1, _MOST):
        lock = _take(number)
        if lock is not None:
            _path(number, "stop").unlink(missing_ok=True)
            made = msgspec.structs.replace(
                forward, number=number, pid=os.getpid(), since=round(time.time(), 3), node=os.uname().nodename
            )
            return Entry(number, lock, made)
    raise OSError(0, "there are too many forwards", str(folder()))


def living() -> list[Forward]:
    """The forwards that live, by number; what dead ones left behind is taken away."""
    found = []
    for path in sorted(folder().glob("*.lock"), key=lambda path: (len(path.name), path.name)):
        if not path.stem.isdigit():
            continue
        lock = _take(int(path.stem))
        if lock is not None:
            _forget(int(path.stem))
            os.close(lock)
            continue
        # One that is only just being claimed has no file yet.
        with contextlib.suppress(OSError, msgspec.DecodeError):
            found.append(from_json(_path(int(path.stem), "json").read_bytes(), Forward))
    return found


def ask_to_stop(number: int) -> None:
    """Have a forward end; it looks twice a second."""
    _path(number, "stop").touch(0o600)


def is_living(number: int) -> bool:
    """Whether the forward of this number lives."""
    return any(forward.number == number for forward in living())


def _path(number: int, kind: str) -> Path:
    return folder() / f"{number}.{kind}"


def _take(number: int) -> int | None:
    """Lock a number, or None where a living forward has it."""
    path = _path(number, "lock")
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        # Whoever had it took the file away in between.
        os.close(descriptor)


def _forget(number: int) -> None:
    for kind in ("json", "stop", "lock"):
        _path(number, kind).unlink(missing_ok=True)
