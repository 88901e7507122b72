"""Bring the database up to date with the histories of this machine: only what is new since the last time is read."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from mlsh.box import LOCAL
from mlsh.errors import MlshError
from mlsh.history.atuin import last_row, read_rows
from mlsh.history.database import BUSY_S, writing
from mlsh.history.entry import Entry
from mlsh.history.keeping import Kept, keep
from mlsh.history.merging import ordered
from mlsh.history.position import Position, Reading, read_on
from mlsh.history.sources import Found, find_local

# More at once than that, and the person is told that it takes a while.
MANY_BYTES = 1_000_000
# A command of atuin's that is younger may still run: its row is read again.
_MAY_RUN_S = 2 * 86400


_PATIENCE_MS = 300
# What is put in at once takes a kilobyte of memory a command.
_AT_ONCE = 100_000


def refresh(database: sqlite3.Connection, tell: Callable[[str], None], *, found: list[Found] | None = None) -> Kept:
    """Read what is new here; `tell` is given a line where that takes long, and one for each file that can't be read.

    Where another mlsh writes just now it is not waited for: `tell` is told that, and what is new comes the next time.
    """
    database.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
    try:
        return _refresh(database, tell, find_local() if found is None else found)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        tell("another mlsh is reading histories just now: the newest commands may be missing here")
        return Kept(0, 0)
    finally:
        with contextlib.suppress(sqlite3.Error):
            database.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")


def _refresh(database: sqlite3.Connection, tell: Callable[[str], None], files: list[Found]) -> Kept:
    runs = commands = 0
    for one in files:
        try:
            kept = _refresh_one(database, one, tell)
        except (OSError, MlshError) as error:
            what = f"{one.path}: {error.strerror}" if isinstance(error, OSError) else error.what
            tell(f"{what}: left out")
            continue
        runs, commands = runs + kept.runs, commands + kept.commands
    return Kept(runs, commands)


def position_of(database: sqlite3.Connection, box: str, path: str) -> Position:
    """How far a file of a box was read."""
    row = database.execute("SELECT position FROM files WHERE box = ? AND path = ?", (box, path)).fetchone()
    return msgspec.json.decode(row[0], type=Position) if row else Position()


def keep_reading(database: sqlite3.Connection, box: str, path: str, was: Position, reading: Reading) -> Kept:
    """Put what was read in, and how far; both, or neither. Nothing where another mlsh has done it meanwhile."""
    with writing(database):
        if position_of(database, box, path) != was:
            return Kept(0, 0)
        entries = reading.entries
        end_s = reading.position.mtime_s or time.time()
        orders = ordered(entries, was.mtime_s or 0.0, end_s)
        # A second file of a box may be a copy of the first, made when its place was changed.
        known = "SELECT EXISTS (SELECT 1 FROM files WHERE box = ? AND path <> ?)"
        is_second = was == Position() and database.execute(known, (box, path)).fetchone()[0] == 1
        only_unknown = reading.only_unknown or is_second
        runs = commands = 0
        for at in range(0, len(entries), _AT_ONCE):
            part = slice(at, at + _AT_ONCE)
            kept = keep(database, box, entries[part], orders[part], only_unknown=only_unknown)
            runs, commands = runs + kept.runs, commands + kept.commands
        position = msgspec.json.encode(reading.position).decode()
        database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (box, path, position))
    return Kept(runs, commands)


def _refresh_one(database: sqlite3.Connection, found: Found, tell: Callable[[str], None]) -> Kept:
    status = found.path.stat()
    seen = f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
    if found.kind == "atuin":
        # What is new may be in the log beside it.
        log = found.path.with_name(found.path.name + "-wal")
        seen += f" {log.stat().st_size} {log.stat().st_mtime_ns}" if log.exists() else ""
    was = position_of(database, LOCAL, str(found.path))
    if was.seen == seen:
        return Kept(0, 0)
    if status.st_size - was.offset * (found.kind != "atuin") > MANY_BYTES and was == Position():
        tell(f"reading {found.path} ({status.st_size / 1e6:.0f} MB) for the first time")
    if found.kind == "atuin":
        reading = read_atuin_on(was, found.path, seen=seen, mtime_s=status.st_mtime)
    else:
        reading = _read_file(was, found, status.st_size, seen, status.st_mtime)
    return keep_reading(database, LOCAL, str(found.path), was, reading)


def _read_file(was: Position, found: Found, size: int, seen: str, mtime_s: float) -> Reading:
    with found.path.open("rb") as file:
        if was.offset and was.offset <= size:
            file.seek(was.start)
            reading = read_on(was, found.kind, was.start, file.read(), seen=seen, mtime_s=mtime_s)
            if reading is not None:
                return reading
            file.seek(0)
        reading = read_on(was, found.kind, 0, file.read(), seen=seen, mtime_s=mtime_s)
    assert reading is not None  # noqa: S101 - all of the file always tells
    return reading


def read_atuin_on(was: Position, path: Path, *, seen: str, mtime_s: float) -> Reading:
    """What is new in a database of atuin. Rows of commands that may still run are read again the next time."""
    # VACUUM gives rows new numbers. What is read twice is kept once.
    rows = list(read_rows(path, was.rowid if was.rowid <= last_row(path) else 0))
    oldest_running = min((rowid for rowid, entry in rows if _may_run(entry)), default=None)
    latest = rows[-1][0] if rows else was.rowid
    last = latest if oldest_running is None else oldest_running - 1
    position = Position(seen=seen, mtime_s=mtime_s, rowid=last)
    return Reading([entry for _, entry in rows], position, only_unknown=False)


def _may_run(entry: Entry) -> bool:
    return entry.exit_code is None and entry.when_s is not None and entry.when_s > time.time() - _MAY_RUN_S
