"""What a pull has to do, given what lies on the box and what lies here. Pure: it looks at values, not at disks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mlsh.files.manifest import Entry, Kind
from mlsh.files.paths import Clashes, leads_out, refusal
from mlsh.files.patterns import Patterns

MEBIBYTE = 1 << 20
SMALL_BYTES = 4 * MEBIBYTE
"""Files up to this size go in batches, are held in memory and written once they are verified."""

BATCH_FILES = 1024
BATCH_BYTES = 4 * MEBIBYTE
BATCH_NAMES_BYTES = 64 * 1024

Look = Callable[[bytes], os.stat_result | None]
"""What lies at a path below the target now; None for nothing."""


class Left(NamedTuple):
    """A path that is not brought, and why."""

    path: bytes
    why: str


class Plan(NamedTuple):
    """What is to be done.

    `fetch` are files that have to come; `compare` are files of the right size whose time differs: their checksums
    decide. `same` need nothing. `skipped` are what no pull brings (devices, links out of the folder), `refused`
    what no box should name.
    """

    fetch: list[Entry]
    compare: list[Entry]
    same: list[Entry]
    links: list[Entry]
    folders: list[Entry]
    skipped: list[Left]
    refused: list[Left]

    @property
    def bytes(self) -> int:
        """How much is to be fetched at most."""
        return sum(entry.size for entry in self.fetch)


def plan(entries: Sequence[Entry], wanted: Patterns, look: Look) -> Plan:
    """Decide for each entry that is `wanted`."""
    return Planner(wanted, look).add(entries)


class Planner:
    """Decides for the entries of one folder, as they come. What is there once decides over what comes later."""

    def __init__(self, wanted: Patterns, look: Look) -> None:
        self._wanted = wanted
        self._look = look
        self._clashes = Clashes()
        self._refused: set[bytes] = set()

    def knows(self, path: bytes) -> bool:
        """Whether a path was decided on."""
        return path in self._refused or self._clashes.knows(path)

    def add(self, entries: Sequence[Entry]) -> Plan:
        """The plan for some more entries, without those that were there already."""
        made = Plan([], [], [], [], [], [], [])
        chosen = []
        for entry in entries:
            if entry.path == b".":
                continue
            why = refusal(entry.path)
            if why is not None:
                made.refused.append(Left(entry.path, why))
                self._refused.add(entry.path)
            elif self._wanted.matches(entry.path):
                chosen.append(entry)
        fresh, clashes = self._clashes.new(chosen)
        for entry in fresh:
            if entry.path in clashes:
                made.refused.append(Left(entry.path, clashes[entry.path]))
            elif entry.kind is Kind.FILE:
                _sort_file(made, entry, self._look(entry.path))
            elif entry.kind is Kind.OTHER:
                made.skipped.append(Left(entry.path, "it is a device, a pipe or a socket"))
            elif entry.kind is Kind.FOLDER:
                made.folders.append(entry)
            elif leads_out(entry):
                made.skipped.append(Left(entry.path, "it is a link that leads out of the folder"))
            else:
                made.links.append(entry)
        return made


def _sort_file(made: Plan, entry: Entry, here: os.stat_result | None) -> None:
    if here is None or not stat.S_ISREG(here.st_mode) or here.st_size != entry.size:
        made.fetch.append(entry)
    elif same_time(entry, here.st_mtime_ns):
        made.same.append(entry)
    else:
        # To ask for the checksum of a small file costs as much as the file.
        (made.compare if entry.size > SMALL_BYTES else made.fetch).append(entry)


def same_time(entry: Entry, mtime_ns: int) -> bool:
    """Whether a time here is that of the entry, as finely as the box told it."""
    return entry.mtime_ns == (mtime_ns if entry.finely else mtime_ns // 10**9 * 10**9)


class Ask(NamedTuple):
    """One call in the program for fetch.sh: small files, or one large file from its mebibyte `skip` on."""

    entries: tuple[Entry, ...]
    skip: int = 0
    only_sum: bool = False

    @property
    def is_large(self) -> bool:
        """Whether it is one file that goes to the disk as it comes."""
        return self.only_sum or self.entries[0].size > SMALL_BYTES

    @property
    def bytes(self) -> int:
        """How many bytes should come."""
        if self.only_sum:
            return 0
        return sum(entry.size for entry in self.entries) - self.skip * MEBIBYTE


def asks(fetch: Iterable[Entry], compare: Iterable[Entry], have: Callable[[Entry], int], alone: bool) -> list[Ask]:
    """The calls for these files; `have` tells how many bytes of a large one are here. `alone`: no batches."""
    made = [Ask((entry,), mebibytes(entry.size), only_sum=True) for entry in compare]
    batch: list[Entry] = []
    size = names = 0
    for entry in fetch:
        if entry.size > SMALL_BYTES:
            made.append(Ask((entry,), min(have(entry), entry.size) // MEBIBYTE))
            continue
        if batch and (
            alone
            or len(batch) == BATCH_FILES
            or size + entry.size > BATCH_BYTES
            or names + len(entry.path) > BATCH_NAMES_BYTES
        ):
            made.append(Ask(tuple(batch)))
            batch, size, names = [], 0, 0
        batch.append(entry)
        size += entry.size
        names += len(entry.path)
    if batch:
        made.append(Ask(tuple(batch)))
    return made


def mebibytes(size: int) -> int:
    """How many blocks of a mebibyte a size takes."""
    return -(-size // MEBIBYTE)


FINISH = b"finish\n"
"""The end of a program for fetch.sh."""


def program(calls: Iterable[Ask]) -> bytes:
    """The calls as fetch.sh reads them; `FINISH` comes after the last."""
    lines = []
    for ask in calls:
        names = b" ".join(quoted(b"./" + entry.path) for entry in ask.entries)
        if ask.is_large:
            size = ask.entries[0].size
            count = 0 if ask.only_sum else mebibytes(size) - ask.skip
            lines.append(b"large %d %d %s\n" % (ask.skip, count, names))
        else:
            lines.append(b"batch %s\n" % names)
    return b"".join(lines)


def quoted(word: bytes) -> bytes:
    """A word as sh reads it, whatever bytes it has."""
    return b"'" + word.replace(b"'", b"'\"'\"'") + b"'"
