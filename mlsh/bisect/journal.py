"""The record of a bisection, in the repository's git folder: a line an event, on the disk before the next is decided.

    <git-common-dir>/mlsh/bisect/current             the id of the bisection that was begun or resumed last
    <git-common-dir>/mlsh/bisect/<id>/journal.jsonl

A kill or a power cut may leave a line that is not whole at the end; it was never told to anybody, and is dropped. One
that is damaged before the end is an error, since what comes after it was decided by it. Whoever adds to a journal holds
a lock on it (flock), which the kernel drops however its holder ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from mlsh.bisect.events import LAYOUT, AnyEvent, Begun, Damaged, Known, from_line, to_line
from mlsh.errors import ExitCode, MlshError, NotFound
from mlsh.jobs import ids
from mlsh.shell.visible import printable

_FILE = "journal.jsonl"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class AlreadyRunning(MlshError):
    """Another mlsh adds to this journal."""

    exit_code = ExitCode.TRY_AGAIN

    def __init__(self, identity: str) -> None:
        super().__init__(f"another mlsh runs the bisection {identity}", "look at it: mlsh bisect status")


class JournalDamaged(MlshError):
    """A line before the last is not what was written."""


class JournalNotWritten(MlshError):
    """An event could not be put on the disk. What is in the journal is whole."""


class Parsed(NamedTuple):
    """The events of a journal's bytes; `size` is how many of them are whole, `note` says what was dropped."""

    events: list[AnyEvent]
    size: int
    note: str


def folder(common: Path) -> Path:
    """Where the bisections of a repository are; `common` is the git folder that all of its worktrees share."""
    return common / "mlsh" / "bisect"


def parse(data: bytes, path: Path) -> Parsed:
    """Read a journal. Raises JournalDamaged, which names the line, and where a newer mlsh wrote it, MlshError."""
    events: list[AnyEvent] = []
    size = 0
    while (end := data.find(b"\n", size)) >= 0:
        try:
            events.append(from_line(data[size:end]))
        except Damaged as error:
            # Of a write that a power cut interrupts, any block may be missing. Nothing was added after it.
            if not data[end + 1 :].strip(b"\0"):
                break
            raise JournalDamaged(
                f"{printable(str(path))}: line {len(events) + 1} is damaged: {printable(str(error))[:200]}",
                f"what comes before it is whole: head -n {len(events)} keeps that; or begin anew",
            ) from error
        size = end + 1
    if events and isinstance(events[0], Begun) and events[0].layout > LAYOUT:
        raise MlshError(
            f"{printable(str(path))}: a newer mlsh ({printable(events[0].mlsh)}) wrote this bisection",
            "update mlsh, or go on with the one that began it",
        )
    dropped = len(data) - size
    note = f"the last {dropped} bytes of the journal were not whole, and are dropped" if dropped else ""
    return Parsed(events, size, note)


def read(common: Path, identity: str) -> Parsed:
    """The events of a bisection, whether or not an mlsh adds to it now. Raises NotFound, or as `parse`."""
    path = _path(common, identity)
    try:
        return parse(path.read_bytes(), path)
    except (FileNotFoundError, NotADirectoryError):
        raise _unknown(identity) from None


def current(common: Path) -> str | None:
    """The id of the bisection that was begun or resumed last, if it is still there."""
    try:
        identity = (folder(common) / "current").read_text(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return identity if ids.is_id(identity) and _path(common, identity).is_file() else None


def identities(common: Path) -> list[str]:
    """The ids of all bisections, the one that was added to last first."""
    found = []
    for path in folder(common).glob(f"*/{_FILE}"):
        about = path.stat()
        # An empty one was cut off while it was begun.
        if ids.is_id(path.parent.name) and about.st_size:
            found.append((about.st_mtime_ns, path.parent.name))
    return [identity for _, identity in sorted(found, reverse=True)]


class Journal:
    """A journal that this process adds to. `events` are all so far, `note` says what was dropped when it was opened."""

    def __init__(self, path: Path, descriptor: int, parsed: Parsed) -> None:
        self.path = path
        self.id = path.parent.name
        self.events = parsed.events
        self.note = parsed.note
        self._size = parsed.size
        self._descriptor = descriptor

    @classmethod
    def begin(cls, common: Path, begun: Begun) -> Journal:
        """Make the journal of a new bisection, whose id is `begun.id`. Raises JournalNotWritten."""
        path = _path(common, begun.id)
        with _written(path):
            # From the top: a folder is on the disk once its own folder is.
            for made in (path.parent.parent.parent, path.parent.parent, path.parent):
                if not made.is_dir():
                    made.mkdir(mode=0o777 if made != path.parent else 0o700, exist_ok=True)
                    _flush(made.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        journal = cls._locked(path, descriptor)
        try:
            journal.append(begun)
            with _written(path):
                _flush(path.parent)
                _point(common, begun.id)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
                path.parent.rmdir()
            journal.close()
            raise
        return journal

    @classmethod
    def resume(cls, common: Path, identity: str) -> Journal:
        """Open the journal of a bisection to go on with it; what is not whole at its end is cut off.

        Raises NotFound, AlreadyRunning, JournalDamaged, JournalNotWritten.
        """
        path = _path(common, identity)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            raise _unknown(identity) from None
        except OSError as error:
            raise _not_written(path, error) from error
        journal = cls._locked(path, descriptor)
        try:
            _check_begun(journal)
            with _written(path):
                _point(common, identity)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def _locked(cls, path: Path, descriptor: int) -> Journal:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with os.fdopen(os.dup(descriptor), "rb") as file:
                parsed = parse(file.read(), path)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(path.parent.name) from None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, parsed)

    def append(self, event: Known) -> None:
        """Add an event; it is on the disk when this returns.

        Raises JournalNotWritten, and then the journal is as it was before: the same event may be added later.
        """
        line = to_line(event)
        with _written(self.path):
            about = os.fstat(self._descriptor)
            if about.st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "somebody deleted it")
            if about.st_size > self._size:
                # What a crash, or an earlier try, left behind.
                os.ftruncate(self._descriptor, self._size)
            try:
                done = 0
                while done < len(line):
                    done += os.pwrite(self._descriptor, line[done:], self._size + done)
                os.fsync(self._descriptor)
            except OSError:
                with contextlib.suppress(OSError):  # the next one that is added tries again
                    os.ftruncate(self._descriptor, self._size)
                raise
        self._size += len(line)
        self.events.append(event)

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        """The journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        self.close()


def _path(common: Path, identity: str) -> Path:
    if not ids.is_id(identity):
        raise _unknown(identity)
    return folder(common) / identity / _FILE


def _unknown(identity: str) -> NotFound:
    return NotFound(f"this repository has no bisection {printable(identity[:80])}", "see: mlsh bisect status --all")


def _check_begun(journal: Journal) -> None:
    if not (journal.events and isinstance(journal.events[0], Begun)):
        what = f"mlsh was cut off while it began the bisection {journal.id}, before it asked anything"
        raise NotFound(what, "begin anew: mlsh bisect run --good REV --bad REV -- COMMAND")


def _point(common: Path, identity: str) -> None:
    """Name a bisection as the last; a crash leaves the old name or the new one."""
    aside = folder(common) / f".current.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, f"{identity}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    aside.replace(folder(common) / "current")
    _flush(folder(common))


def _flush(where: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> JournalNotWritten:
    hint = "nothing is lost: make room, then go on: mlsh bisect resume" if error.errno in _NO_ROOM else ""
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        hint = "the record of a bisection is kept in the git folder, which you must be allowed to write"
    return JournalNotWritten(f"{printable(str(path))}: {error.strerror or error}", hint)
