"""What `mlsh forward` says while it runs: addresses on stdout, all else on stderr."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.talk import Status, say

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.jobs.forward_records import Forward


class Show:
    """Tells the person of a forward: addresses on stdout, each once; all else on stderr."""

    def __init__(self, box: Box, forward: Forward, as_json: bool) -> None:
        self.status = Status()
        self._box = box.name
        self._job = forward.job
        self._as_json = as_json
        self._printed: set[int] = set()
        self._closed: set[int] = set()
        self._refused_at: dict[int, float] = {}
        self._lost = False
        self._has_ended = False

    def event(self, event: Any, forward: Forward) -> None:
        """Tell of one event."""
        from mlsh.jobs.forwarding import Closed, Ended, Linked, Opened, Refused
        from mlsh.jobs.outcome import tell
        from mlsh.jobs.reconnecting import Back, Lost

        match event:
            case Linked():
                if self._as_json:
                    put(forward)
                elif not self._job:
                    self._print(forward)
            case Opened():
                self._opened(event.port, event.stranger, forward)
            case Closed():
                self.status.clear()
                self._closed_port(event.port)
            case Refused():
                # A browser asks again and again.
                if time.monotonic() - self._refused_at.get(event.port, -60.0) > 10:
                    self._refused_at[event.port] = time.monotonic()
                    self.status.clear()
                    say(f"nothing listens on port {event.port} of {self._box}: the connection to it was closed")
            case Lost():
                self.status.clear()
                if not self._lost:
                    here = ", ".join(f"localhost:{port.local}" for port in forward.ports)
                    say(f"{event.reason}; {here} stays, and leads there again when {self._box} answers")
                self._lost = True
                self.status.show(f"{self._box}: no connection for {event.for_s:.0f} s, trying again (Ctrl-C ends it)")
            case Back():
                self.status.clear()
                say(f"{self._box}: connected again")
                self._lost = False
            case Ended():
                self.status.clear()
                self._has_ended = True
                say(f"{self._job} {tell(event.state)}; so the forward ends")

    def _opened(self, port: int, stranger: str, forward: Forward) -> None:
        self.status.clear()
        if port in self._closed:
            say(f"port {port} of {self._box} is open now")
        self._closed.discard(port)
        if stranger:
            say(f"careful: on port {port} of {self._box} a program of another user listens (uid {stranger})")
        self._print(forward, port)

    def _closed_port(self, port: int) -> None:
        if port in self._printed and self._job:
            say(f"nothing listens on port {port} of {self._box} any more; waiting until something does")
        elif self._job:
            say(f"nothing listens on port {port} of {self._box} yet; waiting until {self._job} does")
            self.status.show(f"waiting for {self._job} to listen on port {port} (Ctrl-C ends it)")
        else:
            say(f"nothing listens on port {port} of {self._box}; it can be reached as soon as something does")
        self._closed.add(port)

    def _print(self, forward: Forward, only: int = 0) -> None:
        for port in forward.ports:
            if port.remote in self._printed or only not in {0, port.remote} or self._as_json:
                continue
            self._printed.add(port.remote)
            what = f"{port.kind} of {self._job}" if port.kind else f"port {port.remote} of {self._box}"
            click.echo(port.url)
            say(f"localhost:{port.local} leads to {what}")

    def end(self, was_asked: bool) -> None:
        """The last word, where nothing else was."""
        if was_asked and not self._has_ended:
            say("stopped by mlsh forward stop")


def put(forward: Forward) -> None:
    """A forward as one line of JSON; documented in docs/reference/json.md, and stable."""
    import msgspec

    from mlsh.records import to_json

    fields = msgspec.to_builtins(forward)
    fields["job"] = forward.job or None
    click.echo(to_json(fields).decode())
