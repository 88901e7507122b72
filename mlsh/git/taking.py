"""One snapshot being taken: the index of the shadow brought up to date, or a small change put beside it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mlsh.git import quick
from mlsh.git import shadow as shadows
from mlsh.git.ignore import inside, rules_of
from mlsh.git.objects import Entry, Objects, Unfit
from mlsh.git.person import Person
from mlsh.git.plumbing import Git, GitFailed, join_z, split_z
from mlsh.git.scan import Found, Scan
from mlsh.git.shadow import repo_name
from mlsh.git.standing import Standing

_IDENTITY = "mlsh <mlsh@localhost> 946684800 +0000"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_HASH = rb"[0-9a-f]{40}|[0-9a-f]{64}"
_REFRESH_S = 600
_LONG_S = 2.0

Confirm = Callable[[int, "list[BigFile]"], None]


class Snapshot(NamedTuple):
    """The code at one instant.

    `commit` is in the shadow's object store at `git_dir`. `subdir` is where the person stood in `top`.
    `base` and `branch` are HEAD and its branch in the person's repository (empty without one), `changed`
    how many paths differ from HEAD there. `notes` are things that a person should know. `before` is the
    snapshot before this one where there was one: what differs from that has been confirmed.
    """

    commit: str
    tree: str
    git_dir: str
    top: str
    name: str
    subdir: str = ""
    base: str = ""
    branch: str = ""
    changed: int = 0
    notes: Sequence[str] = ()
    before: str = ""


class BigFile(NamedTuple):
    """A file and its size in bytes."""

    path: str
    size: int


class Taking:
    """One snapshot being taken, under the shadow's lock: `look`, then `snapshot`."""

    def __init__(self, shadow: Path, top: Path, lock: int, is_repo: bool) -> None:
        self.shadow = shadow
        self.top = top
        self._locks = (lock,)
        self._is_repo = is_repo
        self._confirm: Confirm = _agree
        self._person: Person | None = None
        self._rules: list[str] = []
        self._scan: Scan | None = None
        self._notes: list[str] = []
        self._before = ""
        self._nested = False
        self._objects = Objects(shadow)
        # The tree of the top folder's index, and what is put beside it without a place in that index.
        self._index_tree = ""
        self._beside: dict[bytes, Entry | None] = {}

    def look(self) -> None:
        """Have git look for what changed, and return at once; raises GitFailed."""
        self.stop()
        shadows.sweep(self.shadow)
        shadows.ensure(self.shadow, self.top)
        self._notes = []
        self._person = self._person_at("") if self._is_repo else None
        self._rules = rules_of(self.top)
        self._scan = Scan(self._git("", "index"), self.top, self._person, self._rules)

    def stop(self) -> None:
        """End a look that nobody waits for."""
        if self._scan is not None:
            self._scan.stop()
            self._scan = None

    def snapshot(self, subdir: str, confirm: Confirm) -> Snapshot:
        """Take what was looked at, or look now; raises GitFailed."""
        if self._scan is None:
            self.look()
        scan, self._scan = self._scan, None
        assert scan is not None  # noqa: S101
        self._confirm = confirm
        person = self._person
        tree = self._tree("", scan, self._rules)
        name, top = repo_name(self.top), str(self.top)
        commit = self._commit(tree)
        where = (str(self.shadow), top, name, subdir)
        if person is not None:
            changed = self._changed(person, tree)
            return Snapshot(commit, tree, *where, person.head, person.branch, changed, self._notes, self._before)
        return Snapshot(commit, tree, *where, notes=self._notes, before=self._before)

    def _changed(self, person: Person, tree: str) -> int:
        """How many paths of the tree differ from the person's HEAD."""
        key = f"{person.head} {tree}"
        known, _, count = shadows.get(self.shadow / "changed").decode().rpartition(" ")
        if known == key and count.isdigit():
            return int(count)
        plain = not self._nested and not (self.top / ".gitattributes").exists()
        standing = Standing(person, self._git("", "index"), self.shadow, self._index_tree, plain)
        changed = standing.count(self._beside)
        shadows.put(self.shadow / "changed", f"{key} {changed}".encode())
        return changed

    def _person_at(self, path: str) -> Person | None:
        """The repository at `path`; None, with a note, where git can't read it."""
        try:
            return Person(self.top / path)
        except GitFailed as error:
            why = error.what.rpartition("git could not take the code: ")[2]
            where = path or str(self.top)
            self._notes.append(shown(f"{where}: taken as a plain folder, since git says: {why}"))
            return None

    def _git(self, path: str, index: str) -> Git:
        git = Git(self.shadow, self.top / path, self._locks)
        git.env["GIT_INDEX_FILE"] = str(self.shadow / index)
        return git

    def _tree(self, path: str, scan: Scan, rules: list[str]) -> str:
        """The tree of the folder at `path`, its nested repositories included as plain files."""
        found = scan.read()
        git, index = scan.git, _index_of(path)
        self._nested |= bool(found.nested)
        tree = self._update(git, path, index, found)
        self._note_submodules(self.top / path, path, found.nested)
        return self._graft(git, index, path, tree, sorted(found.nested), rules) if found.nested else tree

    def _update(self, git: Git, path: str, index: str, found: Found) -> str:
        """The tree of the files that were found; the index is brought up to date where they are many."""
        folder = self.top / path
        sizes = _sizes(folder, found.entering)
        gone = found.leaving + [name for name in found.entering if name not in sizes]
        tree = shadows.get(self.shadow / f"{index}.tree")
        pointers = split_z(shadows.get(self.shadow / f"{index}.lfs"))
        # A refresh looks at every file once more, so that a `touch` of them all does not make git read them
        # all at each launch. Once in a while is enough for that.
        stale = _age_s(self.shadow / index) > _REFRESH_S
        known = self._has(tree)
        if known and not found.nested and quick.is_small(sizes, gone) and not (stale and found.took_s > _LONG_S):
            with contextlib.suppress(Unfit):
                return self._small_change(path, tree.decode(), sizes, gone, pointers)
        if sizes or (gone and _any_in_index(git, gone)) or not known:
            # Before the index changes: a tree that is not of this index must not outlive a `kill -9` here.
            (self.shadow / f"{index}.tree").unlink(missing_ok=True)
            self._confirm_sizes(sizes)
            if gone:
                git("update-index", "--force-remove", "-z", "--stdin", stdin=join_z(gone))
            refresh = ["-q", "--refresh"] if stale else []
            words = ("--add", "--remove", "--replace", "-z", "--stdin")
            git("update-index", *refresh, *words, stdin=join_z(list(sizes)))
            tree = git("write-tree").strip()
            pointers = sorted(({*pointers} - {*gone, *found.entering}) | {*_lfs_pointers(folder, sizes)})
            shadows.put(self.shadow / f"{index}.lfs", join_z(pointers))
            shadows.put(self.shadow / f"{index}.tree", tree)
        if not path:
            self._index_tree, self._beside = tree.decode(), {}
        self._note_pointers(pointers)
        return tree.decode()

    def _small_change(
        self, path: str, index_tree: str, sizes: dict[str, int], gone: list[str], pointers: list[str]
    ) -> str:
        """The index's tree with few files changed, and the index as it was. Raises Unfit."""
        changes = quick.read_changes(self.top / path, sizes, gone)
        entries = quick.store(self._objects, changes, self._confirm_sizes)
        tree = quick.tree_with(self._objects, index_tree, entries) if entries else index_tree
        if not path:
            self._index_tree, self._beside = index_tree, entries
        lfs = {name for name, there in changes.items() if there and _is_lfs_pointer(there[1])}
        self._note_pointers(sorted(({*pointers} - {*changes}) | lfs))
        return tree

    def _note_pointers(self, pointers: list[str]) -> None:
        if len(pointers) == 1:
            self._notes.append(f"{shown(pointers[0])} is a pointer of Git LFS, not the content: git lfs pull")
        elif pointers:
            many = f"{len(pointers)} files (such as {shown(pointers[0])}) are pointers of Git LFS, not the content"
            self._notes.append(f"{many}: git lfs pull")

    def _has(self, name: bytes) -> bool:
        """Whether a tree or commit that we wrote is in the shadow."""
        text = name.decode(errors="replace")
        return bool(re.fullmatch(_HASH, name)) and (self.shadow / "objects" / text[:2] / text[2:]).exists()

    def _confirm_sizes(self, sizes: dict[str, int]) -> None:
        """Ask about files that are new or changed."""
        files = sorted((BigFile(name, size) for name, size in sizes.items()), key=lambda file: -file.size)
        self._confirm(sum(sizes.values()), files[:10])

    def _note_submodules(self, folder: Path, path: str, nested: set[str]) -> None:
        try:
            text = (folder / ".gitmodules").read_text(errors="replace")
        except OSError:
            return
        for found in re.findall(r"^\s*path\s*=\s*(.+?)\s*$", text, re.MULTILINE):
            name = found.strip('"')
            if name not in nested and not os.path.exists(folder / name / ".git"):
                where = f" -C {shlex.quote(path)}" if path else ""
                fix = f"git{where} submodule update --init {shlex.quote(name)}"
                said = f"the submodule {name} is not checked out, so the job won't have it: {fix}"
                self._notes.append(shown(said))

    def _graft(self, git: Git, index: str, path: str, tree: str, nested: list[str], rules: list[str]) -> str:
        """`tree` with each nested repository's own files put where it lies."""
        inner = {}
        for name in nested:
            below = f"{path}/{name}" if path else name
            its_rules = [*inside(rules, name), *rules_of(self.top / below)]
            scan = Scan(self._git(below, _index_of(below)), self.top / below, self._person_at(below), its_rules)
            inner[name] = self._tree(below, scan, its_rules)
        key = hashlib.sha256("\0".join([tree, *(part for pair in inner.items() for part in pair)]).encode(
            errors="surrogateescape"
        )).hexdigest()  # fmt: skip
        remembered = self.shadow / f"{index}.graft"
        known, _, grafted = shadows.get(remembered).partition(b" ")
        if known.decode() == key and self._has(grafted):
            return grafted.decode()
        git.env["GIT_INDEX_FILE"] = str(self.shadow / f"graft.{os.getpid()}")
        try:
            git("read-tree", tree)
            for name, its_tree in inner.items():
                git("read-tree", f"--prefix={name}/", its_tree)
            result = git("write-tree").strip()
        finally:
            Path(git.env["GIT_INDEX_FILE"]).unlink(missing_ok=True)
        shadows.put(remembered, key.encode() + b" " + result)
        return result.decode()

    def _commit(self, tree: str) -> str:
        last = self.shadow / "last"
        known, _, commit = shadows.get(last).partition(b" ")
        if known == tree.encode() and self._has(commit) and (self.shadow / "refs/mlsh" / commit.decode()).exists():
            return commit.decode()
        self._before = commit.decode()
        text = f"tree {tree}\nauthor {_IDENTITY}\ncommitter {_IDENTITY}\n\nmlsh snapshot\n"
        made = self._objects.write(b"commit", text.encode())
        # As update-ref would, without a process: nobody else writes here while we hold the lock.
        (self.shadow / "refs/mlsh").mkdir(exist_ok=True)
        shadows.put(self.shadow / "refs/mlsh" / made, f"{made}\n".encode())
        shadows.put(last, f"{tree} {made}".encode())
        return made


def _agree(size: int, largest: list[BigFile]) -> None:
    """Before a look's end there is nothing to confirm."""


def _index_of(path: str) -> str:
    """The name of a folder's index in the shadow."""
    return "index" if not path else f"index.{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _sizes(folder: Path, names: list[str]) -> dict[str, int]:
    """The sizes of those of the names that are files or links now; git takes nothing else."""
    sizes = {}
    real: dict[str, bool] = {"": True}
    for name in names:
        # Git lists what lay in a folder that has become a link to another, and then refuses to take it.
        if not _in_real_folder(folder, os.path.dirname(name), real):
            continue
        try:
            found = os.lstat(folder / name)
        except OSError:
            continue  # deleted, or a folder above it became a file
        if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
            sizes[name] = found.st_size
    return sizes


def _in_real_folder(top: Path, folder: str, known: dict[str, bool]) -> bool:
    """Whether no part of the way is a link, beyond which nothing belongs to the folder."""
    if folder not in known:
        above = _in_real_folder(top, os.path.dirname(folder), known)
        known[folder] = above and not os.path.islink(top / folder)
    return known[folder]


def _any_in_index(git: Git, names: list[str]) -> bool:
    known = {*split_z(git("ls-files", "-z", "--cached"))}
    return any(name in known for name in names)


def _lfs_pointers(folder: Path, sizes: dict[str, int]) -> list[str]:
    found = []
    for name, size in sizes.items():
        if len(_LFS_POINTER) < size < 1024 and not os.path.islink(folder / name):
            try:
                with open(folder / name, "rb") as file:
                    if _is_lfs_pointer(file.read(1024)):
                        found.append(name)
            except OSError:
                continue  # gone since; the next launch looks again
    return found


def _is_lfs_pointer(text: bytes) -> bool:
    return len(_LFS_POINTER) < len(text) < 1024 and text.startswith(_LFS_POINTER)


def shown(path: str) -> str:
    """A path that can be printed."""
    return "".join(char if char.isprintable() else "?" for char in path)
