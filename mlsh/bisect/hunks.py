"""The difference of two commits in pieces, and commits that have some of them.

A piece is a run of changed lines, or what can't be cut further: a file that is new, gone, renamed or binary, another
mode, a link or a submodule. A commit with some of the pieces is written by `git fast-import`: nothing of the person's
is touched, neither files nor index nor branches, and a ref under `refs/mlsh/within` keeps it until it is let go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mlsh.bisect.repository import GitRefused, Repository
from mlsh.box.process import Ran
from mlsh.errors import UsageError

REFS = "refs/mlsh/within"
# A file of more bytes is one piece: it is kept in memory with all of its lines.
_LARGEST_IN_LINES = 16 << 20
_FILE_MODES = {"100644", "100755"}
_SUBMODULE, _NOTHING = "160000", "000000"
# No hook of the person's runs, and no collecting in the middle.
_QUIETLY = ("-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0")
_RANGE = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_BLOBS = re.compile(rb"index ([0-9a-f]{40,64})\.\.([0-9a-f]{40,64})")


class NoDifference(UsageError):
    """Both commits have the same files."""


class Piece(msgspec.Struct, frozen=True):
    """One piece. Lines count from 1, as in `@@ -OLD,LINES +NEW,LINES @@`; 0 where it is not about lines.

    `kind` is lines, added, deleted, renamed, mode, binary, link, submodule or type. `path` is where the file is
    at the bad end, or was at the good one; `old_path` differs where it was renamed. They are bytes of any kind.
    """

    kind: str
    path: bytes
    old_path: bytes
    old_start: int = 0
    old_lines: int = 0
    new_start: int = 0
    new_lines: int = 0


class _File(msgspec.Struct):
    """A file that differs, and the numbers of its pieces: `renamed` and `mode` of these, `lines` of its content."""

    old_path: bytes
    path: bytes
    old_mode: str
    mode: str
    old_blob: str
    blob: str
    whole: int | None = None
    """The piece that brings all of it: new, gone, another type."""
    renamed: int | None = None
    moded: int | None = None
    content: list[int] = []


class Difference:
    """The pieces between two commits, and the commits made of them. `owner` names the refs."""

    def __init__(self, repository: Repository, good: str, bad: str, owner: str) -> None:
        """Raises NoDifference, GitRefused."""
        self._repository = repository
        self.good, self.bad = good, bad
        self._refs = f"{REFS}/{owner}"
        self.pieces: list[Piece] = []
        self._files = self._listed()
        self._lines: dict[str, list[bytes]] = {}
        self._cut()
        if not self.pieces:
            raise NoDifference(
                f"{good[:12]} and {bad[:12]} have the same files",
                "name as --good a commit that has others, or as COMMIT the one that broke it",
            )
        self._made = {0: good, (1 << len(self.pieces)) - 1: bad}

    def commit(self, mask: int) -> str | None:
        """A commit with those pieces whose bits are set, on top of the good end; None where files would collide.

        Both ends are the two commits themselves. Raises GitRefused.
        """
        if mask not in self._made:
            changes = self._changes(mask)
            if changes is None:
                return None
            number = len(self._made)
            told = f"{bin(mask).count('1')} of {len(self.pieces)} pieces of {self.bad}\n"
            ref = f"{self._refs}/{number}"
            # A fixed author and date: the same pieces give the same commit.
            head = f"commit {ref}\nmark :1\ncommitter mlsh <mlsh@localhost> 0 +0000\ndata {len(told)}\n{told}"
            stream = head.encode() + f"from {self.good}\n".encode() + changes + b"get-mark :1\ndone\n"
            said = self._quietly("fast-import", "--quiet", "--force", "--done", stdin=stream)
            self._made[mask] = said.decode("ascii").strip()
        return self._made[mask]

    def patch(self, mask: int, colour: bool = False) -> bytes:
        """What a commit with these pieces changes, as `git diff` shows it."""
        commit = self.commit(mask) or self.bad
        flags = ["--color=always" if colour else "--no-color", "--no-ext-diff", "--no-textconv", "-M", "-p", "--binary"]
        return self._repository("diff-tree", *flags, self.good, commit, "--")

    def let_go(self) -> None:
        """Remove the refs. The objects go with git's next collecting that finds them two weeks old."""
        let_go(self._repository, self._refs)

    def _quietly(self, *words: str, stdin: bytes = b"") -> bytes:
        ran = self._repository.run(*_QUIETLY, *words, stdin=stdin)
        if ran.returncode != 0:
            raise refused(self._repository, ran)
        return ran.stdout

    # What differs

    def _listed(self) -> list[_File]:
        words = ("diff-tree", "-r", "-z", "-M", "--raw", "--no-abbrev", self.good, self.bad, "--")
        parts = iter(self._repository(*words).split(b"\0"))
        found = []
        for about in parts:
            if not about:
                break
            old_mode, mode, old_blob, blob, status = about.decode("ascii").removeprefix(":").split()
            old_path = path = next(parts)
            if status.startswith("R"):
                path = next(parts)
            found.append(_File(old_path, path, old_mode, mode, old_blob, blob, content=[]))
        return found

    def _cut(self) -> None:
        ranges = self._ranges()
        for file in self._files:
            is_added, is_deleted = file.old_mode == _NOTHING, file.mode == _NOTHING
            if is_added or is_deleted or not {file.old_mode, file.mode} <= _FILE_MODES:
                file.whole = self._piece(file, "added" if is_added else "deleted" if is_deleted else _kind(file))
                continue
            if file.old_path != file.path:
                file.renamed = self._piece(file, "renamed")
            if file.old_mode != file.mode:
                file.moded = self._piece(file, "mode")
            if file.old_blob != file.blob:
                found = ranges.get((file.old_blob, file.blob))
                file.content = [self._piece(file, "lines", *one) for one in found or ()]
                if not found:
                    file.content = [self._piece(file, "binary")]

    def _piece(self, file: _File, kind: str, *lines: int) -> int:
        self.pieces.append(Piece(kind, file.path, file.old_path, *lines))
        return len(self.pieces) - 1

    def _ranges(self) -> dict[tuple[str, str], list[tuple[int, int, int, int]]]:
        """Of each pair of text files the runs of lines that differ."""
        pairs = [
            (file.old_blob, file.blob)
            for file in self._files
            if {file.old_mode, file.mode} <= _FILE_MODES and file.old_blob != file.blob
        ]
        if not pairs:
            return {}
        listed = "".join(f"{blob}\n" for pair in pairs for blob in pair).encode()
        sizes = [int(size) for size in self._quietly("cat-file", "--batch-check=%(objectsize)", stdin=listed).split()]
        small = {pair for at, pair in enumerate(pairs) if max(sizes[2 * at : 2 * at + 2]) <= _LARGEST_IN_LINES}
        words = ("diff-tree", "-r", "-M", "-p", "-U0", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv")
        found: dict[tuple[str, str], list[tuple[int, int, int, int]]] = {}
        now: list[tuple[int, int, int, int]] | None = None
        for line in self._quietly(*words, "--inter-hunk-context=0", self.good, self.bad, "--").split(b"\n"):
            # Lines of the files begin with one of ' +-\'.
            if line.startswith(b"diff --git "):
                now = None
            elif blobs := _BLOBS.match(line):
                pair = (blobs[1].decode(), blobs[2].decode())
                # A pair of contents may come twice, under two names: the runs are the same.
                now = found[pair] = []
            elif now is not None and (at := _RANGE.match(line)):
                now.append((int(at[1]), int(at[2] or 1), int(at[3]), int(at[4] or 1)))
        return {pair: ranges for pair, ranges in found.items() if pair in small}

    # A commit of some of it

    def _changes(self, mask: int) -> bytes | None:
        """The commands for fast-import, or None where two files would have one name, or one a folder's."""
        gone: list[bytes] = []
        there: list[tuple[bytes, bytes]] = []
        names: list[bytes] = []
        for file in self._files:
            has = [mask >> number & 1 for number in file.content]
            if file.whole is not None:
                taken = bool(mask >> file.whole & 1)
                if taken and file.old_mode != _NOTHING and (file.mode == _NOTHING or file.path != file.old_path):
                    gone.append(file.old_path)
                if (mode := file.mode if taken else file.old_mode) != _NOTHING:
                    names.append(file.path if taken else file.old_path)
                    if taken:
                        there.append((file.path, f"M {mode} {file.blob} ".encode() + _quoted(file.path) + b"\n"))
                continue
            path = file.path if _in(mask, file.renamed) else file.old_path
            mode = file.mode if _in(mask, file.moded) else file.old_mode
            names.append(path)
            if path != file.old_path:
                gone.append(file.old_path)
            if path == file.old_path and mode == file.old_mode and not any(has):
                continue
            if all(has) or not any(has):
                blob = file.blob if all(has) and file.content else file.old_blob
                there.append((path, f"M {mode} {blob} ".encode() + _quoted(path) + b"\n"))
            else:
                data = self._content(file, mask)
                there.append(
                    (path, f"M {mode} inline ".encode() + _quoted(path) + b"\ndata %d\n" % len(data) + data + b"\n")
                )
        if _collide(names):
            return None
        return b"".join([*(b"D " + _quoted(path) + b"\n" for path in gone), *(line for _, line in there)])

    def _content(self, file: _File, mask: int) -> bytes:
        """The old file with some of the runs of lines replaced."""
        old, new = self._read(file.old_blob), self._read(file.blob)
        made: list[bytes] = []
        at = 0
        for number in file.content:
            piece = self.pieces[number]
            # Where a side has no lines, its start is the line before.
            begin = piece.old_start - (piece.old_lines > 0)
            new_begin = piece.new_start - (piece.new_lines > 0)
            made += old[at:begin]
            at = begin + piece.old_lines
            made += new[new_begin : new_begin + piece.new_lines] if _in(mask, number) else old[begin:at]
        return b"".join([*made, *old[at:]])

    def _read(self, blob: str) -> list[bytes]:
        if blob not in self._lines:
            data = self._repository("cat-file", "blob", blob)
            self._lines[blob] = [line for line in re.split(rb"(?<=\n)", data) if line]
        return self._lines[blob]


def let_go(repository: Repository, refs: str) -> None:
    """Remove all refs below this name."""
    listed = repository("for-each-ref", "--format=delete %(refname)", f"{refs}/")
    if listed:
        ran = repository.run(*_QUIETLY, "update-ref", "--stdin", stdin=listed)
        if ran.returncode != 0:
            raise refused(repository, ran)


def refused(repository: Repository, ran: Ran) -> GitRefused:
    """The error of a git that was to write."""
    said = repository.refusal(ran)
    return GitRefused(said.what.replace("could not read", "could not work in"), said.hint)


def _kind(file: _File) -> str:
    """What differs where it is no plain file at both ends."""
    if file.old_path != file.path:
        return "renamed"
    if _SUBMODULE in {file.old_mode, file.mode}:
        return "submodule"
    return "link" if file.old_mode == file.mode else "type"


def _in(mask: int, number: int | None) -> bool:
    return number is not None and bool(mask >> number & 1)


def _collide(paths: Sequence[bytes]) -> bool:
    """Whether two are one, or one is a folder that holds another."""
    known = set(paths)
    if len(known) < len(paths):
        return True
    return any(path[:at] in known for path in known for at in range(len(path)) if path[at : at + 1] == b"/")


def _quoted(path: bytes) -> bytes:
    """A path as fast-import reads any."""
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
