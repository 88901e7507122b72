"""What was changed on a box, taken back into the source. Pure, but for the writing at the end."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from mlsh.dotfiles import source as sources
from mlsh.dotfiles.chezmoi_names import chezmoi_name
from mlsh.dotfiles.conditions import merge
from mlsh.dotfiles.hooks import HOOKS
from mlsh.dotfiles.plan import Change, Refused, digest
from mlsh.dotfiles.source import BUILT_IN, DotFile, Source
from mlsh.dotfiles.state import Seen, State
from mlsh.errors import MlshError


class Adopted(msgspec.Struct, frozen=True):
    """A file of the source that would get the text of the box's. `change.target` is that file on this machine."""

    path: str
    change: Change


def choose(
    source: Source, names: Collection[str], state: State, asked: Sequence[str]
) -> tuple[list[Adopted], list[Refused]]:
    """What can be adopted, and what not: the files that were changed on the box, or those that were asked for.

    `asked` are paths below the home; one of those may be new to the source. Raises RefusedInput for a block
    without an end.
    """
    raw, files = source.raw_for(names), source.for_box(names)
    known = state.receipt.files if state.receipt else {}
    adopted: list[Adopted] = []
    refused: list[Refused] = []
    for path in asked or sorted(known):
        seen = state.at(path)
        if seen.kind != "file":
            if asked:
                why = "is not on the box" if seen.kind == "missing" else "can't be read as a file"
                refused.append(Refused(path, why))
            continue
        if not asked and (path not in files or digest(seen.text) == known[path]):
            continue
        if path in files and files[path].text == seen.text:
            continue
        found = _one(source, raw.get(path), names, seen)
        if isinstance(found, Refused):
            refused.append(found)
        else:
            adopted.append(found)
    return adopted, refused


def _one(source: Source, file: DotFile | None, names: Collection[str], seen: Seen) -> Adopted | Refused:
    if not source.writable:
        hint = "clone it, adopt into that folder (--from FOLDER), and push it from there"
        return Refused(seen.path, f"{source.name} is a copy of a repository, which is not written to", hint)
    if re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----", seen.text):
        return Refused(seen.path, "is a private key, which has no place among dotfiles")
    if file is None:
        return _new(source, seen)
    text = merge(file.text, names, seen.text, file.origin)
    if text is None:
        hint = f"change {file.origin} by hand"
        return Refused(
            seen.path, "was changed across a block for other boxes, so it can't be told where it belongs", hint
        )
    origin, mode = Path(file.origin), file.mode
    if origin.is_relative_to(sources.built_in_folder()):
        # mlsh's own stay as they are: the person's file of the same path comes in place of it.
        origin = sources.own_folder() / origin.relative_to(sources.built_in_folder())
    else:
        mode = stat.S_IMODE(origin.stat().st_mode)
    # Shown against what the source says now, whichever file it says it in.
    change = Change(seen.path, str(origin), "file", file.text, text, mode, mode)
    return Adopted(seen.path, change)


def _new(source: Source, seen: Seen) -> Adopted | Refused:
    if any(seen.path in hook.places for hook in HOOKS):
        return Refused(seen.path, "is read beside the source's own, and stays that box's")
    if source.name == BUILT_IN:
        folder, layout = sources.own_folder(), "chezmoi"
    else:
        folder, layout = Path(source.name), source.layout
    if layout == "stow":
        return Refused(seen.path, "is new, and mlsh can't tell for which package", f"put it there by hand: {folder}")
    at = chezmoi_name(seen.path, seen.mode) if layout == "chezmoi" else seen.path
    mode = 0o755 if seen.mode & 0o100 else 0o644
    if layout != "chezmoi" and not seen.mode & 0o077:
        mode &= 0o700
    return Adopted(seen.path, Change(seen.path, str(folder / at), "file", None, seen.text, mode, mode))


def write(adopted: Adopted) -> None:
    """Put one file into the source: whole or not at all; a link stays a link. Raises MlshError."""
    change = adopted.change
    target = Path(os.path.realpath(change.target))
    aside = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=target.parent, prefix=".mlsh-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(change.after or b"")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, change.mode)
        os.replace(aside, target)
        aside = None
    except OSError as error:
        raise MlshError(f"{target} was not written: {error.strerror}") from error
    finally:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)
