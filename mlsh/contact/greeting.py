"""An encrypted connection up to the point where the machine has shown its host key, and nothing was sent to it yet."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from mlsh.contact import reach
from mlsh.contact.hostkeys import HostKey
from mlsh.contact.reach import Way
from mlsh.errors import LoginRefused, Unreachable

_BANNER_S = 15.0
_JUMP_S = 180.0
# ssh's own limit for a login is two minutes; a person may have to look for a code.
_AUTH_S = 180.0


class Greeting:
    """A connection whose other end has proved that it holds `key`. What is sent goes to that machine and no other."""

    def __init__(self, way: Way, line: reach.Line, transport: paramiko.Transport) -> None:
        self.way = way
        self.transport = transport
        self._line = line
        shown = transport.get_remote_server_key()
        self.key = HostKey(shown.get_name(), shown.get_base64())

    @property
    def is_open(self) -> bool:
        """Whether it is still there: a machine hangs up on whoever takes too long to log in."""
        return bool(self.transport.is_active())

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(Exception):
            self.transport.close()
        self._line.close()


def greet(way: Way, prefer: Sequence[str] = ()) -> Greeting:
    """Connect and have the machine prove its host key; of one of the kinds `prefer`, where it has such a key.

    Raises Unreachable, LoginRefused where a bastion refuses, and Unreachable for what is no ssh server.
    """
    quiet = logging.getLogger("paramiko")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    line = reach.connect(way)
    try:
        transport = paramiko.Transport(line.sock)
        transport.banner_timeout = _JUMP_S if way.jump or way.proxy_command else _BANNER_S
        transport.auth_timeout = _AUTH_S
        options = transport.get_security_options()
        kinds = [kind for name in prefer for kind in _signatures(name) if kind in options.key_types]
        options.key_types = tuple(dict.fromkeys([*kinds, *options.key_types]))
        transport.start_client(timeout=transport.banner_timeout)
        return Greeting(way, line, transport)
    except (paramiko.SSHException, EOFError, OSError) as error:
        line.close()
        raise line.trouble(way) or _explain(way, error) from error
    except BaseException:
        line.close()
        raise


def _signatures(kind: str) -> tuple[str, ...]:
    """The names by which a kind of key is asked for."""
    return ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)


def _explain(way: Way, error: Exception) -> Exception:
    where = f"{way.host} port {way.port}"
    if isinstance(error, IncompatiblePeer):
        return Unreachable(
            way.box, f"{where} offers no encryption that is still safe: {error}", f"see what it offers: ssh -vv {where}"
        )
    if "banner" in str(error).lower():
        return Unreachable(
            way.box,
            f"{where} answers, and is no ssh server, or one that turns you away",
            "is the port right? If it is: wait some minutes, it may ban who connected too often",
        )
    if isinstance(error, LoginRefused):
        return error
    return Unreachable(way.box, f"{where} broke the connection off: {error or type(error).__name__}", "try again later")
