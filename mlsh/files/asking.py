"""What fetch.sh is asked for, while it is still being found out what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlsh.box.pump import Outlet
from mlsh.files import plan as planning
from mlsh.files.listing import Listing
from mlsh.files.manifest import Entry
from mlsh.files.receive import Receiver

_AHEAD = 2
"""With fewer answers to come the box is asked for what is known, be it little: it must not stand idle."""


class Program:
    """The input of one fetch.sh, as `pump` reads it. A listing's files are `wanted` too, as soon as they are known.

    `sums` are the paths whose checksum decides, `have` tells how many bytes of a large file are here, `planned`
    decides which of a listing's entries have to come. `alone`: no batches.
    """

    def __init__(
        self,
        wanted: dict[bytes, Entry],
        sums: set[bytes],
        receiver: Receiver,
        have: Callable[[Entry], int],
        *,
        alone: bool = False,
        listing: Listing | None = None,
        planned: Callable[[Sequence[Entry]], list[Entry]],
    ) -> None:
        self.wanted = wanted
        self._sums = sums
        self._receiver = receiver
        self._have = have
        self._alone = alone
        self._listing = listing
        self._planned = planned
        self._waiting = list(wanted.values())
        self._text = b""
        self._is_whole = False

    @property
    def beside(self) -> list[Outlet]:
        """What `pump` has to read meanwhile."""
        return self._listing.pipes if self._listing else []

    @property
    def largest(self) -> int:
        """The size of the largest file that is wanted still."""
        return max((entry.size for entry in self.wanted.values()), default=0)

    def read(self, size: int, /) -> bytes | None:
        """The next bytes; None where the listing has to tell more before."""
        if not self._text and not self._is_whole:
            self._text = self._next()
        data, self._text = self._text[:size], self._text[size:]
        return data or (b"" if self._is_whole else None)

    def _next(self) -> bytes:
        self._take_listed()
        ends = self._listing is None or self._listing.is_whole
        if self._listing is not None and self._listing.has_ended and not ends:
            # It broke off. What was asked comes; without its end the program is no whole one.
            self._is_whole = True
            return b""
        if not ends and not (self._waiting and self._receiver.to_come < _AHEAD):
            return b""
        self._is_whole = ends
        calls = planning.asks(
            [entry for entry in self._waiting if entry.path not in self._sums],
            [entry for entry in self._waiting if entry.path in self._sums],
            self._have,
            self._alone,
        )
        self._waiting = []
        self._receiver.ask(calls)
        return planning.program(calls) + (planning.FINISH if ends else b"")

    def _take_listed(self) -> None:
        if self._listing is not None and (entries := self._listing.taken()):
            found = self._planned(entries)
            self.wanted |= {entry.path: entry for entry in found}
            self._waiting += found
