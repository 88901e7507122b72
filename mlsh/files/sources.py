"""What lies here and is to go to a box."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from mlsh.errors import NotFound, RefusedInput
from mlsh.files.manifest import Entry, Kind
from mlsh.files.outcome import Outcome
from mlsh.files.paths import leads_out


class Item(NamedTuple):
    """A file or link here, and its path below the target, with `./` before it."""

    source: bytes
    path: bytes
    is_link: bool
    size: int
    mtime_ns: int
    mode: int


def collect(sources: Sequence[str]) -> tuple[list[Item], list[Outcome]]:
    """What the sources name, and what of it does not go. No link is followed but a source itself.

    A folder goes with its name, and with `/` at its end only what is in it, as with rsync. Raises NotFound,
    RefusedInput where two would have one place.
    """
    items: dict[bytes, Item] = {}
    left: list[Outcome] = []
    for source in sources:
        path = os.fsencode(source)
        if not os.path.exists(path):
            raise NotFound(
                f"there is no file or folder {source} here",
                "what comes last is where to: mlsh push data gpu1:/scratch/ada",
            )
        if os.path.isdir(path):
            name = b"" if path.endswith(b"/") or path == b"." else os.path.basename(os.path.abspath(path))
            found = _below(path.rstrip(b"/") or b"/", name, left)
        else:
            found = [_item(path, os.path.basename(path), os.stat(path), left)]
        for item in filter(None, found):
            if item.path in items:
                raise RefusedInput(f"{os.fsdecode(item.path)} comes twice: from {os.fsdecode(items[item.path].source)} "
                                   f"and {os.fsdecode(item.source)}")  # fmt: skip
            items[item.path] = item
    return list(items.values()), left


def _below(top: bytes, name: bytes, left: list[Outcome]) -> list[Item | None]:
    found = []
    for folder, folders, files in os.walk(top):
        # Links to folders are told among the folders.
        links = [one for one in folders if os.path.islink(os.path.join(folder, one))]
        for one in (*files, *links):
            source = os.path.join(folder, one)
            inside = os.path.relpath(source, top)
            path = os.path.join(name, inside) if name else inside
            try:
                about = os.lstat(source)
            except OSError as error:
                left.append(Outcome(path, "unreadable", why=(error.strerror or "").lower()))
                continue
            found.append(_item(source, path, about, left))
    return found


def _item(source: bytes, path: bytes, about: os.stat_result, left: list[Outcome]) -> Item | None:
    if stat.S_ISLNK(about.st_mode):
        link = Entry(path, Kind.LINK, 0, 0, 0, True, b"", os.readlink(source))
        if leads_out(link):
            left.append(Outcome(path, "skipped", why="it is a link that leads out of the folder"))
            return None
    elif not stat.S_ISREG(about.st_mode):
        left.append(Outcome(path, "skipped", why="it is a device, a pipe or a socket"))
        return None
    is_link = stat.S_ISLNK(about.st_mode)
    size = 0 if is_link else about.st_size
    return Item(source, b"./" + path, is_link, size, about.st_mtime_ns, about.st_mode & 0o777)
