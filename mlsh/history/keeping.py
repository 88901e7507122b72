"""Put entries into the database: masked first, each command once, and no run twice."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mlsh.history.entry import Entry
from mlsh.history.merging import Known, SameRuns
from mlsh.history.search import EIGHTHS

try:
    # Without hashlib, which loads OpenSSL for 4 ms.
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

# FTS5 finds the last two characters of a text only by what follows them.
_TAIL = "\n\n"
_INDEXED_CHARS = 65_536
_SAMPLE = 5000


class Kept(NamedTuple):
    """What was new: runs, and commands that never ran before."""

    runs: int
    commands: int


class _Command:
    """A command of this batch: how many runs are new, and when the latest was."""

    __slots__ = ("digest", "new", "order_s", "others", "same", "text")

    def __init__(self, text: str, digest: int) -> None:
        self.text, self.digest = text, digest
        self.new = 0
        self.order_s = 0.0
        self.same: SameRuns | None = None
        self.others: bool | None = None


def digest_of(text: str) -> int:
    """64 bits of BLAKE2 as sqlite has numbers. Two of a million commands share one once in 10^7 times."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


def keep(
    database: sqlite3.Connection,
    box: str,
    entries: Sequence[Entry],
    orders: Sequence[float],
    *,
    only_unknown: bool = False,
) -> Kept:
    """Put the entries of a box in, `orders` being a time for each; the caller has begun a transaction.

    `only_unknown`: an entry without a time is left out where that box ran its command before. For a file that was
    written anew, in which nobody knows how much was there before.
    """
    batch = _Batch(database, box, only_unknown)
    batch.take(entries, orders)
    return batch.write()


class _Batch:
    def __init__(self, database: sqlite3.Connection, box: str, only_unknown: bool) -> None:
        self._database = database
        self._names = Names(database)
        self._box = self._names.number(box)
        self._only_unknown = only_unknown
        self._commands: dict[str, _Command | None] = {}
        self._inserts: list[list[Any]] = []
        self._updates: dict[int, dict[str, Any]] = {}
        self._is_first = database.execute("SELECT NOT EXISTS (SELECT 1 FROM runs)").fetchone()[0] == 1

    def take(self, entries: Sequence[Entry], orders: Sequence[float]) -> None:
        """Decide which runs are new."""
        from mlsh.secrets.masking import mask  # a search with nothing new to keep does without

        forgotten = {row[0] for row in self._database.execute("SELECT digest FROM forgotten")}
        by_digest: dict[int, _Command] = {}
        times = [entry.when_s for entry in entries if entry.when_s is not None]
        self._span = (min(times, default=0.0) - 2.0, max(times, default=0.0) + 2.0)
        commands = self._commands
        for entry, order_s in zip(entries, orders, strict=True):
            raw = entry.command
            if raw not in commands:
                text = mask(clean(raw))
                digest = digest_of(text)
                is_wanted = bool(text) and digest not in forgotten
                commands[raw] = by_digest.setdefault(digest, _Command(text, digest)) if is_wanted else None
            command = commands[raw]
            if command is not None:
                self._take(command, entry, order_s)
        self._by_digest = by_digest

    def _take(self, command: _Command, entry: Entry, order_s: float) -> None:
        if command.same is None:
            command.same = SameRuns() if self._is_first else self._known(command.digest)
        source = entry.source
        number = self._names.number
        if entry.when_s is None:
            if self._only_unknown and (command.new or self._ran_here(command.digest)):
                return
            if self._is_told_by_others(command, number(source)):
                return
        elif known := command.same.find(entry.when_s, source):
            self._fill_in(known, entry)
            return
        else:
            command.same.add(Known(-1 - len(self._inserts), entry.when_s, source))
        command.new += 1
        command.order_s = max(command.order_s, order_s)
        self._inserts.append([
            command.digest, order_s, entry.when_s, entry.exit_code, entry.duration_s, self._box,
            number(entry.folder) if entry.folder else None, number(entry.host) if entry.host else None, number(source),
        ])  # fmt: skip

    def _known(self, digest: int) -> SameRuns:
        # Only of the time that the batch is about: `git status` has run a hundred thousand times.
        rows = self._database.execute(
            "SELECT r.id, r.when_s, n.name FROM runs r JOIN names n ON n.id = r.source"
            " WHERE r.digest = ? AND r.order_s BETWEEN ? AND ? AND r.box = ? AND r.when_s IS NOT NULL",
            (digest, *self._span, self._box),
        )
        return SameRuns([Known(*row) for row in rows])

    def _ran_here(self, digest: int) -> bool:
        found = "SELECT EXISTS (SELECT 1 FROM runs WHERE digest = ? AND box = ?)"
        return bool(self._database.execute(found, (digest, self._box)).fetchone()[0])

    def _is_told_by_others(self, command: _Command, source: int) -> bool:
        """Whether another history of this box has the command. One without times then tells of the same runs."""
        if command.others is None:
            found = "SELECT EXISTS (SELECT 1 FROM runs WHERE digest = ? AND box = ? AND source <> ?)"
            row = self._database.execute(found, (command.digest, self._box, source)).fetchone()
            command.others = not self._is_first and bool(row[0])
        return command.others

    def _fill_in(self, known: Known, entry: Entry) -> None:
        """Add what this entry tells and the earlier one of the same run did not."""
        told = {
            "exit_code": entry.exit_code,
            "duration_s": entry.duration_s,
            "folder": self._names.number(entry.folder) if entry.folder else None,
            "host": self._names.number(entry.host) if entry.host else None,
        }
        if all(value is None for value in told.values()):
            return
        if known.key < 0:
            row = self._inserts[-1 - known.key]
            for name, at in (("exit_code", 3), ("duration_s", 4), ("folder", 6), ("host", 7)):
                row[at] = told[name] if row[at] is None else row[at]
        else:
            self._updates.setdefault(known.key, {}).update(told)

    def write(self) -> Kept:
        """Write what is new."""
        database = self._database
        database.executemany(
            "INSERT INTO runs (digest, order_s, when_s, exit_code, duration_s, box, folder, host, source)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            self._inserts,
        )
        database.executemany(
            "UPDATE runs SET exit_code = coalesce(exit_code, :exit_code), folder = coalesce(folder, :folder),"
            " duration_s = coalesce(duration_s, :duration_s), host = coalesce(host, :host) WHERE id = :id",
            [{"id": key, **told} for key, told in self._updates.items()],
        )
        touched = sorted((one for one in self._by_digest.values() if one.new), key=lambda one: one.order_s)
        fresh = _place(database, touched)
        if fresh:
            _sample(database)
        return Kept(len(self._inserts), fresh)


def clean(text: str) -> str:
    """A command without what is not kept of any: NUL bytes, blanks around it."""
    return text.replace("\0", "").strip()


def _place(database: sqlite3.Connection, touched: Iterable[_Command]) -> int:
    """Bring commands to the rank of their latest run; returns how many there are for the first time."""
    fresh = 0
    last = -sys.maxsize
    inserts: list[tuple[int, str, int, int]] = []
    for one in touched:
        wanted = int(one.order_s * EIGHTHS)
        row = database.execute("SELECT rank, uses FROM commands WHERE digest = ?", (one.digest,)).fetchone()
        if row is not None and row[0] >= wanted:
            database.execute("UPDATE commands SET uses = uses + ? WHERE rank = ?", (one.new, row[0]))
            continue
        uses = one.new
        if row is None:
            fresh += 1
        else:
            uses += row[1]
            remove(database, row[0], one.text)
        last = _free(database, max(wanted, last + 1))
        inserts.append((last, one.text, one.digest, uses))
    database.executemany("INSERT INTO commands (rank, text, digest, uses) VALUES (?,?,?,?)", inserts)
    database.executemany("INSERT INTO grams (rowid, text) VALUES (?,?)", ((row[0], indexed(row[1])) for row in inserts))
    return fresh


def indexed(text: str) -> str:
    """A command as the index has it."""
    return text[:_INDEXED_CHARS] + _TAIL


def remove(database: sqlite3.Connection, rank: int, text: str) -> None:
    """Take a command out, and its pieces out of the index."""
    database.execute("DELETE FROM commands WHERE rank = ?", (rank,))
    database.execute("INSERT INTO grams (grams, rowid, text) VALUES ('delete', ?, ?)", (rank, indexed(text)))


def _free(database: sqlite3.Connection, rank: int) -> int:
    while database.execute("SELECT 1 FROM commands WHERE rank = ?", (rank,)).fetchone():
        rank += 1
    return rank


def _sample(database: sqlite3.Connection) -> None:
    """Count pieces in a sample again, where there are twice the commands that there were at the last time."""
    total = database.execute("SELECT count(*) FROM commands").fetchone()[0]
    counted = database.execute("SELECT n FROM sampled WHERE gram = ''").fetchone()
    if counted and total < 2 * counted[0]:
        return
    from collections import Counter

    step = max(1, total // _SAMPLE)
    counts: Counter[str] = Counter()
    ranks = [
        row[0] for at, row in enumerate(database.execute("SELECT rank FROM commands ORDER BY rank")) if at % step == 0
    ]
    for rank in ranks:
        text = database.execute("SELECT text FROM commands WHERE rank = ?", (rank,)).fetchone()[0].lower()[:1000]
        counts.update({text[at : at + 3] for at in range(len(text) - 2)})
    database.execute("DELETE FROM sampled")
    database.executemany("INSERT INTO sampled VALUES (?,?)", counts.items())
    database.execute("INSERT INTO sampled VALUES ('', ?)", (total,))


class Names:
    """Numbers for names of boxes, folders, hosts and sources."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._known: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of a name, a new one where it has none."""
        number = self._known.get(name)
        if number is None:
            self._database.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (name,))
            row = self._database.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
            number = self._known[name] = int(row[0])
        return number
