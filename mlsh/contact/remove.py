"""`mlsh box remove` and `rename`: an entry of mlsh's taken away or called otherwise, and nothing else touched."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from mlsh.box import inventory, open_box
from mlsh.config import Settings
from mlsh.contact import entry, keys, local, onbox, owned
from mlsh.contact.add import undoing
from mlsh.contact.files import Changes, why_not_writable
from mlsh.contact.local import Local, WhatIf
from mlsh.contact.owned import Owned
from mlsh.contact.target import check_new_name
from mlsh.errors import ConfigError, RefusedInput


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `key_taken`: it was on the box and is gone; `key_kept`: the file that is still here."""

    box: str
    key_taken: bool
    key_kept: str | None
    config: str


def remove(box: Owned, settings: Settings, takes_key: bool) -> Removed:
    """Forget a box; `takes_key`: its key goes too, on the box first and then here.

    Raises MlshError, Unreachable where the box can't be asked; then all is as it was.
    """
    with local.lock("keys"):
        return _remove(box, settings, takes_key)


def _remove(box: Owned, settings: Settings, takes_key: bool) -> Removed:
    changes = Changes()
    stage = ["taking the key off the box"]

    def act() -> Removed:
        taken = False
        if takes_key:
            if box.public is None:
                raise RefusedInput(f"the public half of {box.name}'s key is gone", "forget the box only: --keep-key")
            runner = onbox.OverSsh(open_box(box.name, settings))
            public = box.public
            taken = onbox.drop(runner, public)
            if taken:
                changes.later(f"the key on {box.name}", lambda: _put_back(runner, public))
        stage[0] = "writing your ssh files"
        with local.lock():
            _forget(owned.find(box.name, settings), changes)
            if takes_key and box.key is not None:
                changes.put(box.key, None)
            if box.key is not None and (takes_key or box.identity.endswith(".pub")):
                changes.put(owned.public_path(box.key), None)
        kept = None if takes_key or box.key is None or not box.key.exists() else str(box.key)
        return Removed(box=box.name, key_taken=taken, key_kept=kept, config=str(box.files.ours_path))

    return undoing(changes, lambda: stage[0], act)


def _put_back(runner: onbox.Runner, public: str) -> None:
    onbox.add(runner, public, may_mend=False)


def _forget(box: Owned, changes: Changes) -> None:
    mine = box.files
    _check_writable(mine)
    text = entry.without_entry(mine.ours, box.name)
    if text or mine.config is None:
        changes.put(mine.ours_path, text.encode("utf-8", "surrogateescape") if text else None)
        return
    # The last one: the line at the top of the person's file goes as well, if it can.
    config = entry.without_include(mine.config, mine.word)
    changes.put(mine.ours_path, None)
    if config != mine.config and not why_not_writable(mine.config_path):
        changes.put(mine.config_path, config)


def _check_writable(mine: Local) -> None:
    if why := why_not_writable(mine.ours_path):
        raise ConfigError(f"the entry can't be changed: {why}")


def rename(old: str, new: str, settings: Settings) -> str:
    """Call a box otherwise; its key file moves along. Returns the key's path now, or "". Connects to nothing.

    Raises RefusedInput for a name that is taken or would be hidden; then all is as it was.
    """
    changes = Changes()

    def act() -> str:
        with local.lock("keys"), local.lock():
            box = owned.find(old, settings)
            mine = box.files
            check_new_name(new, inventory.names(settings), settings.groups)
            _check_writable(mine)
            target = keys.own_path(mine.keys, new)
            moved = None
            if box.key is not None:
                suffix = ".pub" if box.identity.endswith(".pub") else ""
                moved = (box.identity, f"{keys.shown(target)}{suffix}")
            text = entry.renamed(mine.ours, old, new, moved)
            with WhatIf(mine, text, settings) as what_if:
                wanted = entry.settings_of(text, new)
                got = what_if.say(new)
                if local.one(got, "hostname").lower() != wanted.get("hostname", "").replace("%%", "%").lower():
                    raise RefusedInput(
                        f"{new} would be hidden by another line of your ssh config", f"see: ssh -G {new}"
                    )
            if box.key is not None:
                for source, place in (
                    (box.key, target),
                    (owned.public_path(box.key), owned.public_path(target)),
                ):
                    _move(source, place, changes)
            changes.put(mine.ours_path, text.encode("utf-8", "surrogateescape"))
            return str(target) if box.key is not None else ""

    return undoing(changes, lambda: "renaming it", act)


def _move(source: Path, place: Path, changes: Changes) -> None:
    if not source.exists():
        return
    if place.exists():
        raise RefusedInput(f"{place} is there already", "choose another name, or move that file away")
    source.rename(place)
    changes.later(f"{source}, which is {place} now", lambda: os.replace(place, source))
