"""A secret that was found somewhere, as it may be shown: where, what it is, and never the secret itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

import msgspec

Kind = Literal["history", "dotfile", "file", "commit", "log"]
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class Found(msgspec.Struct, frozen=True):
    """A secret in a text.

    `place` is a path as its owner knows it (`~/.bash_history`, `src/train.py`), `line` counts from 1. `when_s` is when
    it was typed or committed, in seconds since 1970, where the text tells; `commit` the first commit that has it.
    `shown` is what may be shown of it. `fingerprint` names it in `.mlshsecrets`.
    """

    box: str
    kind: Kind
    place: str
    line: int
    rule: str
    what: str
    shown: str
    rotate: str
    fingerprint: str
    when_s: int | None = None
    commit: str | None = None


def fingerprint(rule: str, place: str, context: str, secret: str) -> str:
    """16 hex digits that name a finding: the rule, the place, and the line with its secrets masked.

    It stays when the line moves. Of the secret it has one byte of a hash: enough to notice that another one stands
    there now, and far too little to try passwords against, for the file of them is public where the repository is.
    """
    hint = hashlib.sha256(secret.encode(errors="replace")).hexdigest()[:2]
    text = "\0".join([rule, place, context, hint])
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def accepted(text: str) -> frozenset[str]:
    """The fingerprints of a `.mlshsecrets` file: the first word of each line; `#` begins a comment."""
    words = (line.split("#", 1)[0].split() for line in text.splitlines())
    return frozenset(line[0].lower() for line in words if line and _FINGERPRINT.fullmatch(line[0].lower()))


def merged(found: Iterable[Found]) -> list[Found]:
    """Each secret of a place once: one that is in a file and in its past is the file's, with its first commit."""
    known: dict[tuple[str, str, str], Found] = {}
    for one in found:
        key = (one.box, one.place, one.fingerprint)
        before = known.get(key)
        if before is None:
            known[key] = one
        elif before.kind != "commit" and before.commit is None:
            known[key] = msgspec.structs.replace(before, commit=one.commit, when_s=one.when_s or before.when_s)
    return list(known.values())
