"""The repository around a folder, and git run on it: no hook, no daemon, no editor, no question."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from mlsh.box import process
from mlsh.errors import ExitCode, MlshError, NotFound, RefusedInput
from mlsh.git.plumbing import environment

_TIMEOUT_S = 600.0
_PATIENCE_S = 5.0
_SETTINGS = r"^(filter\..*\.(clean|smudge|process)|core\.bare|core\.logallrefupdates|extensions\..*)$"
# Whatever the person configured: nothing of theirs is started, but for the filters of a checkout.
_QUIET = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "advice.detachedHead": "false",
    "commit.gpgSign": "false",
    "core.quotePath": "true",
    "core.commentChar": "#",
}
EMPTY_TREE = {"sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904"}
EMPTY_TREE["sha256"] = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"


class GitRefused(RefusedInput):
    """git would not do it; `said` is all that it said."""

    def __init__(self, words: Sequence[str], stderr: bytes, code: int) -> None:
        self.said = stderr.decode(errors="replace")
        lines = [line for line in self.said.splitlines() if line.strip()]
        first = next((line for line in lines if line.startswith(("error:", "fatal:"))), lines[0] if lines else "")
        reason = first.partition(": ")[2] or first or f"it ended with {code}"
        super().__init__(f"git {words[0]}: {reason[:300]}", self._hint())

    def _hint(self) -> str:
        if re.search(r"\.lock'?: File exists", self.said):
            return "another git is at work there, or one was killed; if none is, remove the .lock file that it names"
        if "dubious ownership" in self.said:
            return "the repository belongs to another user; git's own message says how to trust it: git status"
        if "o space left" in self.said:
            return "make room on the disk, then again"
        if "ermission denied" in self.said or "ead-only file system" in self.said:
            return "nothing can be changed in this repository: look at the rights of its .git folder"
        return ""


class Busy(MlshError):
    """Somebody else is changing this repository right now."""

    exit_code = ExitCode.TRY_AGAIN


class Repository:
    """A repository and one work tree of it; `top` is None where there is no work tree."""

    def __init__(self, top: Path | None, git_dir: Path, common: Path) -> None:
        self.git_dir = git_dir
        """Where HEAD and the index of this work tree are."""
        self.common = common
        """Where the refs and objects are, which all work trees share."""
        self.top = top
        if top is not None and git_dir == common and self.settings.get("core.bare") == "true":
            self.top = None

    @cached_property
    def settings(self) -> dict[str, str]:
        """The settings that matter here, keys in lower case but for a filter's name. Raises GitRefused."""
        ran = self._run(["config", "-z", "--get-regexp", _SETTINGS], {}, b"")
        if ran.returncode not in {0, 1}:
            raise GitRefused(["config"], ran.stderr, ran.returncode)
        pairs = (entry.partition(b"\n") for entry in ran.stdout.split(b"\0") if entry)
        return {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}

    @property
    def empty_tree(self) -> str:
        """The name of the tree without files."""
        return EMPTY_TREE[self.settings.get("extensions.objectformat", "sha1")]

    @property
    def null(self) -> str:
        """The name that stands for no object."""
        return "0" * len(self.empty_tree)

    def require_top(self) -> Path:
        """The work tree's folder. Raises RefusedInput where there is none."""
        if self.top is None:
            raise RefusedInput(
                f"{self.git_dir} has no working tree, so there is nothing here to undo or to save",
                "what was lost there can still be listed: mlsh rescue",
            )
        return self.top

    def git(
        self,
        *words: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        codes: Sequence[int] = (0,),
        filters: bool = False,
        timeout_s: float = _TIMEOUT_S,
    ) -> bytes:
        """Run git and return its output; raises GitRefused where it ends with a code that is not among `codes`.

        `filters`: the person's own filters (LFS) run, as they do in a checkout of theirs.
        """
        own = dict(_QUIET) if filters else {**_QUIET, **self._no_filters}
        ran = self._run(words, own, stdin, env, timeout_s)
        if ran.returncode not in codes:
            raise GitRefused(words, ran.stderr, ran.returncode)
        return ran.stdout

    def line(self, *words: str) -> str:
        """One line of output, or nothing where git has no answer."""
        ran = self._run(words, {**_QUIET, **self._no_filters}, b"")
        return ran.stdout.decode(errors="replace").strip() if ran.returncode == 0 else ""

    def start(self, *words: str) -> process.Started:
        """Start git; its output is read with `finish`."""
        return process.start(
            self._argv(words), env=self._env({**_QUIET, **self._no_filters}), cwd=self.top or self.git_dir
        )

    def finish(self, words: Sequence[str], started: process.Started) -> bytes:
        """The output of a started git. Raises GitRefused."""
        try:
            out, err = started.communicate(timeout=_TIMEOUT_S)
        except BaseException:
            process.stop(started)
            raise
        if started.returncode != 0:
            raise GitRefused(words, err, started.returncode)
        return out

    @cached_property
    def _no_filters(self) -> dict[str, str]:
        names = {key.rpartition(".")[0] for key in self.settings if key.startswith("filter.")}
        off = [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")]
        return {f"{name}.{key}": value for name in sorted(names) for key, value in off}

    def _argv(self, words: Sequence[str]) -> list[str]:
        return ["git", "-C", str(self.top or self.git_dir), *words]

    def _env(self, own: Mapping[str, str]) -> dict[str, str]:
        # In the environment and not as `-c`: what --explain prints stays a command that a person would type.
        env = environment(GIT_TERMINAL_PROMPT="0", GIT_EDITOR="true", GIT_CONFIG_COUNT=str(len(own)))
        for number, (key, value) in enumerate(own.items()):
            env[f"GIT_CONFIG_KEY_{number}"], env[f"GIT_CONFIG_VALUE_{number}"] = key, value
        return env

    def _run(
        self,
        words: Sequence[str],
        own: Mapping[str, str],
        stdin: bytes,
        env: Mapping[str, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> process.Ran:
        return process.run(
            self._argv(words),
            stdin=stdin,
            timeout_s=timeout_s,
            env={**self._env(own), **(env or {})},
            cwd=self.top or self.git_dir,
        )

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Be the only mlsh that changes this repository.

        Raises Busy where another one does for long, or where a git holds the index; RefusedInput where the
        repository can't be written.
        """
        folder = self.common / "mlsh"
        try:
            folder.mkdir(exist_ok=True)
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise
            raise RefusedInput(
                f"{self.common} can't be written ({error.strerror}), so nothing can be recorded or undone",
                "look only: mlsh undo --dry-run, mlsh rescue",
            ) from error
        try:
            self._wait_for(lock)
            self.refuse_index_lock()
            yield
        finally:
            os.close(lock)

    def _wait_for(self, lock: int) -> None:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Busy(f"another mlsh is changing {self.common}", "when it is done, try again") from None
                time.sleep(0.02)
            else:
                return

    def refuse_index_lock(self) -> None:
        """Raise Busy where a git holds the index, or left its lock there."""
        lock = self.git_dir / "index.lock"
        try:
            age_s = time.time() - lock.lstat().st_mtime
        except FileNotFoundError:
            return
        raise Busy(
            f"another git is at work here, or was killed: {lock} is {age_s:.0f} s old",
            f"when no git runs here any more: rm -- {lock}",
        )


def find(folder: Path) -> Repository:
    """The repository around a folder. Raises NotFound."""
    folder = folder.absolute()
    for candidate in (folder, *folder.parents):
        dot = candidate / ".git"
        if dot.is_dir() and _is_git_dir(dot):
            return Repository(candidate, dot, _common_of(dot))
        if dot.is_file():
            text = dot.read_bytes()
            if text.startswith(b"gitdir: "):
                git_dir = candidate / os.fsdecode(text[len(b"gitdir: ") :].rstrip(b"\n"))
                if _is_git_dir(git_dir):
                    return Repository(candidate, git_dir, _common_of(git_dir))
            raise NotFound(f"{dot} names no git folder", "git worktree repair, or clone anew")
        if _is_git_dir(candidate) and ((candidate / "objects").is_dir() or (candidate / "commondir").exists()):
            return Repository(None, candidate, _common_of(candidate))
    raise NotFound(f"{folder} is in no git repository", "cd to one")


def _is_git_dir(folder: Path) -> bool:
    return os.path.lexists(folder / "HEAD") and ((folder / "refs").is_dir() or (folder / "commondir").exists())


def _common_of(git_dir: Path) -> Path:
    try:
        text = (git_dir / "commondir").read_bytes().rstrip(b"\n")
    except FileNotFoundError:
        return git_dir
    return Path(os.path.normpath(git_dir / os.fsdecode(text)))
