"""The way to a machine's ssh port: straight, or through the person's own ssh where there is a bastion."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import tempfile
from typing import IO, NamedTuple

from mlsh.box import process
from mlsh.box.failures import failure_of
from mlsh.box.sharing import CONNECT_TIMEOUT_S
from mlsh.contact.local import Said, one
from mlsh.errors import BoxError, Unreachable

_JUMP_TIMEOUT_S = 180.0


class Way(NamedTuple):
    """How ssh would get to a box: `ProxyJump` and `ProxyCommand` are "" where it goes straight there."""

    box: str
    host: str
    port: int
    user: str
    jump: str
    proxy_command: str
    config: str


def way_of(box: str, said: Said, config: str) -> Way:
    """The way to a box by what `ssh -G` says; `config` is the file for the ssh that goes through a bastion."""
    port = one(said, "port")
    return Way(
        box,
        one(said, "hostname"),
        int(port) if port.isdigit() else 22,
        one(said, "user"),
        one(said, "proxyjump"),
        one(said, "proxycommand"),
        config,
    )


class Line:
    """An open byte stream to a machine's ssh port."""

    def __init__(self, sock: socket.socket, through: process.Started | None = None, said: IO[bytes] | None = None):
        self.sock = sock
        self._through = through
        self._said = said

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self.sock.close()
        if self._through is not None:
            process.stop(self._through)

    def trouble(self, way: Way) -> BoxError | None:
        """What the ssh to the bastion, or the ProxyCommand, complained of; None where nothing is known."""
        if self._through is None or self._said is None:
            return None
        with contextlib.suppress(Exception):
            self._through.wait(1)
        if self._through.poll() in {None, 0}:
            return None
        self._said.seek(0)
        said = self._said.read(65536)
        refused = re.search(rb"stdio forwarding failed|open failed", said)
        if refused and way.jump:
            why = "the bastion can't reach it, or forbids to go on from there (AllowTcpForwarding)"
            last = said.decode(errors="replace").strip().splitlines()
            return Unreachable(way.box, why, f"it says: {last[0][:200]}" if last else "")
        return failure_of(way.jump.rpartition(",")[2] or way.box, said)


def connect(way: Way) -> Line:
    """Connect. Raises Unreachable, or LoginRefused where a bastion lets nobody through."""
    process.log.say(f"# connect to {way.host} port {way.port}" + (f" through {way.jump}" if way.jump else ""))
    if way.jump:
        return _through(_jump_argv(way))
    if way.proxy_command:
        return _through(["sh", "-c", f"exec {_expand(way.proxy_command, way)}"])
    return Line(_direct(way))


def _direct(way: Way) -> socket.socket:
    try:
        found = socket.getaddrinfo(way.host, way.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise Unreachable(
            way.box, f"{way.host}: there is no machine of that name", "is it spelled right, and is your VPN on?"
        ) from None
    why: OSError | None = None
    for family, kind, protocol, _, address in found[:8]:
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(CONNECT_TIMEOUT_S)
        try:
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            why = error
        else:
            return sock
    if isinstance(why, ConnectionRefusedError):
        raise Unreachable(
            way.box,
            f"{way.host} is there, and nothing listens for ssh on its port {way.port}",
            "is it another port? mlsh box add NAME USER@HOST:PORT",
        )
    if isinstance(why, TimeoutError):
        raise Unreachable(
            way.box,
            f"{way.host} port {way.port} does not answer within {CONNECT_TIMEOUT_S} s",
            "is it up, is your VPN on, is it behind a bastion (--jump)?",
        )
    raise Unreachable(way.box, f"{way.host} port {way.port}: {why.strerror if why else 'no address'}")


def _jump_argv(way: Way) -> list[str]:
    *first, last = way.jump.split(",")
    target = f"[{way.host}]:{way.port}"
    jumps = ["-J", ",".join(first)] if first else []
    options = ("-o", "ClearAllForwardings=no", "-o", "ControlPath=none", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}")
    return ["ssh", "-F", way.config, *jumps, *options, "-W", target, "--", _destination(last)]


def _destination(jump: str) -> str:
    """One hop of a ProxyJump as a destination of ssh, which takes a port only in a URI."""
    if jump.startswith("ssh://"):
        return jump
    head, colon, port = jump.rpartition(":")
    if colon and port.isdigit() and (":" not in head or head.endswith("]")):
        return f"ssh://{jump}"
    return jump


def _expand(command: str, way: Way) -> str:
    values = {"h": way.host, "p": str(way.port), "r": way.user, "n": way.box, "%": "%"}
    return re.sub(
        r"%(.)", lambda match: match[0] if match[1] not in values else _word(match[1], values[match[1]]), command
    )


def _word(letter: str, value: str) -> str:
    return value if letter == "%" else shlex.quote(value)


def _through(argv: list[str]) -> Line:
    ours, theirs = socket.socketpair()
    said = tempfile.TemporaryFile()  # noqa: SIM115 - read when it fails
    try:
        # Not in a session of its own: it may have to ask a person for the bastion's password.
        through = process.start(
            argv,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=said,
            own_session=False,
            reads="the ssh protocol",
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.settimeout(_JUMP_TIMEOUT_S)
    return Line(ours, through, said)
