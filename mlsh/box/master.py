"""Ask a box through the socket of a shared connection, in ssh's own protocol, with no ssh started for it.

To start ssh takes 6 ms of processor, most of it for its libraries; eight boxes at once wait for each other's.
The protocol is that of OpenSSH's `PROTOCOL.mux`, unchanged since 2010: hand files over, and read the exit code.
"""

from __future__ import annotations

# `socket` makes enums of all its constants, which takes 10 ms.
import _socket
import os
import struct
import sys
import time

_VERSION = 4
_HELLO, _NEW_SESSION = 0x00000001, 0x10000002
_OPENED, _EXIT = 0x80000006, 0x80000004
_NO_ESCAPE = 0xFFFFFFFF
_CHUNK = 1 << 17


class Silent(Exception):
    """The connection did not bring an answer in time."""


class Reply(tuple[int, bytes, bytes]):
    """Exit code, standard output and standard error of a command."""

    __slots__ = ()


def ask(path: str, command: str, timeout_s: float) -> Reply | None:
    """Run a command over the shared connection whose socket is at `path`, with nothing to read.

    None where nobody listens there, the session was refused, or it broke off: then ssh itself, asked again, says
    why. So the command must be one that may run twice. Raises Silent.
    """
    deadline = time.monotonic() + timeout_s
    # Files, not pipes: eight threads that wake up for each part of an answer take longer than the answers.
    nothing, out, err = os.open(os.devnull, os.O_RDONLY), _file(), _file()
    # The master ends the session when its client goes.
    master = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        code = _converse(master, path, os.fsencode(command), (nothing, out, err), deadline)
        return None if code is None else Reply((code, _content(out), _content(err)))
    except TimeoutError:
        raise Silent from None
    except OSError:
        return None
    finally:
        master.close()
        for number in (nothing, out, err):
            os.close(number)


def _converse(master: _socket.socket, path: str, command: bytes, files: tuple[int, ...], deadline: float) -> int | None:
    """The command's exit code, once all that it said is in `files`; None where the master has another answer."""
    code = None
    master.settimeout(max(0.001, deadline - time.monotonic()))
    master.connect(path)
    _send(master, _HELLO, struct.pack(">I", _VERSION))
    waiting = b""
    while True:
        master.settimeout(max(0.001, deadline - time.monotonic()))
        data = master.recv(_CHUNK)
        if not data:
            # The master hangs up when the last byte is written, which may be after the exit code.
            return code
        waiting += data
        while len(waiting) >= 4 and len(waiting) >= 4 + (size := int.from_bytes(waiting[:4])):
            packet, waiting = waiting[4 : 4 + size], waiting[4 + size :]
            if len(packet) < 8:
                return None
            kind, number = struct.unpack_from(">II", packet)
            if kind == _HELLO and number == _VERSION:
                _begin(master, command, files)
            elif kind == _EXIT and len(packet) == 12:
                (code,) = struct.unpack_from(">I", packet, 8)
            elif kind != _OPENED:
                return None


def _begin(master: _socket.socket, command: bytes, files: tuple[int, ...]) -> None:
    """Ask for a session, and hand over what the command reads and writes."""
    # Request, something reserved, no terminal, no X11, no agent, no subsystem, no escape character, no TERM.
    words = struct.pack(">IIIIIII", 0, 0, 0, 0, 0, 0, _NO_ESCAPE) + _text(b"") + _text(command)
    _send(master, _NEW_SESSION, words)
    for number in files:
        master.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", number))])


def _send(master: _socket.socket, kind: int, rest: bytes) -> None:
    master.sendall(_text(struct.pack(">I", kind) + rest))


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _file() -> int:
    """A file without a name."""
    if sys.platform == "linux":
        return os.memfd_create("mlsh", os.MFD_CLOEXEC)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _content(number: int) -> bytes:
    size = os.fstat(number).st_size
    parts: list[bytes] = []
    at = 0
    while at < size and (part := os.pread(number, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)
