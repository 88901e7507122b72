"""Keep ports of a box reachable from here over connections that break.

Each port of this machine is a relay's (mlsh/box/relay.py), which has it for as long as the forward lasts; behind it
one tunnel after another leads to the box. A tunnel's command, `ports.sh`, sends a beat every few seconds, so that
silence means something; tells which ports have somebody who listens, and when the job has ended.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import time
from collections.abc import Iterator, Sequence

import msgspec

from mlsh.box import process
from mlsh.box.failures import jitter
from mlsh.box.relay import Relay
from mlsh.box.tunnel import Tunnel
from mlsh.errors import BoxError, LoginRefused, Unreachable
from mlsh.jobs.forward_records import Entry, Forward
from mlsh.jobs.onbox import BEGIN, OnBox
from mlsh.jobs.reconnecting import Back, Lost
from mlsh.records import State, from_json

SILENCE_S = 12.0
_TICK_S = 0.5
# What an open connection that outlived a suspended laptop needs to show itself: a beat, and some.
_AWAKE_S = 5.0
_BACK_OFF_S = (0.2, 0.5, 1, 2, 4, 8)
# OpenSSH 9.8 and later shut out who is refused too often.
_REFUSED_BACK_OFF_S = 60.0
_REPLY = b"mlsh-reply 1\n"
_ANYBODYS = {"0"}
_CHANNEL = re.compile(rb"^channel \d+: open failed: .*\n?", re.MULTILINE)


class Linked(msgspec.Struct, frozen=True):
    """The first tunnel stands."""


class Opened(msgspec.Struct, frozen=True):
    """Somebody listens on a port of the box; `stranger` is the user's number where it is neither you nor root."""

    port: int
    stranger: str = ""


class Closed(msgspec.Struct, frozen=True):
    """Nobody listens on a port of the box."""

    port: int


class Refused(msgspec.Struct, frozen=True):
    """Something here tried to connect to a port of the box on which nobody listens."""

    port: int


class Tick(msgspec.Struct, frozen=True):
    """Nothing happened for a moment."""


class Ended(msgspec.Struct, frozen=True):
    """The job has ended."""

    state: State


Event = Linked | Opened | Closed | Refused | Lost | Back | Tick | Ended


class Forwarding:
    """Relays of this machine's ports to those of a box, until the job ends or somebody stops."""

    def __init__(self, on_box: OnBox, relays: Sequence[tuple[int, Relay]], job_id: str = "") -> None:
        """`relays` are ports of the box, each with the relay that leads there."""
        self._on_box = on_box
        self._relays = relays
        self._job_id = job_id
        self._tunnel: Tunnel | None = None
        self._shared = False
        self._open: dict[int, bool] = {}
        self._refused: set[int] = set()
        for port, relay in relays:
            relay.on_refused = lambda port=port: self._refused.add(port)  # type: ignore[misc]

    def close(self) -> None:
        """Give the ports back and end the tunnel; the job goes on."""
        for _, relay in self._relays:
            relay.close()
        self._end_tunnel()

    def events(self) -> Iterator[Event]:
        """What happens, until Ended; a Tick at least every half second, except while a connection is being made.

        A box that can't be reached or won't have us is an error only the first time; later it is told as Lost, and
        tried again for ever. Raises NotFound when the job is gone.
        """
        was_linked = False
        broken_at: float | None = None
        attempt = 0
        while True:
            try:
                for event in self._once():
                    if isinstance(event, Linked):
                        event = Back() if was_linked else event  # noqa: PLW2901
                        was_linked, broken_at, attempt = True, None, 0
                    yield event
                    if isinstance(event, Ended):
                        return
            except (Unreachable, LoginRefused) as error:
                if isinstance(error, LoginRefused) and not self._shared:
                    # It may ask a person at each login. The shared connection has asked, or will.
                    self._shared = True
                    self._end_tunnel()
                    continue
                if not was_linked and (isinstance(error, LoginRefused) or attempt >= 2):
                    raise
                now = time.monotonic()
                broken_at = now if broken_at is None else broken_at
                self._end_tunnel()
                if self._shared:
                    self._on_box.box.drop_connection()
                yield Lost(error.what, now - broken_at)
                pause_s = _BACK_OFF_S[min(attempt, len(_BACK_OFF_S) - 1)]
                attempt += 1
                if isinstance(error, LoginRefused):
                    pause_s = min(_REFUSED_BACK_OFF_S, pause_s * 8)
                for _ in range(round(pause_s * jitter() / _TICK_S) + 1):
                    time.sleep(min(_TICK_S, pause_s))
                    yield Tick()

    def _end_tunnel(self) -> None:
        for _, relay in self._relays:
            relay.lead_to(None)
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None

    def _once(self) -> Iterator[Event]:
        """One tunnel, to its end. Raises Unreachable when it breaks or falls silent, and what the box complains of."""
        ports = [str(port) for port, _ in self._relays]
        words = self._on_box.argv("ports", self._job_id or "-", *ports)
        self._tunnel = tunnel = self._on_box.box.tunnel(words, self._shared)
        stream = tunnel.stream
        if stream.stdin is None:
            raise AssertionError("streams are piped")
        with contextlib.suppress(BrokenPipeError):
            # For start-up files of the login shell that read: they must not wait. It stays open: its end is ours.
            stream.stdin.write(BEGIN)
        talk = _Talk()
        for _ in _pieces(stream, talk, self._on_box.box.name, tunnel.login_s):
            if talk.has_replied and not talk.is_linked:
                talk.is_linked = True
                for port, relay in self._relays:
                    relay.lead_to(tunnel.way_to(port), tunnel.stands)
                yield Linked()
            for line in talk.lines():
                event = self._read(line, talk)
                if event is not None:
                    yield event
                if isinstance(event, Ended):
                    self._end_tunnel()
                    return
            for port in list(self._refused):
                self._refused.discard(port)
                if not self._open.get(port, True):
                    yield Refused(port)
            yield Tick()
        code = stream.wait()
        self._end_tunnel()
        self._raise_for(code, talk)

    def _read(self, line: str, talk: _Talk) -> Event | None:
        word, _, rest = line.partition(" ")
        if word == "uid":
            talk.uid = rest
        elif word == "end":
            return Ended(from_json(rest, State))
        elif word == "port":
            number, stands, uid = (*rest.split(), "", "", "")[:3]
            if not number.isdigit():
                return None
            port, is_open = int(number), stands == "open"
            if is_open != self._open.get(port):
                self._open[port] = is_open
                return Opened(port, "" if uid in {talk.uid, *_ANYBODYS} else uid) if is_open else Closed(port)
        return None

    def _raise_for(self, code: int, talk: _Talk) -> None:
        box = self._on_box.box
        if code == 97 and not talk.has_replied:
            self._on_box.install()
            return
        if code == 96:
            raise self._on_box.error(talk.said)
        # What ssh says of a port on which nobody listens reads like a box on which no sshd does.
        noise = _CHANNEL.sub(b"", talk.noise) if talk.has_replied else talk.noise
        failure = box.explain_failure(process.Ran(("ssh",), code, b"", noise))
        if isinstance(failure, BoxError):
            raise failure
        if not talk.has_replied and code >= 0:
            raise self._on_box.silent(code, talk.noise or talk.said)
        raise Unreachable(box.name, "the connection ended")


class _Talk:
    """What has come over one tunnel: lines behind the reply line, and what ssh and start-up files say beside them."""

    def __init__(self) -> None:
        self.said = b""
        self.noise = b""
        self.uid = ""
        self.has_replied = False
        self.is_linked = False

    def hear(self, data: bytes) -> None:
        """More of its output."""
        self.said += data
        if not self.has_replied:
            _, found, rest = self.said.partition(_REPLY)
            if found:
                self.has_replied, self.said = True, rest
        self.said = self.said[-65536:]

    def lines(self) -> list[str]:
        """The whole lines since the last time."""
        if not self.has_replied or self.said.startswith(b"mlsh-error"):
            return []
        *lines, self.said = self.said.split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def _pieces(stream: process.Started, talk: _Talk, box: str, login_s: float) -> Iterator[None]:
    """Read both pipes into `talk` until they end; yields after each look. Raises Unreachable after too much silence."""
    with selectors.DefaultSelector() as selector:
        for pipe in (stream.stdout, stream.stderr):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ)
        silent_s = 0.0
        while selector.get_map():
            began = time.time()
            ready = selector.select(timeout=_TICK_S)
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is stream.stdout:
                    talk.hear(data)
                else:
                    talk.noise = (talk.noise + data)[-4000:]
            # Counted in looks that found nothing, not by the clock: a laptop that slept was not listening. Once it
            # is awake, a connection that lives shows itself soon.
            limit_s = SILENCE_S if talk.has_replied else login_s
            silent_s = 0.0 if ready else silent_s + _TICK_S
            if time.time() - began > _AWAKE_S and talk.has_replied:
                silent_s = max(silent_s, SILENCE_S - _AWAKE_S)
            if silent_s > limit_s:
                raise Unreachable(box, f"nothing heard for {limit_s:g} s")
            yield


def keep(forwarding: Forwarding, entry: Entry) -> Iterator[Event]:
    """The events of a forward, each written down in its record; ends with the job, or when somebody asks it to stop."""
    for event in forwarding.events():
        entry.update(after(entry.forward, event))
        yield event
        if entry.is_asked_to_stop:
            return


def after(forward: Forward, event: Event) -> Forward:
    """A forward's record after an event; pure."""
    match event:
        case Linked() | Back():
            return msgspec.structs.replace(forward, state="connected", reason="")
        case Lost():
            return msgspec.structs.replace(forward, state="reconnecting", reason=event.reason)
        case Opened() | Closed():
            ports = [
                msgspec.structs.replace(port, is_open=isinstance(event, Opened)) if port.remote == event.port else port
                for port in forward.ports
            ]
            return msgspec.structs.replace(forward, ports=ports)
        case _:
            return forward
