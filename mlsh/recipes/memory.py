"""What is remembered between runs, 0600 in the state folder: last values, what was agreed to, where a run stopped.

Values of parameters with a secret-looking name, and values that look like a secret, are not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mlsh import config

_MOST_AGREED = 2000


class Stopped(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run that did not come to its end: `next` is the step (from 1) at which it goes on.

    `folder` holds what the steps before it left behind: where they stood, the variables that they set.
    """

    digest: str
    steps: list[str]
    next: int
    values: dict[str, str | list[str]] = {}
    folder: str = ""


class Memory(msgspec.Struct, omit_defaults=True):
    """All of it, by the recipe's key."""

    values: dict[str, dict[str, str | list[str]]] = {}
    agreed: list[str] = []
    stopped: dict[str, Stopped] = {}


def folder() -> Path:
    """The folder of the file, and of runs."""
    return config.state_dir() / "recipes"


def _path() -> Path:
    return folder() / "memory.json"


def read() -> Memory:
    """What is remembered; nothing where the file is damaged or missing."""
    try:
        return msgspec.json.decode(_path().read_bytes(), type=Memory)
    except (FileNotFoundError, msgspec.DecodeError):
        return Memory()


@contextlib.contextmanager
def changing() -> Iterator[Memory]:
    """Change what is remembered; two mlsh at a time do no harm. Raises OSError where it can't be written."""
    base = folder()
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(base / "lock", "a", opener=lambda name, flags: os.open(name, flags, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        memory = read()
        yield memory
        memory.agreed = memory.agreed[-_MOST_AGREED:]
        _write(_path(), msgspec.json.encode(memory))


def _write(path: Path, data: bytes) -> None:
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=".memory-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def remember(key: str, values: Mapping[str, str | list[str]]) -> None:
    """Keep these as the last values."""
    with changing() as memory:
        if values:
            memory.values[key] = dict(values)
