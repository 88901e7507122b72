"""Find commands in the database: the newest that match, with the most used and those of this folder among them.

Nothing is sorted but what is shown. The index gives matches newest first, one after the other, so a common word costs
no more than a rare one: the first few hundred matches are looked at.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mlsh.history.query import GRAM, Matcher, Query, chosen, expression, pieces_of
from mlsh.history.ranking import score

# So many of the newest matches are ranked, so many of the most used, and so many of this folder.
_NEWEST, _MOST_USED, _OF_FOLDER = 300, 500, 300
# Of so many runs each is compared; where there are more, the index of texts is asked first.
_FEW_RUNS = 20_000
# A word of one or two characters is looked for in so many commands before the index of pieces is.
_SCANNED = 4_000
EIGHTHS = 8


class Run(NamedTuple):
    """One time that a command ran. As in `Entry`; `box` is where."""

    when_s: float | None
    exit_code: int | None
    duration_s: float | None
    box: str
    folder: str
    host: str
    source: str


class Hit(NamedTuple):
    """A command that matches, its latest run that does, and how often it ran in all."""

    command: str
    uses: int
    run: Run


class _Found(NamedTuple):
    rank: int
    text: str
    digest: int
    uses: int


def search(database: sqlite3.Connection, query: Query, *, limit: int, folder: str = "") -> list[Hit]:
    """At most `limit` commands, the likeliest first; the newest first where there are no words.

    `folder` is where the person is: what ran there comes earlier.
    """
    found = list(_candidates(database, query, limit))
    if query.words and not query.asks_of_runs:
        found = _ranked(database, found, query, folder)[:limit]
    hits = ((one, _latest(database, one.digest, query)) for one in found)
    return list(itertools.islice((Hit(one.text, one.uses, run) for one, run in hits if run is not None), limit))


def by_rank(database: sqlite3.Connection, ranks: Iterable[int]) -> list[Hit]:
    """The commands of these ranks, in this order."""
    found = []
    for rank in ranks:
        row = database.execute("SELECT rank, text, digest, uses FROM commands WHERE rank = ?", (rank,)).fetchone()
        if row is not None and (run := _latest(database, row[2], Query())) is not None:
            found.append(Hit(row[1], row[3], run))
    return found


def every_run(database: sqlite3.Connection, query: Query, *, limit: int) -> list[Hit]:
    """Each run that matches, the newest first."""
    where, values = _conditions(query)
    matches = Matcher(query.words)
    rows = database.execute(
        f"SELECT c.text, c.uses, {_RUN} FROM runs r JOIN commands c ON c.digest = r.digest"  # noqa: S608
        f" WHERE {where} ORDER BY r.order_s DESC",
        values,
    )
    names = _Names(database)
    matching = (Hit(row[0], row[1], names.run(row[2:])) for row in rows if matches(row[0]))
    return list(itertools.islice(matching, limit))


def all_matching(database: sqlite3.Connection, query: Query) -> Iterator[tuple[int, str, int]]:
    """Rank, text and digest of every command that matches, newest first."""
    for one in matching(database, query):
        if not query.asks_of_runs or _latest(database, one.digest, query) is not None:
            yield one.rank, one.text, one.digest


def _candidates(database: sqlite3.Connection, query: Query, limit: int) -> Iterator[_Found]:
    if query.asks_of_runs and (not query.words or _is_few(database, query)):
        return _from_runs(database, query, limit)
    newest = matching(database, query)
    if query.asks_of_runs:
        return newest
    if not query.words:
        return itertools.islice(newest, limit)
    return itertools.islice(newest, max(_NEWEST, limit))


def _ranked(database: sqlite3.Connection, newest: list[_Found], query: Query, folder: str) -> list[_Found]:
    found = {one.digest: one for one in newest}
    here = set()
    if len(newest) >= _NEWEST:
        # There are older ones, and what is typed often or here must not be among those that nobody sees.
        found |= {one.digest: one for one in _most_used(database, query)}
    if folder:
        here_too = Query(query.words, folder=folder, since_s=query.since_s)
        of_folder = list(_from_runs(database, here_too, _OF_FOLDER, most_runs=_OF_FOLDER * 10))
        here = {one.digest for one in of_folder}
        found |= {one.digest: one for one in of_folder}
    now = time.time()

    def points(one: _Found) -> tuple[float, int]:
        age_s = now - one.rank / EIGHTHS
        return (
            score(one.text, query.words, age_s=age_s, uses=one.uses, is_here=one.digest in here, failed=False),
            one.rank,
        )

    return sorted(found.values(), key=points, reverse=True)


def matching(database: sqlite3.Connection, query: Query) -> Iterator[_Found]:
    """Commands with all the words, newest first, as they are asked for."""
    least = -(2**62) if query.since_s is None else int(query.since_s * EIGHTHS)
    matches = Matcher(query.words)
    long = [word for word in query.words if len(word) >= GRAM]
    if long:
        wanted = expression(chosen(long, _common(database, long)))
        yield from _compared(_by_index(database, wanted, least, 2**62), matches)
        return
    newest = database.execute(
        "SELECT rank, text, digest, uses FROM commands WHERE rank >= ? ORDER BY rank DESC", (least,)
    )
    if not query.words:
        yield from itertools.starmap(_Found, newest)
        return
    rank = 0
    for one in itertools.islice(itertools.starmap(_Found, newest), _SCANNED):
        rank = one.rank
        if matches(one.text):
            yield one
    if (following := next(newest, None)) is None:
        return
    terms = _terms(database, max(query.words, key=len))
    if terms is None:
        yield from _compared(itertools.starmap(_Found, itertools.chain([following], newest)), matches)
    elif terms:
        yield from _compared(_by_index(database, expression(terms, " OR "), least, rank - 1), matches)


def _compared(found: Iterator[_Found] | list[_Found], matches: Matcher) -> Iterator[_Found]:
    return (one for one in found if matches(one.text))


def _by_index(database: sqlite3.Connection, wanted: str, least: int, most: int) -> Iterator[_Found]:
    rows = database.execute(
        "SELECT c.rank, c.text, c.digest, c.uses FROM grams JOIN commands c ON c.rank = grams.rowid"
        " WHERE grams MATCH ? AND grams.rowid BETWEEN ? AND ? ORDER BY grams.rowid DESC",
        (wanted, least, most),
    )
    return itertools.starmap(_Found, rows)


def _common(database: sqlite3.Connection, words: list[str]) -> dict[str, int]:
    pieces = list({piece.lower() for word in words for piece in pieces_of(word)})[:500]
    marks = ",".join("?" * len(pieces))
    return dict(database.execute(f"SELECT gram, n FROM sampled WHERE gram IN ({marks})", pieces))  # noqa: S608


def _terms(database: sqlite3.Connection, word: str, most: int = 200) -> list[str] | None:
    """The pieces that begin with a word of one or two characters; None where they are too many to ask for."""
    low = word.lower()
    after = low[:-1] + chr(min(ord(low[-1]) + 1, 0x10FFFF))
    rows = database.execute(
        "SELECT term FROM gram_terms WHERE term >= ? AND term < ? LIMIT ?", (low, after, most + 1)
    ).fetchall()
    return None if len(rows) > most else [row[0] for row in rows]


def _most_used(database: sqlite3.Connection, query: Query) -> Iterator[_Found]:
    least = -(2**62) if query.since_s is None else int(query.since_s * EIGHTHS)
    rows = database.execute(
        "SELECT rank, text, digest, uses FROM commands WHERE uses > 2 ORDER BY uses DESC LIMIT ?", (_MOST_USED,)
    )
    found = (one for one in itertools.starmap(_Found, rows) if one.rank >= least)
    return _compared(found, Matcher(query.words))


# What is asked of runs

_RUN = "r.when_s, r.exit_code, r.duration_s, r.box, r.folder, r.host, r.source"


def _conditions(query: Query) -> tuple[str, list[object]]:
    parts, values = ["1"], list[object]()
    if query.boxes:
        marks = ",".join("?" * len(query.boxes))
        parts.append(f"r.box IN (SELECT id FROM names WHERE name IN ({marks}))")  # noqa: S608 - only marks
        values += query.boxes
    if query.folder:
        parts.append("r.folder = (SELECT id FROM names WHERE name = ?)")
        values.append(query.folder)
    if query.is_failed:
        parts.append("r.exit_code > 0")
    if query.since_s is not None:
        parts.append("r.order_s >= ?")
        values.append(query.since_s)
    return " AND ".join(parts), values


def _is_few(database: sqlite3.Connection, query: Query) -> bool:
    where, values = _conditions(query)
    counted = f"SELECT count(*) FROM (SELECT 1 FROM runs r WHERE {where} LIMIT ?)"  # noqa: S608
    return int(database.execute(counted, [*values, _FEW_RUNS + 1]).fetchone()[0]) <= _FEW_RUNS


def _from_runs(database: sqlite3.Connection, query: Query, limit: int, most_runs: int = -1) -> Iterator[_Found]:
    where, values = _conditions(query)
    rows = database.execute(
        "SELECT c.rank, c.text, c.digest, c.uses FROM runs r JOIN commands c ON c.digest = r.digest"  # noqa: S608
        f" WHERE {where} ORDER BY r.order_s DESC LIMIT ?",
        [*values, most_runs],
    )
    seen: set[int] = set()
    matches = Matcher(query.words)
    for one in itertools.starmap(_Found, rows):
        if one.digest not in seen and matches(one.text):
            seen.add(one.digest)
            yield one
            if len(seen) == limit:
                return


def _latest(database: sqlite3.Connection, digest: int, query: Query) -> Run | None:
    where, values = _conditions(query)
    row = database.execute(
        f"SELECT {_RUN} FROM runs r WHERE r.digest = ? AND {where} ORDER BY r.order_s DESC LIMIT 1",  # noqa: S608
        [digest, *values],
    ).fetchone()
    return None if row is None else _Names(database).run(row)


class _Names:
    """The names behind the numbers in a run."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._known: dict[int | None, str] = {None: ""}

    def name(self, number: int | None) -> str:
        if number not in self._known:
            row = self._database.execute("SELECT name FROM names WHERE id = ?", (number,)).fetchone()
            self._known[number] = row[0] if row else ""
        return self._known[number]

    def run(self, row: tuple[float | None, int | None, float | None, int, int | None, int | None, int]) -> Run:
        when_s, exit_code, duration_s, box, folder, host, source = row
        return Run(when_s, exit_code, duration_s, self.name(box), self.name(folder), self.name(host), self.name(source))
