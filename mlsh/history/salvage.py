"""What can still be read of a damaged database, for the new one: the histories of boxes above all."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlsh.history.database import writing
from mlsh.history.entry import Entry
from mlsh.history.keeping import keep

_COLUMNS = "digest, order_s, when_s, exit_code, duration_s, box, folder, host, source"


def salvage(database: sqlite3.Connection, damaged: Path) -> int:
    """Copy what can be read of a damaged database; returns how many runs were new. It is only read."""
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(damaged))}?mode=ro", uri=True)) as old:
        names = dict(_rows(old, "SELECT id, name FROM names"))
        texts = dict(_rows(old, "SELECT digest, text FROM commands"))
        forgotten = list(_rows(old, "SELECT digest FROM forgotten"))
        files = list(_rows(old, "SELECT box, path, position FROM files"))
        by_box: dict[str, tuple[list[Entry], list[float]]] = {}
        for digest, order_s, when_s, exit_code, duration_s, box, folder, host, source in _rows(
            old,
            f"SELECT {_COLUMNS} FROM runs",  # noqa: S608 - columns of ours
        ):
            if digest in texts and box in names:
                entries, orders = by_box.setdefault(names[box], ([], []))
                told = (names.get(folder, ""), names.get(host, ""), names.get(source, ""))
                entries.append(Entry(texts[digest], when_s, exit_code, duration_s, *told))
                orders.append(order_s)
    runs = 0
    with writing(database):
        database.executemany("INSERT OR IGNORE INTO forgotten VALUES (?)", forgotten)
        for box, (entries, orders) in by_box.items():
            runs += keep(database, box, entries, orders, only_unknown=True).runs
        database.executemany("INSERT OR IGNORE INTO files VALUES (?, ?, ?)", files)
    return runs


def _rows(old: sqlite3.Connection, query: str) -> list[Any]:
    """The rows up to the first that can't be read."""
    rows: list[Any] = []
    with contextlib.suppress(sqlite3.Error):
        for row in old.execute(query):
            rows.append(row)  # noqa: PERF402 - those before an error count
    return rows
