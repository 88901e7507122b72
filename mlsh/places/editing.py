"""A file of a box, brought here to be edited, and saved back as it was meant to be: whole, and over nothing unseen.

Both copies stay here until the box has the new one: what was read (`.mlsh-before`) and, in a folder of its own beside
it, what you wrote: a file may be called as ours are.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shlex
import shutil
import stat
import tempfile
from pathlib import Path

import msgspec

from mlsh import config
from mlsh.box import LOCAL, Box
from mlsh.errors import BoxError, ExitCode, MlshError, NotFound, RefusedInput
from mlsh.places import scripts

LARGEST_BYTES = 64 << 20
_READ_S, _WRITE_S, _SLOWEST_BYTES_A_SECOND = 300.0, 120.0, 100_000
NEW, ANY = "new", "any"


class Changed(BoxError):
    """Somebody else changed the file meanwhile."""

    exit_code = ExitCode.TRY_AGAIN


class Remote(msgspec.Struct, frozen=True):
    """A file as it was read. `before` is its SHA-256, or `new` where there was none."""

    path: str
    data: bytes
    before: str
    can_write: bool


class Kept(msgspec.Struct, frozen=True):
    """What a copy on this machine is a copy of; it lies beside the copy's folder."""

    box: str
    path: str
    before: str
    name: str


def sha256(data: bytes) -> str:
    """The SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def check_path(path: str) -> str:
    """Return a path on a box that can be asked for; raises RefusedInput."""
    if not path or "\0" in path or path.endswith("/"):
        raise RefusedInput(f"{path[:80]!r} is no file", "mlsh edit BOX:PATH")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise RefusedInput(f"{path.encode(errors='replace')!r} is not UTF-8 text") from None
    return path


def read(box: Box, path: str) -> Remote:
    """Read a file of a box. Raises NotFound, RefusedInput, BoxError."""
    ran, answer = scripts.call(box, "read", path, str(LARGEST_BYTES), timeout_s=_READ_S)
    if ran.returncode == scripts.FAILED:
        raise _not_read(box, path, *scripts.error_word(answer))
    head, found, data = answer.partition(b"\n")
    if ran.returncode != 0 or not found:
        raise scripts.unexpected(box, ran)
    words = head.split()
    if words == [b"new"]:
        return Remote(path, b"", NEW, True)
    if len(data) != int(words[1]):
        raise BoxError(box.name, f"{path} changed while it was read", "try again")
    return Remote(path, data, sha256(data), words[2] == b"rw")


def _how_to_make(box: Box, path: str) -> str:
    """The command that makes the folder of `path`, to be pasted."""
    folder = posixpath.dirname(path)
    # In quotes ~ would be a name like any other.
    plain = re.fullmatch(r"[\w./~-]+", folder)
    made = f"mkdir -p -- {folder if plain else shlex.quote(folder)}"
    return f"make it: {made if box.name == LOCAL else shlex.join(['ssh', box.name, made])}"


def _not_read(box: Box, path: str, word: str, rest: str) -> MlshError:
    where = f"{box.name}: {path}"
    match word:
        case "folder":
            return RefusedInput(f"{where} is a folder", f"what is in it: mlsh find '' {path} --on {box.name}")
        case "no-folder":
            return NotFound(f"{where}: there is no such folder", _how_to_make(box, path))
        case "no-write":
            return BoxError(box.name, f"{path} is not there, and its folder can't be written by you")
        case "no-read":
            return BoxError(box.name, f"{path} can't be read by you")
        case "odd":
            return RefusedInput(f"{where} is a device, a pipe or a socket")
        case "large":
            return RefusedInput(
                f"{where} has {int(rest or 0) >> 20} MiB; up to {LARGEST_BYTES >> 20} are brought here",
                f"ssh {box.name}",
            )
        case _:
            return BoxError(box.name, f"{path} was not read: {word} {rest}".rstrip())


def write(box: Box, path: str, before: str, data: bytes) -> None:
    """Put bytes in a file's place, if it is still what it was: `before` is as in Remote, or `any`.

    Raises Changed, BoxError, Unreachable; the file is as it was then, unless the text says otherwise.
    """
    words = (path, before, sha256(data), str(len(data)))
    limit_s = _WRITE_S + len(data) / _SLOWEST_BYTES_A_SECOND
    ran, answer = scripts.call(box, "write", *words, stdin=data, timeout_s=limit_s, reads=f"the new text of {path}")
    if ran.returncode == 0 and answer.endswith(b"done\n"):
        return
    if ran.returncode != scripts.FAILED:
        raise scripts.unexpected(box, ran)
    word, rest = scripts.error_word(answer)
    match word:
        case "changed":
            raise Changed(box.name, f"{path} was changed by somebody else while you had it open; it was not written")
        case "gone":
            raise BoxError(box.name, f"the folder of {path} is gone")
        case "no-write":
            raise BoxError(box.name, f"{path} can't be written by you", f"whose is it? ssh {box.name} ls -l {path}")
        case "damaged":
            raise BoxError(box.name, f"{path} was being written over when the box failed: look at it")
        case "cut":
            raise BoxError(box.name, f"{path} was not written: it arrived only in part", "try again")
        case _:
            raise BoxError(box.name, f"{path} was not written: {rest or word}", f"see: mlsh box doctor {box.name}")


# The copy on this machine


def folder() -> Path:
    """Where copies are until they are saved."""
    return config.state_dir() / "edits"


def keep(box: str, remote: Remote) -> Path:
    """Lay a copy down to be edited, readable by you alone; returns its path, whose name ends as the file's does."""
    base = folder()
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = Path(tempfile.mkdtemp(dir=base, prefix="edit-"))
    name = remote.path.rpartition("/")[2]
    # A name may be longer than this file system takes, or have what an editor takes for its own.
    name = "".join(char if char.isprintable() and char != "/" else "_" for char in name)[-100:].lstrip("-+") or "file"
    copy = place / "copy" / name
    copy.parent.mkdir(mode=0o700)
    for path, data in ((copy, remote.data), (place / ".mlsh-before", remote.data)):
        path.write_bytes(data)
        path.chmod(0o600)
    about = Kept(box, remote.path, remote.before, name)
    (place / ".mlsh-edit.json").write_bytes(msgspec.json.encode(about))
    return copy


def about(copy: Path) -> Kept:
    """What a copy is a copy of. Raises NotFound."""
    try:
        return msgspec.json.decode((copy.parent.parent / ".mlsh-edit.json").read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        raise NotFound(
            f"{copy} is no copy that mlsh edit made", f"those that there are: ls {folder()}/*/copy"
        ) from None


def load(copy: Path) -> bytes:
    """The bytes of a copy as the editor left them. Raises NotFound where it took the file away."""
    try:
        if not stat.S_ISREG(os.stat(copy).st_mode):
            raise NotFound(
                f"{copy} is no plain file any more", f"what was read is kept: {copy.parent.parent}/.mlsh-before"
            )
        return copy.read_bytes()
    except OSError as error:
        raise NotFound(
            f"{copy}: {(error.strerror or '').lower()}", f"what was read is kept: {copy.parent.parent}/.mlsh-before"
        ) from error


def forget(copy: Path) -> None:
    """Remove a copy that is saved, and what editors left beside it."""
    place = copy.parent.parent
    if place.parent == folder():
        shutil.rmtree(place, ignore_errors=True)
