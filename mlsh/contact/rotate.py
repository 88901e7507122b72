"""`mlsh box rotate-key`: a new key on the box, tried, then in the place of the old one, which goes last.

At every moment at least one of the two opens the box. A rotation that was killed is finished by the next one: it takes
the key NAME.new up again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from mlsh.box import open_box
from mlsh.config import Settings
from mlsh.contact import check, entry, files, keys, local, onbox, owned
from mlsh.contact.add import undoing
from mlsh.contact.files import Changes
from mlsh.contact.hostkeys import HostKey
from mlsh.contact.local import WhatIf
from mlsh.contact.owned import Owned
from mlsh.errors import ConfigError, MlshError, RefusedInput


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """The fingerprints of the old and the new key, and the file of the new one."""

    box: str
    old: str
    new: str
    key: str


def rotate(name: str, settings: Settings, asks: bool) -> Rotated:
    """Give a box another key. `asks`: ssh-keygen may ask for a passphrase, as it does where the old key has one.

    Raises RefusedInput for a box whose key is not mlsh's, and MlshError; then both machines are as they were.
    """
    with local.lock("keys"):
        return _alone(name, settings, asks)


def _alone(name: str, settings: Settings, asks: bool) -> Rotated:
    box = owned.find(name, settings)
    if box.key is None or box.public is None or box.identity.endswith(".pub"):
        raise RefusedInput(
            f"the key of {name} is not one that mlsh made: {box.identity or 'any that ssh tries'}",
            "it may open other machines too, so it is yours to replace",
        )
    changes = Changes()
    stage = ["making a new key"]
    return undoing(changes, lambda: stage[0], lambda: _rotate(box, settings, asks, changes, stage))


def _rotate(box: Owned, settings: Settings, asks: bool, changes: Changes, stage: list[str]) -> Rotated:
    key, old_public = box.key, box.public
    assert key is not None  # noqa: S101 - by `rotate`
    assert old_public is not None  # noqa: S101
    new = key.with_name(f"{key.name}.new")
    new_public = _new_key(box.name, key, new, asks, changes)
    runner = onbox.OverSsh(open_box(box.name, settings))
    stage[0] = "writing the new key on the box"
    # Noted first: the answer may be lost after the key was written.
    changes.later(f"the new key on {box.name}", lambda: _drop(runner, new_public))
    onbox.add(runner, new_public, may_mend=False)
    stage[0] = "trying the new key"
    new_identity = keys.shown(new)
    trial = entry.renamed(box.files.ours, box.name, box.name, (box.identity, new_identity))
    asks_ssh = asks and keys.is_locked(new)
    with WhatIf(box.files, trial, settings) as what_if:
        _check(box.name, str(what_if.config), new_public, asks_ssh)
    stage[0] = "putting the new key in the place of the old one"
    with local.lock():
        old = key.with_name(f"{key.name}.old")
        changes.put(old, files.read(key) or b"", 0o600)
        _replace(new, key, changes)
        _replace(owned.public_path(new), owned.public_path(key), changes)
    _check(box.name, settings.ssh_config, new_public, asks_ssh)
    # From here on the new key is the key: if the answer to the next call were lost, the old one might be gone there.
    changes.keep()
    old.unlink(missing_ok=True)
    stage[0] = "taking the old key off the box"
    try:
        onbox.drop(runner, old_public)
    except MlshError as error:
        error.what = f"{error.what}\nThe new key opens {box.name}; the old one may still be written there"
        error.hint = f"take the line out of ~/.ssh/authorized_keys there that has ...{old_public.split()[1][-16:]}"
        raise
    return Rotated(box=box.name, old=_fingerprint(old_public), new=_fingerprint(new_public), key=str(key))


def _new_key(name: str, key: Path, new: Path, asks: bool, changes: Changes) -> str:
    public_path = owned.public_path(new)
    public = keys.read_public(public_path) if new.is_file() else None
    if public is not None:
        return public  # of a rotation that was killed
    for one in (public_path, new):
        one.unlink(missing_ok=True)
        changes.later(f"the new key {one}", lambda one=one: one.unlink(missing_ok=True))  # type: ignore[misc]
    wants = keys.is_locked(key)
    if wants and not asks:
        raise RefusedInput(f"{name}'s key has a passphrase, and nobody is here to choose one for the new key", "")
    return keys.make(new, keys.comment_for(name), wants)


def _drop(runner: onbox.Runner, public: str) -> None:
    onbox.drop(runner, public)


def _replace(source: Path, place: Path, changes: Changes) -> None:
    before = files.read(place)
    moved = files.read(source)
    if before is None or moved is None:
        raise ConfigError(f"{source} or {place} is gone", "is another mlsh at work?")
    mode = place.stat().st_mode & 0o777
    source.chmod(mode)
    os.replace(source, place)
    changes.later(f"the key {place}", lambda: files.put(place, before))
    changes.later(f"the key {source}", lambda: files.put(source, moved))


def _check(name: str, config: str | None, public: str, asks: bool) -> None:
    failure = check.gets_in(name, config, ["-v"], asks=asks, accepts=_fingerprint(public))
    if failure is not None:
        raise failure


def _fingerprint(public: str) -> str:
    return HostKey(*re.split(" ", public)[:2]).fingerprint
