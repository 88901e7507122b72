"""A remote box through the `ssh` command.

OpenSSH alone understands everybody's config (ProxyJump, Match, Include, FIDO keys, certificates), and a
call over an open connection takes 10 ms where a new one takes 300. So a call goes through the shared
connection (`sharing.py`) or fails at once (`ProxyCommand=false`); only when there is none do we open one.
Each call has its own time limit, for a stopped master would hang it for ever.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsh.box import CALL_TIMEOUT_S, process, remote_words
from mlsh.box.failures import NO_MASTER, SESSION_REFUSED, failure_of
from mlsh.box.process import Ran
from mlsh.box.sharing import (
    BACK_OFF_S,
    CONNECT_TIMEOUT_S,
    LIMITS,
    NO_FORWARDINGS,
    PROMPT_TIMEOUT_S,
    SharedConnection,
    command,
    ssh,
)
from mlsh.config import Settings
from mlsh.errors import BoxError, Unreachable

if TYPE_CHECKING:
    from mlsh.box.tunnel import Tunnel

# sshd allows 10 sessions a connection (MaxSessions); two are left for a follow and an attach.
CHANNELS = 8


class OpenSSHBox:
    """A box that `ssh NAME` reaches."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self.attempts = 1 + len(BACK_OFF_S)
        self.may_prompt = True
        self._shared = SharedConnection(name, settings)
        self._channels = threading.BoundedSemaphore(CHANNELS)

    # How a call is spelled

    def _ssh(self, *options: str) -> list[str]:
        return ssh(self.settings, *options)

    def _direct(self) -> list[str]:
        return [*self._alone(), *NO_FORWARDINGS]

    def _alone(self) -> list[str]:
        batch = [] if self._prompts() else ["-o", "BatchMode=yes"]
        return self._ssh("-S", "none", *batch, *LIMITS)

    def _either(self) -> list[str]:
        """Through the shared connection, or over one of its own where that has no room for one more session."""
        if not self._shared.is_on:
            return self._direct()
        batch = ["-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        return self._ssh("-S", str(self.socket), "-o", "ControlMaster=no", *batch, *LIMITS, *NO_FORWARDINGS)

    def _command(self, client: list[str], argv: Sequence[str]) -> list[str]:
        return command(client, self.name, argv)

    def _prompts(self) -> bool:
        return self.may_prompt and sys.stdin is not None and sys.stdin.isatty()

    # The shared connection

    @property
    def socket(self) -> Path:
        """The socket of the shared connection, whether or not there is one now."""
        return self._shared.socket

    def connect(self) -> None:
        """Have an open shared connection, where calls share one. Raises Unreachable or LoginRefused."""
        self._shared.connect(self.attempts, self._prompts())

    def drop_connection(self) -> None:
        """Forget the shared connection if nothing comes through it; one that works stays, for others use it."""
        self._shared.drop()

    def is_connected(self) -> bool:
        """Whether a shared connection is open now. That of a network that is gone counts for some seconds more."""
        return self._shared.is_open() and self._shared.answers()

    # Calls

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = CALL_TIMEOUT_S, reads: str = ""
    ) -> Ran:
        """Run a command on the box."""
        with self._channels:
            if not self._shared.is_on:
                return self._call(self._direct(), argv, stdin, timeout_s, reads)
            if not self.socket.exists():
                self.connect()
            ran = self._call(self._client(), argv, stdin, timeout_s, reads)
            if ran.returncode == 255 and not ran.stdout and NO_MASTER.search(ran.stderr):
                # It did not get as far as the box, so this is no second time.
                self.connect()
                ran = self._call(self._client(), argv, stdin, timeout_s, reads)
            if ran.returncode == 255 and SESSION_REFUSED.search(ran.stderr):
                ran = self._call(self._direct(), argv, stdin, timeout_s, reads)
            return ran

    def ask(self, argv: Sequence[str], *, timeout_s: float = CALL_TIMEOUT_S) -> Ran:
        """Run a command that may run twice."""
        answer = self._ask_master(argv, timeout_s) if self._shared.is_on else None
        return answer or self.run(argv, timeout_s=timeout_s)

    def _ask_master(self, argv: Sequence[str], timeout_s: float) -> Ran | None:
        """The answer over the shared connection; None where that takes ssh itself."""
        from mlsh.box import master

        words = self._command(self._shared.client(), argv)
        try:
            with self._channels:
                reply = master.ask(str(self.socket), words[-1], timeout_s)
        except master.Silent:
            self.drop_connection()
            raise self._no_answer(timeout_s) from None
        if reply is None:
            return None
        # What a person types for the same.
        process.log.add(words)
        return Ran(tuple(words), *reply)

    def _no_answer(self, timeout_s: float) -> Unreachable:
        return Unreachable(
            self.name, f"no answer within {timeout_s:g} s", f"is it up? try: mlsh box doctor {self.name}"
        )

    def _client(self) -> list[str]:
        return self._shared.client() if self._shared.is_on else self._direct()

    def _call(self, client: list[str], argv: Sequence[str], stdin: bytes, timeout_s: float, reads: str) -> Ran:
        asks = self._prompts() and not self._shared.is_on
        try:
            return process.run(
                self._command(client, argv),
                stdin=stdin,
                timeout_s=timeout_s + (PROMPT_TIMEOUT_S if asks else 0),
                reads=reads,
                own_session=not asks,
            )
        except process.TimedOut:
            self.drop_connection()
            raise self._no_answer(timeout_s) from None

    def stream(self, argv: Sequence[str], *, stdin: bool = False, reads: str = "") -> subprocess.Popen[bytes]:
        """Start a command on the box."""
        if self._shared.is_on and not (self._shared.is_open() and self._shared.answers()):
            self.connect()
        return process.start(
            self._command(self._either(), argv),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            reads=reads,
            # In a session of its own it could not ask for a passphrase.
            own_session=self._shared.is_on or not self._prompts(),
        )

    def terminal(self, argv: Sequence[str]) -> int:
        """Run a command on the box with this terminal."""
        self.connect()
        client = self._ssh("-S", str(self.socket) if self._shared.is_on else "none", *LIMITS, *NO_FORWARDINGS)
        plain = ["-t", "-o", "ControlMaster=no", "-o", "RemoteCommand=none", "-o", "LogLevel=QUIET", "--", self.name]
        return process.interact([*client, *plain, remote_words(argv)])

    def explain_failure(self, ran: Ran) -> Exception | None:
        """The reason when ssh itself failed (its exit code 255), else None."""
        if ran.returncode != 255:
            return None
        return failure_of(self.name, ran.stderr)

    # Files and ports

    def copy_to(self, source: Path, target: str) -> None:
        """Put a file on the box, by way of a file beside the target that is renamed when it is whole."""
        from mlsh.box import copying

        copying.put(self, source, target)

    def copy_from(self, source: str, target: Path) -> None:
        """Fetch a file; `target` is replaced when all of it is here."""
        from mlsh.box import copying

        copying.get(self, source, target)

    def tunnel(self, argv: Sequence[str], shared: bool = False) -> Tunnel:
        """A connection of its own that runs a command on the box and can carry connections to its ports.

        `shared`: over the shared connection, for a box that asks a person at each login. That of its own asks nothing
        unless there is no shared one.
        """
        from mlsh.box.tunnel import SharedTunnel, SshTunnel, new_stem

        if shared and self._shared.is_on:
            return SharedTunnel(self.name, self.socket, new_stem(), self.stream(argv, stdin=True))
        prompts = self._prompts() and not self._shared.is_on
        stem = new_stem()
        client = [
            *self._ssh("-M", "-S", str(stem)),
            *("-o", "ControlPersist=no"),
            *("-o", f"BatchMode={'no' if prompts else 'yes'}"),
            *LIMITS,
            *NO_FORWARDINGS,
        ]
        # In a session of its own it could not ask for a passphrase.
        stream = process.start(self._command(client, argv), stdin=subprocess.PIPE, own_session=not prompts)
        return SshTunnel(self.name, stem, stream, PROMPT_TIMEOUT_S if prompts else 2 * CONNECT_TIMEOUT_S)

    def _port_taken(self, port: int) -> BoxError:
        return BoxError(self.name, f"port {port} can't be forwarded from here", f"is it taken? ss -ltn | grep {port}")

    @contextlib.contextmanager
    def forward(self, remote_port: int, local_port: int = 0) -> Iterator[int]:
        """Reach a port of the box's loopback from here, for as long as the context lasts."""
        port = _free_port(local_port)
        if port is None:
            raise self._port_taken(local_port)
        rule = f"127.0.0.1:{port}:localhost:{remote_port}"
        self.connect()
        if self._shared.is_on:
            from mlsh.box.tunnel import control

            ran = process.run(control(self.socket, "forward", rule, self.name), timeout_s=CALL_TIMEOUT_S)
            if ran.returncode != 0:
                raise self._port_taken(port)
            try:
                yield port
            finally:
                with contextlib.suppress(process.TimedOut):
                    process.run(control(self.socket, "cancel", rule, self.name), timeout_s=3)
            return
        import tempfile

        # ClearAllForwardings would clear this one too. So the person's own come along, and may fail.
        own = ["-N", "-T", "-o", "ExitOnForwardFailure=no", "-L", rule]
        with tempfile.TemporaryFile() as said:
            tunnel = process.start([*self._alone(), *own, "--", self.name], stderr=said)
            try:
                if not _opens(port, tunnel):
                    said.seek(0)
                    raise failure_of(self.name, said.read(65536)) if tunnel.poll() == 255 else self._port_taken(port)
                yield port
            finally:
                process.stop(tunnel)


def _free_port(wanted: int) -> int | None:
    """`wanted`, or any port where that is 0; None when it is taken."""
    import socket

    with socket.socket() as probe:
        # As ssh does: a port whose last connection has just ended is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def _opens(port: int, tunnel: subprocess.Popen[bytes]) -> bool:
    """Whether the tunnel comes to listen on a port."""
    import socket

    deadline = time.monotonic() + 2 * CONNECT_TIMEOUT_S
    while time.monotonic() < deadline and tunnel.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.05)
    return False
