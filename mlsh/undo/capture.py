"""Make a record of a repository as it is now: refs, HEAD, index, files. Nothing of it is changed."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from mlsh.undo import reflogs
from mlsh.undo.records import Kind, Meta, Record, commits, load_all, name_of, packed, prune, ref_of
from mlsh.undo.repository import GitRefused, Repository
from mlsh.undo.standing import Standing, file_kind, look

# What one record may take, in bytes: a data set that nobody ignored must not be copied at each undo.
LARGEST_FILE = 20 << 20
LARGEST_ALL = 100 << 20
_REFS = "--format=%(objectname) %(objecttype) %(*objectname) %(*objecttype) %(symref)%00%(refname)"
_IN_PROGRESS = (
    "MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "MERGE_RR", "MERGE_AUTOSTASH", "AUTO_MERGE", "CHERRY_PICK_HEAD",
    "REVERT_HEAD", "REBASE_HEAD", "ORIG_HEAD", "SQUASH_MSG", "BISECT_LOG", "BISECT_START", "BISECT_TERMS",
    "BISECT_NAMES", "BISECT_EXPECTED_REV", "BISECT_ANCESTORS_OK",
)  # fmt: skip
_FOLDERS_IN_PROGRESS = ("rebase-merge", "rebase-apply", "sequencer")
_LARGEST_STATE_FILE = 4 << 20
_PRUNED_FROM = 60


class Refs(msgspec.Struct, frozen=True):
    """The refs as they are; mlsh's own are left out."""

    names: dict[str, str]
    """Ref to object."""
    commits: tuple[str, ...]
    """The commits that they lead to."""
    tags: tuple[str, ...]
    """Annotated tags, which no commit keeps."""

    def text(self) -> bytes:
        """As a record has it."""
        return b"".join(name.encode() + b" " + os.fsencode(ref) + b"\n" for ref, name in self.names.items())


def parse_refs(output: bytes) -> Refs:
    """Read the answer to `for-each-ref`; a ref that only points to another one is passed over."""
    names, commits, tags = {}, [], []
    for line in output.split(b"\n"):
        about, _, name_of_ref = line.partition(b"\0")
        words, ref = about.decode("latin-1").split(" "), os.fsdecode(name_of_ref)
        if ref.startswith("refs/mlsh/") or len(words) != 5 or words[4]:
            continue
        name, kind, peeled, peeled_kind, _ = words
        names[ref] = name
        if kind == "tag":
            tags.append(name)
        if "commit" in {kind, peeled_kind}:
            commits.append(peeled or name)
    return Refs(names, tuple(dict.fromkeys(commits)), tuple(dict.fromkeys(tags)))


def look_at_refs(repo: Repository) -> Refs:
    """The refs as they are now. Raises GitRefused."""
    return parse_refs(repo.git("for-each-ref", _REFS))


def capture(repo: Repository, kind: Kind, title: str, **more: Any) -> Record:
    """Record the repository as it is now; `more` are further fields of `Meta`.

    To be called inside of `repo.changing()`. Raises GitRefused where git can't read or write something.
    """
    words = ("for-each-ref", _REFS)
    asked = repo.start(*words)
    standing, tree, stream = Standing(frozenset(), frozenset(), frozenset(), {}, frozenset()), "", _Stream()
    plain_index = True
    try:
        if repo.top is not None:
            standing = look(repo)
            index = _index_bytes(repo)
            plain_index = not any(repo.git_dir.glob("sharedindex.*"))
            tree = _staged_tree(repo, standing)
            stream.tree("staged", tree, repo.empty_tree)
            stream.tree("files", tree, repo.empty_tree)
            stream.blob("index", index)
    finally:
        refs = parse_refs(repo.finish(words, asked))
    stash = reflogs.read(repo, "refs/stash").events if "refs/stash" in refs.names else ()
    raw, left_out = _take_files(repo, standing, stream) if repo.top is not None else ((), ())
    for stages in standing.unmerged.values():
        for mode, name in stages:
            if mode.startswith("1") and mode != "160000":
                stream.object(f"unmerged/{name}", name)
    mentioned = _take_state(repo, stream)
    stream.blob("refs", refs.text())
    if refs.tags:
        stream.blob("tags", repo.git("cat-file", "--batch", stdin="".join(f"{t}\n" for t in refs.tags).encode()))
    there = commits(repo)
    logs = ["HEAD", "refs/stash", *(ref for ref in refs.names if ref.startswith("refs/heads/"))]
    head = reflogs.head_of(repo)
    meta = Meta(
        number=max(there, default=0) + 1,
        kind=kind,
        title=packed(title),
        time_ns=time.time_ns(),
        git_dir=name_of(repo),
        head=packed(head),
        commit=refs.names.get(head.removeprefix("ref: "), "") if head.startswith("ref: ") else head,
        stash=tuple((event.new, packed(event.message)) for event in reversed(stash))
        if "refs/stash" in refs.names
        else (),
        raw=tuple(path.decode("latin-1") for path in raw),
        left_out=tuple((path.decode("latin-1"), size) for path, size in left_out),
        unmerged=tuple(
            (path.decode("latin-1"), mode, name, stage + 1)
            for path, stages in sorted(standing.unmerged.items())
            for stage, (mode, name) in enumerate(stages)
            if mode.startswith("1")
        ),
        plain_index=plain_index,
        marks={packed(log): mark for log, mark in reflogs.marks(repo, logs).items()},
        **more,
    )
    stream.blob("meta.json", msgspec.json.encode(meta))
    keep = [*refs.commits, *(name for name, _ in meta.stash), *_commits(repo, mentioned)]
    if not head.startswith("ref: "):
        keep.append(head)
    record = Record(_write(repo, meta, stream, keep), meta)
    if len(there) >= _PRUNED_FROM:
        prune(repo, load_all(repo), meta.time_ns)
    return record


def _write(repo: Repository, meta: Meta, stream: _Stream, keep: list[str]) -> str:
    ref = ref_of(meta.number)
    lines = [f"commit {ref}", "mark :1", f"committer mlsh <mlsh@localhost> {meta.time_ns // 10**9} +0000"]
    title = f"mlsh {meta.kind}: {meta.title}\n".encode(errors="replace")
    head = "\n".join(lines).encode() + b"\ndata %d\n%b\n" % (len(title), title)
    parents = b"".join(b"merge %b\n" % name.encode() for name in dict.fromkeys(keep))
    text = b"feature done\n" + head + parents + stream.text() + b"\nget-mark :1\ndone\n"
    try:
        out = repo.git("fast-import", "--quiet", "--date-format=raw", stdin=text)
    finally:
        # What fast-import leaves for its makers when it fails, the rest of a disk included.
        for left in repo.git_dir.glob("fast_import_crash_*"):
            left.unlink(missing_ok=True)
    return out.decode().strip()


class _Stream:
    """The tree of a record as fast-import reads it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def text(self) -> bytes:
        return b"".join(self._parts)

    def tree(self, path: str, name: str, empty: str) -> None:
        if name != empty:
            self._parts.append(f"M 040000 {name} {path}\n".encode())

    def object(self, path: str, name: str, mode: str = "100644") -> None:
        self._parts.append(f"M {mode} {name} {path}\n".encode())

    def blob(self, path: str | bytes, data: bytes, mode: str = "100644") -> None:
        name = path.encode() if isinstance(path, str) else path
        self._parts.append(b"M %b inline %b\ndata %d\n%b\n" % (mode.encode(), quoted(name), len(data), data))

    def gone(self, path: bytes) -> None:
        self._parts.append(b"D %b\n" % quoted(path))


def quoted(path: bytes) -> bytes:
    """A path as git's C-style quoting has it."""
    out = bytearray(b'"')
    for byte in path:
        if byte in b'"\\':
            out += b"\\%c" % byte
        elif 32 <= byte < 127:
            out.append(byte)
        else:
            out += b"\\%03o" % byte
    return bytes(out + b'"')


def _index_bytes(repo: Repository) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return (repo.git_dir / "index").read_bytes()
    return b""


def _staged_tree(repo: Repository, standing: Standing) -> str:
    """The index as a tree, without what is in conflict; by way of a copy, so that the index stays as it is."""
    with tempfile.TemporaryDirectory(prefix="mlsh-") as folder:
        copy = Path(folder) / "index"
        env = {"GIT_INDEX_FILE": str(copy)}
        index = _index_bytes(repo)
        if not index:
            return repo.empty_tree
        copy.write_bytes(index)
        if standing.unmerged:
            lines = b"".join(path + b"\0" for path in standing.unmerged)
            repo.git("update-index", "-z", "--force-remove", "--stdin", stdin=lines, env=env)
        return repo.git("write-tree", "--missing-ok", env=env).decode().strip()


def _take_files(repo: Repository, standing: Standing, stream: _Stream) -> tuple[list[bytes], list[tuple[bytes, int]]]:
    """Put what differs from the index into `files/`; returns what was taken, and what is too large."""
    top = os.fsencode(repo.require_top())
    raw: list[bytes] = []
    left_out: list[tuple[bytes, int]] = []
    taken = 0
    found: list[tuple[bytes, str, int]] = []
    for path in standing.dirty:
        mode, size = file_kind(os.path.join(top, path))
        found.append((path, mode, size))
    # What is gone first: a folder may have come in the place of a file.
    for path, mode, _ in found:
        if not mode:
            stream.gone(b"files/" + path)
            raw.append(path)
    for path, mode, size in sorted(found, key=lambda each: (each[2], each[0])):
        if not mode:
            continue
        if size > LARGEST_FILE or taken + size > LARGEST_ALL:
            left_out.append((path, size))
            continue
        try:
            data = _read(os.path.join(top, path), mode)
        except OSError:
            left_out.append((path, size))  # unreadable, or gone since
            continue
        taken += len(data)
        stream.blob(b"files/" + path, data, mode)
        raw.append(path)
    return sorted(raw), sorted(left_out)


def _read(path: bytes, mode: str) -> bytes:
    if mode == "120000":
        return os.readlink(path)
    # O_NONBLOCK: what was a file a moment ago may be a pipe now.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read()


def state_files(repo: Repository) -> dict[str, bytes]:
    """The files of `.git` that say what is in progress, by their names there."""
    paths = [repo.git_dir / name for name in _IN_PROGRESS]
    for folder in _FOLDERS_IN_PROGRESS:
        paths += [path for path in sorted((repo.git_dir / folder).rglob("*")) if path.is_file()]
    found = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            if path.stat().st_size <= _LARGEST_STATE_FILE:
                found[str(path.relative_to(repo.git_dir))] = path.read_bytes()
    return found


def _take_state(repo: Repository, stream: _Stream) -> list[str]:
    """Put the files of what is in progress into `git/`; returns the objects that they name."""
    mentioned: list[str] = []
    for name, data in state_files(repo).items():
        stream.blob("git/" + name.replace("%", "%25").replace("/", "%2F"), data)
        if len(data) < 65536:
            mentioned += re.findall(rf"\b[0-9a-f]{{{len(repo.null)}}}\b", data.decode("latin-1"))
    return mentioned


def _commits(repo: Repository, names: list[str]) -> list[str]:
    """Those of the names that are commits here."""
    if not names:
        return []
    asked = "".join(f"{name}\n" for name in dict.fromkeys(names)).encode()
    with contextlib.suppress(GitRefused):
        out = repo.git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).decode()
        return [line.split()[0] for line in out.splitlines() if line.endswith(" commit")]
    return []
