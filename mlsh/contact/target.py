"""What a person types for a new box: its name, and `[USER@]HOST[:PORT]`. Pure, and strict: both reach ssh_config."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from mlsh.errors import RefusedInput

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?")
# Directory accounts may be `me@example.org` or `DOMAIN+me`.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,127}\$?")
_RESERVED = {"local", "any"}


class Target(NamedTuple):
    """Where a box is. `user` is "" where ssh's own choice is to stand."""

    user: str
    host: str
    port: int

    def __str__(self) -> str:
        """As it is typed."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == 22 else f":{self.port}"
        return f"{self.user}@{host}{port}" if self.user else f"{host}{port}"


def check_new_name(name: str, taken: Collection[str] = (), groups: Collection[str] = ()) -> str:
    """Return `name` if a box can be given it; raises RefusedInput for what is no name, or means something already."""
    hint = "letters, digits and . _ - , beginning with a letter or digit: mlsh box add gpu1 ubuntu@203.0.113.7"
    if not _NAME.fullmatch(name):
        raise RefusedInput(f"{name[:80]!r} can't be the name of a box", hint)
    if name in _RESERVED:
        raise RefusedInput(f"`{name}` means something else to mlsh, so no box can have that name", hint)
    if name.endswith((".pub", ".new", ".old")):
        raise RefusedInput(f"{name}: a box's key lies in a file of its name, so it can't end so", hint)
    if name in groups:
        raise RefusedInput(f"`{name}` is a group of boxes in your settings", "choose another name for the box")
    if name in taken:
        raise RefusedInput(f"there is a box {name} already", f"see what it is: mlsh box show {name}")
    return name


def parse_target(text: str) -> Target:
    """Read `[USER@]HOST[:PORT]`, HOST being a name, an IPv4 address, or an IPv6 address (`[::1]:2222` with a port).

    Raises RefusedInput for anything else.
    """
    user, at, rest = text.rpartition("@")
    if rest.startswith("["):
        host, closed, port = rest[1:].partition("]")
        is_host = bool(closed) and _IPV6.fullmatch(host) is not None and ":" in host and port[:1] in {"", ":"}
        port = port[1:] if port[:1] == ":" else port
    elif rest.count(":") > 1:
        host, port = rest, ""
        is_host = _IPV6.fullmatch(host) is not None
    else:
        host, _, port = rest.partition(":")
        is_host = _HOST.fullmatch(host) is not None
    if rest.endswith(":") and not (rest.count(":") > 1 and is_host):
        is_host = False
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else (0 if port else 22)
    if not is_host or (at and not _USER.fullmatch(user)) or not 0 < number < 65536:
        raise RefusedInput(
            f"{text[:120]!r} is no address",
            "[USER@]HOST[:PORT], such as ubuntu@203.0.113.7, gpu.example.org:2222 or me@[2001:db8::7]:2222",
        )
    return Target(user, host, number)
