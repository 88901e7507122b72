"""The person's own ssh files, as they are, and what ssh would make of them once they are changed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mlsh import config
from mlsh.box import inventory, process
from mlsh.config import Settings
from mlsh.contact import entry as entries
from mlsh.contact import files
from mlsh.contact.entry import Entry
from mlsh.contact.target import parse_target
from mlsh.errors import ConfigError, RefusedInput, Unreachable

_LOCK_TIMEOUT_S = 60.0
Said = Mapping[str, Sequence[str]]
"""What `ssh -G` says: values by keyword, in order."""


class Local(NamedTuple):
    """The files, and what is in them. `config` is None where there is no config file."""

    config_path: Path
    ours_path: Path
    word: str
    config: bytes | None
    ours: str

    @property
    def keys(self) -> Path:
        """The folder of the keys that mlsh made."""
        return self.config_path.parent / "mlsh"

    @property
    def is_included(self) -> bool:
        """Whether ssh reads our file for every box."""
        return entries.includes(self.config or b"", self.word, str(self.ours_path))

    def config_with_include(self) -> bytes:
        """The config file as it has to be."""
        before = self.config or b""
        return before if self.is_included else entries.with_include(before, self.word)


def read(settings: Settings) -> Local:
    """Read the files that are in force. Raises ConfigError where one can't be read."""
    path = Path(inventory.config_path(settings))
    ours = path.parent / entries.FILE
    # ssh takes a relative Include from ~/.ssh: that line is right on every machine that shares the config.
    at_home = path.parent == Path(os.path.expanduser("~"), ".ssh")
    text = (files.read(ours) or b"").decode("utf-8", "surrogateescape")
    return Local(path, ours, entries.FILE if at_home else str(ours), files.read(path), text)


def check_writable(local: Local) -> None:
    """Raise ConfigError where our entry could not be written, or ssh would not read it."""
    if why := files.why_not_writable(local.ours_path):
        raise ConfigError(f"no entry can be written: {why}")
    if not local.is_included and (why := files.why_not_writable(local.config_path)):
        line = f"Include {entries.quoted(local.word)}"
        raise ConfigError(
            f"ssh could not learn of the new box: {why}",
            f"have this line at the top of it, before any Host, then try again: {line}",
        )


@contextlib.contextmanager
def lock(what: str = "files") -> Iterator[None]:
    """Be the only mlsh that changes the files, or (`keys`) the keys of boxes. Raises ConfigError when that takes long.

    Who wants both takes `keys` first.
    """
    with open(config.runtime_dir() / f"contact-{what}.lock", "wb") as file:
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConfigError("another mlsh is changing your ssh files", "try again when it is done") from None
                time.sleep(0.05)
        yield


class WhatIf:
    """A copy of the person's config with other text in our file: what ssh would do, with nothing of theirs changed."""

    def __init__(self, local: Local, ours: str, settings: Settings) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mlsh-")
        self._settings = settings
        self.config = Path(self._folder.name, "config")
        self.known_hosts = Path(self._folder.name, "known_hosts")
        copy = Path(self._folder.name, entries.FILE)
        copy.write_bytes(ours.encode("utf-8", "surrogateescape"))
        text = local.config_with_include()
        here = []
        for line in text.split(b"\n"):
            keyword, words = inventory.split_line(line.decode("utf-8", "surrogateescape"))
            if keyword == "include" and any(entries.is_ours(one, local.word, str(local.ours_path)) for one in words):
                others = [one for one in words if not entries.is_ours(one, local.word, str(local.ours_path))]
                line = " ".join(["Include", *map(entries.quoted, [str(copy), *others])]).encode()  # noqa: PLW2901
            here.append(line)
        if settings.ssh_config is None:
            # With -F ssh leaves the machine's own file out.
            here.append(b"Match all\nInclude /etc/ssh/ssh_config\n")
        self.config.write_bytes(b"\n".join(here))

    def __enter__(self) -> WhatIf:
        """It is ready."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the copy."""
        self._folder.cleanup()

    def say(self, name: str) -> dict[str, list[str]]:
        """What `ssh -G NAME` would say. Raises ConfigError where ssh can't read it, Unreachable where it hangs."""
        try:
            ran = process.run(["ssh", "-F", str(self.config), "-G", "--", name], timeout_s=inventory.RESOLVE_TIMEOUT_S)
        except process.TimedOut as error:
            raise Unreachable(name, str(error), "does a `Match exec` in your ssh config hang?") from None
        if ran.returncode != 0:
            said = ran.stderr.decode(errors="replace").replace(str(self.config), "your ssh config").strip()
            raise ConfigError(f"ssh can't read your settings: {said.splitlines()[0] if said else 'no reason given'}")
        values: dict[str, list[str]] = {}
        for line in ran.stdout.decode(errors="replace").splitlines():
            key, _, value = line.partition(" ")
            values.setdefault(key, []).append(value)
        return values


def one(said: Said, key: str) -> str:
    """The first value of a keyword; "" for `none` and for nothing."""
    value = (said.get(key) or [""])[0]
    return "" if value == "none" else value


def check_reached(entry: Entry, said: Said) -> None:
    """Raise RefusedInput where something else in the config would win over the entry."""
    got = (one(said, "hostname"), one(said, "port"), one(said, "user"))
    want = (entry.host, str(entry.port), entry.user or got[2])
    if (got[0].lower(), *got[1:]) != (want[0].lower(), *want[1:]):
        raise RefusedInput(
            f"{entry.name} would be hidden: by your ssh config that name is {got[2]}@{got[0]} port {got[1]}",
            f"choose another name, or see what it means now: ssh -G {entry.name}",
        )
    if entry.jump and _hops(one(said, "proxyjump")) != _hops(entry.jump):
        raise RefusedInput(
            f"{entry.name} would not go by way of {entry.jump}: another setting of your ssh config wins",
            f"see: ssh -G {entry.name}",
        )


def _hops(jump: str) -> list[object]:
    """The hops of a ProxyJump; ssh leaves a port out that is the usual one."""
    found: list[object] = []
    for hop in jump.split(","):
        try:
            # ssh puts every address into brackets.
            found.append(parse_target(re.sub(r"\[([^:\]]*)\]", r"\1", hop)))
        except RefusedInput:
            found.append(hop)
    return found
