"""`mlsh box remove` and `rename`: an entry of mlsh's taken away or called otherwise, and nothing else touched."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from mlsh.box import inventory, open_box, process
from mlsh.config import Settings
from mlsh.contact import entry, files, keys, local, onbox, owned
from mlsh.contact.add import undoing
from mlsh.contact.files import Changes, why_not_writable
from mlsh.contact.local import Local, WhatIf
from mlsh.contact.owned import Owned
from mlsh.contact.target import check_new_name
from mlsh.errors import ConfigError, MlshError, RefusedInput, Unreachable


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `key_taken`: it was on the box and is gone; `key_kept`: the file that is still here."""

    box: str
    key_taken: bool
    key_kept: str | None
    config: str


class Renamed(NamedTuple):
    """What became of it: the key's path now, or "", and the lines (`FILE:LINE`) that still name the old one."""

    key: str
    left: list[str]


def remove(box: Owned, settings: Settings, takes_key: bool) -> Removed:
    """Forget a box; `takes_key`: its key goes too, on the box first and then here.

    Raises RefusedInput where other boxes are reached by way of it, MlshError, Unreachable where the box can't be asked;
    then all is as it was, unless it says that the key is gone there.
    """
    with local.lock("keys"):
        return _remove(box, settings, takes_key)


def _remove(box: Owned, settings: Settings, takes_key: bool) -> Removed:
    changes = Changes()
    stage = ["looking whether your ssh files can be written"]

    def act() -> Removed:
        with local.lock():
            found = owned.find(box.name, settings)
            check_nothing_behind(found.name, settings)
            text = entry.without_entry(found.files.ours, found.name)
            _check_writable(found.files, text)
            lies = [found.key] if found.key is not None else []
            if takes_key and found.key is not None:
                # Of a rotation that was stopped, those may open the box too.
                lies = [path for path in owned.beside(found.key) if owned.public_of(path) is not None]
                _check_folder(found.key.parent)
            taken = takes_key and _take_key(found, settings, lies, stage)
            stage[0] = "writing your ssh files"
            try:
                _forget(found, text, changes)
                for path in lies:
                    if takes_key:
                        changes.put(path, None)
                    if takes_key or found.identity.endswith(".pub"):
                        changes.put(owned.public_path(path), None)
            except MlshError as error:
                if taken:
                    error.what = f"{error.what}\nIts key is gone on {found.name} already"
                    error.hint = f"forget the rest when that is mended: mlsh box remove {found.name} --keep-key"
                raise
        kept = None if takes_key or found.key is None or not found.key.exists() else str(found.key)
        return Removed(box=found.name, key_taken=taken, key_kept=kept, config=str(found.files.ours_path))

    return undoing(changes, lambda: stage[0], act)


def _take_key(box: Owned, settings: Settings, lies: list[Path], stage: list[str]) -> bool:
    """Drop the keys on the box, that which opens it last; whether any was there.

    Only when all is known to be writable here: without a key there none can be put back.
    """
    if box.public is None:
        raise RefusedInput(f"the public half of {box.name}'s key is gone", "forget the box only: --keep-key")
    stage[0] = "taking the key off the box"
    runner = onbox.OverSsh(open_box(box.name, settings))
    publics = [public for path in lies if (public := owned.public_of(path)) is not None and public != box.public]
    try:
        dropped = [onbox.drop(runner, public) for public in (*dict.fromkeys(publics), box.public)]
    except Unreachable as error:
        error.what = f"{error.what}\nIts key is there still, unless the answer was lost on the way"
        raise
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            process.log.warn(
                f"{box.name} is not forgotten, and its key may be gone there already: ssh {box.name} tells\n"
                f"      go on: mlsh box remove {box.name} ; where it refuses the key: with --keep-key"
            )
        raise
    return any(dropped)


def check_nothing_behind(name: str, settings: Settings) -> None:
    """Raise RefusedInput where other boxes are reached by way of this one."""
    lines = _lines_by_way_of(name, settings)
    if lines:
        raise RefusedInput(
            f"other boxes are reached by way of {name}: {', '.join(lines)}",
            "change those lines first, or remove those boxes: mlsh box remove NAME",
        )


def _lines_by_way_of(name: str, settings: Settings) -> list[str]:
    """The lines of the person's ssh files, as `FILE:LINE`, that lead through a box."""
    paths = [inventory.config_path(settings), str(local.read(settings).ours_path)]
    paths += [alias.file for alias in inventory.aliases(settings) if alias.file]
    found = []
    for path in {os.path.realpath(path): path for path in paths}.values():
        try:
            text = (files.read(path) or b"").decode("utf-8", "surrogateescape")
        except ConfigError:
            continue  # ssh can't read it either
        found += [f"{path}:{number}" for number in entry.lines_by_way_of(text, name)]
    return found


def _forget(box: Owned, text: str, changes: Changes) -> None:
    mine = box.files
    if text or mine.config is None:
        changes.put(mine.ours_path, text.encode("utf-8", "surrogateescape") if text else None)
        return
    # The last one: the line at the top of the person's file goes as well, if it can.
    config = entry.without_include(mine.config, mine.word)
    changes.put(mine.ours_path, None)
    if config != mine.config and not why_not_writable(mine.config_path):
        changes.put(mine.config_path, config)


def _check_writable(mine: Local, text: str) -> None:
    """Raise ConfigError where this text could not be written as our file; a disk may be full too."""
    if why := why_not_writable(mine.ours_path):
        raise ConfigError(f"the entry can't be changed: {why}", "make it writable, then try again")
    folder = Path(os.path.realpath(mine.ours_path)).parent
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".mlsh-") as trial:
            trial.write(text.encode("utf-8", "surrogateescape"))
            trial.flush()
            os.fsync(trial.fileno())
    except OSError as error:
        raise ConfigError(f"the entry can't be changed: {mine.ours_path}: {error.strerror}") from error


def _check_folder(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"the key can't be removed here: {folder} can't be written by you")


def rename(old: str, new: str, settings: Settings) -> Renamed:
    """Call a box otherwise; its key file moves along, and entries of mlsh's that jump through it. Connects to nothing.

    Raises RefusedInput for a name that is taken or would be hidden; then all is as it was.
    """
    changes = Changes()

    def act() -> Renamed:
        with local.lock("keys"), local.lock():
            box = owned.find(old, settings)
            mine = box.files
            check_new_name(new, inventory.names(settings), settings.groups)
            _check_writable(mine, mine.ours)
            target = keys.own_path(mine.keys, new)
            moved = None
            if box.key is not None:
                suffix = ".pub" if box.identity.endswith(".pub") else ""
                moved = (box.identity, f"{keys.shown(target)}{suffix}")
            text = entry.jumping_by(entry.renamed(mine.ours, old, new, moved), old, new)
            with WhatIf(mine, text, settings) as what_if:
                wanted = entry.settings_of(text, new)
                got = what_if.say(new)
                if local.one(got, "hostname").lower() != wanted.get("hostname", "").replace("%%", "%").lower():
                    raise RefusedInput(
                        f"{new} would be hidden by another line of your ssh config", f"see: ssh -G {new}"
                    )
            if box.key is not None:
                for source, place in zip(owned.beside(box.key), owned.beside(target), strict=True):
                    _move(source, place, changes)
                    _move(owned.public_path(source), owned.public_path(place), changes)
            changes.put(mine.ours_path, text.encode("utf-8", "surrogateescape"))
            return Renamed(str(target) if box.key is not None else "", _lines_by_way_of(old, settings))

    return undoing(changes, lambda: "renaming it", act)


def _move(source: Path, place: Path, changes: Changes) -> None:
    if not source.exists():
        return
    if place.exists():
        raise RefusedInput(f"{place} is there already", "choose another name, or move that file away")
    source.rename(place)
    changes.later(f"{source}, which is {place} now", lambda: os.replace(place, source))
