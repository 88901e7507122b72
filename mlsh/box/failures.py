"""What ssh's own words mean, and what to type next."""

from __future__ import annotations

import os
import re
import shlex

from mlsh.errors import BoxError, LoginRefused, Unreachable

# The client was told to go through the master or fail, and there was none.
# (`read from master failed` is not among them: then the command may have begun.)
NO_MASTER = re.compile(
    rb"\A(?!.*read from master failed)(?s:.*\n)?"
    rb"(?:kex_exchange_identification: )?Connection closed by (?:UNKNOWN port 65535|remote host)\s*\Z",
    re.DOTALL,
)
SESSION_REFUSED = re.compile(rb"Session open refused|session request failed")
UNABLE_TO_SHARE = re.compile(
    rb"cannot bind to path|link mux listener|too long for Unix domain socket|unix_listener|"
    rb"ControlSocket .* already exists, disabling multiplexing"
)

# ssh's words, what they mean, what to do. {0} is the box, {1} how ssh-keygen forgets its host key. The first that is
# found counts.
_LOGIN = (
    (
        rb"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one you trusted: it was reinstalled, or something sits in between",
        "ask whoever runs it for the new fingerprint; if it is right: ssh-keygen {1}, then: ssh {0}",
    ),
    (
        rb"Host key verification failed|No .* host key is known",
        "you have not confirmed its host key yet",
        "compare the fingerprint, and confirm it once: mlsh box trust {0}",
    ),
    (
        rb"Too many authentication failures",
        "it refused after too many keys",
        "name the one key to offer, in ~/.ssh/config: Host {0}, IdentityFile ..., IdentitiesOnly yes",
    ),
    (
        rb"Permission denied",
        "it refused your key",
        "give it your public key: ssh-copy-id {0}; then try: ssh {0}",
    ),
)
_BROKE_OFF = "the connection broke off"
_NETWORK = (
    (
        rb"Could not resolve hostname",
        "no such host: neither an alias in ~/.ssh/config nor a name that resolves",
        "see which boxes there are: mlsh box list",
    ),
    (
        rb"Connection refused",
        "nothing listens for ssh there",
        "is sshd running, and is the port right? ssh -v {0}",
    ),
    (
        rb"timed out|not responding|No route to host|Network is unreachable|Host is down",
        "it does not answer",
        "is it up, and is your VPN on? ssh -v {0}",
    ),
    (
        rb"kex_exchange_identification|Connection reset|Connection (?:to \S+ )?closed|Broken pipe|banner exchange",
        _BROKE_OFF,
        "wait a little and try again; if it stays: ssh -v {0}",
    ),
)
# What ssh says only before it has logged in. Start-up files on the box may say `Permission denied` as well.
_BEFORE_LOGIN = re.compile(
    rb"^ssh: (?:Could not resolve hostname|connect to host) |^channel \d+: open failed: |"
    rb"REMOTE HOST IDENTIFICATION HAS CHANGED|^Host key verification failed|^No .* host key is known|"
    rb"Too many authentication failures|: Permission denied \(|kex_exchange_identification|banner exchange",
    re.MULTILINE,
)
# ssh names the key as known_hosts does: by HostKeyAlias, HostName or [HostName]:port, not by the alias.
_CHANGED_KEY = re.compile(rb"^Host key for (\S+) has changed", re.MULTILINE)
_KEY_FILE = re.compile(rb"^Offending .*key in (.+):\d+\r?$", re.MULTILINE)
_PASSING = re.compile(r"does not answer|broke off|nothing listens|no login within")


def failure_of(box: str, stderr: bytes) -> BoxError:
    """The error that ssh's standard error describes: LoginRefused, or Unreachable."""
    error = _failure_of(box, stderr)
    error.is_early = _BEFORE_LOGIN.search(stderr) is not None
    return error


def _failure_of(box: str, stderr: bytes) -> BoxError:
    for pattern, what, hint in _LOGIN:
        if re.search(pattern, stderr):
            return LoginRefused(box, what, hint.format(box, _forget(box, stderr)))
    said = [line for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    for pattern, what, hint in _NETWORK:
        # An ssh whose connection ends under it may say nothing at all.
        if re.search(pattern, stderr) or (not said and what == _BROKE_OFF):
            return Unreachable(box, what, hint.format(box))
    last = "".join(char for char in said[-1] if char.isprintable())[:300]
    return Unreachable(box, f"ssh failed: {last}", f"see all that it says: ssh -v {box}")


def _forget(box: str, stderr: bytes) -> str:
    """The words for ssh-keygen that take a changed host key out of known_hosts."""
    key = _CHANGED_KEY.search(stderr)
    file = _KEY_FILE.search(stderr)
    path = os.fsdecode(file[1]) if file else ""
    where = "" if path in {"", os.path.expanduser("~/.ssh/known_hosts")} else f" -f {shlex.quote(path)}"
    return f"-R {shlex.quote(os.fsdecode(key[1]) if key else box)}{where}"


def is_passing(error: BoxError) -> bool:
    """Whether the same call may work a moment later."""
    return isinstance(error, Unreachable) and _PASSING.search(error.what) is not None


def never_began(error: BoxError) -> bool:
    """Whether the box was certainly not reached, so that nothing was started on it by this call."""
    return error.is_early or "no login within" in error.what


def jitter() -> float:
    """A factor between 0.7 and 1.3, so that many who wait for one box don't come back all at once."""
    # Not `random`, which takes 2 ms to import.
    return 0.7 + 0.6 * os.urandom(1)[0] / 255
