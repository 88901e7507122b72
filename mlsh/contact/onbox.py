"""The public key on the box: `authorize.sh`, run over a connection that a password opened, or by plain ssh."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import NamedTuple, Protocol

import paramiko

from mlsh.box import Box, process, remote_words
from mlsh.errors import BoxError, BoxUnfit, LoginRefused, Unreachable

_SCRIPT = Path(__file__).parent / "box" / "authorize.sh"
_TIMEOUT_S = 40.0
_MOST_BYTES = 1 << 20
_EXPIRED = ("password change required", "password has expired", "must change your password", "password is expired")


class Out(NamedTuple):
    """What a command on the box gave back."""

    code: int
    out: bytes
    err: bytes


class Runner(Protocol):
    """A way to run sh on the box."""

    @property
    def box(self) -> str:
        """The box's name."""

    def run(self, words: list[str], script: bytes) -> Out:
        """Run `sh -s -- WORDS` with a script."""


class OverTransport:
    """By the connection that a password opened."""

    def __init__(self, box: str, transport: paramiko.Transport) -> None:
        self.box = box
        self._transport = transport

    def run(self, words: list[str], script: bytes) -> Out:
        """Run it, within a time limit. Raises Unreachable where the connection breaks, or nothing ends."""
        command = remote_words(["sh", "-s", "--", *words])
        process.log.say(f"# over the same connection: {command}  # reads {_SCRIPT.name}")
        out, err = bytearray(), bytearray()
        deadline = time.monotonic() + _TIMEOUT_S
        try:
            channel = self._transport.open_session(timeout=15)
            channel.settimeout(_TIMEOUT_S)
            channel.exec_command(command)
            # A shell that has ended already takes no script: its answer says why.
            try:
                channel.sendall(script)
                channel.shutdown_write()
            except OSError:
                pass
            while not (channel.exit_status_ready() and not channel.recv_ready() and not channel.recv_stderr_ready()):
                if channel.recv_ready():
                    out += channel.recv(65536)
                if channel.recv_stderr_ready():
                    err += channel.recv_stderr(65536)
                if len(out) + len(err) > _MOST_BYTES:
                    raise BoxUnfit(
                        self.box, "noise", "its start-up files print without an end", "look at ~/.bashrc there"
                    )
                if time.monotonic() > deadline:
                    raise BoxUnfit(
                        self.box,
                        "no-reply",
                        f"no answer from its shell within {_TIMEOUT_S:g} s",
                        "look at ~/.bashrc there",
                    )
                channel.status_event.wait(0.02)
            code = channel.recv_exit_status()
            channel.close()
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Unreachable(self.box, f"the connection broke off: {error or type(error).__name__}") from error
        return Out(code, bytes(out), bytes(err))


class OverSsh:
    """By plain ssh, with a key that works."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.box = box.name

    def run(self, words: list[str], script: bytes) -> Out:
        """Run it. Raises Unreachable and LoginRefused."""
        ran = self._box.run(["sh", "-s", "--", *words], stdin=script, timeout_s=_TIMEOUT_S, reads=_SCRIPT.name)
        failure = self._box.explain_failure(ran)
        if failure is not None:
            raise failure
        return Out(ran.returncode, ran.stdout, ran.stderr)


class OpenHome(BoxUnfit):
    """The home may be written by others, so that sshd takes no key there; nothing was changed."""


class Authorized(NamedTuple):
    """What `add` did: whether the key is new there, and in words for `undo` what was changed."""

    is_new: bool
    done: str


def add(runner: Runner, key: str, may_mend: bool) -> Authorized:
    """Add a public key (a whole line) unless it is there.

    Raises OpenHome unless `may_mend`, BoxUnfit with the reason otherwise; then the box is as it was.
    """
    word, rest = _call(runner, "add", key, "may-mend" if may_mend else "no")
    return Authorized(word == "added", rest)


def is_unchanged(error: BaseException) -> bool:
    """Whether an error of `add` is the box's own word that it is as it was. Otherwise `add` may still be at work."""
    if isinstance(error, BoxUnfit) and (isinstance(error, OpenHome) or error.kind.startswith("keys-")):
        return True
    return isinstance(error, BoxError) and error.is_early


def drop(runner: Runner, key: str) -> bool:
    """Take a public key away. Returns whether it was there."""
    return _call(runner, "drop", key)[0] == "dropped"


def undo(runner: Runner, key: str, what: str) -> None:
    """Undo what `add` did."""
    _call(runner, "undo", key, *what.split())


def _call(runner: Runner, what: str, key: str, *more: str) -> tuple[str, str]:
    nonce = f"mlsh-{secrets.token_hex(8)}"
    ran = runner.run([nonce, what, key, *more], _SCRIPT.read_bytes())
    for line in ran.out.decode(errors="replace").splitlines():
        if line.startswith(f"{nonce} "):
            word, _, rest = line[len(nonce) + 1 :].partition(" ")
            if word == "fail":
                raise _unfit(runner.box, *rest.partition(" ")[::2])
            return word, rest
    error = no_answer(runner.box, ran)
    # A shell that ended by itself never came to the script; one that was killed, or hung up on, may have.
    error.is_early = 0 <= ran.code < 128
    raise error


def no_answer(box: str, ran: Out) -> BoxError:
    """Why the login shell never came to our command, as far as its words tell."""
    said = (ran.err + b"\n" + ran.out).decode(errors="replace")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if any(word in said.lower() for word in _EXPIRED):
        return LoginRefused(
            box,
            "the password is right, and has expired: the box wants a new one before anything else",
            "log in by hand with plain `ssh USER@HOST`, set it, then try again with the new one",
        )
    last = f"; it says: {lines[-1][:200]}" if lines else ""
    if ran.code == 1 and any("not available" in line for line in lines):
        return BoxUnfit(
            box,
            "login-shell",
            f"that account may not run commands (its login shell is nologin){last}",
            "is it the user?",
        )
    return BoxUnfit(
        box,
        "login-shell",
        f"its login shell ended (code {ran.code}) before it ran a command{last}",
        "do ~/.bashrc or other start-up files there exit, or is the account restricted?",
    )


def _unfit(box: str, why: str, detail: str) -> BoxUnfit:
    detail = detail.strip()[:300]
    if why == "open-home":
        return OpenHome(
            box,
            "home-open",
            f"others may write to the home folder there ({detail}), so sshd accepts no key from it",
            "on the box: chmod go-w ~ ; or let mlsh do it: again with -y",
        )
    words = {
        "no-home": (f"the home folder does not exist there ({detail})", "ask who runs the box to make it"),
        "full": (f"its disk is full: {detail}", "make room there, then try again; authorized_keys is as it was"),
        "quota": (f"your quota is used up there: {detail}", "make room there, then try again"),
        "read-only": (f"its home folder is read-only: {detail}", "ask who runs the box where keys belong"),
        "no-permission": (f"the key file can't be written: {detail}", "see on the box: ls -la ~/.ssh"),
        "not-yours": (f"{detail} belongs to somebody else", "ask who runs the box to add your key"),
        "not-a-file": (f"{detail} is no file", "see on the box: ls -la ~/.ssh"),
        "busy": (f"something else is changing {detail} there", "try again when it is done"),
        "dangling": (f"{detail} is a link that leads nowhere", "see on the box: ls -la ~/.ssh"),
    }
    what, hint = words.get(why, (f"the key could not be written: {detail}", "see on the box: ls -la ~/.ssh"))
    return BoxUnfit(box, f"keys-{why}", what, hint)
