"""The person's repository: asked, never written to, and nothing that it configures is run."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlsh.box import process
from mlsh.git.plumbing import Git

_HEX = r"[0-9a-f]{40}|[0-9a-f]{64}"
_QUESTION = r"^(filter\..*\.(clean|smudge|process)|core\.excludesfile)$"


class Person:
    """A repository of the person's. `head` is its commit (empty before the first), `branch` where that is on.

    Raises GitFailed where git can't read it.
    """

    def __init__(self, top: Path) -> None:
        self.git = Git(None, top)
        # An own fsmonitor daemon would be started by the question, and a hook run.
        self.git.argv += ["-c", "core.fsmonitor=false"]
        self.excludes_file = ""
        self._asked = False
        plain = read_head(top / ".git")
        if plain is not None:
            self.common = top / ".git"
            self.head, self.branch = plain
            # What is configured for the person as a whole, git finds by itself.
            # Not what an `[includeIf "gitdir:..."]` brings in: the shadow is another git directory.
            if _tells(self.common / "config", b"excludesfile", b"include", b"worktreeconfig") or any(
                _tells(path, b"include") for path in _general_configs()
            ):
                self.ask_settings()
        else:
            where = self.git.start("rev-parse", "--path-format=absolute", "--git-common-dir", "--revs-only", "HEAD")
            branch = self.git.start("symbolic-ref", "-q", "--short", "HEAD")
            common, _, head = self.git.finish(where).partition(b"\n")
            self.common = Path(os.fsdecode(common))
            self.head = head.decode().strip()
            self.branch = branch.communicate()[0].decode(errors="replace").strip()
            self.ask_settings()

    def ask_settings(self) -> None:
        """Learn of the ignore file and the filters that are configured, and switch the filters off."""
        if self._asked:
            return
        self._asked = True
        settings, _ = self.git.start("config", "-z", "--get-regexp", _QUESTION).communicate()
        filters = set()
        for entry in settings.split(b"\0"):
            key, _, value = entry.partition(b"\n")
            if key == b"core.excludesfile":
                self.excludes_file = os.fsdecode(value)
            elif key:
                filters.add(os.fsdecode(key).rpartition(".")[0])
        self._switch_off(sorted(filters))

    def _switch_off(self, filters: list[str]) -> None:
        off = [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")]
        pairs = [(f"{name}.{key}", value) for name in filters for key, value in off]
        self.git.env["GIT_CONFIG_COUNT"] = str(len(pairs))
        for number, (key, value) in enumerate(pairs):
            self.git.env[f"GIT_CONFIG_KEY_{number}"] = key
            self.git.env[f"GIT_CONFIG_VALUE_{number}"] = value

    def tracked_but_ignored(self) -> process.Started:
        """Start to list what is tracked although a rule ignores it."""
        return self.git.start("ls-files", "-z", "--cached", "--ignored", "--exclude-standard")

    def exclude_words(self) -> tuple[list[str], list[str]]:
        """This repository's private ignore rules: words before git's command, and words after it."""
        private = self.common / "info" / "exclude"
        before = ["-c", f"core.excludesFile={self.excludes_file}"] if self.excludes_file else []
        return before, [f"--exclude-from={private}"] if private.is_file() else []


def _general_configs() -> list[Path]:
    """The person's and the machine's git configs, those that there are."""
    home = os.path.expanduser("~")
    xdg = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    own = os.environ.get("GIT_CONFIG_GLOBAL")
    names = [own] if own is not None else [f"{home}/.gitconfig", f"{xdg}/git/config"]
    if not os.environ.get("GIT_CONFIG_NOSYSTEM"):
        names += [os.environ.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig", "/usr/local/etc/gitconfig"]
    return [Path(name) for name in names if name and os.path.exists(name)]


def _tells(config: Path, *words: bytes) -> bool:
    """Whether a git config mentions one of the words, in any way."""
    try:
        text = config.read_bytes().lower()
    except OSError:
        return True
    return any(word in text for word in words)


def read_head(git_dir: Path) -> tuple[str, str] | None:
    """HEAD's commit and branch, from the files of an ordinary repository; None where git has to be asked.

    That is a linked worktree, a submodule, references in a table, somebody else's repository: two processes
    that most launches can do without.
    """
    try:
        if os.stat(git_dir).st_uid != os.geteuid() or (git_dir / "commondir").exists():
            return None
        text = (git_dir / "HEAD").read_text().strip()
        if re.fullmatch(_HEX, text):
            return text, ""
        name = text.removeprefix("ref: ")
        if name == text or not name.startswith("refs/heads/") or name.endswith("/.invalid"):
            return None
        if (git_dir / "reftable").exists() or not (git_dir / "objects").is_dir():
            return None
        branch = name.removeprefix("refs/heads/")
        loose = git_dir / name
        if loose.exists():
            commit = loose.read_text().strip()
            return (commit, branch) if re.fullmatch(_HEX, commit) else None
        packed = git_dir / "packed-refs"
        for line in packed.read_text().splitlines() if packed.exists() else []:
            commit, _, packed_name = line.partition(" ")
            if packed_name == name:
                return commit, branch
    except (OSError, UnicodeDecodeError):
        return None
    return "", branch
