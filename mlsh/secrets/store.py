"""Where secrets are kept: each by its name, in the system's keyring or in the encrypted file.

A keyring can't be asked which names it has, so `names.json` beside the file says which are there; it has no values.
Reading one that is nowhere costs two small files, and imports neither keyring nor cryptography.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import msgspec

from mlsh import config
from mlsh.box import process
from mlsh.errors import ConfigError, ExitCode, MlshError, NotFound, RefusedInput

if TYPE_CHECKING:
    from mlsh.secrets.system_keyring import Keyring
    from mlsh.secrets.vault import Opened

Place = Literal["keyring", "file"]
_LOCK_TIMEOUT_S, _SILENT_S = 60.0, 1.0
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class Busy(MlshError):
    """Another mlsh has held the secrets for too long."""

    exit_code = ExitCode.TRY_AGAIN


class Kept(msgspec.Struct, frozen=True):
    """A secret that is kept: its name, where, and when it was set, in seconds since 1970. Never its value."""

    name: str
    place: Place
    set_s: int


class _Index(msgspec.Struct, frozen=True):
    version: int
    keyring: dict[str, int]


def check_name(name: str) -> str:
    """Return `name` if it can be that of a variable; raises RefusedInput, which never repeats a whole long word.

    A person may have typed the secret itself.
    """
    if not _NAME.fullmatch(name):
        raise RefusedInput(
            "that can't be the name of a secret: letters, digits and _, no digit first, 128 at most",
            "the value is asked for, never typed into the command: mlsh secret set HF_TOKEN",
        )
    return name


def get(name: str) -> str | None:
    """The value of a secret, or None if none of that name is kept. Asks for the passphrase where it is in the file."""
    return Store().get(name)


class Store:
    """All secrets of this person on this machine. The passphrase is asked for once at most."""

    def __init__(self) -> None:
        self.folder = config.state_dir() / "secrets"
        self.file = self.folder / "secrets.json"
        self._index_path = self.folder / "names.json"
        self._opened: Opened | None = None
        self._ring: Keyring | None = None

    @property
    def keyring(self) -> Keyring:
        """The system's keyring."""
        if self._ring is None:
            from mlsh.secrets.system_keyring import Keyring

            self._ring = Keyring()
        return self._ring

    # Reading

    def kept(self) -> list[Kept]:
        """What is kept, by name. Opens nothing."""
        found = [Kept(name, "keyring", set_s) for name, set_s in self._index().items()]
        found += [Kept(name, "file", set_s) for name, set_s in self._names_in_file().items()]
        # A change of place that was cut short leaves two: the later one counts.
        latest = {each.name: each for each in sorted(found, key=lambda each: each.set_s)}
        return [latest[name] for name in sorted(latest)]

    def find(self, name: str) -> Kept | None:
        """Where one is kept."""
        return next((each for each in self.kept() if each.name == name), None)

    def get(self, name: str) -> str | None:
        """The value, or None. Raises SecretsLocked, ConfigError."""
        kept = self.find(name)
        if kept is None:
            return None
        process.log.say(f"# {name}: from {'the keyring' if kept.place == 'keyring' else self.file}")
        if kept.place == "file":
            return self._open().values[name]
        value = self.keyring.get(name)
        if value is None:
            raise NotFound(
                f"{name} was put into the keyring, and is not there any more",
                f"set it again: mlsh secret set {name}; or forget it: mlsh secret remove {name}",
            )
        return value

    # Writing

    def put(self, name: str, value: str, place: Place) -> None:
        """Keep a value under a name, in place of an older one, wherever that was."""
        check_name(name)
        if place == "file":
            self._open()  # a person is asked for the passphrase before the lock: nobody is to wait for that
        with self._locked():
            before = self.find(name)
            # Never the same second as what it replaces, so that the later one is known.
            now = max(int(time.time()), before.set_s + 1 if before else 0)
            if place == "keyring":
                self.keyring.put(name, value)
                self._write_index({**self._index(), name: now})
            else:
                opened = self._open()
                self._write_file(opened, {**opened.values, name: value}, {**opened.names, name: now})
            if before is not None and before.place != place:
                self._take_out(name, before.place)

    def remove(self, name: str) -> bool:
        """Forget a secret, wherever it is; False if there is none."""
        if name in self._names_in_file():
            self._open()
        with self._locked():
            places: list[Place] = []
            if name in self._names_in_file():
                places.append("file")
            if name in self._index():
                places.append("keyring")
            for place in places:
                self._take_out(name, place)
        return bool(places)

    def change_passphrase(self) -> None:
        """Encrypt the file anew, with a passphrase that is asked for. Raises SecretsLocked, RefusedInput."""
        from mlsh.secrets import passphrase, vault

        self._open()
        made = vault.create(passphrase.new(str(self.file), from_file=False))
        with self._locked():
            # What another mlsh wrote while the person typed is in it too.
            opened = self._open()
            fresh = vault.Opened(opened.values, opened.names, made.cost, made.key)
            self._write_file(fresh, opened.values, opened.names)

    def _take_out(self, name: str, place: Place) -> None:
        if place == "keyring":
            self.keyring.remove(name)
            self._write_index({key: when for key, when in self._index().items() if key != name})
            return
        opened = self._open()
        values = {key: value for key, value in opened.values.items() if key != name}
        self._write_file(opened, values, {key: when for key, when in opened.names.items() if key != name})

    # The files

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)
        with open(self.folder / "lock", "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as lock:
            _wait_for(lock)
            yield

    def _index(self) -> dict[str, int]:
        raw = _read(self._index_path)
        if raw is None:
            return {}
        try:
            index = msgspec.json.decode(raw, type=_Index)
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"{self._index_path}, which has the names of your secrets in the keyring, can't be read: {error}",
                f"nothing was changed; remove it and set them again: rm {self._index_path}",
            ) from None
        if index.version > 1:
            raise ConfigError(f"{self._index_path} was written by a newer mlsh", "update mlsh here")
        return index.keyring

    def _write_index(self, names: dict[str, int]) -> None:
        _replace(self._index_path, msgspec.json.encode(_Index(1, dict(sorted(names.items())))))

    def _names_in_file(self) -> dict[str, int]:
        raw = _read(self.file)
        if raw is None:
            return {}
        from mlsh.secrets import vault

        return vault.head(raw, str(self.file)).names

    def _open(self) -> Opened:
        """What is in the file now; the passphrase is asked for the first time only."""
        from mlsh.secrets import passphrase, vault

        raw = _read(self.file)
        path = str(self.file)
        if raw is None:
            if self._opened is None:
                self._opened = vault.create(passphrase.new(path))
            return self._opened
        if self._opened is not None and (again := vault.reopen(raw, self._opened, path)) is not None:
            self._opened = again
        else:
            self._opened = vault.unseal(raw, passphrase.existing(path), path)
        return self._opened

    def _write_file(self, opened: Opened, values: dict[str, str], names: dict[str, int]) -> None:
        from mlsh.secrets import vault

        changed = msgspec.structs.replace(opened, values=values, names=names)
        _replace(self.file, vault.seal(changed))
        self._opened = changed


def _wait_for(lock: BinaryIO) -> None:
    """Take the lock. Another mlsh may ask its person for a passphrase under it, so this says that it waits."""
    begun_s = time.monotonic()
    is_said = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited_s = time.monotonic() - begun_s
        else:
            return
        if waited_s > _LOCK_TIMEOUT_S:
            raise Busy("another mlsh is changing your secrets; nothing was changed", "try again when it is done")
        if waited_s > _SILENT_S and not is_said:
            is_said = True
            sys.stderr.write("mlsh: another mlsh is changing your secrets: waiting for it\n")
            sys.stderr.flush()
        time.sleep(0.05)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _replace(path: Path, content: bytes) -> None:
    from mlsh.secrets import aside

    try:
        aside.replace(path, content)
    except OSError as error:
        raise MlshError(f"{path} can't be written: {error.strerror}", "what was in it is as it was") from None
