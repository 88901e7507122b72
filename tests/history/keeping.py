"""A database with a few entries, for tests of this folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from mlsh.history.database import opened, writing
from mlsh.history.entry import Entry
from mlsh.history.keeping import Kept, keep
from mlsh.history.merging import ordered


def put(database: sqlite3.Connection, entries: Iterable[Entry], box: str = "local", end_s: float = 1.7e9) -> Kept:
    """Keep entries of a box."""
    listed = list(entries)
    with writing(database):
        return keep(database, box, listed, ordered(listed, 0.0, end_s))


def put_at(path: Path, entries: Iterable[Entry], box: str = "local") -> Kept:
    """Keep entries in the database at `path`."""
    with opened(path) as database:
        return put(database, entries, box)
