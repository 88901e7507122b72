"""Take a repository from one recorded state to another: redo, the undo of an undo, and a save put back.

Only what differs between the two is touched, and only where the repository still is as the first one says. So
nothing that came since is overwritten: it is an obstacle, and nothing at all is done.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import msgspec

from mlsh.errors import RefusedInput
from mlsh.shell.visible import printable
from mlsh.undo import contents, reflogs
from mlsh.undo.capture import state_files
from mlsh.undo.contents import Contents
from mlsh.undo.records import Record, batch, unpacked
from mlsh.undo.repository import Repository

_NOT_OURS = ("refs/remotes/", "refs/mlsh/", "refs/stash")


class File(NamedTuple):
    """git's mode and object."""

    mode: str
    name: str


class Diff(msgspec.Struct, frozen=True):
    """By path, what a file was and what it is; None where there is none."""

    was: dict[bytes, File | None]
    now: dict[bytes, File | None]


def diff_trees(repo: Repository, one: str, two: str) -> Diff:
    """What differs between two trees, file by file. Raises GitRefused."""
    was: dict[bytes, File | None] = {}
    now: dict[bytes, File | None] = {}
    if one != two:
        out = repo.git("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", one, two).split(b"\0")
        for about, path in zip(out[:-1:2], out[1::2], strict=True):
            mode_was, mode_now, name_was, name_now, _ = about[1:].decode().split(" ")
            was[path] = File(mode_was, name_was) if mode_was != "000000" else None
            now[path] = File(mode_now, name_now) if mode_now != "000000" else None
    return Diff(was, now)


def tree_of(repo: Repository, record: Record, part: str) -> str:
    """The tree of a record's `files` or `staged`."""
    return repo.line("rev-parse", "--verify", "-q", record.part(part)) or repo.empty_tree


class Transition(msgspec.Struct, frozen=True):
    """What has to change, and what stands against it."""

    refs: dict[str, tuple[str, str]]
    """Ref to what it is and what it becomes; empty where there is none."""
    head: str
    """What HEAD becomes; empty where it stays."""
    files: dict[bytes, File | None]
    index: dict[bytes, File | None]
    whole_index: bool
    """Whether the index is as it was in the first state, so that the second one's can be put back byte for byte."""
    state: dict[str, bytes | None]
    stash: tuple[tuple[str, str], ...] | None
    obstacles: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        left = (self.refs, self.head, self.files, self.index, self.state, self.stash is not None)
        return not any(left)


def plan(repo: Repository, first: Record, second: Record, now: Record) -> Transition:
    """How `now` gets what differs between the two; every file that changed since `first` is an obstacle."""
    obstacles: list[str] = []
    held = contents.read(repo, [first, second, now])
    one, two, three = held
    refs = _plan_refs(held, obstacles)
    head = second.meta.head if first.meta.head != second.meta.head else ""
    if head and now.meta.head not in {first.meta.head, second.meta.head}:
        obstacles.append("HEAD is elsewhere by now")
    files = _plan_files(repo, (one.files, two.files, three.files), obstacles, "changed since")
    same_index = one.staged == three.staged and first.meta.unmerged == now.meta.unmerged
    index = _plan_files(repo, (one.staged, two.staged, three.staged), obstacles, "has been staged anew since")
    stages = first.meta.unmerged != second.meta.unmerged
    if stages and not same_index:
        obstacles.append("the index has changed since, and there are conflicts in it")
    state = _plan_state(held, obstacles)
    stash = None
    if first.meta.stash != second.meta.stash:
        stash = second.meta.stash
        if now.meta.stash not in {first.meta.stash, second.meta.stash}:
            obstacles.append("the stash has changed since")
    whole = same_index and second.meta.plain_index and (bool(index) or stages or bool(files))
    return Transition(refs, head, files, index, whole, state, stash, tuple(obstacles))


def _plan_refs(held: Sequence[Contents], obstacles: list[str]) -> dict[str, tuple[str, str]]:
    one, two, three = (each.refs for each in held)
    wanted = {}
    for ref in sorted(one.keys() | two.keys()):
        was, becomes, there = one.get(ref, ""), two.get(ref, ""), three.get(ref, "")
        if ref.startswith(_NOT_OURS) or becomes in {was, there}:
            continue
        if there != was:
            obstacles.append(f"{short(ref)} has moved since")
        wanted[ref] = (there, becomes)
    return wanted


def _plan_files(
    repo: Repository, trees: tuple[str, str, str], obstacles: list[str], why: str
) -> dict[bytes, File | None]:
    first, second, now = trees
    wanted = diff_trees(repo, first, second)
    if not wanted.now:
        return {}
    since = diff_trees(repo, first, now)
    todo: dict[bytes, File | None] = {}
    for path, becomes in wanted.now.items():
        there = since.now.get(path, wanted.was[path])
        if there == becomes:
            continue
        if path in since.now:
            obstacles.append(f"{shown(path)} {why}")
        todo[path] = becomes
    return todo


def _plan_state(held: Sequence[Contents], obstacles: list[str]) -> dict[str, bytes | None]:
    one, two, three = (each.state for each in held)
    wanted: dict[str, bytes | None] = {}
    for name in sorted(one.keys() | two.keys()):
        if one.get(name) == two.get(name) or three.get(name) == two.get(name):
            continue
        if three.get(name) != one.get(name) and name != "ORIG_HEAD":
            obstacles.append(f"what is in progress has changed since ({name})")
        wanted[name] = two.get(name)
    return wanted


# What is done


def carry_out(repo: Repository, steps: Transition, second: Record, reason: str) -> None:
    """Do it. `reason` is what the reflogs say. Raises RefusedInput where something stands against it.

    Refs first, in one transaction: where one of them has moved, nothing is done. The rest can be done again.
    """
    if steps.obstacles:
        listed = "\n".join(f"  {line}" for line in steps.obstacles[:10])
        more = len(steps.obstacles) - 10
        raise RefusedInput(
            "something stands in the way, so nothing was changed:\n" + listed + (f"\n  and {more} more" * (more > 0)),
            "commit or stash what you have, or take it to a new branch: mlsh save --list",
        )
    move_refs(repo, steps.refs, reason, unpacked(second.meta.head), unpacked(steps.head))
    _write_index(repo, steps, second)
    write_files(repo, steps.files, frozenset(unpacked(path) for path in second.meta.raw))
    for name, data in steps.state.items():
        _put_state(repo, name, data)
    if steps.stash is not None:
        set_stash(repo, [(name, unpacked(message)) for name, message in steps.stash])
    # The files that were written have other times than the index remembers.
    repo.git("update-index", "-q", "--refresh", codes=(0, 1), filters=True)


def move_refs(repo: Repository, refs: Mapping[str, tuple[str, str]], reason: str, head: str, new_head: str) -> None:
    """Move refs from what they are to what they are to be, all or none; then HEAD, if `new_head` is given."""
    text = b""
    for ref, (was, becomes) in refs.items():
        verb = b"update" if becomes else b"delete"
        names = (becomes.encode(), was.encode() or repo.null.encode()) if becomes else (was.encode(),)
        text += b" ".join([verb, os.fsencode(ref)]) + b"\0" + b"\0".join(names) + b"\0"
    # A branch that HEAD is on can't be deleted from under it: HEAD goes first.
    if new_head:
        _set_head(repo, new_head, reason)
    elif not head:
        raise AssertionError("a record has a HEAD")
    if text:
        repo.git("update-ref", "-z", "--stdin", "-m", reason, stdin=text)


def _set_head(repo: Repository, head: str, reason: str) -> None:
    if head.startswith("ref: "):
        repo.git("symbolic-ref", "-m", reason, "HEAD", head.removeprefix("ref: "))
    else:
        repo.git("update-ref", "--no-deref", "-m", reason, "HEAD", head)


def _write_index(repo: Repository, steps: Transition, second: Record) -> None:
    if steps.whole_index:
        data = repo.git("cat-file", "blob", second.part("index"))
        _replace_index(repo, data)
    elif steps.index:
        repo.git("update-index", "-z", "--index-info", stdin=index_info(steps.index, repo.null))
    if steps.files:
        _forget_times(repo, steps.files.keys())


def _forget_times(repo: Repository, paths: Set[bytes]) -> None:
    """Have the index know nothing of when these files were written.

    git compares whole seconds: a file that is written anew in the second that the index remembers, with the same
    size, would pass for unchanged.
    """
    entries = b""
    for entry in repo.git("ls-files", "-s", "-z").split(b"\0"):
        about, _, path = entry.partition(b"\t")
        if path in paths and about.endswith(b" 0"):
            entries += entry + b"\0"
    if entries:
        repo.git("update-index", "-z", "--index-info", stdin=entries)


def index_info(files: Mapping[bytes, File | None], null: str) -> bytes:
    """Entries as `update-index -z --index-info` reads them, what goes first."""
    gone = [b"0 %b\t%b\0" % (null.encode(), path) for path, file in files.items() if file is None]
    there = [
        b"%b %b\t%b\0" % (file.mode.encode(), file.name.encode(), path)
        for path, file in files.items()
        if file is not None
    ]
    return b"".join([*gone, *there])


def _replace_index(repo: Repository, data: bytes) -> None:
    """Put an index in the place of the one that is there, under git's own lock."""
    lock = repo.git_dir / "index.lock"
    if not data:
        (repo.git_dir / "index").unlink(missing_ok=True)
        return
    with open(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        file.write(data)
    os.replace(lock, repo.git_dir / "index")


def write_files(repo: Repository, files: Mapping[bytes, File | None], raw: frozenset[str] = frozenset()) -> None:
    """Write files of a record into the work tree; those that are not `raw` as a checkout would, from the index."""
    top = os.fsencode(repo.require_top())
    for path, file in files.items():
        if file is None:
            remove(top, path)
    plain = [path for path, file in files.items() if file and os.fsdecode(path) not in raw and file.mode != "160000"]
    if plain:
        for path in plain:
            make_folder(top, path)
        lines = b"".join(path + b"\0" for path in plain)
        repo.git("checkout-index", "-f", "-z", "--stdin", stdin=lines, filters=True)
    own = [(path, file) for path, file in files.items() if file and os.fsdecode(path) in raw and file.mode != "160000"]
    bodies = batch(repo, b"".join(file.name.encode() + b"\n" for _, file in own)) if own else []
    for (path, file), body in zip(own, bodies, strict=True):
        write_file(top, path, file.mode, body or b"")


def remove(top: bytes, path: bytes) -> None:
    """Remove a file, and the folders that it leaves empty."""
    if not _is_inside(top, path):
        return
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(os.path.join(top, path))
    folder = os.path.dirname(path)
    with contextlib.suppress(OSError):
        while folder:
            os.rmdir(os.path.join(top, folder))
            folder = os.path.dirname(folder)


def make_folder(top: bytes, path: bytes) -> None:
    """Have the folder of a file. Raises RefusedInput where a link or a file is in its place."""
    folder = os.path.dirname(path)
    if not folder:
        return
    if not _is_inside(top, path):
        raise RefusedInput(f"{shown(folder)} is a link or a file by now, so nothing was written through it")
    os.makedirs(os.path.join(top, folder), exist_ok=True)


def _is_inside(top: bytes, path: bytes) -> bool:
    """Whether each folder on the way is a real one, or not there."""
    folder = os.path.dirname(path)
    while folder:
        whole = os.path.join(top, folder)
        if os.path.lexists(whole) and (os.path.islink(whole) or not os.path.isdir(whole)):
            return False
        folder = os.path.dirname(folder)
    return True


def write_file(top: bytes, path: bytes, mode: str, data: bytes) -> None:
    """Write one file whole, in the place of what is there."""
    make_folder(top, path)
    whole = os.path.join(top, path)
    aside = os.path.join(os.path.dirname(whole), b".mlsh-%d" % os.getpid())
    if mode == "120000":
        os.symlink(data, aside)
    else:
        with open(
            os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if mode == "100755" else 0o666), "wb"
        ) as f:
            f.write(data)
    with contextlib.suppress(OSError):
        if os.path.isdir(whole) and not os.path.islink(whole):
            os.rmdir(whole)
    os.replace(aside, whole)


def _put_state(repo: Repository, name: str, data: bytes | None) -> None:
    path = repo.git_dir / name
    if data is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder: Path = path.parent
        while folder != repo.git_dir:
            folder.rmdir()
            folder = folder.parent
    # Of a rebase that is over, git leaves nothing, not even what a record did not take.
    top = name.partition("/")[0]
    if top in {"rebase-merge", "rebase-apply", "sequencer"} and not any(
        other.startswith(f"{top}/") for other in state_files(repo)
    ):
        shutil.rmtree(repo.git_dir / top, ignore_errors=True)


def set_stash(repo: Repository, wanted: Sequence[tuple[str, str]]) -> None:
    """Have these stashes, the newest first. What is dropped on the way is in a record."""
    have = [event.new for event in reversed(reflogs.read(repo, "refs/stash").events)]
    want = [name for name, _ in wanted]
    same = 0
    while same < min(len(have), len(want)) and have[len(have) - 1 - same] == want[len(want) - 1 - same]:
        same += 1
    for _ in range(len(have) - same):
        repo.git("stash", "drop", "-q", "stash@{0}")
    for name, message in reversed(wanted[: len(want) - same]):
        repo.git("stash", "store", "-q", "-m", message, name)


def short(ref: str) -> str:
    """A ref as a person calls it."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/")


def shown(path: bytes) -> str:
    """A path that can be printed."""
    return printable(os.fsdecode(path))


def list_paths(paths: Iterable[bytes], most: int = 5) -> str:
    """Paths for a sentence."""
    every = sorted(paths)
    text = ", ".join(shown(path) for path in every[:most])
    return text + (f" and {len(every) - most} more" if len(every) > most else "")
