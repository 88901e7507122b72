"""Read what an ssh key file tells without its passphrase: its kind, its size, whether it is encrypted. Pure."""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

_MAGIC = b"openssh-key-v1\0"
_PRIVATE = re.compile(rb"\A\s*-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY)-----")
_PUBLIC = re.compile(
    rb"(?:^|[ \t])((?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[A-Za-z0-9@.-]{2,60}) (AAAA[A-Za-z0-9+/]{16,}={0,2})"
    rb"(?:[ \t]+([^\r\n]*))?"
)
_PEM_KINDS = {b"RSA PRIVATE KEY": "ssh-rsa", b"DSA PRIVATE KEY": "ssh-dss", b"EC PRIVATE KEY": "ecdsa"}
_SIZES = {"ssh-ed25519": 256, "sk-ssh-ed25519@openssh.com": 256, "sk-ecdsa-sha2-nistp256@openssh.com": 256}


class Key(msgspec.Struct, frozen=True):
    """A key. `kind` is OpenSSH's word (`ssh-rsa`), or "" where the file does not tell; `bits` likewise None.

    `encrypted` is None for a public key. `name` is its comment, or where it stands.
    """

    kind: str
    bits: int | None
    encrypted: bool | None = None
    name: str = ""

    @property
    def is_hardware(self) -> bool:
        """Whether the secret is in a FIDO token, and the file only names it."""
        return self.kind.startswith("sk-")


def private(raw: bytes) -> Key | None:
    """The key in a private key file; None where it is no such file."""
    begin = _PRIVATE.match(raw)
    if begin is None:
        return None
    label = begin[1]
    if label != b"OPENSSH PRIVATE KEY":
        return Key(_PEM_KINDS.get(label, ""), None, b"ENCRYPTED" in label or b"Proc-Type: 4,ENCRYPTED" in raw[:1000])
    body = raw[begin.end() :].partition(b"-----END")[0]
    try:
        blob = base64.b64decode(b"".join(body.split()), validate=True)
        if not blob.startswith(_MAGIC):
            return Key("", None, None)
        # The cipher, and the name and options of what makes a key of the passphrase; then a count, always 1.
        cipher, kdf, options = _fields(blob[len(_MAGIC) :], 3)
        at = len(_MAGIC) + 12 + len(cipher) + len(kdf) + len(options) + 4
        kind, bits = _of_blob(_fields(blob[at:], 1)[0])
    except (binascii.Error, ValueError):
        return Key("", None, None)
    return Key(kind, bits, cipher != b"none")


def publics(text: bytes) -> list[Key]:
    """The keys of a `.pub` or authorized_keys file; comments and what is no key are left out."""
    found = []
    for number, line in enumerate(text.split(b"\n"), 1):
        if line.lstrip()[:1] in {b"#", b""}:
            continue
        match = _PUBLIC.search(line)
        if match is None:
            continue
        try:
            kind, bits = _of_blob(base64.b64decode(match[2]))
        except (binascii.Error, ValueError):
            continue
        comment = (match[3] or b"").decode(errors="replace").strip()
        found.append(Key(kind, bits, None, f"line {number}" + (f" ({comment[:60]})" if comment else "")))
    return found


def _fields(raw: bytes, count: int) -> list[bytes]:
    """The first of the length-prefixed strings that ssh's formats are made of (RFC 4251).

    Raises ValueError if there are fewer.
    """
    found, at = [], 0
    for _ in range(count):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "big")
        if at + 4 > len(raw) or end > len(raw):
            raise ValueError
        found.append(raw[at + 4 : end])
        at = end
    return found


def _of_blob(blob: bytes) -> tuple[str, int | None]:
    """The kind and size of a public key, by its own encoding (RFC 4253, 5656, 8709)."""
    kind = _fields(blob, 1)[0].decode("ascii")
    if kind == "ssh-rsa":
        return kind, int.from_bytes(_fields(blob, 3)[2], "big").bit_length()
    if kind == "ssh-dss":
        return kind, int.from_bytes(_fields(blob, 2)[1], "big").bit_length()
    if curve := re.match(r"ecdsa-sha2-nistp(\d+)$", kind):
        return kind, int(curve[1])
    return kind, _SIZES.get(kind)
