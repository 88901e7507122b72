"""Host keys: their fingerprints, and what known_hosts says of them. `ssh-keygen` reads the files, hashed names too."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import itertools
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlsh.box import process
from mlsh.contact import files
from mlsh.contact.local import Said, one
from mlsh.errors import ConfigError, UsageError

_FOUND = re.compile(r"# Host .* found: line (\d+)")
_FINGERPRINT = re.compile(r"(?:SHA256:)?([A-Za-z0-9+/]{43})=?")
_KEYGEN_S = 10.0
_ROW = re.compile(rb"([ \t]*)([^ \t]+)([ \t].*)", re.DOTALL)


class HostKey(NamedTuple):
    """A public host key: its type (`ssh-ed25519`) and its blob in base64."""

    kind: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as ssh writes it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class Known(NamedTuple):
    """What known_hosts files say of a name: the keys, with file and line, and those that must never be accepted."""

    keys: tuple[tuple[HostKey, str, int], ...] = ()
    revoked: tuple[HostKey, ...] = ()

    def trusts(self, key: HostKey) -> bool:
        """Whether this very key is known."""
        return any(known == key for known, _, _ in self.keys)

    def contradicts(self, key: HostKey) -> bool:
        """Whether other keys are known, and not this one, so that ssh would refuse or hide a change."""
        return bool(self.keys) and not self.trusts(key)


def parse_fingerprint(text: str) -> str:
    """A fingerprint as a person pastes it, as `SHA256:...`. Raises UsageError for what is none."""
    match = _FINGERPRINT.fullmatch(text.strip())
    if not match:
        raise UsageError(
            f"{text.strip()[:80]!r} is no SHA256 fingerprint",
            "on the box: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints it (SHA256:...)",
        )
    return f"SHA256:{match[1]}"


def known_as(host: str, port: int, alias: str) -> str:
    """The name of a machine in known_hosts."""
    if alias:
        return alias
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def known_files(said: Said) -> tuple[list[str], list[str]]:
    """The person's known_hosts files, and those of the machine, as `ssh -G` names them.

    Raises ConfigError where it can't be told what they are: a changed key would look like that of a first visit.
    """
    users, system = one(said, "userknownhostsfile"), one(said, "globalknownhostsfile")
    return split_paths(users), split_paths(system)


def split_paths(value: str) -> list[str]:
    """The files in a line of `ssh -G`, which puts blanks between them and none of the quotes that they had.

    A file begins where a word looks like a path from the root or the home. Raises ConfigError where that may be wrong.
    """
    words = value.split(" ")
    starts = [number for number, word in enumerate(words) if number == 0 or word[:1] in {"/", "~"} or word == "none"]
    paths = [" ".join(words[begin:end]).strip(" ") for begin, end in itertools.pairwise([*starts, len(words)])]
    others = [word for number, word in enumerate(words) if word and number not in starts]
    others += [" ".join(paths[begin:end]) for begin in range(len(paths)) for end in range(begin + 2, len(paths) + 1)]
    for path in others:
        if os.path.isfile(os.path.expanduser(path)):
            raise ConfigError(
                f"which known_hosts files ssh reads can't be told, for blanks in their names: {value}",
                "name files without blanks in your ssh config (UserKnownHostsFile)",
            )
    return [path for path in paths if path]


def look_up(name: str, paths: Sequence[str]) -> Known:
    """What the files say of a name. A file that is not there says nothing."""
    keys: list[tuple[HostKey, str, int]] = []
    revoked: list[HostKey] = []
    for path in paths:
        if not os.path.isfile(path):
            continue
        ran = process.run(["ssh-keygen", "-F", name, "-f", path], timeout_s=_KEYGEN_S)
        at = 0
        for line in ran.stdout.decode(errors="replace").splitlines():
            if found := _FOUND.match(line):
                at = int(found[1])
                continue
            words = line.split()
            marker = words.pop(0) if words and words[0].startswith("@") else ""
            if len(words) < 3:
                continue
            if marker == "@revoked":
                revoked.append(HostKey(words[1], words[2]))
            elif not marker:
                keys.append((HostKey(words[1], words[2]), path, at))
    return Known(tuple(keys), tuple(revoked))


def line(name: str, key: HostKey, hashed: bool) -> str:
    """A line of known_hosts, its name hashed where the person's config asks for that."""
    if hashed:
        salt = os.urandom(20)
        digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
        name = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    return f"{name} {key.kind} {key.blob}\n"


def with_line(text: bytes, added: str) -> bytes:
    """A known_hosts file with one line more."""
    gap = b"" if not text or text.endswith(b"\n") else b"\n"
    return text + gap + added.encode()


def without(text: bytes, name: str, numbers: Sequence[int]) -> bytes:
    """A known_hosts file in which the lines of these numbers (from 1) don't speak of a name any more.

    A line for several names stays for the others; one with a pattern (`*.lab`) too, with `!NAME` behind it.
    """
    kept = []
    mine = name.lower().encode()
    for number, row in enumerate(io.BytesIO(text), 1):
        match = _ROW.fullmatch(row)
        if number not in numbers or match is None:
            kept.append(row)
            continue
        others = [host for host in match[2].split(b",") if host.lower() != mine]
        if any(b"*" in host or b"?" in host for host in others):
            others.append(b"!" + mine)
        # A hashed name stands alone; `!` alone lets nobody in.
        if not match[2].startswith(b"|") and any(not host.startswith(b"!") for host in others):
            kept.append(match[1] + b",".join(others) + match[3])
    return b"".join(kept)


def save_file(said: Said) -> Path | None:
    """Where a new host key belongs; None where the person's config keeps none."""
    users, _ = known_files(said)
    if not users or users[0] in {"/dev/null", "none"}:
        return None
    path = Path(os.path.expanduser(users[0]))
    if why := files.why_not_writable(path):
        raise ConfigError(f"the host key can't be noted: {why}", "make it writable, then try again")
    return path


def picture(key: HostKey) -> str:
    """The key's randomart, as `ssh-keygen -lv` draws it; "" where it draws none."""
    with tempfile.NamedTemporaryFile("w", prefix="mlsh-") as file:
        file.write(f"{key.kind} {key.blob}\n")
        file.flush()
        ran = process.run(["ssh-keygen", "-lv", "-f", file.name], timeout_s=_KEYGEN_S)
    rows = [row for row in ran.stdout.decode(errors="replace").splitlines() if row[:1] in {"+", "|"}]
    return "\n".join("".join(char for char in row if char.isprintable()) for row in rows)
