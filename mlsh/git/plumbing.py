"""Run git: with our own settings where the repository is ours, and never a hook, a filter or a pager."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlsh.box import process
from mlsh.errors import SnapshotRefused

GIT_TIMEOUT_S = 600.0
# Where a person says which settings git should read; everything else could point it at another repository.
_KEPT = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"})


class GitFailed(SnapshotRefused):
    """git ended with an error; `said` is all that it said."""

    def __init__(self, folder: Path, stderr: bytes, code: int) -> None:
        self.said = stderr.decode(errors="replace")
        lines = [line for line in self.said.splitlines() if line.strip()]
        first = next((line for line in lines if line.startswith(("error:", "fatal:"))), lines[0] if lines else "")
        reason = first.partition(": ")[2] or first or f"it ended with {code}"
        super().__init__(f"{folder}: git could not take the code: {reason[:300]}", self._hint())

    def _hint(self) -> str:
        if re.search("ermission denied|nvalid path|Ignoring path|could not open directory", self.said):
            return "if the job needs no such file, name it in .mlshignore"
        if "o space left" in self.said:
            return "make room, or name another place for mlsh's copies: export XDG_CACHE_HOME=..."
        return ""


def environment(**own: str) -> dict[str, str]:
    """The environment for git: the person's, without what points it at another repository."""
    kept = {key: value for key, value in os.environ.items() if key in _KEPT or not key.startswith("GIT_")}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **own}


class Git:
    """git on one repository and work tree, called with lists of words.

    `locks` are descriptors that its commands keep open, so that a lock outlives an mlsh that is killed.
    """

    def __init__(self, git_dir: Path | None, work_tree: Path, locks: Sequence[int] = ()) -> None:
        self.work_tree = work_tree
        # Spelled out, so that what --explain prints can be pasted.
        where = [f"--git-dir={git_dir}", f"--work-tree={work_tree}"] if git_dir else ["-C", str(work_tree)]
        self.argv = ["git", *where]
        self.env = environment()
        self.locks = locks

    def start(self, *words: str) -> process.Started:
        """Start a command; its output is read with `finish`."""
        return process.start(
            [*self.argv, *words], stdin=process.DEVNULL, env=self.env, cwd=self.work_tree, pass_fds=self.locks
        )

    def finish(self, started: process.Started) -> bytes:
        """The output of a started command; raises GitFailed with git's own reason."""
        try:
            out, err = started.communicate(timeout=GIT_TIMEOUT_S)
        except BaseException:
            process.stop(started)
            raise
        # git only warns of a folder that it can't read, and goes on without it.
        if started.returncode != 0 or b"could not open directory" in err:
            raise GitFailed(self.work_tree, err, started.returncode)
        return out

    def __call__(self, *words: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """Run a command to its end and return its output."""
        ran = process.run(
            [*self.argv, *words],
            stdin=stdin or b"",
            timeout_s=GIT_TIMEOUT_S,
            env={**self.env, **(env or {})},
            cwd=self.work_tree,
            pass_fds=self.locks,
        )
        # update-index only mentions a name that it can't hold (`.GIT`), and goes on without it.
        if ran.returncode != 0 or ran.stderr.startswith(b"Ignoring path "):
            raise GitFailed(self.work_tree, ran.stderr, ran.returncode)
        return ran.stdout

    def answer(self, *words: str) -> str:
        """One line of output, or nothing where git has no answer."""
        ran = process.run(
            [*self.argv, *words], timeout_s=GIT_TIMEOUT_S, env=self.env, cwd=self.work_tree, pass_fds=self.locks
        )
        return ran.stdout.decode(errors="replace").strip() if ran.returncode == 0 else ""


def split_z(output: bytes) -> list[str]:
    """The paths in git's `-z` output."""
    return [os.fsdecode(part) for part in output.split(b"\0") if part]


def join_z(paths: Sequence[str]) -> bytes:
    """Paths as git reads them with `-z`."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)
