"""Take commands out of the history for good: out of the database, its index and its log, and they don't come back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from mlsh.history.database import writing
from mlsh.history.keeping import clean, digest_of, remove
from mlsh.history.query import Query
from mlsh.history.recorded import records
from mlsh.history.search import all_matching
from mlsh.history.sources import find_local


class Found(NamedTuple):
    """A command to forget."""

    rank: int
    text: str
    digest: int


def find(database: sqlite3.Connection, words: Sequence[str]) -> list[Found]:
    """Every command that has all the words, newest first."""
    return [Found(*row) for row in all_matching(database, Query(tuple(words)))]


def forget(database: sqlite3.Connection, found: Sequence[Found]) -> None:
    """Forget commands on every box. What a shell's file still has of them is left out from now on."""
    database.execute("PRAGMA secure_delete = ON")
    with writing(database):
        for one in found:
            row = database.execute("SELECT rank FROM commands WHERE digest = ?", (one.digest,)).fetchone()
            database.execute("INSERT OR IGNORE INTO forgotten VALUES (?)", (one.digest,))
            database.execute("DELETE FROM runs WHERE digest = ?", (one.digest,))
            if row is not None:
                remove(database, row[0], one.text)
    _wipe(database)


def damaged(path: Path) -> list[Path]:
    """Databases that were set aside, which may still have what was forgotten since."""
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


def wipe_notes(database: sqlite3.Connection, found: Sequence[Found]) -> list[str]:
    """Take all that is forgotten out of the notes of mlsh's own hook on this machine, where they are not masked.

    Returns a line for each file that could not be changed.
    """
    digests = {row[0] for row in database.execute("SELECT digest FROM forgotten")}
    texts = [one.text.encode(errors="replace") for one in found]
    failed = []
    for kind, path in find_local():
        if kind == "mlsh":
            try:
                _wipe_file(path, digests, texts)
            except OSError as error:
                failed.append(f"{path}: {(error.strerror or '').lower()}")
    return failed


def _wipe_file(path: Path, digests: Collection[int], texts: Sequence[bytes]) -> None:
    """Write over records where they stand: shells append to this very file meanwhile, and no note of theirs is lost."""
    with open(path, "r+b", buffering=0) as file:
        spans = to_wipe(path.read_bytes(), digests, texts)
        for start, end in spans:
            at = start
            while at < end:
                at += os.pwrite(file.fileno(), b"-" * (end - at), at)
        if spans:
            os.fsync(file.fileno())


def to_wipe(data: bytes, digests: Collection[int], texts: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where the records stand whose command is forgotten, and torn ones with a text of it."""
    from mlsh.secrets.masking import mask

    return [
        (start, end)
        for start, end, entry in records(data)
        if (
            any(text in data[start:end] for text in texts)
            if entry is None
            else digest_of(mask(clean(entry.command))) in digests
        )
    ]


def count_of(database: sqlite3.Connection, box: str) -> int:
    """How many runs of a box there are."""
    query = "SELECT count(*) FROM runs WHERE box = (SELECT id FROM names WHERE name = ?)"
    return int(database.execute(query, (box,)).fetchone()[0])


def forget_box(database: sqlite3.Connection, box: str) -> None:
    """Forget all that ran on a box, and that it was ever read; another sync brings it back."""
    database.execute("PRAGMA secure_delete = ON")
    with writing(database):
        number = database.execute("SELECT id FROM names WHERE name = ?", (box,)).fetchone()
        if number is not None:
            digests = database.execute("SELECT DISTINCT digest FROM runs WHERE box = ?", number).fetchall()
            database.execute("DELETE FROM runs WHERE box = ?", number)
            for digest in digests:
                _recount(database, digest[0])
        database.execute("DELETE FROM files WHERE box = ?", (box,))
    _wipe(database)


def _recount(database: sqlite3.Connection, digest: int) -> None:
    left = database.execute("SELECT count(*) FROM runs WHERE digest = ?", (digest,)).fetchone()[0]
    if left:
        database.execute("UPDATE commands SET uses = ? WHERE digest = ?", (left, digest))
        return
    for rank, text in database.execute("SELECT rank, text FROM commands WHERE digest = ?", (digest,)).fetchall():
        remove(database, rank, text)


def _wipe(database: sqlite3.Connection) -> None:
    """Leave nothing of it in the pages that are free now: the index is written anew, and the log emptied."""
    with writing(database):
        database.execute("INSERT INTO grams (grams) VALUES ('optimize')")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
