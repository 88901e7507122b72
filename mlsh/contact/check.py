"""Whether plain ssh gets in, by key and without a password: the only thing that counts in the end."""

from __future__ import annotations

import re
import secrets

from mlsh.box import process
from mlsh.box.failures import failure_of
from mlsh.box.sharing import CONNECT_TIMEOUT_S, LIMITS, NO_FORWARDINGS, command
from mlsh.contact.onbox import Out, no_answer
from mlsh.errors import BoxError, LoginRefused, Unreachable

_PROMPT_S = 180.0
_BY_KEY = (
    *("-o", "PasswordAuthentication=no"),
    *("-o", "KbdInteractiveAuthentication=no"),
    *("-o", "NumberOfPasswordPrompts=1"),
)


def gets_in(name: str, config: str | None, options: list[str], asks: bool, accepts: str = "") -> BoxError | None:
    """Try `ssh NAME echo ...` once, over a connection of its own. Returns None where the command ran, or why not.

    `config` is another file than ~/.ssh/config. `asks`: ssh may ask for the passphrase of a key, or for a touch of a
    security key; never for a password of the box. `accepts`, with the option -v, is the fingerprint of the key that it
    has to be.
    """
    batch = [*_BY_KEY, "-o", "BatchMode=no"] if asks else ["-o", "BatchMode=yes"]
    client = _client(config, [*batch, *options])
    word = f"mlsh-{secrets.token_hex(8)}"
    limit_s = _PROMPT_S if asks else 3.0 * CONNECT_TIMEOUT_S
    try:
        ran = process.run(command(client, name, ["echo", word]), timeout_s=limit_s, own_session=not asks)
    except process.TimedOut:
        return Unreachable(name, f"ssh gave no answer within {limit_s:g} s", f"see what it says: ssh -v {name}")
    if ran.returncode == 255:
        return failure_of(name, ran.stderr)
    if word.encode() not in ran.stdout:
        return no_answer(name, Out(ran.returncode, ran.stdout, ran.stderr))
    if accepts and not _accepts(ran.stderr, accepts):
        return LoginRefused(name, "another key than the new one opened it", f"see which: ssh -v {name}")
    return None


def knows(name: str, config: str | None, fingerprint: str) -> bool:
    """Whether the box takes that key, even where its private half can't be used here without a passphrase."""
    client = _client(config, ["-o", "BatchMode=yes", "-v"])
    try:
        ran = process.run(command(client, name, ["true"]), timeout_s=3.0 * CONNECT_TIMEOUT_S, own_session=True)
    except process.TimedOut:
        return False
    return _accepts(ran.stderr, fingerprint)


def _client(config: str | None, options: list[str]) -> list[str]:
    own = ["-F", config] if config else []
    return ["ssh", *own, "-S", "none", "-o", "ControlMaster=no", *options, *LIMITS, *NO_FORWARDINGS]


def _accepts(said: bytes, fingerprint: str) -> bool:
    return re.search(rb"Server accepts key: .* " + re.escape(fingerprint.encode()), said) is not None
