"""The database of everything that was typed: one sqlite file in the state folder, for this person's eyes only.

commands   each text once; its `rank` is the time of its latest run (in eighths of a second), so that "newest first"
           needs no sort; `uses` is how often it ran
runs       when, where and how it ended; `order_s` is `when_s`, or a guess where the shell notes no time
grams      FTS5 of the texts in pieces of three characters, by rank; holds no text itself
sampled    how common a piece of three characters is, counted in a sample
files      how far each history file was read
forgotten  digests of what must not come back
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from mlsh.config import state_dir
from mlsh.errors import ConfigError, MlshError

VERSION = 1
_APPLICATION = 0x6D6C7368  # "mlsh"
_CORRUPT, _NOT_A_DATABASE = 11, 26
BUSY_S = 10.0

_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
CREATE TABLE commands (rank INTEGER PRIMARY KEY, text TEXT NOT NULL, digest INTEGER NOT NULL, uses INTEGER NOT NULL);
CREATE INDEX command_digest ON commands (digest);
CREATE INDEX command_uses ON commands (uses) WHERE uses > 2;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE runs (id INTEGER PRIMARY KEY, digest INTEGER NOT NULL, order_s REAL NOT NULL, when_s REAL,
                   exit_code INTEGER, duration_s REAL, box INTEGER NOT NULL, folder INTEGER, host INTEGER,
                   source INTEGER NOT NULL);
CREATE INDEX run_command ON runs (digest, order_s);
CREATE INDEX run_box ON runs (box, order_s);
CREATE INDEX run_folder ON runs (folder, order_s) WHERE folder IS NOT NULL;
CREATE INDEX run_failed ON runs (order_s) WHERE exit_code > 0;
CREATE TABLE sampled (gram TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE files (box TEXT NOT NULL, path TEXT NOT NULL, position TEXT NOT NULL, PRIMARY KEY (box, path));
CREATE TABLE forgotten (digest INTEGER PRIMARY KEY);
"""
_INDEX = (
    "CREATE VIRTUAL TABLE grams USING fts5(text, content='', columnsize=0, detail=none, tokenize='trigram');"
    "CREATE VIRTUAL TABLE gram_terms USING fts5vocab(grams, row);"
)


class Damaged(MlshError):
    """The database can't be read as one: what `set_aside` is for. `inode` is that of the file that was opened."""

    def __init__(self, what: str, inode: int) -> None:
        super().__init__(what)
        self.inode = inode


def path_of() -> Path:
    """Where the database is."""
    return state_dir() / "history" / "history.db"


@contextlib.contextmanager
def opened(path: Path, *, busy_s: float = BUSY_S) -> Iterator[sqlite3.Connection]:
    """The database, made where there is none; closed at the end.

    Raises Damaged where it is broken, ConfigError where a newer mlsh made it, MlshError for another failure of sqlite,
    a lock that others hold for longer than `busy_s` seconds included.
    """
    _touch(path)
    inode = path.stat().st_ino
    try:
        database = _connect(path, busy_s)
        try:
            yield database
        finally:
            database.close()
    except sqlite3.Error as error:
        raise _failure(path, error, inode) from error


def _failure(path: Path, error: sqlite3.Error, inode: int) -> MlshError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in {_CORRUPT, _NOT_A_DATABASE}:
        return Damaged(f"{path}: {error}", inode)
    if "locked" in str(error):
        return MlshError(f"{path} is in use by another mlsh", "again in a moment")
    return MlshError(f"{path}: {error}", f"is the disk full? df {path.parent}")


def _touch(path: Path) -> None:
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        # Before sqlite makes it with the umask's mode; its -wal and -shm take the mode of the database.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    try:
        # What a power cut may take away is read again: how far each file was read is in the same transaction.
        database.execute("PRAGMA synchronous = NORMAL")
        # SQLite's own default is 2 MB, and a search reads ten of an index of a hundred.
        database.execute("PRAGMA cache_size = -65536")
        database.execute("PRAGMA mmap_size = 1073741824")
        if _version(database, path) == 0:
            _make(database)
    except BaseException:
        database.close()
        raise
    return database


def _version(database: sqlite3.Connection, path: Path) -> int:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    application = int(database.execute("PRAGMA application_id").fetchone()[0])
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != _APPLICATION and (version or application or tables):
        raise ConfigError(f"{path} is a database of something else", "move it away, and mlsh makes a new one")
    if version > VERSION:
        raise ConfigError(
            f"{path} was made by a newer mlsh (its version is {version}; this mlsh knows {VERSION})",
            "update this mlsh, or look with the newer one",
        )
    return version


def _make(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    with writing(database):
        if database.execute("PRAGMA user_version").fetchone()[0]:
            return  # another process was quicker
        for statement in (_SCHEMA + _INDEX).split(";"):
            database.execute(statement)


@contextlib.contextmanager
def writing(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction that writes: all of it, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def set_aside(path: Path, inode: int) -> Path | None:
    """Rename a damaged database, and what sqlite keeps beside it; returns the new name. Nothing is deleted.

    None where another process has done so already, and another file is there now.
    """
    import fcntl

    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    with open(path.with_name("set-aside.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists() or path.stat().st_ino != inode:
            return None
        path.rename(aside)
        for end in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    return aside
