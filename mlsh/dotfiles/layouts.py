"""Folders of dotfiles as people keep them: chezmoi's names, stow's packages, or a home in small.

What this can't do as it is meant (a template, a script, an encrypted file) is a Problem, by name, and never half done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mlsh.dotfiles.chezmoi_names import Named, named
from mlsh.dotfiles.hooks import FOLDER
from mlsh.dotfiles.source import HOSTS, DotFile, ForSome, Problem, Source
from mlsh.errors import RefusedInput

LAYOUTS = ("chezmoi", "stow", "plain")
_LARGEST = 1 << 20
_ALL = 16 << 20
# Files of a person's own that ours can be read from, and what they are called in our folder.
READ_AS = {
    ".bashrc": "bashrc",
    ".zshrc": "zshrc",
    ".config/fish/config.fish": "config.fish",
    ".tmux.conf": "tmux.conf",
    ".config/tmux/tmux.conf": "tmux.conf",
    ".gitconfig": "gitconfig",
    ".config/git/config": "gitconfig",
    ".vimrc": "vimrc",
    ".vim/vimrc": "vimrc",
    ".inputrc": "inputrc",
    ".ssh/config": "ssh_config",
}
_NOT_MEANT = re.compile(
    r"(?:README|LICEN[CS]E|COPYING|CHANGELOG)\b.*|\.git|\.gitignore|\.gitmodules|.*~|#.*#", re.IGNORECASE
)


class _Found(NamedTuple):
    """A file of the folder: its path there, and what it is on a box."""

    path: str
    target: str
    mode: int
    once: bool = False


def guess(folder: Path) -> str:
    """Which layout a folder has: `chezmoi` by its names, `stow` if only its subfolders have dotfiles, else `plain`."""
    names = os.listdir(folder)
    if any(name.startswith((".chezmoi", "dot_", "private_dot_")) for name in names):
        return "chezmoi"
    dots = [name for name in names if name.startswith(".") and not _NOT_MEANT.fullmatch(name)]
    inside = [
        name
        for name in names
        if not name.startswith(".") and (folder / name).is_dir() and any(_has_dots(folder / name))
    ]
    return "stow" if inside and not dots else "plain"


def _has_dots(folder: Path) -> Iterator[str]:
    return (name for name in os.listdir(folder) if name.startswith((".", "dot-")))


def read(folder: Path, layout: str | None = None, name: str = "", writable: bool = True) -> Source:
    """All that a folder has, and what in it can't be had.

    `hosts/PATTERN/` in it has the same layout, for boxes of that name only. Raises RefusedInput for a folder that
    can't be read, and for more than 16 MiB.
    """
    chosen = layout or guess(folder)
    root = folder
    if chosen == "chezmoi" and (folder / ".chezmoiroot").is_file():
        root = folder / (folder / ".chezmoiroot").read_text().strip()
        if ".." in root.parts or not root.is_dir():
            raise RefusedInput(f"{folder}/.chezmoiroot names no folder in it")
    reader = _Reader(folder, chosen)
    files = reader.files(root, skip_hosts=True)
    folders = sorted((root / HOSTS).iterdir()) if (root / HOSTS).is_dir() else []
    hosts = [ForSome(one.name, reader.files(one)) for one in folders if one.is_dir() and one.name[0] != "."]
    return Source(name or str(folder), files, tuple(hosts), tuple(reader.problems), writable, chosen)


class _Reader:
    def __init__(self, folder: Path, layout: str) -> None:
        self.folder = folder
        self.layout = layout
        self.problems: list[Problem] = []
        self._size = 0

    def files(self, root: Path, skip_hosts: bool = False) -> tuple[DotFile, ...]:
        """The files below a root in the layout, by their path on a box."""
        ways = {"chezmoi": self._chezmoi, "stow": self._stow, "plain": self._plain}
        made: dict[str, DotFile] = {}
        from_where: dict[str, str] = {}
        for found in ways[self.layout](root, skip_hosts):
            target = found.target
            if target in READ_AS:
                target = f"{FOLDER}/{READ_AS[target]}"
            if any(ord(char) < 32 or ord(char) == 127 for char in target):
                self._problem(found.path, "its name has control characters")
                continue
            if target in made:
                self._problem(found.path, f"would be the same file on a box as {from_where[target]}")
                continue
            text = self._text(root / found.path, found.path)
            if text is not None:
                made[target] = DotFile(target, text, found.mode, str(root / found.path), found.once)
                from_where[target] = found.path
        return tuple(made[target] for target in sorted(made))

    def _problem(self, path: str, why: str) -> None:
        self.problems.append(Problem(path, why))

    def _text(self, path: Path, shown: str) -> bytes | None:
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(self.folder.resolve()):
                self._problem(shown, "is a link that leads out of the folder")
                return None
            if not path.is_file():
                self._problem(shown, "is no plain file")
                return None
            if path.stat().st_size > _LARGEST:
                self._problem(shown, "is larger than 1 MiB: mlsh push sends large files")
                return None
            text = path.read_bytes()
        except OSError as error:
            self._problem(shown, f"can't be read: {error.strerror}")
            return None
        if re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----", text):
            self._problem(shown, "is a private key, which has no place on a box")
            return None
        self._size += len(text)
        if self._size > _ALL:
            raise RefusedInput(f"{self.folder}: more than 16 MiB of files", "is it a folder of dotfiles?")
        return text

    # chezmoi

    def _chezmoi(self, root: Path, skip_hosts: bool) -> Iterator[_Found]:
        ignored = self._ignored(root)
        for path, is_folder in _walk(root, skip=frozenset({HOSTS}) if skip_hosts else frozenset()):
            parts = PurePosixPath(path).parts
            # chezmoi passes over names that begin with a dot, its own files too.
            if any(part.startswith(".") for part in parts):
                continue
            folders = [named(part, is_folder=True) for part in parts[:-1]]
            last = named(parts[-1], is_folder)
            target = "/".join(step.name for step in [*folders, last])
            if any(fnmatchcase(target, pattern) for pattern in ignored):
                continue
            whys = [step.problem for step in [*folders, last] if step.problem]
            if whys:
                self._problem(path, whys[0])
            elif not is_folder and (last.is_empty or (root / path).stat().st_size):
                yield _Found(path, target, _mode(folders, last), last.once)

    def _ignored(self, root: Path) -> list[str]:
        file = root / ".chezmoiignore"
        if not file.is_file():
            return []
        text = file.read_text(errors="replace")
        if "{{" in text:
            self._problem(".chezmoiignore", "is a template, and only chezmoi can tell what it means")
            return []
        lines = (line.split("#")[0].strip() for line in text.splitlines())
        patterns = [line for line in lines if line]
        # What is below an ignored folder is ignored too; `**/` stands for nothing as well.
        return [form for line in patterns for form in (line, f"{line}/*", line.removeprefix("**/"))]

    # stow

    def _stow(self, root: Path, skip_hosts: bool) -> Iterator[_Found]:
        for package in sorted(root.iterdir()):
            if not package.is_dir() or package.name.startswith(".") or (skip_hosts and package.name == HOSTS):
                continue
            for path, is_folder in _walk(package):
                if is_folder or _NOT_MEANT.fullmatch(path.split("/")[0]) or path == ".stow-local-ignore":
                    continue
                target = re.sub(r"(^|/)dot-", r"\1.", path)
                yield _Found(f"{package.name}/{path}", target, _plain_mode(package / path))

    # a home in small

    def _plain(self, root: Path, skip_hosts: bool) -> Iterator[_Found]:
        for path, is_folder in _walk(root, skip=frozenset({HOSTS}) if skip_hosts else frozenset()):
            first = path.split("/")[0]
            if is_folder or _NOT_MEANT.fullmatch(first) or not first.startswith((".", "bin")):
                continue
            yield _Found(path, path, _plain_mode(root / path))


def _walk(root: Path, skip: frozenset[str] = frozenset()) -> Iterator[tuple[str, bool]]:
    """The files below a folder and the links to folders, by their path from it; then what is a folder."""
    for where, folders, names in os.walk(root):
        at = os.path.relpath(where, root)
        folders[:] = sorted(name for name in folders if name != ".git" and not (at == "." and name in skip))
        for name in folders:
            path = name if at == "." else f"{at}/{name}"
            yield path, not os.path.islink(os.path.join(where, name))
        for name in sorted(names):
            yield (name if at == "." else f"{at}/{name}"), False


def _mode(folders: list[Named], last: Named) -> int:
    mode = 0o755 if last.is_executable else 0o644
    if last.is_private or any(folder.is_private for folder in folders):
        mode &= 0o700
    return mode & ~0o222 if last.is_readonly else mode


def _plain_mode(path: Path) -> int:
    try:
        mode = path.stat().st_mode
    except OSError:
        return 0o644
    return (0o755 if mode & 0o100 else 0o644) & (0o777 if mode & 0o044 else 0o700)
