"""A connection to a box that carries connections to its ports, and runs one command for as long as it lives.

Not the shared connection: gigabytes of a browser's traffic would be in the way of everybody's calls, and a tunnel
that hangs is ended, which must not end what others do. It clears the person's own forwardings (`LocalForward 8888` of
their config would take ports that nobody asked for), so ours are added by its control socket once it stands. They end
in Unix sockets in mlsh's private folder: the port on this machine is the relay's, which keeps it while tunnels come
and go.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Protocol

from mlsh import config
from mlsh.box import process
from mlsh.box.process import Started
from mlsh.errors import BoxError, Unreachable

Address = str | tuple[str, int]
"""Where to connect to: the path of a Unix socket, or an address and a port."""

_PREFIX = "fwd."
_CONTROL_TIMEOUT_S = 10.0


class Tunnel(Protocol):
    """A way to the ports of a box. `stream` is the command on the box; `login_s` seconds are what a login may take."""

    stream: Started
    login_s: float

    def way_to(self, port: int) -> Address:
        """Where connections to a port of the box's loopback begin here, whether or not anything listens on it.

        Raises Unreachable where the tunnel does not stand.
        """

    def stands(self) -> bool:
        """Whether it has not broken by now; quicker to know than the end of its process."""

    def close(self) -> None:
        """End it, the command on the box and all that goes through it."""


class LocalTunnel:
    """To this machine no tunnel is needed."""

    login_s = 20.0

    def __init__(self, stream: Started) -> None:
        self.stream = stream

    def way_to(self, port: int) -> Address:
        """The port itself."""
        return ("localhost", port)

    def stands(self) -> bool:
        """It can't break."""
        return True

    def close(self) -> None:
        """End the command."""
        _end(self.stream)


class SshTunnel:
    """An ssh connection with a control socket of its own."""

    def __init__(self, box: str, stem: Path, stream: Started, login_s: float) -> None:
        """`stem` is the control socket, and begins the names of the others."""
        self.stream = stream
        self.login_s = login_s
        self._box = box
        self._stem = stem
        self._control = stem
        self._rules: dict[Path, str] = {}

    def way_to(self, port: int) -> Address:
        """A Unix socket, made for this port."""
        path = self._stem.with_name(f"{self._stem.name}.{port}")
        rule = f"{path}:localhost:{port}"
        self._rules[path] = rule
        try:
            ran = process.run(control(self._control, "forward", rule, self._box), timeout_s=_CONTROL_TIMEOUT_S)
        except process.TimedOut as late:
            raise Unreachable(self._box, str(late)) from None
        if ran.returncode != 0:
            if self.stream.poll() is not None:
                raise Unreachable(self._box, "the connection broke off")
            said = ran.stderr.decode(errors="replace").strip()[-200:]
            raise BoxError(self._box, f"ssh can't make a tunnel: {said}", f"can {self._stem.parent} be written to?")
        return str(path)

    def stands(self) -> bool:
        """Whether ssh still takes calls at its control socket, which it closes before the connections it carries."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self._control))
            except TimeoutError:
                return True
            except OSError:
                return False
            return True

    def close(self) -> None:
        """End the connection, and leave no socket behind."""
        _end(self.stream)
        for path in (self._stem, *self._rules):
            with contextlib.suppress(OSError):
                path.unlink()


class SharedTunnel(SshTunnel):
    """The same over the connection that all calls share: where each login asks a person for something."""

    def __init__(self, box: str, shared: Path, stem: Path, stream: Started) -> None:
        """`shared` is the control socket of the shared connection."""
        super().__init__(box, stem, stream, login_s=20.0)
        self._control = shared

    def close(self) -> None:
        """Take the ways back; the connection stays."""
        for rule in self._rules.values():
            with contextlib.suppress(process.TimedOut):
                process.run(control(self._control, "cancel", rule, self._box), timeout_s=3)
        super().close()


def control(socket_path: Path, command: str, rule: str, box: str) -> list[str]:
    """The call that has the connection behind a control socket `forward` a port, or `cancel` that."""
    # Without a config: the forwardings that it has would be added too.
    return ["ssh", "-F", "/dev/null", "-S", str(socket_path), "-O", command, "-L", rule, "--", box]


def new_stem() -> Path:
    """A name for the sockets of a new tunnel; what tunnels left behind that were killed is taken away."""
    folder = config.runtime_dir()
    for path in folder.glob(f"{_PREFIX}*"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(0.2)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue
    return folder / f"{_PREFIX}{os.urandom(4).hex()}"


def _end(stream: Started) -> None:
    process.stop(stream, grace_s=0.5)
    for pipe in (stream.stdin, stream.stdout, stream.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
