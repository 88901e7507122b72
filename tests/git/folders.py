"""Folders and repositories for tests, and what a snapshot of one holds, read with none of our code."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from mlsh.git.snapshot import BigFile, Snapshot

Git = Callable[..., str]


def yes(size: int, largest: list[BigFile]) -> None:
    """Agree to every size."""


def git_in(folder: Path) -> Git:
    def git(*words: str, check: bool = True) -> str:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"git {words}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace").strip()

    return git


def on_disk(folder: Path) -> dict[bytes, tuple[str, bytes]]:
    """Every file and link of a folder, as (kind, content); no `.git`."""
    found = {}
    top = os.fsencode(folder)
    for where, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name != b".git"]
        for name in [*files, *(name for name in folders if os.path.islink(os.path.join(where, name)))]:
            if name == b".git":
                continue
            path = os.path.join(where, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                found[os.path.relpath(path, top)] = ("link", os.readlink(path))
            elif stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, top)] = ("exec" if mode & 0o100 else "file", file.read())
    return found


def content(snapshot: Snapshot) -> dict[bytes, tuple[str, bytes]]:
    """Every file of a snapshot, read from the shadow's objects with none of our code."""
    git = ["env", "-i", f"PATH={os.environ['PATH']}", "git", f"--git-dir={snapshot.git_dir}"]
    listed = subprocess.run([*git, "ls-tree", "-r", "-z", snapshot.commit], capture_output=True, check=True).stdout
    entries = [entry.partition(b"\t") for entry in listed.split(b"\0") if entry]
    wanted = b"".join(about.split()[2] + b"\n" for about, _, _ in entries)
    raw = subprocess.run([*git, "cat-file", "--batch"], input=wanted, capture_output=True, check=True).stdout
    found, at = {}, 0
    kinds = {b"100644": "file", b"100755": "exec", b"120000": "link", b"160000": "gitlink"}
    for about, _, name in entries:
        end = raw.index(b"\n", at)
        size = int(raw[at:end].split()[2])
        found[name] = (kinds[about.split()[0]], raw[end + 1 : end + 1 + size])
        at = end + size + 2
    return found


def everything(folder: Path) -> dict[str, object]:
    """All there is in a folder, `.git` included, with times and modes."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        if path.name.startswith("sharedindex."):
            # git notes with its mtime that somebody reads a split index; there is no way to ask it not to.
            found[str(path)] = path.read_bytes()
        elif stat.S_ISREG(about.st_mode):
            found[str(path)] = (about.st_mtime_ns, about.st_mode, about.st_ino, path.read_bytes())
        else:
            found[str(path)] = (about.st_mtime_ns, about.st_mode, about.st_ino)
    return found


def nested(repo: Path, path: str) -> Path:
    folder = repo / path
    folder.mkdir(parents=True)
    git = git_in(folder)
    git("init", "-q")
    (folder / "inner.py").write_text(path)
    (folder / ".gitignore").write_text("*.o\n")
    (folder / "x.o").write_text("ignored")
    git("add", "-A")
    git("commit", "-qm", "inner")
    return folder
