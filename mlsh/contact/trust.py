"""`mlsh box trust`: another host key accepted, after a person compared the old one and the new one.

A box that was reinstalled has lost the key that opened it too: that is written there again, by password, on the way.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from mlsh.config import Settings
from mlsh.contact import check, files, greeting, hostkeys, keys, local, login, onbox, owned, reach, trusting
from mlsh.contact.add import Person, undoing, write_key
from mlsh.contact.files import Changes, why_not_writable
from mlsh.contact.hostkeys import HostKey, Known
from mlsh.contact.local import WhatIf
from mlsh.contact.owned import Owned
from mlsh.errors import ConfigError, LoginRefused, MlshError


class Judge(Person, Protocol):
    """Who compares the old and the new host key."""

    @property
    def can_answer(self) -> bool:
        """Whether a password can be had at all."""

    def trusts_instead(self, way: reach.Way, old: Sequence[HostKey], key: HostKey, picture: str) -> bool:
        """Show both and hear whether the new one is right. Raises LoginRefused where nobody is there."""


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `changed`: known_hosts was; `key_installed`: the box's key was written there again."""

    box: str
    old: list[str]
    new: str
    changed: bool
    key_installed: bool
    opens: bool


def trust(name: str, settings: Settings, person: Judge, fingerprint: str) -> Trusted:
    """Accept the host key that a box shows now. Works for every alias, mlsh's or not.

    Raises MlshError; then the box is as it was, and known_hosts too unless the new key was confirmed.
    """
    changes = Changes()
    stage = ["connecting"]
    with contextlib.ExitStack() as stack:
        return undoing(
            changes, lambda: stage[0], lambda: _trust(name, settings, person, fingerprint, changes, stage, stack)
        )


def _trust(
    name: str,
    settings: Settings,
    person: Judge,
    fingerprint: str,
    changes: Changes,
    stage: list[str],
    stack: contextlib.ExitStack,
) -> Trusted:
    mine = local.read(settings)
    what_if = stack.enter_context(WhatIf(mine, mine.ours, settings))
    said = what_if.say(name)
    way = reach.way_of(name, said, str(what_if.config))
    before = trusting.known(way, said)
    greeted = greeting.greet(way, [key.kind for key, _, _ in before.keys])
    stack.callback(greeted.close)
    key = greeted.key
    stage[0] = "comparing the host keys"
    old = list(dict.fromkeys(known.fingerprint for known, _, _ in before.keys))
    if key in before.revoked or (fingerprint and key.fingerprint != fingerprint) or not before.keys:
        trusting.decide(greeted, Known((), before.revoked), fingerprint, person)
    elif (
        not before.trusts(key)
        and not fingerprint
        and not person.trusts_instead(way, [known for known, _, _ in before.keys], key, hostkeys.picture(key))
    ):
        raise LoginRefused(name, "you did not confirm its new host key, so nothing was changed and nothing sent to it")
    changed = not before.trusts(key)
    if changed:
        stage[0] = "writing known_hosts"
        with local.lock():
            _write(trusting.name_of(way, said), key, before, said, changes)
        # That was asked for, and it stands, whatever comes of the rest.
        changes.keep()
    stage[0] = "checking with plain ssh"
    own = _own(name, settings)
    failure = _why_not_in(name, settings, own, person)
    installed = False
    if isinstance(failure, LoginRefused) and own is not None and own.public is not None and person.can_answer:
        stage[0] = "writing its key there again"
        person.tell("its host key is right, and no key opens it: its own is written there again, unless it is there")
        login.log_in(greeted, person)
        runner = onbox.OverTransport(name, greeted.transport)
        installed = write_key(runner, own.public, False, changes, own.identity).is_new
        failure = _why_not_in(name, settings, own, person)
        if failure is not None:
            raise failure
    return Trusted(
        box=name,
        old=old if changed else [],
        new=key.fingerprint,
        changed=changed,
        key_installed=installed,
        opens=failure is None,
    )


def _own(name: str, settings: Settings) -> Owned | None:
    """The entry of a box that mlsh added; None for others."""
    with contextlib.suppress(MlshError):
        return owned.find(name, settings)
    return None


def _why_not_in(name: str, settings: Settings, own: Owned | None, person: Judge) -> MlshError | None:
    """Why no key opens the box; None where one does, or would once its passphrase is typed.

    Raises LoginRefused where the box knows its key, and wants more than that.
    """
    failure = check.gets_in(name, settings.ssh_config, [], asks=False)
    if not isinstance(failure, LoginRefused) or own is None or own.public is None:
        return failure
    if not check.knows(name, settings.ssh_config, HostKey(*own.public.split()[:2]).fingerprint):
        return failure
    if keys.is_locked(Path(os.path.expanduser(own.identity))):
        person.tell(
            f"its key is there, and has a passphrase; an agent saves you typing it each time: ssh-add {own.identity}"
        )
        return None
    raise LoginRefused(
        name, "its key is known there, and does not get in by itself: the box wants more", f"see: ssh -v {name}"
    )


def _write(name: str, key: HostKey, before: Known, said: local.Said, changes: Changes) -> None:
    users, _ = hostkeys.known_files(said)
    note = hostkeys.save_file(said)
    if note is None:
        raise ConfigError("your ssh config keeps no host keys (UserKnownHostsFile)", "so there is nothing to accept")
    numbers: dict[str, list[int]] = {}
    for _, path, number in before.keys:
        if path not in users:
            raise ConfigError(
                f"the old host key is in {path}:{number}, which belongs to this machine", "ask who runs it to change it"
            )
        numbers.setdefault(path, []).append(number)
    for path, rows in numbers.items():
        if why := why_not_writable(path):
            raise ConfigError(f"the old host key can't be taken out: {why}", "make it writable, then try again")
        text = files.read(path) or b""
        # Where ssh-keygen -R keeps it too.
        changes.put(Path(f"{path}.old"), text)
        changes.put(Path(path), hostkeys.without(text, name, rows))
    hashed = local.one(said, "hashknownhosts") == "yes"
    changes.folder(note.parent)
    changes.put(note, hostkeys.with_line(files.read(note) or b"", hostkeys.line(name, key, hashed)))
