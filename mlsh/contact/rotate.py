"""`mlsh box rotate-key`: a new key on the box, tried, then in the place of the old one, which goes last.

At every moment at least one of the two opens the box. A rotation that was killed is finished by the next one: it takes
the key NAME.new up again, and takes NAME.old off the box, whose files stay until it is off.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import msgspec

from mlsh.box import open_box, process
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

    Raises RefusedInput for a box whose key is not mlsh's, and MlshError; then both machines are as they were, unless it
    says that the new key is in place.
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
    runner = onbox.OverSsh(open_box(box.name, settings))
    new_public = undoing(changes, lambda: stage[0], lambda: _exchange(box, settings, asks, runner, changes, stage))
    # From here on nothing is undone: were the answer to this lost, the old key might be gone there.
    try:
        onbox.drop(runner, box.public)
    except (MlshError, KeyboardInterrupt) as error:
        _tell_of_old(box.name, box.public, error)
        raise
    _forget(owned.old_path(box.key))
    return Rotated(box=box.name, old=_fingerprint(box.public), new=_fingerprint(new_public), key=str(box.key))


def _tell_of_old(name: str, public: str, error: BaseException) -> None:
    state = f"the new key is in place and opens {name}; the old one may still open it"
    hint = (
        f"mlsh box rotate-key {name}, once more, takes it away; or by hand: the line of ~/.ssh/authorized_keys there "
        f"with ...{public.split()[1][-16:]}"
    )
    if isinstance(error, MlshError):
        error.what, error.hint = f"{error.what}\n{state}", hint
        return
    with contextlib.suppress(OSError):
        process.log.warn(f"{state}\n      {hint}")


def _exchange(
    box: Owned, settings: Settings, asks: bool, runner: onbox.Runner, changes: Changes, stage: list[str]
) -> str:
    """Put a new key in the place of the old one, which still opens the box; returns its public half."""
    key, old_public = box.key, box.public
    assert key is not None  # noqa: S101 - by `rotate`
    assert old_public is not None  # noqa: S101
    if not owned.public_path(key).exists():
        files.put(owned.public_path(key), f"{old_public}\n".encode(), 0o644)
    _finish_the_last(box.name, key, old_public, runner, settings, asks, stage)
    new = owned.new_path(key)
    new_public = _new_key(box.name, key, new, asks, changes)
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
        old = owned.old_path(key)
        changes.put(owned.public_path(old), f"{old_public}\n".encode(), 0o644)
        changes.put(old, files.read(key) or b"", 0o600)
        _swap(new, key, changes)
    _check(box.name, settings.ssh_config, new_public, asks_ssh)
    return new_public


def _finish_the_last(
    name: str, key: Path, public: str, runner: onbox.Runner, settings: Settings, asks: bool, stage: list[str]
) -> None:
    """Take off the box what a rotation that did not come to its end left there."""
    old = owned.old_path(key)
    left = owned.public_of(old)
    if left is None:
        if old.exists():
            raise RefusedInput(
                f"{old} is left of a rotation that was stopped, and which key it is can't be told",
                f"make its public half: ssh-keygen -y -f {old} > {owned.public_path(old)}",
            )
        return
    if left.split()[1] != public.split()[1]:
        stage[0] = "finishing the rotation before this one, which was stopped"
        # The connection may be an older one: the key of now has to open the box before another goes.
        _check(name, settings.ssh_config, public, asks and keys.is_locked(key))
        onbox.drop(runner, left)
        stage[0] = "making a new key"
    _forget(old)


def _forget(old: Path) -> None:
    # The public half last: it says what is still to be taken away.
    old.unlink(missing_ok=True)
    owned.public_path(old).unlink(missing_ok=True)


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


def _swap(new: Path, key: Path, changes: Changes) -> None:
    """Put NAME.new and NAME.new.pub in the place of NAME and NAME.pub.

    Never is NAME.pub beside another key than its own, with which ssh would not log in: it is gone meanwhile.
    """
    new_public, public = owned.public_path(new), owned.public_path(key)
    texts = [files.read(path) for path in (new, new_public, key, public)]
    if None in texts:
        raise ConfigError(f"{new} or {key} is gone, or its .pub", "is another mlsh at work?")
    modes = [path.stat().st_mode & 0o777 for path in (new, new_public, key, public)]

    def back() -> None:
        public.unlink(missing_ok=True)
        for number, path in ((1, new_public), (0, new), (2, key), (3, public)):
            files.put(path, texts[number] or b"", modes[number])

    changes.later(f"the key {key}", back)
    new.chmod(modes[2])
    new_public.chmod(modes[3])
    public.unlink()
    os.replace(new, key)
    os.replace(new_public, public)


def _check(name: str, config: str | None, public: str, asks: bool) -> None:
    failure = check.gets_in(name, config, ["-v"], asks=asks, accepts=_fingerprint(public))
    if failure is not None:
        raise failure


def _fingerprint(public: str) -> str:
    return HostKey(*re.split(" ", public)[:2]).fingerprint
