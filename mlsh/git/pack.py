"""Packs: the objects of a snapshot that a box lacks, as one stream."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mlsh.box import process
from mlsh.errors import SnapshotRefused
from mlsh.git import quick
from mlsh.git import shadow as shadows
from mlsh.git.objects import Objects, Unfit
from mlsh.git.plumbing import Git, GitFailed
from mlsh.git.snapshot import BigFile, Snapshot


def has_commit(snapshot: Snapshot, commit: str) -> bool:
    """Whether the laptop still has this snapshot, so that a pack can build on it."""
    return (Path(snapshot.git_dir) / "refs" / "mlsh" / commit).exists()


def sizes_to_send(snapshot: Snapshot, base: str | None) -> tuple[int, list[BigFile]]:
    """How many bytes of files differ from `base` (all, without one), and the ten largest of them."""
    git = Git(Path(snapshot.git_dir), Path(snapshot.top))
    sizes = _all_sizes(git, snapshot.commit) if base is None else _changed_sizes(git, base, snapshot.commit)
    sizes.sort(key=lambda file: -file.size)
    return sum(file.size for file in sizes), sizes[:10]


def _all_sizes(git: Git, commit: str) -> list[BigFile]:
    found = []
    for entry in git("ls-tree", "-r", "-l", "-z", commit).split(b"\0"):
        about, _, path = entry.partition(b"\t")
        words = about.split()
        if len(words) == 4 and words[3].isdigit():
            found.append(BigFile(os.fsdecode(path), int(words[3])))
    return found


def _changed_sizes(git: Git, base: str, commit: str) -> list[BigFile]:
    parts = git("diff-tree", "-r", "-z", "--no-renames", "--diff-filter=d", base, commit).split(b"\0")
    changed = [(about.split()[3], path) for about, path in zip(parts[:-1:2], parts[1::2], strict=True)]
    if not changed:
        return []
    blobs = b"".join(blob + b"\n" for blob, _ in changed)
    sizes = git("cat-file", "--batch-check=%(objectsize)", stdin=blobs).split()
    return [BigFile(os.fsdecode(path), int(size)) for (_, path), size in zip(changed, sizes, strict=True)]


def small(snapshot: Snapshot, base: str) -> tuple[bytes, int] | None:
    """A pack and how many objects it holds, made without a process; None where git should make it."""
    try:
        return quick.pack_of(Objects(Path(snapshot.git_dir)), snapshot.commit, base)
    except Unfit:
        return None


@contextlib.contextmanager
def packed(snapshot: Snapshot, base: str | None) -> Iterator[tuple[IO[bytes], int, int]]:
    """A file with the pack, its size in bytes, and how many objects it holds.

    With a `base`, the pack is thin: it builds on objects that the box has with that commit. Raises
    SnapshotRefused where the laptop's copy turns out to be damaged, and throws that away.
    """
    import struct
    import tempfile  # 5 ms; a small pack does without

    git = Git(Path(snapshot.git_dir), Path(snapshot.top))
    wanted = f"{snapshot.commit}\n" + (f"^{base}\n" if base else "")
    # --shallow: snapshots have no parents, and only so git looks into `base` for what to build on.
    words = ["pack-objects", "--revs", "--thin", "--shallow", "--stdout", "--delta-base-offset", "-q"]
    with tempfile.TemporaryFile(dir=Path(snapshot.git_dir)) as pack:
        started = process.start(
            [*git.argv, *words],
            stdin=process.PIPE,
            stdout=pack,
            env=git.env,
            cwd=snapshot.top,
            reads=f"the commits {' '.join(wanted.split())}",
        )
        _, err = started.communicate(wanted.encode())
        if started.returncode != 0:
            raise _damaged(snapshot, GitFailed(Path(snapshot.top), err, started.returncode))
        size = pack.seek(0, os.SEEK_END)
        pack.seek(8)
        (objects,) = struct.unpack(">I", pack.read(4))
        pack.seek(0)
        yield pack, size, objects


def _damaged(snapshot: Snapshot, error: GitFailed) -> SnapshotRefused:
    shadow = Path(snapshot.git_dir)
    if not shadows.is_damage(error.said):
        return error
    with shadows.locked(shadow):
        shadows.discard(shadow)
    return SnapshotRefused(
        f"{error.what} (mlsh's copy of the code was damaged, and has been thrown away)",
        "run it again: the copy is made anew",
    )
