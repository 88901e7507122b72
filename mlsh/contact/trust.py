"""`mlsh box trust`: another host key accepted, after a person compared the old one and the new one.

A box that was reinstalled has lost the key that opened it too: that is written there again, by password, on the way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from mlsh.config import Settings
from mlsh.contact import check, files, greeting, hostkeys, local, login, onbox, owned, reach, trusting
from mlsh.contact.add import Person, undoing
from mlsh.contact.files import Changes, why_not_writable
from mlsh.contact.hostkeys import HostKey, Known
from mlsh.contact.local import WhatIf
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
    failure = check.gets_in(name, settings.ssh_config, [], asks=False)
    installed = False
    public = _own_key(name, settings)
    if isinstance(failure, LoginRefused) and public is not None and person.can_answer:
        stage[0] = "writing its key there again"
        person.tell("its host key is right; the key that opens it is gone there, and is written again")
        login.log_in(greeted, person)
        runner = onbox.OverTransport(name, greeted.transport)
        put = onbox.add(runner, public, may_mend=False)
        changes.later(f"the key on {name}", lambda: onbox.undo(runner, public, put.done))
        failure = check.gets_in(name, settings.ssh_config, [], asks=False)
        installed = put.is_new
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


def _own_key(name: str, settings: Settings) -> str | None:
    """The public key of a box that mlsh added; None for others."""
    with contextlib.suppress(MlshError):
        return owned.find(name, settings).public
    return None


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
