"""Atuin's database, read and never written. Its columns are looked for, since they changed over the years."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from mlsh.errors import MlshError
from mlsh.history.entry import Entry

# A row takes some 30 steps of sqlite's machine, and 40 bytes or more. What takes more has no end that is worth it: the
# file may be one that a box sent.
_STEPS, _STEPS_A_BYTE, _LOOK_EACH = 10_000_000, 10, 100_000


def read_atuin(path: Path, after_rowid: int = 0) -> Iterator[Entry]:
    """Entries of an atuin `history.db`, oldest first; what was deleted in atuin is left out.

    Raises MlshError where the file is no such database, or is broken.
    """
    for _, entry in read_rows(path, after_rowid):
        yield entry


def read_rows(path: Path, after_rowid: int = 0) -> Iterator[tuple[int, Entry]]:
    """Like `read_atuin`, each entry with its rowid, for who comes again for the rest."""
    try:
        with contextlib.closing(_open(path)) as database:
            # Not a view, which can be endless, nor a virtual table, which has no root; nor, with `table_info`, a column
            # that is computed.
            found = "SELECT 1 FROM sqlite_master WHERE name = 'history' AND type = 'table' AND rootpage > 0"
            is_table = database.execute(found).fetchone() is not None
            columns = {row[1] for row in database.execute("PRAGMA table_info(history)")} if is_table else set()
            if "command" not in columns:
                raise MlshError(f"{path} is no history of atuin: it has no table `history` with commands")
            yield from _rows(database, columns, after_rowid)
    except sqlite3.Error as error:
        raise MlshError(f"{path}: {_why(error)}", "does `atuin history list` still read it?") from error


def last_row(path: Path) -> int:
    """The number of the newest row; 0 where there is none. Raises MlshError as above."""
    try:
        with contextlib.closing(_open(path)) as database:
            return int(database.execute("SELECT coalesce(max(rowid), 0) FROM history").fetchone()[0])
    except sqlite3.Error as error:
        raise MlshError(f"{path}: {_why(error)}") from error


def _why(error: sqlite3.Error) -> str:
    is_endless = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
    return "to read it takes more steps than any history of its size needs" if is_endless else str(error)


def _open(path: Path) -> sqlite3.Connection:
    # With no write-ahead log there is nothing to take part in, and `immutable` leaves no file beside the database.
    log = path.with_name(path.name + "-wal")
    settled = not log.exists() or log.stat().st_size == 0
    uri = f"file:{quote(str(path))}?{'immutable=1' if settled else 'mode=ro'}"
    database = sqlite3.connect(uri, uri=True, timeout=5)
    database.text_factory = lambda raw: raw.decode(errors="replace")
    size = path.stat().st_size + (0 if settled else log.stat().st_size)
    left = (_STEPS + _STEPS_A_BYTE * size) // _LOOK_EACH

    def is_enough() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    database.set_progress_handler(is_enough, _LOOK_EACH)
    return database


def _rows(database: sqlite3.Connection, columns: set[str], after_rowid: int) -> Iterator[tuple[int, Entry]]:
    def column(name: str) -> str:
        return name if name in columns else "NULL"

    names = ("command", "timestamp", "exit", "duration", "cwd", "hostname")
    alive = "deleted_at IS NULL" if "deleted_at" in columns else "1"
    query = (
        f"SELECT rowid, {', '.join(map(column, names))} FROM history"  # noqa: S608 - names from the line above
        f" WHERE rowid > ? AND {alive} ORDER BY rowid"
    )
    for rowid, command, when, exit_code, duration, cwd, host in database.execute(query, (after_rowid,)):
        if not isinstance(command, str) or not command.strip():
            continue
        yield (
            rowid,
            Entry(
                command,
                _seconds(when),
                exit_code if isinstance(exit_code, int) and exit_code >= 0 else None,
                duration / 1e9 if isinstance(duration, int) and duration > 0 else None,
                cwd if isinstance(cwd, str) and cwd != "unknown" else "",
                host.partition(":")[0] if isinstance(host, str) else "",
                "atuin",
            ),
        )


def _seconds(when: object) -> float | None:
    """A time of atuin: nanoseconds, or seconds in its first versions."""
    if not isinstance(when, int | float) or when <= 0:
        return None
    return when / 1e9 if when > 1e14 else float(when)
