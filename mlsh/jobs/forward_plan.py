"""What is to be forwarded: the ports as typed, and the ports of this machine that they get."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence

import msgspec

from mlsh.box.relay import Taken, listen
from mlsh.errors import RefusedInput, UsageError

_PORT = re.compile(r"(?:([0-9]{1,5}):)?([0-9]{1,5})", re.ASCII)
_NEXT = 50


class Asked(msgspec.Struct, frozen=True):
    """A port of the box, and the port here: None where the same number will do, 0 for any that is free."""

    remote: int
    local: int | None = None


def parse(words: Sequence[str]) -> list[Asked]:
    """Read `[LOCAL:]PORT`; raises UsageError. The same words twice count once."""
    asked = list(dict.fromkeys(_parse(word) for word in words))
    wanted = [one.local if one.local is not None else one.remote for one in asked if one.local != 0]
    twice = next((port for port in wanted if wanted.count(port) > 1), None)
    if twice is not None:
        raise UsageError(f"port {twice} here can't lead to two ports", "name another: -p OTHER:PORT, or -p 0:PORT")
    return asked


def _parse(word: str) -> Asked:
    match = _PORT.fullmatch(word)
    if match is None:
        raise UsageError(
            f"{word[:60]!r} is no port",
            "-p 8888, -p 9999:8888 (9999 here leads to 8888 there), or -p 0:8888 (any free one here)",
        )
    remote, local = int(match[2]), None if match[1] is None else int(match[1])
    if not 1 <= remote <= 65535 or (local or 0) > 65535:
        raise UsageError(f"{word}: ports go from 1 to 65535", "0 can only stand before the colon: any free one here")
    return Asked(remote, local)


def take(asked: Asked, target: str, say: Callable[[str], None]) -> list[socket.socket]:
    """Sockets that listen on the port here that was asked for.

    Where only the box's port was named and that number is taken here, the next free one is taken, and `say` told. A
    number that was typed is never changed: raises RefusedInput, with the name of who has it.
    """
    wanted = asked.remote if asked.local is None else asked.local
    try:
        return listen(wanted)
    except Taken as taken:
        why = "only root may have it" if taken.is_forbidden else f"{_holder(wanted)} has it"
    if asked.local is not None:
        raise RefusedInput(
            f"port {wanted} of this machine can't be had: {why}",
            f"any free one instead: mlsh forward {target} -p 0:{asked.remote}",
        )
    for port in (*range(wanted + 1, min(65536, wanted + 1 + _NEXT)), 0):
        if 0 < port < 1024:
            continue
        try:
            found = listen(port)
        except Taken:
            continue
        say(f"port {wanted} of this machine can't be had ({why}): using {found[0].getsockname()[1]} here")
        return found
    raise RefusedInput("no port of this machine is free", "see what listens: ss -ltn")


def _holder(port: int) -> str:
    from mlsh.box.listeners import who_listens
    from mlsh.jobs.forward_records import living

    for forward in living():
        if any(one.local == port for one in forward.ports):
            return f"`mlsh forward` number {forward.number} ({forward.job or forward.box})"
    return who_listens(port) or "something"
