"""Reflogs: what moved HEAD, a branch or the stash; read from git's own files, the newest entries last."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from mlsh.errors import RefusedInput
from mlsh.undo.repository import Repository

_LINE = re.compile(rb"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (?:.*> )?(\d+) [-+]\d{4}(?:\t(.*))?", re.DOTALL)
# The newest entries of a log: a rebase of a thousand commits is found whole.
_TAIL = 1 << 20
_SLACK_S = 2.0


class Event(msgspec.Struct, frozen=True):
    """One line of a reflog. `old` is all zeros where there was nothing before."""

    log: str
    """The ref: `HEAD`, `refs/heads/main`, `refs/stash`."""
    start: int
    """Where the line begins in its file, in bytes."""
    old: str
    new: str
    time_s: int
    message: str


class Log(msgspec.Struct, frozen=True):
    """The newest entries of one reflog; `when_ns` is when the last was written, as well as can be told."""

    events: tuple[Event, ...]
    when_ns: int
    is_exact: bool
    """Whether `when_ns` is the file's own time, to a few milliseconds, and not the second that git wrote down."""


def path_of(repo: Repository, log: str) -> Path:
    """The file of a reflog. HEAD has one for each work tree."""
    return (repo.git_dir if log == "HEAD" else repo.common) / "logs" / log


def marks(repo: Repository, logs: Iterable[str]) -> dict[str, tuple[int, int]]:
    """How many bytes each log has and when it was last written, in ns; those that are there."""
    found = {}
    for log in logs:
        with contextlib.suppress(OSError):
            about = path_of(repo, log).stat()
            found[log] = (about.st_size, about.st_mtime_ns)
    return found


def tail_of(repo: Repository, log: str, size: int) -> str:
    """A digest of the last bytes before `size`: tells whether a log is still the one that it was."""
    try:
        with open(path_of(repo, log), "rb") as file:
            file.seek(max(0, size - 300))
            return hashlib.sha256(file.read(min(size, 300))).hexdigest()[:16]
    except OSError:
        return ""


def read(repo: Repository, log: str, size: int | None = None, written_ns: int = 0) -> Log:
    """The newest entries of a log, of its first `size` bytes if that is given. Empty where there is no log.

    `written_ns`: when it was last written at the time when it had that size, if a record knows.
    """
    try:
        with open(path_of(repo, log), "rb") as file:
            about = os.fstat(file.fileno())
            end = about.st_size if size is None else min(size, about.st_size)
            begin = max(0, end - _TAIL)
            file.seek(begin)
            text = file.read(end - begin)
    except OSError:
        return Log((), 0, False)
    if begin:
        cut = text.find(b"\n") + 1
        begin, text = begin + cut, text[cut:]
    events = tuple(parse(log, begin, text))
    if not events:
        return Log((), 0, False)
    last_s = events[-1].time_s
    # The second in the entry is what git wrote; the file's own time is finer, unless a gc wrote the file anew.
    if end == about.st_size:
        written_ns = about.st_mtime_ns
    is_exact = -1 <= written_ns / 1e9 - last_s <= _SLACK_S
    # Of two that came in the same second, what HEAD's log has is taken for the later one.
    guess_ns = last_s * 1_000_000_000 + (999_999_999 if log == "HEAD" else 0)
    return Log(events, written_ns if is_exact else guess_ns, is_exact)


def parse(log: str, start: int, text: bytes) -> list[Event]:
    """The entries of a log, or of its end that begins at byte `start`."""
    events = []
    for line in text.split(b"\n"):
        if found := _LINE.fullmatch(line):
            old, new, time_s, message = found.groups()
            said = os.fsdecode(message or b"")
            events.append(Event(log, start, old.decode(), new.decode(), int(time_s), said))
        start += len(line) + 1
    return events


def refuse_tables(repo: Repository) -> None:
    """Raise RefusedInput where references are kept in tables, which have no reflog files."""
    if repo.settings.get("extensions.refstorage", "files") != "files":
        raise RefusedInput(
            f"{repo.common} keeps its references in tables (reftable), which mlsh can't read yet",
            "git reflog shows what HEAD was; then: git reset --keep HEAD@{1}",
        )


def head_of(repo: Repository) -> str:
    """What HEAD says: `ref: refs/heads/main`, or a commit's name. Raises RefusedInput for a table of references."""
    refuse_tables(repo)
    path = repo.git_dir / "HEAD"
    if path.is_symlink():
        return f"ref: {os.readlink(path)}"
    return os.fsdecode(path.read_bytes()).rstrip("\n")


def resolve(size: int, log: str, repo: Repository, same: list[Mapping[str, tuple[int, str, int]]]) -> int:
    """How much of a log still counts, where undone operations don't.

    `same` is what each undo and redo noted, newest first: for a log of (size, tail) after it, the size that
    stands for the same state. A log that was cut by `git reflog expire` fits none of them, and counts whole.
    """
    for noted in same:
        after, tail, equal = noted.get(log, (-1, "", 0))
        if after == size and tail_of(repo, log, size) == tail:
            size = equal
    return size
