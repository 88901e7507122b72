"""Records: what a repository was like at one moment, kept as a commit under `refs/mlsh/undo/`.

A record's commit has every ref's commit as a parent, so that `git gc` keeps them all, and a tree of

    files/     what lay in the work tree, tracked and untracked, not ignored
    staged/    what the index held; `unmerged/` the versions of files in conflict
    index      the index itself, byte for byte
    refs       one line a ref: object, name
    tags       annotated tags, as `git cat-file --batch` gives them
    git/       the small files of a merge or rebase in progress (`%2F` for `/`)
    meta.json  the rest: see `Meta`
"""

from __future__ import annotations

import os
import re
from typing import Literal

import msgspec

from mlsh.errors import NotFound
from mlsh.undo.repository import Repository

PREFIX = "refs/mlsh/undo/"
_KEPT = 100
_KEPT_S = 90 * 86400

Kind = Literal["save", "before", "after"]


class Same(msgspec.Struct, frozen=True):
    """After an undo or redo, a log of `size` bytes that ends with `tail` stands for one of `equal` bytes."""

    log: str
    size: int
    tail: str
    equal: int


class Meta(msgspec.Struct, frozen=True):
    """What a record says of itself. Names of files and refs are latin-1, so that any bytes can be written."""

    number: int
    kind: Kind
    """`save`: asked for; `before` and `after`: around something that mlsh did."""
    title: str
    time_ns: int
    git_dir: str
    """Which work tree: HEAD, index and files are its."""
    head: str
    """`ref: refs/heads/main`, or a commit's name."""
    commit: str = ""
    """The commit that HEAD was at; empty where it had none."""
    stash: tuple[tuple[str, str], ...] = ()
    """Commit and message of each, the newest first."""
    raw: tuple[str, ...] = ()
    """Files whose bytes differed from the index: they are kept as they lay on the disk, no filter applied."""
    left_out: tuple[tuple[str, int], ...] = ()
    """Files that were too large to be kept, and their sizes."""
    unmerged: tuple[tuple[str, str, str, int], ...] = ()
    """Path, mode, object, stage."""
    plain_index: bool = True
    """Whether `index` can be put back as it is; a split one can't."""
    marks: dict[str, tuple[int, int]] = {}
    """How many bytes each reflog had, and when it was last written, in ns."""
    action: str = ""
    """Of an `after`: undo, redo, restore, or another verb of mlsh."""
    before: int = 0
    """Of an `after`: the record from before it."""
    redoes: int = 0
    """Of a redo: the `after` of the undo that it took back."""
    undoes: int = 0
    """Of an undo: the `after` of what mlsh did, where it was that which was undone."""
    same: tuple[Same, ...] = ()
    """Of an `after`: which logs now stand for which shorter ones."""
    named: bool = False
    """Of a save: it was given a name, and is kept until it is dropped."""


class Record(msgspec.Struct, frozen=True):
    """One record: the commit that holds it, and what it says of itself."""

    commit: str
    meta: Meta

    @property
    def ref(self) -> str:
        """The ref that keeps it."""
        return ref_of(self.meta.number)

    def part(self, name: str) -> str:
        """How git finds a part of it: `files`, `staged`, `index`."""
        return f"{self.commit}:{name}"


def ref_of(number: int) -> str:
    """The ref of a record."""
    return f"{PREFIX}{number:06d}"


def commits(repo: Repository) -> dict[int, str]:
    """The commits of all records, by number."""
    listed = repo.git("for-each-ref", "--format=%(objectname) %(refname)", PREFIX).decode(errors="replace")
    pairs = (line.partition(" ") for line in listed.splitlines())
    return {
        int(ref.removeprefix(PREFIX)): name
        for name, _, ref in pairs
        if re.fullmatch(r"\d{6,}", ref.removeprefix(PREFIX))
    }


def load_all(repo: Repository) -> list[Record]:
    """Every record, the newest first; one that can't be read is passed over."""
    there = commits(repo)
    if not there:
        return []
    numbers = sorted(there, reverse=True)
    bodies = batch(repo, "".join(f"{there[number]}:meta.json\n" for number in numbers).encode())
    found = []
    for number, body in zip(numbers, bodies, strict=True):
        try:
            found.append(Record(there[number], msgspec.json.decode(body or b"", type=Meta)))
        except msgspec.DecodeError:
            continue
    return found


def batch(repo: Repository, wanted: bytes) -> list[bytes | None]:
    """The contents of objects, asked for one a line; None for one that is missing."""
    return [body for _, body in batch_named(repo, wanted)]


def batch_named(repo: Repository, wanted: bytes) -> list[tuple[str, bytes | None]]:
    """As `batch`, with the name of each object; empty for one that is missing."""
    out = repo.git("cat-file", "--batch", stdin=wanted)
    found: list[tuple[str, bytes | None]] = []
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        words = out[at:end].rsplit(b" ", 2)
        at = end + 1
        if words[-1] in {b"missing", b"ambiguous"} or not words[-1].isdigit():
            found.append(("", None))
            continue
        size = int(words[-1])
        found.append((words[0].decode(), out[at : at + size]))
        at += size + 1
    return found


def ours(repo: Repository, records: list[Record]) -> list[Record]:
    """Those of this work tree."""
    here = name_of(repo)
    return [record for record in records if record.meta.git_dir == here]


def name_of(repo: Repository) -> str:
    """How a record names a work tree."""
    return packed(str(repo.git_dir))


def packed(text: str) -> str:
    """A name of any bytes as it stands in `meta.json`."""
    return os.fsencode(text).decode("latin-1")


def unpacked(text: str) -> str:
    """A name from `meta.json` as Python has it."""
    return os.fsdecode(text.encode("latin-1"))


def size_in(record: Record, log: str) -> int:
    """How many bytes a reflog had at that time."""
    return record.meta.marks.get(packed(log), (0, 0))[0]


def get(records: list[Record], number: int) -> Record:
    """The record of a number. Raises NotFound."""
    for record in records:
        if record.meta.number == number:
            return record
    raise NotFound(f"there is no record {number}", "those that there are: mlsh save --list")


def refs_of(repo: Repository, record: Record) -> dict[str, str]:
    """The refs as they were, and what each named."""
    lines = repo.git("cat-file", "blob", record.part("refs")).split(b"\n")
    pairs = (line.partition(b" ") for line in lines if line)
    return {os.fsdecode(ref): name.decode() for name, _, ref in pairs}


def prune(repo: Repository, records: list[Record], now_ns: int) -> int:
    """Drop what is old: of records without a name the hundred newest stay, for 90 days. Returns how many went."""
    plain = [record for record in records if not record.meta.named]
    old_ns = now_ns - _KEPT_S * 1_000_000_000
    gone = [record for place, record in enumerate(plain) if place >= _KEPT or record.meta.time_ns < old_ns]
    drop(repo, gone)
    return len(gone)


def drop(repo: Repository, records: list[Record]) -> None:
    """Let go of records; git's gc takes what nothing else keeps."""
    if records:
        lines = "".join(f"delete {record.ref} {record.commit}\n" for record in records)
        repo.git("update-ref", "--stdin", stdin=lines.encode())
