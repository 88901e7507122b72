"""Look through files of this machine: those of a repository, of a folder, single ones. Reads, and follows no link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from mlsh.audit.found import Found, Kind
from mlsh.audit.text import UTF16_MARKS, Where, decoded, look
from mlsh.box import LOCAL, process
from mlsh.errors import RefusedInput
from mlsh.git.plumbing import Git, GitFailed

# What a folder is full of and nobody wrote.
_PASSED_OVER = frozenset(
    {".git", ".hg", ".venv", "venv", "node_modules", "__pycache__", ".cache", ".tox", "site-packages"}
)
# A file in a repository that is larger was not written by a person. One that is named is read whole, a piece at a time.
LARGE = 8 << 20
_PIECE = 4 << 20
# So far from its end a piece may be cut; longer than any secret.
_OVERLAP = 1 << 16


class Passed(NamedTuple):
    """A file that was not looked at, and why."""

    place: str
    why: str


def repository_of(folder: Path) -> Path | None:
    """The top of the work tree around a folder; None where there is none."""
    try:
        said = Git(None, folder)("-c", "core.fsmonitor=false", "rev-parse", "--show-toplevel")
    except GitFailed:
        return None
    top = os.fsdecode(said.removesuffix(b"\n"))
    return Path(top) if top else None


def of_repository(top: Path, below: Path) -> Iterator[Found | Passed]:
    """What is in the files of a repository at or below a folder: tracked ones, and untracked that are not ignored."""
    git = Git(None, below)
    words = ["-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "ls-files", "-z", "--cached", "--others"]
    try:
        listed = git(*words, "--exclude-standard")
    except GitFailed as error:
        raise RefusedInput(f"{below}: git does not list its files: {error.said.strip()[:300]}") from None
    names = sorted(set(listed.split(b"\0")) - {b""})
    if not names:
        # A folder that is ignored as a whole; who names it wants it looked at.
        yield from of_folder(below)
    for name in names:
        if (below / os.fsdecode(name)).is_dir():
            if not (below / os.fsdecode(name)).is_symlink():
                yield Passed(short(below / os.fsdecode(name)), "a repository of its own: name it to have it looked at")
        else:
            path = below / os.fsdecode(name)
            yield from of_file(path, str(path.relative_to(top)), "file", LARGE)


def of_folder(folder: Path) -> Iterator[Found | Passed]:
    """What is in the files below a folder that is in no repository."""

    def unreadable(error: OSError) -> None:
        failed.append(Passed(str(error.filename), error.strerror or "can't be read"))

    failed: list[Passed] = []
    for base, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER)
        for name in sorted(names):
            path = Path(base) / name
            yield from of_file(path, short(path), "file", LARGE)
    yield from failed


def of_file(path: Path, place: str, kind: Kind, most: int | None = None) -> Iterator[Found | Passed]:
    """What is in one file. `most`: one of more bytes is passed over."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            # A link's target is looked at where it lies; a pipe would be waited for.
            return
        if most is not None and status.st_size > most:
            yield Passed(place, f"larger than {most >> 20} MiB: name it to have it looked at")
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return  # tracked, and deleted; or gone since it was listed
    except OSError as error:
        yield Passed(place, error.strerror or "can't be read")
        return
    with open(descriptor, "rb") as file:
        try:
            yield from _pieces(file, Where(LOCAL, kind, place))
        except OSError as error:
            yield Passed(place, error.strerror or "can't be read")


def _pieces(file: IO[bytes], where: Where) -> Iterator[Found | Passed]:
    """Look through a file piece by piece, each cut where no secret is."""
    kept, line, is_first = b"", 1, True
    while True:
        raw = file.read(_PIECE)
        is_last = len(raw) < _PIECE
        piece = kept + raw
        if is_first and decoded(piece) is None:
            yield Passed(where.place, "binary")
            return
        if is_first and raw[:2] in UTF16_MARKS:
            piece, is_last = piece + file.read(), True  # cut in the midst of a letter it would be garbage
        cut = len(piece) if is_last else _cut(piece)
        text = decoded(piece[:cut]) if is_first else piece[:cut].decode(errors="replace")
        yield from look(where, text or "", line)
        if is_last:
            return
        is_first = False
        line += piece.count(b"\n", 0, cut)
        kept = piece[cut:]


def _cut(piece: bytes) -> int:
    """Where to end with this piece and begin the next: between two lines, and not in a private key.

    In a line of megabytes, as minified programs have, between two words.
    """
    tail = len(piece) - _OVERLAP
    key = piece.rfind(b"-----BEGIN", tail)
    last = key if key >= 0 and piece.find(b"-----END", key) < 0 else len(piece)
    if (line := piece.rfind(b"\n", tail, last) + 1) > 0:
        return line
    return max(piece.rfind(sign, tail) for sign in (b" ", b";", b",", b"\n")) + 1 or len(piece)


def short(path: Path) -> str:
    """A path as a person writes it: `~/...` where it is in the home."""
    home = os.path.expanduser("~")
    text = os.path.abspath(path)
    return f"~{text[len(home) :]}" if text.startswith(f"{home}/") else text


def job_files(home: Path) -> list[tuple[Path, str]]:
    """The logs and commands of the jobs on this machine, each with the job's id."""
    jobs = home / "jobs"
    try:
        names = sorted(entry.name for entry in os.scandir(jobs) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    process.log.say(f"# looks at the logs of {len(names)} jobs in {jobs}")
    return [(jobs / name / part, name) for name in names if name[:1] != "." for part in ("log", "spec.json")]
