"""Write files into a folder here, and nowhere else, whatever their names are and whoever moves things meanwhile.

Every step down is made from an open folder and follows no link, so that a link which takes a folder's place
between two steps leads nowhere. A file lies aside, in `.mlsh-pull`, until it is whole; then it is renamed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from mlsh.errors import ExitCode, MlshError
from mlsh.files.manifest import Entry
from mlsh.files.paths import ASIDE

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_USE = {errno.EROFS, errno.EIO, errno.ESTALE}
_OPEN_FOLDERS = 64
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = _READ | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 1 << 20


class Blocked(Exception):
    """One path can't be written; the others may."""


class TargetUnfit(MlshError):
    """Nothing more can be written there."""

    exit_code = ExitCode.INTERNAL


class Target:
    """A folder that files are brought into. Use it as a context: its end closes what is open.

    It is only looked at until `make`. `owner` is the job that the folder belongs to, if it belongs to one.
    """

    def __init__(self, root: Path, owner: str = "") -> None:
        self.root = root
        self.is_new = not root.exists()
        """Nothing was there: no need to look for each path."""
        self._owner = owner.encode()
        self._aside: int | None = None
        self._new = f"{os.getpid()}.new"
        self._folders: dict[bytes, int] = {}
        self._made = False
        if not self.is_new:
            self._enter()
        # Modes are kept as they are, and files are made with them: one system call less for each.
        self._mask = os.umask(0)

    def _enter(self) -> None:
        try:
            # The person may have made the target itself a link; what lies in it is looked at more closely.
            self._root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unfit(error) from error
        self._folders[b""] = self._root

    def make(self) -> None:
        """Have the folder there, with a note of its owner; harmless a second time. Raises TargetUnfit."""
        if self._made:
            return
        self._made = True
        if not self._folders:
            os.umask(self._mask)
            try:
                self.root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise self._unfit(error) from error
            finally:
                os.umask(0)
            self._enter()
        if self._owner:
            self._note()

    def _unfit(self, error: OSError) -> TargetUnfit:
        return TargetUnfit(f"{self.root} can't be written to: {error.strerror}", "another folder: --to DIR")

    def __enter__(self) -> Target:
        """The target itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close what is open."""
        del kind, error, at
        if self._aside is not None:
            os.close(self._aside)
        for descriptor in self._folders.values():
            os.close(descriptor)
        self._folders.clear()
        os.umask(self._mask)

    # What is there

    def look(self, path: bytes) -> os.stat_result | None:
        """What lies at a path; None for nothing, and for what lies behind a link."""
        if self.is_new:
            return None
        try:
            return os.stat(_name(path), dir_fd=self._folder(path, make=False), follow_symlinks=False)
        except (OSError, Blocked):
            return None

    def link_at(self, path: bytes) -> bytes | None:
        """Where the link at a path leads; None where there is none."""
        try:
            return os.readlink(_name(path), dir_fd=self._folder(path, make=False))
        except (OSError, Blocked):
            return None

    def sha256(self, path: bytes) -> str:
        """The checksum of a file here; empty where it can't be read."""
        try:
            descriptor = os.open(_name(path), _READ | os.O_NONBLOCK, dir_fd=self._folder(path, make=False))
        except (OSError, Blocked):
            return ""
        with os.fdopen(descriptor, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    # Folders

    def _folder(self, path: bytes, make: bool = True) -> int:
        """The open folder that a path lies in. Raises Blocked where a link or a file is in the way."""
        return self._open(path.rpartition(b"/")[0], make)

    def _open(self, folder: bytes, make: bool) -> int:
        known = self._folders.get(folder)
        if known is not None:
            return known
        parent = self._open(folder.rpartition(b"/")[0], make)
        name = _name(folder)
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=parent)
        except FileNotFoundError:
            if not make:
                raise
            with self._writing():
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o777 & ~self._mask, dir_fd=parent)
                descriptor = os.open(name, _FOLDER, dir_fd=parent)
        except OSError as error:
            raise Blocked(_in_the_way(error, folder)) from error
        if len(self._folders) >= _OPEN_FOLDERS:
            # Not those above it: they are in use on the way down.
            above = {folder[:at] for at in range(len(folder)) if folder[at : at + 1] == b"/"} | {b""}
            for old in [known for known in self._folders if known not in above][: _OPEN_FOLDERS // 2]:
                os.close(self._folders.pop(old))
        self._folders[folder] = descriptor
        return descriptor

    def folder(self, path: bytes) -> None:
        """Have a folder there. Raises Blocked, TargetUnfit."""
        with self._writing():
            self._open(path, make=True)

    @property
    def aside(self) -> int:
        """The open folder where files lie until they are whole."""
        if self._aside is None:
            with self._writing():
                with contextlib.suppress(FileExistsError):
                    os.mkdir(ASIDE, 0o700, dir_fd=self._root)
                try:
                    self._aside = os.open(ASIDE, _FOLDER, dir_fd=self._root)
                except NotADirectoryError:
                    raise TargetUnfit(
                        f"{self.root}/{os.fsdecode(ASIDE)} is not a folder", "remove it, or choose another: --to DIR"
                    ) from None
        return self._aside

    # Files

    def write(self, entry: Entry, data: memoryview) -> None:
        """Put a small file there, whole or not at all. Raises Blocked, TargetUnfit."""
        try:
            above, _, name = entry.path.rpartition(b"/")
            # The target first: nothing is left aside of what can't be written.
            folder = self._folders.get(above)
            if folder is None:
                folder = self._open(above, make=True)
            aside = self.aside if self._aside is None else self._aside
            try:
                descriptor = os.open(self._new, _NEW, entry.mode, dir_fd=aside)
            except FileExistsError:
                os.unlink(self._new, dir_fd=aside)
                descriptor = os.open(self._new, _NEW, entry.mode, dir_fd=aside)
            try:
                try:
                    while data:
                        data = data[os.write(descriptor, data) :]
                    os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
                finally:
                    os.close(descriptor)
                os.rename(self._new, name, src_dir_fd=aside, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(self._new, dir_fd=aside)
                raise
        except OSError as error:
            raise self._told(error) from error

    def link(self, entry: Entry) -> None:
        """Put a link there. Raises Blocked, TargetUnfit."""
        with self._writing():
            folder = self._folder(entry.path)
            name = self._new
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.aside)
            os.symlink(entry.target, name, dir_fd=self.aside)
            try:
                os.rename(name, _name(entry.path), src_dir_fd=self.aside, dst_dir_fd=folder)
            except BaseException:
                os.unlink(name, dir_fd=self.aside)
                raise

    def like(self, entry: Entry) -> None:
        """Give the file that is there already the mode and time of the entry. Raises Blocked."""
        with self._writing():
            descriptor = os.open(_name(entry.path), _READ | os.O_NONBLOCK, dir_fd=self._folder(entry.path))
            try:
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
                os.fchmod(descriptor, entry.mode)
            finally:
                os.close(descriptor)

    def part_size(self, entry: Entry) -> int:
        """How much of a large file lies aside from an earlier time, cut off there."""
        try:
            about = os.stat(_part(entry), dir_fd=self.aside, follow_symlinks=False)
        except OSError:
            return 0
        return about.st_size if stat.S_ISREG(about.st_mode) else 0

    def part(self, entry: Entry, start: int) -> Part:
        """The file that a large one comes into, from byte `start` on. Raises TargetUnfit."""
        with self._writing():
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(_part(entry), flags, 0o600, dir_fd=self.aside)
            return Part(self, entry, descriptor, start)

    def take_part(self, part: Part) -> None:
        """A large file is whole and verified: put it where it belongs. Raises Blocked, TargetUnfit."""
        entry = part.entry
        with self._writing():
            os.ftruncate(part.descriptor, entry.size)
            os.utime(part.descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            os.fchmod(part.descriptor, entry.mode)
            os.rename(_part(entry), _name(entry.path), src_dir_fd=self.aside, dst_dir_fd=self._folder(entry.path))
        part.is_taken = True

    def drop_part(self, entry: Entry) -> None:
        """What lies aside of a large file is not what is on the box."""
        with contextlib.suppress(OSError):
            os.unlink(_part(entry), dir_fd=self.aside)

    def tidy(self) -> None:
        """Take away the folder aside when all is done; with an owner the note stays that says whose folder this is."""
        for name in os.listdir(self.aside):
            if name != "job":
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self.aside)
        if not self._owner:
            with contextlib.suppress(OSError):
                os.rmdir(ASIDE, dir_fd=self._root)

    def _note(self) -> None:
        with self._writing():
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open("job", flags, 0o644, dir_fd=self.aside)
            try:
                os.write(descriptor, self._owner)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell what concerns one path from what ends everything."""
        try:
            yield
        except OSError as error:
            raise self._told(error) from error

    def _told(self, error: OSError) -> Blocked | TargetUnfit:
        if error.errno in _FULL:
            return TargetUnfit(
                f"the disk of {self.root} is full", "make room, then the same again: it goes on where it stopped"
            )
        if error.errno in _NO_USE:
            return TargetUnfit(f"{self.root} can't be written to: {error.strerror}")
        return Blocked((error.strerror or str(error)).lower())


class Part:
    """A large file on its way, aside. It stays there when the connection breaks, and is gone on with."""

    def __init__(self, target: Target, entry: Entry, descriptor: int, start: int) -> None:
        self.entry = entry
        self.descriptor = descriptor
        self._target = target
        self._digest = hashlib.sha256()
        self.size = 0
        self.is_taken = False
        # What is here must be read, for the checksum is that of the whole file.
        while self.size < start and (block := os.read(descriptor, min(_BLOCK, start - self.size))):
            self._digest.update(block)
            self.size += len(block)
        os.ftruncate(descriptor, self.size)

    def take(self, data: memoryview) -> None:
        """The next bytes. A block of zeros becomes a hole. Raises TargetUnfit."""
        self._digest.update(data)
        with self._target._writing():
            while data:
                if len(data) >= 4096 and not any(data[:16]) and bytes(data) == _ZEROS[: len(data)]:
                    os.lseek(self.descriptor, len(data), os.SEEK_CUR)
                    done = len(data)
                else:
                    done = os.write(self.descriptor, data)
                self.size += done
                data = data[done:]

    def sha256(self) -> str:
        """The checksum of all that came."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """It goes on later, or is done."""
        if not self.is_taken:
            with contextlib.suppress(OSError):
                # A hole at the end is part of what came.
                os.ftruncate(self.descriptor, self.size)
        os.close(self.descriptor)


_ZEROS = bytes(1 << 20)


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _part(entry: Entry) -> str:
    return hashlib.sha256(entry.path + b"\0" + entry.stamp).hexdigest()[:24] + ".part"


def _in_the_way(error: OSError, folder: bytes) -> str:
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return f"{os.fsdecode(folder)} is here a link or a file, and no folder"
    return (error.strerror or str(error)).lower()
