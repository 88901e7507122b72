"""Send files to a box: what differs, verified there, and again from where it was cut off."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, cast

from mlsh.errors import BoxUnfit, RefusedInput, Unreachable
from mlsh.files.manifest import CutShort, Entry, Kind, parse
from mlsh.files.outcome import Outcome
from mlsh.files.patience import Patience
from mlsh.files.plan import MEBIBYTE
from mlsh.files.plan import quoted as _quoted
from mlsh.files.sources import Item
from mlsh.jobs.insist import insist, whole
from mlsh.jobs.onbox import BEGIN, OnBox

LARGE_BYTES = 32 * MEBIBYTE
_BATCH_FILES, _BATCH_BYTES, _BATCH_NAMES_BYTES = 1024, 64 * MEBIBYTE, 64 * 1024
_SLOWEST_DISK = 20_000_000
Progress = Callable[[int, int], None]


class Push:
    """Files on their way to one folder of a box. `outcomes` grows as it goes."""

    def __init__(
        self, on_box: OnBox, target: str, *, progress: Progress | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._on_box = on_box
        self._target = target
        self._nonce = os.urandom(16).hex()
        self._progress, self._say = progress, say
        self._moved = self._total = 0
        self.outcomes: list[Outcome] = []

    def differing(self, items: Sequence[Item]) -> list[Item]:
        """Those that the box lacks, or has with another size or time (to the second); the others are noted as same.

        Raises RefusedInput where the target is a file, BoxUnfit where the box has no tar.
        """
        calls = b"".join(b"look %s\n" % _words(batch) for batch in _batches(items, _BATCH_BYTES))
        there: list[Entry] = []

        def ask() -> bytes:
            answer = self._on_box.call("push_look", self._target, self._nonce, stdin=BEGIN + calls + b"finish\n",
                                       timeout_s=600, reads="the names of the files")  # fmt: skip
            head, _, rest = answer.partition(b"\n")
            try:
                there[:] = parse(rest, self._nonce.encode())
            except CutShort:
                raise Unreachable(self._on_box.box.name, "its answer was cut short", "try again") from None
            return head

        words = insist(ask, self._on_box).split()
        box = self._on_box.box.name
        if words[1:2] == [b"file"]:
            raise RefusedInput(f"{box}: {self._target} is a file", "name the folder that it should go into")
        if words[2:3] != [b"tar"]:
            raise BoxUnfit(
                box,
                "no-tar",
                "there is no tar on this box",
                "install it there (Debian, Ubuntu: sudo apt-get install tar)",
            )
        known = {b"./" + entry.path: entry for entry in there}
        differ = [item for item in items if not _is_there(item, known.get(item.path))]
        wanted = {item.path for item in differ}
        self.outcomes += [Outcome(item.path[2:], "same", item.size) for item in items if item.path not in wanted]
        return differ

    def run(self, items: Sequence[Item]) -> None:
        """Send them. Raises Unreachable, BoxUnfit: then the same again goes on from there."""
        self._total = sum(item.size for item in items)
        small = [item for item in items if item.size <= LARGE_BYTES]
        for batch in _batches(small, _BATCH_BYTES):
            self._insist(lambda batch=batch: self._batch(batch))  # type: ignore[misc]
        for item in items:
            if item.size > LARGE_BYTES:
                self._insist(lambda item=item: self._large(item))  # type: ignore[misc]

    def _insist(self, send: Callable[[], None]) -> None:
        patience = Patience(self._on_box, self._say)
        while True:
            before = self._moved
            try:
                return send()
            except Unreachable as error:
                patience.after(error, self._moved - before > MEBIBYTE)

    def _batch(self, batch: Sequence[Item]) -> None:
        source = _Tar(batch)
        self._send("tar", source=source)
        for item, why in source.spoilt.items():
            self.outcomes.append(Outcome(item.path[2:], "unreadable" if why else "changing", item.size,
                                         why or "it changes while it is read"))  # fmt: skip
        good = [item for item in batch if item not in source.spoilt]
        files = [item for item in source.sent if not item.is_link]
        text = b"check %s %s\n" % (source.sha256().encode(), _words(files)) if files else b""
        folders: dict[bytes, list[bytes]] = {}
        for item in good:
            folder, _, name = item.path.rpartition(b"/")
            folders.setdefault(folder, []).append(b"./" + name)
        for folder, names in folders.items():
            text += b"into %s %s\n" % (_quoted(folder), b" ".join(map(_quoted, names)))
        self._place(text, good)

    def _large(self, item: Item) -> None:
        name = hashlib.sha256(b"%s\0%d\0%d" % (item.path, item.size, item.mtime_ns)).hexdigest()[:24] + ".part"
        answer = self._on_box.call("push_take", self._target, "size", name)
        skip = min(int(whole(answer, self._on_box).split()[1]), item.size) // MEBIBYTE
        try:
            file = open(item.source, "rb")  # noqa: SIM115
        except OSError as error:
            self.outcomes.append(Outcome(item.path[2:], "unreadable", item.size, (error.strerror or "").lower()))
            return
        with file:
            source = _Rest(file, item.size, skip * MEBIBYTE)
            self._send("part", name, str(skip), source=source)
            changed = _stamp(os.fstat(file.fileno())) != (item.size, item.mtime_ns) or source.left
        if changed:
            self.outcomes.append(Outcome(item.path[2:], "changing", item.size, "it changes while it is read"))
            return
        words = (source.sha256(), name, item.path, f"{item.mode:o}", str(item.mtime_ns // 10**9))
        text = b" ".join(_quoted(os.fsencode(word)) for word in words)
        self._place(b"whole " + text + b"\n", [item], silent_s=item.size / _SLOWEST_DISK)

    def _send(self, *words: str, source: _Tar | _Rest) -> None:
        start = self._moved

        def sent(count: int, _: int) -> None:
            self._moved = start + count
            if self._progress is not None:
                self._progress(self._moved, self._total)

        file = cast("IO[bytes]", source)
        whole(self._on_box.send("push_take", self._target, *words, file=file, size=source.size, progress=sent),
              self._on_box)  # fmt: skip

    def _place(self, calls: bytes, items: Sequence[Item], silent_s: float = 0) -> None:
        text = BEGIN + calls + b"look %s\nfinish\n" % _words(items)
        answer = self._on_box.call("push_place", self._target, self._nonce, stdin=text,
                                   timeout_s=300 + silent_s, reads="the names of the files")  # fmt: skip
        try:
            there = {b"./" + entry.path: entry for entry in parse(answer, self._nonce.encode())}
        except CutShort:
            raise Unreachable(self._on_box.box.name, "its answer was cut short", "try again") from None
        for item in items:
            if _is_there(item, there.get(item.path)):
                self.outcomes.append(Outcome(item.path[2:], "sent", item.size))
            else:
                why = "it can't be put there: a link or a folder is in its way, or it may not be written"
                self.outcomes.append(Outcome(item.path[2:], "blocked", item.size, why))


def _is_there(item: Item, entry: Entry | None) -> bool:
    if entry is None:
        return False
    if item.is_link:
        return entry.kind is Kind.LINK and entry.target == os.readlink(item.source)
    same_second = entry.mtime_ns // 10**9 == item.mtime_ns // 10**9
    return entry.kind is Kind.FILE and entry.size == item.size and same_second


def _stamp(about: os.stat_result) -> tuple[int, int]:
    return about.st_size, about.st_mtime_ns


def _words(items: Iterable[Item]) -> bytes:
    return b" ".join(_quoted(item.path) for item in items)


def _batches(items: Sequence[Item], most: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = names = 0
    for item in items:
        full = len(batch) == _BATCH_FILES or size + item.size > most or names + len(item.path) > _BATCH_NAMES_BYTES
        if batch and full:
            yield batch
            batch, size, names = [], 0, 0
        batch.append(item)
        size += item.size
        names += len(item.path)
    if batch:
        yield batch


class _Tar:
    """Small files as a tar stream. `spoilt` are those that could not be read as they were, with the reason, if any."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.size = sum(item.size for item in items)
        self._pieces = self._make(items)
        self._held = b""
        self._digest = hashlib.sha256()
        self.spoilt: dict[Item, str] = {}
        self.sent: list[Item] = []

    def read(self, size: int, /) -> bytes:
        """The next bytes of the stream."""
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._held = piece
        data, self._held = self._held[:size], self._held[size:]
        return data

    def seek(self, _: int, /) -> int:
        """It is read once; the box says so if it has to come again."""
        return 0

    def sha256(self) -> str:
        """The checksum of the contents of all files that went, one after the other."""
        return self._digest.hexdigest()

    def _make(self, items: Sequence[Item]) -> Iterator[bytes]:
        for item in items:
            about = tarfile.TarInfo(os.fsdecode(item.path))
            about.mode, about.mtime, about.size = item.mode, item.mtime_ns // 10**9, item.size
            if item.is_link:
                about.type, about.linkname = tarfile.SYMTYPE, os.fsdecode(os.readlink(item.source))
                self.sent.append(item)
                yield about.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
                continue
            try:
                descriptor = os.open(item.source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                self.spoilt[item] = (error.strerror or str(error)).lower()
                continue
            self.sent.append(item)
            yield about.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
            with os.fdopen(descriptor, "rb", buffering=0) as file:
                yield from self._content(file, item)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _content(self, file: IO[bytes], item: Item) -> Iterator[bytes]:
        left = item.size
        while left:
            data = file.read(min(left, MEBIBYTE))
            if not data:
                # The header has said how much comes.
                data = bytes(min(left, MEBIBYTE))
            self._digest.update(data)
            left -= len(data)
            yield data
        about = os.fstat(file.fileno())
        if _stamp(about) != (item.size, item.mtime_ns) or not stat.S_ISREG(about.st_mode):
            self.spoilt[item] = ""
        yield bytes(-item.size % tarfile.BLOCKSIZE)


class _Rest:
    """A large file from a byte on; what lies before that is read for the checksum."""

    def __init__(self, file: IO[bytes], size: int, start: int) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = size
        self.left = size - start
        while start and (data := file.read(min(start, MEBIBYTE))):
            self._digest.update(data)
            start -= len(data)

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        data = self._file.read(min(size, self.left))
        self.left -= len(data)
        self._digest.update(data)
        return data

    def seek(self, _: int, /) -> int:
        """It is read once; the box says so if it has to come again."""
        return 0

    def sha256(self) -> str:
        """The checksum of all of it."""
        return self._digest.hexdigest()
