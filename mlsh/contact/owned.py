"""A box that mlsh added: its entry and its key, as they are now."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from mlsh.box import inventory
from mlsh.config import Settings
from mlsh.contact import entry, files, keys, local
from mlsh.contact.local import Local
from mlsh.errors import MlshError, NotFound, RefusedInput


class Owned(NamedTuple):
    """An entry of mlsh's. `identity` is what it says; `key` is the file where mlsh made that key, else None."""

    name: str
    files: Local
    identity: str
    key: Path | None
    public: str | None


def names(settings: Settings) -> list[str]:
    """The boxes that mlsh added."""
    return entry.names(local.read(settings).ours)


def find(name: str, settings: Settings) -> Owned:
    """The box of that name. Raises NotFound, and RefusedInput for one that is the person's own."""
    mine = local.read(settings)
    if name not in entry.names(mine.ours):
        for alias in inventory.aliases(settings):
            if alias.name == name and alias.file:
                raise RefusedInput(
                    f"{name} is not one of the boxes that mlsh added: it is yours, in {alias.file}:{alias.line}",
                    f"change it there; mlsh's are: {' '.join(entry.names(mine.ours)) or 'none yet'}",
                )
        near = inventory.closest(name, entry.names(mine.ours))
        raise NotFound(f"mlsh has added no box {name}", f"did you mean {near}?" if near else "see: mlsh box list")
    identity = entry.settings_of(mine.ours, name).get("identityfile", "").replace("%%", "%")
    own = keys.own_path(mine.keys, name)
    here = Path(os.path.expanduser(identity)) if identity else None
    is_own = bool(identity) and identity in {keys.shown(own), str(own)} and own.is_file()
    # Of a key that only an agent has, mlsh keeps the public half.
    is_note = identity in {f"{keys.shown(own)}.pub", f"{own}.pub"}
    public = None
    if here is not None:
        path = here if here.name.endswith(".pub") else public_path(here)
        public = public_of(own) if is_own else keys.read_public(path)
    return Owned(name, mine, identity, own if is_own or is_note else None, public)


def public_path(key: Path) -> Path:
    """Where the public half of a key lies."""
    return key.with_name(f"{key.name}.pub")


def new_path(key: Path) -> Path:
    """Where the key lies that is to take its place; the public half beside it."""
    return key.with_name(f"{key.name}.new")


def old_path(key: Path) -> Path:
    """Where the key lies whose place it took, until that is off the box; the public half beside it."""
    return key.with_name(f"{key.name}.old")


def beside(key: Path) -> list[Path]:
    """Where a box's keys may lie: the next one, the one before, and its own, which opens it, last."""
    return [new_path(key), old_path(key), key]


def public_of(key: Path) -> str | None:
    """The public half of a key of mlsh's; None where it can't be had.

    Where NAME.pub is gone because a rotation was killed, it is beside NAME.old or NAME.new, or ssh-keygen tells it.
    """
    written = keys.read_public(public_path(key))
    private = files.read(key)
    if written is not None or private is None:
        return written
    new = new_path(key)
    for other in (old_path(key), new):
        if files.read(other) == private and (public := keys.read_public(public_path(other))) is not None:
            return public
    if not new.exists() and (public := keys.read_public(public_path(new))) is not None:
        return public
    with contextlib.suppress(MlshError):
        return keys.derive(key)
    return None
