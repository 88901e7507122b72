"""A repository to break, and what it is like, read with none of our code."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from mlsh.undo import act, repository
from mlsh.undo.records import Record
from tests.git.folders import on_disk


class Playground:
    """A repository at `top`."""

    def __init__(self, top: Path) -> None:
        self.top = top

    @classmethod
    def make(cls, top: Path) -> Playground:
        """Three commits on main, one more on topic; main is checked out."""
        top.mkdir()
        play = cls(top)
        play.git("init", "-q")
        for number in (1, 2, 3):
            play.commit(f"file{number}", f"{number}\n", f"commit {number}")
        play.git("switch", "-q", "-c", "topic")
        play.commit("topic", "topic\n", "on topic")
        play.git("switch", "-q", "main")
        return play

    def git(self, *words: str, check: bool = True, **more: Any) -> str:
        """Run git as a person would."""
        done = subprocess.run(["git", *words], cwd=self.top, capture_output=True, check=False, **more)
        if check and done.returncode:
            raise AssertionError(f"git {words}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace").strip()

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.top / name).parent.mkdir(parents=True, exist_ok=True)
        (self.top / name).write_text(text)

    def read(self, name: str) -> str:
        """A file's text."""
        return (self.top / name).read_text()

    def commit(self, name: str, text: str, message: str) -> str:
        """Write, add and commit a file; returns the commit."""
        self.write(name, text)
        self.git("add", "--", name)
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def conflict(self) -> None:
        """Have main and `other` change file1 each in its way."""
        self.git("switch", "-q", "-c", "other")
        self.commit("file1", "theirs\n", "theirs")
        self.git("switch", "-q", "main")
        self.commit("file1", "ours\n", "ours")

    def state(self) -> dict[str, object]:
        """Refs, HEAD, index, files, stash; not mlsh's own refs, and no reflogs."""
        refs = self.git("for-each-ref", "--format=%(refname) %(objectname) %(symref)").splitlines()
        return {
            "HEAD": (self.git_dir() / "HEAD").read_text(),
            "refs": [line.strip() for line in refs if not line.startswith("refs/mlsh/")],
            "index": self.git("ls-files", "-s", "-z"),
            "files": on_disk(self.top),
            "stash": self.git("stash", "list", "--format=%H"),
            "status": self.git("status", "--porcelain=v1", "-z"),
        }

    def git_dir(self) -> Path:
        """The git folder of this work tree."""
        return Path(self.git("rev-parse", "--absolute-git-dir"))

    # -- mlsh, in this process

    @property
    def repo(self) -> repository.Repository:
        """The repository as mlsh finds it."""
        return repository.find(self.top)

    def plan(self, skip: int = 0) -> act.Found:
        """What would be undone."""
        return act.find(self.repo, skip)

    def undo(self, skip: int = 0) -> act.Found:
        """Undo, without a question."""
        repo = self.repo
        with repo.changing():
            found = act.find(repo, skip)
            act.undo(repo, found)
        return found

    def redo(self) -> Record:
        """Redo, without a question."""
        repo = self.repo
        with repo.changing():
            return act.redo(repo, act.find_redo(repo))
