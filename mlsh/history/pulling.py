"""Bring the histories of boxes here, side by side: of each file only what is new since the last time."""

from __future__ import annotations

import functools
import os
import re
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mlsh.box import Box
from mlsh.box.fanout import side_by_side
from mlsh.errors import BoxUnfit, MlshError, Unreachable
from mlsh.history.keeping import Kept
from mlsh.history.local import keep_reading, position_of, read_atuin_on
from mlsh.history.position import Position, Reading, read_on

# Of a file that is read for the first time, the last so many bytes: some million commands.
MOST_BYTES = 64 << 20
_CALL_S = 240.0
_REPLY = b"mlsh-reply 1\n"
_KINDS = ("bash", "zsh", "fish", "mlsh", "atuin", "atuin-wal")


class Told(NamedTuple):
    """A history file of a box, or the new part of it; `data` is None where nothing is new."""

    kind: str
    path: str
    start: int
    data: bytes
    seen: str
    mtime_s: float


class Answer(NamedTuple):
    """What a box told: files with something new, how many there are in all, and those that can't be read."""

    files: list[Told]
    unchanged: int
    closed: list[str]


class Pulled(NamedTuple):
    """What came of one box. `notes` are for the person: a file that can't be read, one that was taken in part."""

    box: str
    kept: Kept
    files: int
    notes: list[str]
    error: MlshError | None


def pull(database: sqlite3.Connection, boxes: Sequence[Box]) -> Iterator[Pulled]:
    """Ask boxes and keep what is new of each as it comes; a dead one is told as such and delays nobody."""
    known = {box.name: _positions(database, box.name) for box in boxes}
    again: list[Box] = []
    for box, answer in side_by_side(boxes, lambda box: ask(box, known[box.name]), limit_s=_CALL_S + 60):
        if isinstance(answer, MlshError):
            yield Pulled(box.name, Kept(0, 0), 0, [], answer)
            continue
        pulled, is_whole = _keep(database, box.name, known[box.name], answer)
        if is_whole:
            yield pulled
        else:
            again.append(box)
    if again:
        # A file that was written anew there is needed from its begin.
        yield from _pull_whole(database, again)


def _pull_whole(database: sqlite3.Connection, boxes: Sequence[Box]) -> Iterator[Pulled]:
    for box, answer in side_by_side(boxes, lambda box: ask(box, {}), limit_s=_CALL_S + 60):
        if isinstance(answer, MlshError):
            yield Pulled(box.name, Kept(0, 0), 0, [], answer)
        else:
            yield _keep(database, box.name, _positions(database, box.name), answer)[0]


def _positions(database: sqlite3.Connection, box: str) -> dict[str, Position]:
    paths = [row[0] for row in database.execute("SELECT path FROM files WHERE box = ?", (box,))]
    return {path: position_of(database, box, path) for path in paths}


def synced(database: sqlite3.Connection) -> list[str]:
    """The boxes whose histories were brought here before."""
    return [row[0] for row in database.execute("SELECT DISTINCT box FROM files ORDER BY box")]


def ask(box: Box, known: dict[str, Position]) -> Answer:
    """Ask a box for what is new. Raises Unreachable, LoginRefused, BoxUnfit."""
    nonce = os.urandom(16).hex()
    words = [word for path, at in known.items() for word in (path, str(at.start), at.seen or "-")]
    ran = box.ask(["sh", "-c", _script(), "mlsh", nonce, str(MOST_BYTES), *words], timeout_s=_CALL_S)
    if error := box.explain_failure(ran):
        raise error
    _, found, answer = ran.stdout.partition(_REPLY)
    if not found:
        raise BoxUnfit(box.name, "no-reply", "its shell did not run our script", f"look: mlsh box doctor {box.name}")
    try:
        return parse(answer, nonce.encode())
    except ValueError:
        raise Unreachable(box.name, "its answer was cut short", "try again") from None


@functools.cache
def _script() -> str:
    text = Path(__file__).with_name("box").joinpath("pull.sh").read_text()
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def parse(answer: bytes, nonce: bytes) -> Answer:
    """Take the answer of `pull.sh` apart. Raises ValueError where its end is missing, or it makes no sense."""
    head, end, _ = answer.rpartition(nonce + b" end\n")
    if not end:
        raise ValueError("cut short")
    files, closed, unchanged = [], [], 0
    for part in head.split(nonce + b" ")[1:]:
        line, _, data = part.partition(b"\n")
        word, _, rest = line.partition(b" ")
        if word == b"same":
            unchanged += 1
        elif word == b"closed":
            closed.append(rest.decode(errors="replace"))
        elif match := re.fullmatch(rb"file (\S+) (\d{1,18}) (\d{1,12}) (\d{1,18}) (\S{1,200}) (.+)", line):
            kind, start = match[1].decode(errors="replace"), int(match[4])
            if kind not in _KINDS:
                raise ValueError(kind)
            path = match[6].decode(errors="replace")
            files.append(Told(kind, path, start, data[:-1], match[5].decode(errors="replace"), float(match[3])))
        else:
            raise ValueError("no line of ours")
    return Answer(files, unchanged, closed)


def _keep(database: sqlite3.Connection, box: str, known: dict[str, Position], answer: Answer) -> tuple[Pulled, bool]:
    """Keep what a box told, and whether that was all that is needed."""
    notes = [f"{path}: you may not read it there: left out" for path in answer.closed]
    runs = commands = 0
    is_whole = True
    logs = {told.path: told.data for told in answer.files if told.kind == "atuin-wal"}
    files = [told for told in answer.files if told.kind != "atuin-wal"]
    for told in files:
        was = known.get(told.path, Position())
        reading: Reading | None
        if told.kind == "atuin":
            try:
                reading = _read_atuin(was, told, logs.get(told.path + "-wal", b""))
            except MlshError as error:
                notes.append(
                    f"{told.path}: {error.what.partition(': ')[2] or error.what}: left out, and read the next time"
                )
                continue
        else:
            reading = _read(was, told, notes)
        if reading is None:
            is_whole = False
            continue
        kept = keep_reading(database, box, told.path, was, reading)
        runs, commands = runs + kept.runs, commands + kept.commands
    return Pulled(box, Kept(runs, commands), len(files) + answer.unchanged, notes, None), is_whole


def _read(was: Position, told: Told, notes: list[str]) -> Reading | None:
    # A box's clock may be wrong; none of its commands ran in the future.
    mtime_s = min(told.mtime_s or time.time(), time.time())
    if told.start and told.start != was.start:
        # Only the last part of a large file was told. Its first line may be half of one.
        notes.append(f"{told.path}: of a large file only the last {MOST_BYTES >> 20} MiB were read")
        cut = told.data.find(b"\n") + 1
        reading = read_on(Position(), told.kind, 0, told.data[cut:], seen=told.seen, mtime_s=mtime_s)
        if reading is None:
            return None
        offset = told.start + cut + reading.position.offset
        return reading._replace(position=_moved(reading.position, offset), only_unknown=was != Position())
    return read_on(was, told.kind, told.start, told.data, seen=told.seen, mtime_s=mtime_s)


def _moved(position: Position, offset: int) -> Position:
    return Position(offset, position.tail, position.anchor, position.seen, position.mtime_s, position.rowid)


def _read_atuin(was: Position, told: Told, log: bytes) -> Reading:
    with tempfile.TemporaryDirectory(prefix="mlsh-") as folder:
        path = Path(folder) / "history.db"
        path.write_bytes(told.data)
        if log:
            path.with_name("history.db-wal").write_bytes(log)
        return read_atuin_on(was, path, seen=told.seen, mtime_s=told.mtime_s)
