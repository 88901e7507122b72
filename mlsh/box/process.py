"""The one place that starts processes: with a time limit, an argument list, and a line in the command log."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, NamedTuple

from mlsh.errors import MlshError

Started = subprocess.Popen[bytes]
"""A command that runs; see `start` and `stop`."""

PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL


class Ran(NamedTuple):
    """A command that has ended."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes


class TimedOut(Exception):
    """A command that was ended because it took longer than it may."""

    def __init__(self, argv: Sequence[str], timeout_s: float) -> None:
        super().__init__(f"{argv[0]}: no answer in {timeout_s:g} s")
        self.argv = argv
        self.timeout_s = timeout_s


def _to_stderr(text: str) -> None:
    print(f"mlsh: {text}", file=sys.stderr, flush=True)


class CommandLog:
    """Each command as it starts, for `--explain`, `--dry-run` and the command log of a front end.

    A command is given as a person would paste it. What goes to its standard input is described, never
    shown: that is where secrets travel.
    """

    def __init__(self) -> None:
        self.dry_run = False
        self._listeners: list[Callable[[str], None]] = []
        self._lock = threading.Lock()
        self.warner: Callable[[str], None] = _to_stderr

    def listen(self, listener: Callable[[str], None]) -> None:
        """Have `listener` called with each line from now on."""
        self._listeners.append(listener)

    @property
    def listening(self) -> bool:
        """Whether anyone reads the log."""
        return bool(self._listeners)

    def add(self, argv: Sequence[str], stdin: str = "") -> None:
        """Record a command; `stdin` says in words what it is given to read."""
        if self._listeners:
            self.say(shlex.join(argv) + (f"  # reads {stdin}" if stdin else ""))

    def warn(self, text: str) -> None:
        """Tell the person something, asked or not; a front end that owns the screen sets `self.warner`."""
        with self._lock:
            self.warner(text)

    def say(self, line: str) -> None:
        """Record one line as it is."""
        with self._lock:
            for listener in self._listeners:
                listener(line)


log = CommandLog()


def printable_to(stream: IO[str]) -> Callable[[str], None]:
    """A listener that writes `+ command` lines to a stream, control characters made visible."""

    def write(line: str) -> None:
        shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
        print(f"+ {shown}", file=stream, flush=True)

    return write


def _missing(argv: Sequence[str]) -> MlshError:
    return MlshError(
        f"this machine has no `{argv[0]}`",
        f"install it (Debian, Ubuntu: sudo apt-get install {_PACKAGE.get(argv[0], argv[0])})",
    )


_PACKAGE = {"ssh": "openssh-client", "ssh-keygen": "openssh-client"}


def start(
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.PIPE,
    stderr: int | IO[bytes] | None = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    own_session: bool = True,
    reads: str = "",
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command and return at once.

    In its own session, so that a Ctrl-C meant for mlsh does not cut a transfer in the middle; not so
    where the command may have to ask for a passphrase at the terminal. `pass_fds` stay open in it: a lock
    on one is held until the command ends too.
    """
    log.add(argv, reads or ("standard input, which stays open" if stdin is subprocess.PIPE else ""))
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            bufsize=0,
            start_new_session=own_session,
            pass_fds=pass_fds,
        )
    except FileNotFoundError as error:
        if error.filename == argv[0]:
            raise _missing(argv) from error
        raise


def stop(process: subprocess.Popen[bytes], grace_s: float = 0.5) -> None:
    """End a started command and everything in its session; returns when it is reaped."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
            return
    process.wait()


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    reads: str = "",
    own_session: bool = True,
    pass_fds: Sequence[int] = (),
) -> Ran:
    """Run a command to its end and return its output.

    Raises TimedOut after `timeout_s` seconds; the command and its children are gone by then.
    """
    process = start(
        argv,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        env=env,
        cwd=cwd,
        own_session=own_session,
        reads=reads or (f"{len(stdin)} bytes" if stdin else ""),
        pass_fds=pass_fds,
    )
    try:
        out, err = process.communicate(stdin or None, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        stop(process)
        raise TimedOut(argv, timeout_s) from None
    except BaseException:
        stop(process)
        raise
    return Ran(tuple(argv), process.returncode, out, err)


def interact(argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Run a command on this terminal and return its exit code.

    Ctrl-C belongs to the command for as long as it runs.
    """
    log.add(argv)
    sys.stdout.flush()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(argv, env=env, preexec_fn=_default_interrupt)  # noqa: PLW1509
        return process.wait()
    except FileNotFoundError as error:
        raise _missing(argv) from error
    finally:
        signal.signal(signal.SIGINT, before)


def _default_interrupt() -> None:
    # An ignored signal stays ignored across exec: the command must get its Ctrl-C back.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def spawn_detached(argv: Sequence[str], log_path: str) -> subprocess.Popen[bytes]:
    """Start a command that outlives mlsh, its output appended to a file."""
    with open(log_path, "ab") as sink:
        return start(argv, stdout=sink, stderr=sink)


def page(argv: Sequence[str], text: str) -> None:
    """Show text through a pager on this terminal; as it is where the pager can't be started."""
    log.add(argv, "the text")
    try:
        pager = subprocess.Popen(argv, stdin=subprocess.PIPE, env={"LESS": "FRX", **os.environ})
    except OSError:
        sys.stdout.write(text)
        return
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        pager.communicate(text.encode())
    pager.wait()
