"""`mlsh box add`: from an address to a box that a key opens, in steps of which each can be taken back.

The order is what makes it safe: the host key is confirmed before anything secret is sent; the key is on the box before
the laptop's files change; plain ssh has the last word, and where it does not get in, everything is undone.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from mlsh.box import inventory
from mlsh.config import Settings
from mlsh.contact import check, entry, files, greeting, hostkeys, keys, local, login, onbox, reach, trusting
from mlsh.contact.entry import Entry
from mlsh.contact.files import Changes
from mlsh.contact.greeting import Greeting
from mlsh.contact.keys import Key
from mlsh.contact.local import Local, WhatIf
from mlsh.contact.login import Answers
from mlsh.contact.target import Target, check_new_name
from mlsh.errors import BoxUnfit, ConfigError, LoginRefused, MlshError

T = TypeVar("T")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `key` is a file, `agent` or `agent:COMMENT`, or "" for one that mlsh makes for this box alone.

    `fingerprint` is `SHA256:...` or ""; `asks` is whether ssh and ssh-keygen may ask the person at the terminal, and
    `wants_passphrase` whether ssh-keygen does so for the new key.
    """

    name: str
    target: Target
    jump: str = ""
    key: str = ""
    fingerprint: str = ""
    asks: bool = False
    wants_passphrase: bool = False


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `login` is by what it was logged in: `key`, where one worked already, `password`, ..."""

    box: str
    hostname: str
    port: int
    user: str
    proxy_jump: str | None
    fingerprint: str
    trusted_by: str
    login: str
    key: str | None
    installed: bool
    config: str


class Person(trusting.Judge, Answers, Protocol):
    """Who sits in front of it."""

    def tell(self, text: str) -> None:
        """Hear how far it is."""

    def agrees(self, question: str) -> bool:
        """Say yes or no to a change; no where nobody is there."""


class Plan(NamedTuple):
    """What would be done: the entry, the key to try or make, and the files as they are."""

    entry: Entry
    key: Key | None
    files: Local


def plan(wish: Wish, settings: Settings) -> Plan:
    """Decide what to write, and whether it can be. Connects to nothing, changes nothing.

    Raises RefusedInput for a name that is taken or would be hidden, ConfigError for files that can't be written.
    """
    check_new_name(wish.name, inventory.names(settings), settings.groups)
    if wish.jump:
        check_jump(wish.jump)
    mine = local.read(settings)
    local.check_writable(mine)
    own = keys.own_path(mine.keys, wish.name)
    key = _key_there(wish, own)
    identity = keys.shown(key.identity if key else own)
    made = Entry(wish.name, wish.target.host, wish.target.port, wish.target.user, identity, wish.jump)
    with WhatIf(mine, entry.with_entry(mine.ours, made), settings) as what_if:
        local.check_reached(made, what_if.say(wish.name))
    return Plan(made, key, mine)


def check_jump(jump: str) -> None:
    """Raise RefusedInput for a bastion that is neither a box nor `[USER@]HOST[:PORT]`."""
    from mlsh.contact.target import parse_target

    for hop in jump.split(","):
        parse_target(hop)


def _key_there(wish: Wish, own: Path) -> Key | None:
    if wish.key == "agent" or wish.key.startswith("agent:"):
        return Key(f"{own}.pub", keys.from_agent(wish.key.partition(":")[2]))
    if wish.key:
        return keys.given(wish.key)
    public = keys.read_public(own.with_name(f"{own.name}.pub"))
    # One that an earlier try or an earlier box of this name left.
    return Key(str(own), public, is_own=True) if public is not None and own.is_file() else None


def add(wish: Wish, settings: Settings, person: Person) -> Added:
    """Make the machine a box. Raises MlshError, and then both machines are as they were."""
    planned = plan(wish, settings)
    with contextlib.ExitStack() as stack:
        adding = _Adding(wish, settings, person, planned, stack)
        return undoing(adding.changes, lambda: adding.stage, adding.go)


def undoing(changes: Changes, stage: Callable[[], str], act: Callable[[], T]) -> T:
    """Do something; where it fails or is interrupted, take back what was done and say where it stopped."""
    # A terminal that is closed, or a `kill`, ends it in order too.
    wanted = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) != signal.SIG_IGN]
    before = {number: signal.signal(number, _stop) for number in wanted}
    try:
        return act()
    except BaseException as error:
        for number in (signal.SIGINT, *before):
            before[number] = before.get(number, signal.getsignal(number))
            signal.signal(number, signal.SIG_IGN)
        count = changes.count
        left = changes.undo()
        if isinstance(error, MlshError):
            state = "what was done is undone" if count else "nothing was changed"
            if left:
                state = "what could not be taken back: " + "; ".join(left)
            error.what = f"{error.what}\n(it stopped while {stage()}; {state})"
        elif left:
            raise MlshError(f"stopped; what could not be taken back: {'; '.join(left)}") from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


class _Adding:
    """One first contact, step by step."""

    def __init__(
        self, wish: Wish, settings: Settings, person: Person, planned: Plan, stack: contextlib.ExitStack
    ) -> None:
        self.changes = Changes()
        self.stage = "reading your ssh config"
        self._wish = wish
        self._settings = settings
        self._person = person
        self._plan = planned
        self._stack = stack

    def go(self) -> Added:
        """All of it."""
        wish, made, mine = self._wish, self._plan.entry, self._plan.files
        trial = made if self._plan.key else made._replace(identity="")
        if self._plan.key is not None and not Path(self._plan.key.identity).exists():
            # The public half of an agent's key is written down once it is known that it is wanted.
            aside = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="mlsh-")), "agent.pub")
            aside.write_text(f"{self._plan.key.public}\n")
            trial = made._replace(identity=str(aside))
        what_if = self._stack.enter_context(WhatIf(mine, entry.with_entry(mine.ours, trial), self._settings))
        said = what_if.say(wish.name)
        way = reach.way_of(wish.name, said, str(what_if.config))

        self.stage = f"connecting to {way.host} port {way.port}"
        before = trusting.known(way, said)
        greeted = self._greet(way, before)
        self.stage = "comparing the host key"
        trusted_by = trusting.decide(greeted, before, wish.fingerprint, self._person)
        name = trusting.name_of(way, said)
        what_if.known_hosts.write_text(hostkeys.line(name, greeted.key, hashed=False))

        self.stage = "trying your keys"
        key, how, installed = self._plan.key, "key", False
        if not self._opens(what_if, said):
            self.stage = f"logging in as {way.user}"
            greeted = self._still(greeted, before)
            how = login.log_in(greeted, self._person)
            self.stage = "making a key"
            key = key or self._new_key()
            self.stage = "writing the key on the box"
            installed = self._install(greeted, key)
        if key is not None and key.identity.endswith(".pub") and not Path(key.identity).exists():
            self.changes.folder(mine.keys)
            self.changes.put(Path(key.identity), f"{key.public}\n".encode(), 0o644)

        self.stage = "writing your ssh files"
        final = made._replace(identity=keys.shown(key.identity) if key else "")
        with local.lock():
            note = None if before.trusts(greeted.key) else hostkeys.save_file(said)
            if note is not None:
                self.changes.folder(note.parent)
                hashed = local.one(said, "hashknownhosts") == "yes"
                text = hostkeys.with_line(files.read(note) or b"", hostkeys.line(name, greeted.key, hashed))
                self.changes.put(note, text)
            self._write(final)
            self.stage = "checking with plain ssh"
            self._verify(key)
        return Added(
            box=wish.name,
            hostname=way.host,
            port=way.port,
            user=way.user,
            proxy_jump=way.jump or None,
            fingerprint=greeted.key.fingerprint,
            trusted_by=trusted_by,
            login=how,
            key=key.identity if key else None,
            installed=installed,
            config=str(mine.ours_path),
        )

    def _greet(self, way: reach.Way, before: hostkeys.Known) -> Greeting:
        self._person.tell(f"connecting to {way.host} port {way.port}" + (f" by way of {way.jump}" if way.jump else ""))
        try:
            greeted = greeting.greet(way, [key.kind for key, _, _ in before.keys])
        except MlshError as error:
            known = inventory.names(self._settings)
            if way.host in known and "no machine of that name" in error.what:
                error.hint = f"{way.host} is a box already, by your ssh config: mlsh box doctor {way.host}"
            raise
        self._stack.callback(greeted.close)
        return greeted

    def _still(self, greeted: Greeting, before: hostkeys.Known) -> Greeting:
        """The same machine, where it hung up while a person was reading."""
        if greeted.is_open:
            return greeted
        again = greeting.greet(greeted.way, [greeted.key.kind])
        self._stack.callback(again.close)
        if again.key != greeted.key:
            raise LoginRefused(
                greeted.way.box,
                f"{greeted.way.host} showed another host key the second time, and nothing was sent to it\n"
                f"first: {greeted.key.fingerprint}\nthen:  {again.key.fingerprint}",
                "something sits in between: try from another network",
            )
        del before
        return again

    def _opens(self, what_if: WhatIf, said: local.Said) -> bool:
        """Whether a key opens it already: the one that was named, or any that ssh tries by itself."""
        key = self._plan.key
        if key is None and not keys.has_any(list(said.get("identityfile", []))):
            return False
        self._person.tell("trying the key" if key else "trying the keys that you have")
        if key is not None and key.is_security_key:
            self._person.tell("touch your security key when it blinks")
        options = [
            *("-o", f"UserKnownHostsFile={what_if.known_hosts}"),
            *("-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", "StrictHostKeyChecking=yes"),
        ]
        failure = check.gets_in(self._wish.name, str(what_if.config), options, asks=self._wish.asks and key is not None)
        if failure is None or isinstance(failure, LoginRefused):
            return failure is None
        raise failure

    def _new_key(self) -> Key:
        folder = self._plan.files.keys
        path = keys.own_path(folder, self._wish.name)
        self.changes.folder(folder)
        if self._wish.wants_passphrase:
            self._person.tell(f"a new key for {self._wish.name}, with a passphrase of your choice (empty: none)")
        # Aside, then linked, which never replaces a file: another mlsh may make a key of that name at the same time.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".mlsh-") as aside:
            made = Path(aside, "key")
            public = keys.make(made, keys.comment_for(self._wish.name), self._wish.wants_passphrase)
            for source, place in ((made, path), (made.with_name("key.pub"), path.with_name(f"{path.name}.pub"))):
                try:
                    os.link(source, place)
                except OSError as error:
                    hint = f"move it away, then try again: {_moved_away(path, folder.parent)}"
                    raise ConfigError(f"no key could be put at {place}: {error.strerror}", hint) from error
                self.changes.later(f"the key {place}", lambda place=place: place.unlink())  # type: ignore[misc]
        return Key(str(path), public, is_own=True)

    def _install(self, greeted: Greeting, key: Key) -> bool:
        runner = onbox.OverTransport(self._wish.name, greeted.transport)
        self._person.tell("writing the key on the box")
        try:
            put = write_key(runner, key.public, False, self.changes, key.identity)
        except onbox.OpenHome as error:
            if not self._person.agrees(f"{error.what}. Take that right away from others (chmod go-w ~)?"):
                raise
            put = write_key(runner, key.public, True, self.changes, key.identity)
        return put.is_new

    def _write(self, final: Entry) -> None:
        write_entry(final, self._settings, self.changes)

    def _verify(self, key: Key | None) -> None:
        self._person.tell(f"checking: ssh {self._wish.name} true")
        failure = check.gets_in(
            self._wish.name, self._settings.ssh_config, [], asks=self._wish.asks and key is not None
        )
        if failure is None:
            return
        if isinstance(failure, LoginRefused) and "refused your key" in failure.what:
            raise BoxUnfit(
                self._wish.name,
                "key-refused",
                "the key is on the box, and its sshd does not accept it",
                "on the box: are ~ and ~/.ssh yours, and writable by nobody else? Does sshd read that file "
                "(AuthorizedKeysFile, PubkeyAuthentication)?",
            )
        raise failure


def _moved_away(key: Path, folder: Path) -> str:
    """The command that moves a key's two files, and no other's, to where no box of mlsh's has its key."""
    pairs = ((f"{key}{end}", f"{folder / key.name}-old{end}") for end in ("", ".pub"))
    return "; ".join(shlex.join(["mv", "-i", *pair]) for pair in pairs)


def write_key(runner: onbox.Runner, public: str, may_mend: bool, changes: Changes, private: str) -> onbox.Authorized:
    """Write a key on the box, and note how that is taken back. Raises as `onbox.add` does.

    Where no answer comes, what was done here so far is kept: the box may let that key in from now on.
    """
    try:
        put = onbox.add(runner, public, may_mend)
    except BaseException as error:
        if not onbox.is_unchanged(error):
            changes.keep()
            what = f"the key on {runner.box}, the line of ~/.ssh/authorized_keys that has ...{public.split()[1][-16:]}"
            changes.later(what, lambda: _say_kept(private))
        raise
    if put.is_new or put.done:
        changes.later(f"the key on {runner.box}", lambda: onbox.undo(runner, public, put.done))
    return put


def _say_kept(private: str) -> None:
    raise MlshError(f"no answer came, so it may be there or come yet; its private half is kept: {private}")


def write_entry(final: Entry, settings: Settings, changes: Changes) -> None:
    """Write the entry, and the line that includes the file; the config as it was is kept once, beside it."""
    mine = local.read(settings)
    check_new_name(final.name, inventory.names(settings), settings.groups)
    changes.folder(mine.config_path.parent)
    changes.put(mine.ours_path, entry.with_entry(mine.ours, final).encode("utf-8", "surrogateescape"))
    if mine.is_included:
        return
    kept = mine.config_path.with_name(f"{mine.config_path.name}.before-mlsh")
    if mine.config is not None and not kept.exists():
        changes.put(kept, mine.config)
    changes.put(mine.config_path, mine.config_with_include())
