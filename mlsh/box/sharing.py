"""One ssh connection to a box that all calls share: opened when it is first needed, and thrown away when it is dead.

A ControlMaster in mlsh's own runtime folder, apart from the person's. Only one mlsh opens one at a time. A master that
was stopped, or whose network is gone, would hang whoever asks it, so each question to it has a time limit of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from mlsh import config
from mlsh.box import process, remote_words
from mlsh.box.failures import SESSION_REFUSED, UNABLE_TO_SHARE, failure_of, is_passing, jitter
from mlsh.config import Settings
from mlsh.digest import sha256
from mlsh.errors import BoxError, Unreachable

CONNECT_TIMEOUT_S = 10
KEEP_CONNECTION_S = 600
PROMPT_TIMEOUT_S = 180
BACK_OFF_S = (0.4, 1.0, 2.5)
# 15 s of silence and ssh itself gives up: the limit that a blackholed master lacks.
_ALIVE_INTERVAL_S = 5
_ALIVE_COUNT = 3
# Somebody may be typing a passphrase, or have stopped in the middle (Ctrl-Z).
_LOCK_TIMEOUT_S = 30
# What a healthy connection needs for nothing at all; start-up files of a login shell included.
_PROBE_TIMEOUT_S = 5
# ssh binds a socket under a longer name first, then links it.
_SSH_SUFFIX = ".0123456789abcdef"

LIMITS = (
    *("-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}"),
    *("-o", f"ServerAliveInterval={_ALIVE_INTERVAL_S}"),
    *("-o", f"ServerAliveCountMax={_ALIVE_COUNT}"),
)
"""After how long ssh itself gives up."""
NO_FORWARDINGS = ("-o", "ClearAllForwardings=yes")


def ssh(settings: Settings, *options: str) -> list[str]:
    """The ssh command with the config file in force."""
    own = ["-F", settings.ssh_config] if settings.ssh_config else []
    return ["ssh", *own, *options]


def command(client: Sequence[str], name: str, argv: Sequence[str]) -> list[str]:
    """The words that run a command on a box by way of `client`."""
    plain = ["-T", "-o", "RemoteCommand=none", "--", name]
    return [*client, *plain, remote_words(argv)]


class SharedConnection:
    """The shared connection of one box. `is_on`: calls share one, by the settings and as far as it can be had."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.is_on = settings.multiplex(name)
        self._name = name
        self._settings = settings
        self._socket: Path | None = None

    @property
    def socket(self) -> Path:
        """The ControlMaster's socket: named by the alias and by its config, so that an edit is seen.

        A symlink to the socket of the newest master, for an old one that wakes up removes its own when it ends.
        """
        if self._socket is None:
            path = self._settings.ssh_config or os.path.expanduser("~/.ssh/config")
            # The second is what `mlsh box add` writes: a name that is given to another machine is another connection.
            files = (path, os.path.join(os.path.dirname(path), "mlsh_config"))
            edited = "\0".join(map(_edited, files))
            digest = sha256(f"{self._name}\0{path}\0{edited}".encode()).hexdigest()
            self._socket = config.runtime_dir() / digest[:12]
        return self._socket

    def client(self) -> list[str]:
        """ssh through this connection, or not at all."""
        return ssh(
            self._settings,
            *("-S", str(self.socket)),
            *("-o", "ProxyCommand=false"),
            *("-o", "BatchMode=yes"),
            *("-o", "LogLevel=ERROR"),
        )

    def is_open(self) -> bool:
        """Whether somebody opened it and nobody threw it away; it may be dead all the same."""
        return self.is_on and self.socket.exists()

    def answers(self) -> bool:
        """Whether its master, here, says that it lives."""
        try:
            return process.run(self._control("check"), timeout_s=2).returncode == 0
        except process.TimedOut:
            return False

    def connect(self, attempts: int, prompts: bool) -> None:
        """Have an open connection: keep the one that answers, or open one, which may ask the person if `prompts`.

        Raises Unreachable or LoginRefused. Tries again, with back-off, what may pass by itself.
        """
        if not self.is_on:
            return
        with open(f"{self.socket}.lock", "wb") as lock:
            # Two masters for one box would leave a connection behind that nobody ever uses.
            if not _locked(lock):
                self._stop_sharing("another mlsh has been connecting to it for a while")
                return
            if self.socket.exists():
                if self.answers():
                    return
                if master := self._master():
                    self._discard(master)
            if why := _why_no_sockets(self.socket.parent):
                self._stop_sharing(why)
                return
            for attempt in range(attempts):
                try:
                    self._open(prompts)
                except BoxError as error:
                    if attempt + 1 == attempts or not is_passing(error):
                        raise
                    time.sleep(BACK_OFF_S[attempt] * jitter())
                else:
                    return

    def drop(self) -> None:
        """Forget it if nothing comes through; one that works stays, for others use it."""
        master = self._master()
        if self.is_on and master is not None and not self._works():
            self._discard(master)

    def _stop_sharing(self, why: str) -> None:
        self.is_on = False
        text = f"{self._name}: each call makes a connection of its own, which is slow: {why}"
        # Told once, not by every command.
        told = config.cache_dir() / "told" / sha256(text.encode()).hexdigest()[:20]
        if told.exists():
            process.log.say(f"# {text}")
            return
        process.log.warn(text)
        with contextlib.suppress(OSError):
            told.parent.mkdir(parents=True, exist_ok=True)
            told.touch()

    def _control(self, request: str) -> list[str]:
        return ssh(self._settings, "-S", str(self.socket), "-O", request, "--", self._name)

    def _open(self, prompts: bool) -> None:
        path = self.socket.with_suffix(f".{os.urandom(3).hex()}")
        argv = [
            *ssh(self._settings, "-M", "-S", str(path), "-N", "-f", "-T"),
            *("-o", f"ControlPersist={KEEP_CONNECTION_S}"),
            *("-o", f"BatchMode={'no' if prompts else 'yes'}"),
            *("-o", "LogLevel=INFO"),
            *LIMITS,
            *NO_FORWARDINGS,
            *("--", self._name),
        ]
        # The master keeps its stderr for as long as it lives: a pipe would never end.
        import tempfile

        with tempfile.TemporaryFile() as said:
            opening = process.start(argv, stdout=subprocess.DEVNULL, stderr=said, own_session=not prompts)
            limit_s = PROMPT_TIMEOUT_S if prompts else CONNECT_TIMEOUT_S * 2
            try:
                code = opening.wait(limit_s)
            except subprocess.TimeoutExpired:
                process.stop(opening)
                raise Unreachable(
                    self._name, f"no login within {limit_s} s", f"see what it says: ssh -v {self._name}"
                ) from None
            except BaseException:
                process.stop(opening)
                raise
            said.seek(0)
            text = said.read(65536)
        if UNABLE_TO_SHARE.search(text):
            self._stop_sharing(f"it can't be shared from {path.parent}")
        elif code != 0:
            raise failure_of(self._name, text)
        else:
            aside = path.with_suffix(f"{path.suffix}.link")
            aside.symlink_to(path.name)
            aside.replace(self.socket)

    def _master(self) -> Path | None:
        """The socket that is in use now, whether or not anyone listens there."""
        try:
            return self.socket.with_name(os.readlink(self.socket))
        except OSError:
            return None

    def _works(self) -> bool:
        """Whether the box itself still answers over it."""
        if not self.answers():
            return False
        try:
            ran = process.run(command(self.client(), self._name, ["true"]), timeout_s=_PROBE_TIMEOUT_S)
        except process.TimedOut:
            return False
        return ran.returncode != 255 or SESSION_REFUSED.search(ran.stderr) is not None

    def _discard(self, master: Path) -> None:
        """Have that master end, and whatever still uses it; not one that took its place meanwhile."""
        with contextlib.suppress(process.TimedOut):
            process.run(ssh(self._settings, "-S", str(master), "-O", "exit", "--", self._name), timeout_s=2)
        # A master that was stopped does not hear `exit`: without its socket nobody waits for it any more.
        master.unlink(missing_ok=True)


def _edited(path: str) -> str:
    try:
        return str(os.stat(path).st_mtime_ns)
    except OSError:
        return "0"


def _locked(lock: IO[bytes]) -> bool:
    """Take the lock; False when somebody has held it for longer than a login takes."""
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.03)
        else:
            return True


def _why_no_sockets(folder: Path) -> str:
    """Why ssh can't put a socket into a folder; empty when it can."""
    import socket

    aside = folder / f"{os.urandom(10).hex()}.{os.urandom(3).hex()}{_SSH_SUFFIX}"
    final = aside.with_suffix("")
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(aside))
            os.link(aside, final)
    except OSError as error:
        return f"no socket can be made in {folder} ({error.strerror or error})"
    finally:
        for path in (aside, final):
            path.unlink(missing_ok=True)
    return ""
