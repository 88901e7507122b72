"""Watch a box: what changes there of jobs, the line and GPUs, over one channel that is made again when it breaks.

The box pushes (`watch.sh`): first all that there is, then each change. A beat every 3 s makes silence mean
something. After a break comes all that there is once more, so nothing is missed. `picture.py` keeps what the
events add up to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from mlsh.box.gpus import Gpu, gpus, trouble
from mlsh.errors import Unreachable
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.reconnecting import Back, Channel, Lost, reconnecting
from mlsh.jobs.store import Listing, parse_listing
from mlsh.records import Spec, State

_REPLY = b"mlsh-reply 1"
_WATCHED = b"mlsh-watch 1"
# What a login shell prints before our reply, and a line of nonsense, must not fill the memory.
_LONGEST = 1 << 26
_ID = re.compile(r"[a-z0-9-]{1,40}")


class Snapshot(msgspec.Struct, frozen=True):
    """All jobs of the box. Whatever was known before does not count any more, but for the GPUs."""

    listing: Listing


class JobChanged(msgspec.Struct, frozen=True):
    """How a job stands now; `spec` comes with one that is new."""

    state: State
    spec: Spec | None = None


class JobGone(msgspec.Struct, frozen=True):
    """The job was removed."""

    id: str


class Line(msgspec.Struct, frozen=True):
    """Who waits for a GPU (`gpu`) or a slot (`cpu`), in order; a task of an array is ID-NUMBER."""

    need: str
    ids: tuple[str, ...]


class Gpus(msgspec.Struct, frozen=True):
    """The GPUs, and the job that a process on them belongs to, by pid. `trouble` is what their driver complains of."""

    gpus: tuple[Gpu, ...]
    jobs: dict[int, str] = {}
    trouble: str = ""


class Host(msgspec.Struct, frozen=True):
    """The load over the last minute, and sizes in KiB; None where the box does not tell."""

    load: float | None
    cpus: int | None
    memory_kib: int | None
    available_kib: int | None
    disk_kib: int | None
    free_kib: int | None


class Beat(msgspec.Struct, frozen=True):
    """Nothing new."""


Event = Snapshot | JobChanged | JobGone | Line | Gpus | Host | Beat | Lost | Back


class Watcher:
    """Watches one box. With `with_gpus` its GPUs and its load are looked at too, every 2 s."""

    def __init__(self, on_box: OnBox, with_gpus: bool = False) -> None:
        self._box = on_box.box.name
        self._words = ("gpus",) if with_gpus else ()
        self._channel = Channel(on_box)

    def stop(self) -> None:
        """Have `events` end; from another thread."""
        self._channel.stop()

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def events(self) -> Iterator[Event]:
        """What happens, for ever: a Snapshot first, and after each Back.

        Raises LoginRefused and BoxUnfit when the box won't have us; what may pass (no network, a reboot) is told
        as Lost, before each new attempt.
        """
        return reconnecting(self._channel, self._once)

    def _once(self) -> Iterator[Event]:
        """One connection, to its end. Raises Unreachable when it breaks or falls silent."""
        reader = Reader(self._box)
        talk = b""
        for pipe, data in self._channel.pieces("watch", *self._words):
            if pipe == "stderr":
                talk = (talk + data)[-4000:]
            else:
                yield from reader.feed(data)
        self._channel.explain(reader.before, talk, reader.replied)


class Reader:
    """Bytes of `watch.sh` in, events out; it does not matter how they are cut up."""

    def __init__(self, box: str) -> None:
        self._box = box
        self._rest = b""
        self._listing: list[bytes] | None = None
        self._cards: list[str] = []
        self.replied = False
        self.before = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Read the next bytes. Raises Unreachable for what makes no sense."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = rest
        else:
            self._rest += rest
        if len(self._rest) > _LONGEST:
            raise Unreachable(self._box, "its answer makes no sense", "try again")
        for line in lines:
            if (event := self._line(line)) is not None:
                yield event

    def _line(self, line: bytes) -> Event | None:
        if line == _REPLY:
            # In the middle of it all, too: the box begins anew.
            self._listing, self._cards, self.replied = [], [], True
        elif not self.replied:
            self.before = (self.before + line + b"\n")[-4000:]
        elif self._listing is None:
            return self._change(line)
        elif line == _WATCHED:
            listing, self._listing = parse_listing(self._box, b"\n".join(self._listing)), None
            return Snapshot(listing)
        elif line.startswith(b"mlsh-watch "):
            raise Unreachable(self._box, "another version of mlsh answers there", "")
        else:
            self._listing.append(line)
        return None

    def _change(self, line: bytes) -> Event | None:
        """The event of a line; a line of nonsense, or of a later version, is none."""
        word, _, rest = line.partition(b" ")
        try:
            match word:
                case b"state":
                    return JobChanged(_STATE.decode(rest))
                case b"job":
                    spec, _, state = rest.partition(b"\t")
                    return JobChanged(_STATE.decode(state), _SPEC.decode(spec))
        except msgspec.DecodeError:
            return None
        words = rest.decode(errors="replace").split()
        match word:
            case b"beat":
                return Beat()
            case b"gone" if len(words) == 1:
                return JobGone(words[0])
            case b"line" if words and words[0] in {"gpu", "cpu"}:
                return Line(words[0], tuple(word for word in words[1:] if _ID.fullmatch(word)))
            case b"gpu":
                self._cards.append(rest.decode(errors="replace"))
            case b"gpus":
                cards, self._cards = self._cards, []
                return gpus_of(cards)
            case b"host" if len(words) == 6:
                return Host(_load(words[0]), *map(_count, words[1:]))
        return None


_SPEC = msgspec.json.Decoder(Spec)
_STATE = msgspec.json.Decoder(State)


def gpus_of(lines: list[str]) -> Gpus:
    """GPUs from lines with the keys of `facts.sh`, and `job PID ID`."""
    from mlsh.box.facts import parse

    facts = parse("\n".join(lines))
    jobs = {}
    for line in lines:
        if match := re.fullmatch(r"job ([0-9]{1,10}) ([a-z0-9-]{1,40})", line):
            jobs[int(match[1])] = match[2]
    return Gpus(tuple(gpus(facts)), jobs, trouble(facts))


def _load(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) else None


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None
