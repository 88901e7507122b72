"""The encrypted file: what is in it, and how it is read and made. Bytes in, bytes out; no file is touched here.

It is JSON, so that a person who looks at it sees what it is:

    {"mlsh_secrets": 1,                               the version of this layout
     "kdf": "scrypt", "n": 131072, "r": 8, "p": 1,    what makes a key of the passphrase
     "salt": "…", "nonce": "…",                       base64
     "names": {"HF_TOKEN": 1790000000},               names are no secrets: when each was set, seconds since 1970
     "data": "…"}                                     AES-256-GCM of {"HF_TOKEN": "hf_…"}, base64

All that is not `data` is authenticated with it, so a name that somebody else put in or took out is noticed.
"""

from __future__ import annotations

import os

import msgspec

from mlsh.errors import ConfigError, SecretsLocked

VERSION = 1
# 128 MiB and about half a second for each guess. More than a GiB is not believed of a file.
_N, _R, _P = 1 << 17, 8, 1
_MOST_BYTES = 1 << 30


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be read without the passphrase."""

    mlsh_secrets: int
    kdf: str
    n: int
    r: int
    p: int
    salt: bytes
    nonce: bytes
    names: dict[str, int]


class _File(Head, frozen=True, kw_only=True):
    data: bytes


class Cost(msgspec.Struct, frozen=True):
    """What a guess at the passphrase costs: scrypt's parameters, and the salt. A file keeps those it was made with."""

    n: int
    r: int
    p: int
    salt: bytes


class Opened(msgspec.Struct, frozen=True):
    """A file that was opened, with the key to close it again: another nonce, the same cost and salt."""

    values: dict[str, str]
    names: dict[str, int]
    cost: Cost
    key: bytes


def head(raw: bytes, path: str) -> Head:
    """What is readable without a passphrase. Raises ConfigError where that is no such file, or a newer one."""
    return _parse(raw, path)


def create(passphrase: str) -> Opened:
    """A new, empty one."""
    cost = Cost(_N, _R, _P, os.urandom(16))
    return Opened({}, {}, cost, _key(passphrase, cost))


def unseal(raw: bytes, passphrase: str, path: str) -> Opened:
    """Decrypt. Raises SecretsLocked for a wrong passphrase, ConfigError for what is no such file."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    file = _parse(raw, path)
    cost = _cost(file)
    key = _key(passphrase, cost)
    try:
        plain = AESGCM(key).decrypt(file.nonce, file.data, _bound(file))
    except InvalidTag:
        raise SecretsLocked(
            f"{path} does not open: the passphrase is wrong, or the file was changed by something else",
            "nothing was changed; try again, or bring the file back from a backup",
        ) from None
    return Opened(msgspec.json.decode(plain, type=dict[str, str]), file.names, cost, key)


def reopen(raw: bytes, before: Opened, path: str) -> Opened | None:
    """Decrypt with the key of before; None where the file has another passphrase or salt by now."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    file = _parse(raw, path)
    if _cost(file) != before.cost:
        return None
    try:
        plain = AESGCM(before.key).decrypt(file.nonce, file.data, _bound(file))
    except InvalidTag:
        return None
    return Opened(msgspec.json.decode(plain, type=dict[str, str]), file.names, before.cost, before.key)


def seal(opened: Opened) -> bytes:
    """Encrypt what `opened` holds."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    fields = Head(
        mlsh_secrets=VERSION,
        kdf="scrypt",
        n=opened.cost.n,
        r=opened.cost.r,
        p=opened.cost.p,
        salt=opened.cost.salt,
        nonce=os.urandom(12),
        names=dict(sorted(opened.names.items())),
    )
    data = AESGCM(opened.key).encrypt(fields.nonce, msgspec.json.encode(opened.values), _bound(fields))
    # One line a field: a person may look at it, and a diff shows which names changed.
    return msgspec.json.format(msgspec.json.encode({**msgspec.structs.asdict(fields), "data": data}), indent=1) + b"\n"


def _parse(raw: bytes, path: str) -> _File:
    try:
        version = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("mlsh_secrets")
        if version is not None and int(bytes(version)) > VERSION:
            raise ConfigError(
                f"{path} was written by a newer mlsh (layout {bytes(version).decode()})", "update mlsh here"
            )
        file = msgspec.json.decode(raw, type=_File)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(
            f"{path} is not a file of mlsh's secrets: {error}",
            "nothing was changed; bring it back from a backup, or move it away and set the secrets anew",
        ) from None
    if file.kdf != "scrypt" or not _is_sane(file):
        raise ConfigError(f"{path} asks for a way to make keys that mlsh doesn't know, or too much memory")
    return file


def _is_sane(file: Head) -> bool:
    power = file.n > 1 and file.n & (file.n - 1) == 0
    return (
        power
        and 0 < file.r <= 64
        and 0 < file.p <= 16
        and 128 * file.n * file.r <= _MOST_BYTES
        and len(file.nonce) == 12
    )


def _cost(file: Head) -> Cost:
    return Cost(file.n, file.r, file.p, file.salt)


def _key(passphrase: str, cost: Cost) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    made = Scrypt(salt=cost.salt, length=32, n=cost.n, r=cost.r, p=cost.p)
    return made.derive(passphrase.encode(errors="surrogateescape"))


def _bound(fields: Head) -> bytes:
    plain = {name: getattr(fields, name) for name in Head.__struct_fields__}
    return msgspec.json.encode(plain, order="deterministic")
