"""A home as it is, to the byte: what a removal has to give back."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from mlsh.box import Box as Reached
from mlsh.dotfiles import push
from mlsh.dotfiles.plan import Plan
from mlsh.dotfiles.source import DotFile, Source

NAMES = ("bashrc", "zshrc", "config.fish", "tmux.conf", "gitconfig", "vimrc", "inputrc", "ssh_config")


class Entry(NamedTuple):
    """A file, a folder (text is None) or a link (its target)."""

    mode: int
    owner: tuple[int, int]
    text: bytes | None


def tree(home: Path) -> dict[str, Entry]:
    """All that lies below a home, but for the key that lets us in."""
    found = {}
    for where, folders, files in os.walk(home):
        for name in [*folders, *files]:
            path = Path(where, name)
            about = path.lstat()
            text = None
            if path.is_symlink():
                text = os.readlink(path).encode()
            elif path.is_file():
                text = path.read_bytes()
            found[str(path.relative_to(home))] = Entry(stat.S_IMODE(about.st_mode), (about.st_uid, about.st_gid), text)
    found.pop(".ssh/authorized_keys", None)
    return found


def small(**more: str) -> Source:
    """A source with an empty file for each line of ours; `more` are others, by path, `/` spelled `__`."""
    texts = {f".config/mlsh/{name}": "" for name in NAMES}
    texts |= {path.replace("__", "/"): text for path, text in more.items()}
    return Source("test", tuple(DotFile(path, text.encode()) for path, text in texts.items()))


def source_of(**texts: str) -> Source:
    """A source with these files of our folder only."""
    return Source("test", tuple(DotFile(f".config/mlsh/{name}", text.encode()) for name, text in texts.items()))


def pushed(box: Reached, source: Source, overwrite: bool = False) -> Plan:
    """Push, and return what was planned."""
    plan = push.plan(box, source, overwrite=overwrite)
    push.apply(box, plan)
    return plan
