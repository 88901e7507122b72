"""Reach a machine: run, stream, copy, forward. The only package that starts processes.

A box is a name: `local` for this machine, anything else is what `ssh NAME` would reach.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlsh.box.process import Ran
from mlsh.config import Settings
from mlsh.errors import RefusedInput

if TYPE_CHECKING:
    from mlsh.box.tunnel import Tunnel

LOCAL = "local"
CALL_TIMEOUT_S = 30.0

_NAME = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9._@:%\[\]-]{0,254}")


class Box(Protocol):
    """One machine. Every method raises Unreachable or LoginRefused where the box can't be had."""

    @property
    def name(self) -> str:
        """The name that a person typed."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = CALL_TIMEOUT_S, reads: str = ""
    ) -> Ran:
        """Run a command to its end. `reads` says in words what `stdin` is, for the command log.

        Raises Unreachable when there is no answer within `timeout_s` seconds.
        """

    def ask(self, argv: Sequence[str], *, timeout_s: float = CALL_TIMEOUT_S) -> Ran:
        """Like `run`, for a command that does no harm when it runs twice: a broken connection is tried again."""

    def stream(self, argv: Sequence[str], *, stdin: bool = False, reads: str = "") -> subprocess.Popen[bytes]:
        """Start a command and leave its pipes to the caller, who stops it with `process.stop`."""

    def terminal(self, argv: Sequence[str]) -> int:
        """Run a command on the person's terminal; returns its exit code."""

    def copy_to(self, source: Path, target: str) -> None:
        """Put a file on the box, whole or not at all (written aside, then renamed)."""

    def copy_from(self, source: str, target: Path) -> None:
        """Fetch a file from the box, whole or not at all (written aside, then renamed)."""

    def tunnel(self, argv: Sequence[str], shared: bool = False) -> Tunnel:
        """Start a command over a connection of its own, which can carry connections to ports of the box.

        `shared`: over the one that all calls share, for a box that asks a person at each login.
        """

    def forward(self, remote_port: int, local_port: int = 0) -> AbstractContextManager[int]:
        """Make a port of the box's loopback reachable here; yields the local port (0: any free one)."""

    def explain_failure(self, ran: Ran) -> Exception | None:
        """What went wrong on the way to the box, or None if the command itself ran."""

    def is_connected(self) -> bool:
        """Whether a call needs no new connection."""

    def drop_connection(self) -> None:
        """Give up a connection that stopped answering, so that the next call makes a new one."""


def check_name(name: str) -> str:
    """Return `name` if it can be a box; raises RefusedInput for what ssh could take for an option."""
    if not _NAME.fullmatch(name):
        raise RefusedInput(
            f"{name[:80]!r} can't be the name of a box",
            "a box is `local` or a Host of ~/.ssh/config: letters, digits and . _ @ : - (see: mlsh box list)",
        )
    return name


def open_box(name: str, settings: Settings | None = None) -> Box:
    """The box of that name. Nothing is connected until something is asked of it."""
    from mlsh import config  # not needed by those who bring their settings

    check_name(name)
    chosen = settings if settings is not None else config.load()
    if name == LOCAL:
        from mlsh.box.local import LocalBox

        return LocalBox(chosen)
    from mlsh.box.openssh import OpenSSHBox

    return OpenSSHBox(name, chosen)


def remote_words(argv: Sequence[str]) -> str:
    r"""One string that every login shell (sh, bash, zsh, fish, tcsh) splits back into `argv`.

    `shlex.join` is right for POSIX shells. fish reads `\\` and `\'` inside single quotes as escapes, and
    tcsh takes `!` and a newline there as its own: words with such characters go as octal escapes for
    `printf %b`, which is the same in all of them.
    """
    # `exec`: a shell function of that name, such as bash takes from its environment, is passed over.
    plain = f"exec {shlex.join(argv)}"
    if not any(char in "\\!\n" for word in argv for char in word):
        return plain
    octal = "".join(_octal(byte) for byte in plain.encode(errors="surrogateescape"))
    return f"exec sh -c 'eval \"$(printf %b \"$0\")\"' '{octal}'"


def _octal(byte: int) -> str:
    char = chr(byte)
    return char if (char.isascii() and char.isalnum()) or char in " ./_-=:," else f"\\0{byte:03o}"
