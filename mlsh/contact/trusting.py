"""Whether a machine is the one that is meant: decided before anything secret is sent to it."""

from __future__ import annotations

from typing import Protocol

from mlsh.contact import hostkeys
from mlsh.contact.greeting import Greeting
from mlsh.contact.hostkeys import HostKey, Known
from mlsh.contact.local import Said, one
from mlsh.contact.reach import Way
from mlsh.errors import LoginRefused


class Judge(Protocol):
    """Who compares fingerprints."""

    def trusts(self, way: Way, key: HostKey, picture: str) -> bool:
        """Show the key to a person and hear whether it is the right one. Raises LoginRefused where nobody is there."""


def name_of(way: Way, said: Said) -> str:
    """The machine's name in known_hosts."""
    return hostkeys.known_as(way.host, way.port, one(said, "hostkeyalias"))


def known(way: Way, said: Said) -> Known:
    """What the person's known_hosts files say of it."""
    users, system = hostkeys.known_files(said)
    return hostkeys.look_up(name_of(way, said), [*users, *system])


def decide(greeting: Greeting, before: Known, fingerprint: str, judge: Judge) -> str:
    """By what the machine is trusted: `known_hosts`, `fingerprint`, `person`. Raises LoginRefused where it is not."""
    way, key = greeting.way, greeting.key
    if key in before.revoked:
        raise LoginRefused(
            way.box,
            f"the host key of {way.host} is revoked in your known_hosts: {key.fingerprint}",
            "don't log in there",
        )
    if fingerprint and key.fingerprint != fingerprint:
        raise LoginRefused(
            way.box,
            f"{way.host} has another host key: {key.fingerprint}, and not {fingerprint}; nothing was sent to it",
            f"is yours the fingerprint of its {key.kind} key, or does somebody sit in between?",
        )
    if before.trusts(key):
        return "known_hosts"
    if before.keys:
        (old, file, number), *_ = before.keys
        raise LoginRefused(
            way.box,
            f"{way.host} shows another host key than the one you know, and nothing was sent to it. It was reinstalled, "
            "or something sits in between.\n"
            f"known: {old.fingerprint} ({file}:{number})\nshown: {key.fingerprint}",
            f"ask who runs it for the fingerprint; if {key.fingerprint} is right: ssh-keygen -R "
            f"'{hostkeys.known_as(way.host, way.port, '')}' -f {file}",
        )
    if fingerprint:
        return "fingerprint"
    if not judge.trusts(way, key, hostkeys.picture(key)):
        raise LoginRefused(way.box, "you did not confirm its host key, so nothing was sent to it")
    return "person"
