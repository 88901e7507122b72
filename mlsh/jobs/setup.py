"""The name under which what `--setup` made is kept: the command, and the lock files that it read."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from mlsh.git.plumbing import Git
from mlsh.git.snapshot import Snapshot

_LOCK_FILES = re.compile(
    r"(?:^|/)(?:uv\.lock|poetry\.lock|pdm\.lock|pixi\.lock|Pipfile\.lock|pylock(?:\.[\w-]+)?\.toml|pyproject\.toml|"
    r"setup\.(?:py|cfg)|requirements[\w.-]*\.(?:txt|in)|conda[\w.-]*\.ya?ml|environment[\w.-]*\.ya?ml|"
    r"package-lock\.json|pnpm-lock\.yaml|yarn\.lock|Cargo\.lock|\.python-version)$"
)


def setup_key(command: str, snapshot: Snapshot) -> str:
    """A hash of the command and of the lock files beside it, at the top and in the folder of the launch.

    Without any lock file it is a hash of all the code: then nothing says that an older result would do.
    """
    git = Git(Path(snapshot.git_dir), Path(snapshot.top))
    return _key(git, command, snapshot.commit, snapshot.tree, snapshot.subdir)


def lock_files_key(command: str, git_dir: Path, commit: str, subdir: str) -> str:
    """The same for a commit of a repository; a folder that is not there has no lock files."""
    git = Git(git_dir, git_dir)
    git.argv = ["git", f"--git-dir={git_dir}"]
    return _key(git, command, commit, git.answer("rev-parse", f"{commit}^{{tree}}"), subdir)


def _key(git: Git, command: str, commit: str, tree: str, subdir: str) -> str:
    digest = hashlib.sha256(f"{command}\0{subdir}\0".encode())
    found = False
    for folder in dict.fromkeys(["", subdir]):
        where = f"{commit}:{folder}"
        if folder and not git.answer("rev-parse", "-q", "--verify", where):
            continue
        for entry in sorted(git("ls-tree", "-z", where).split(b"\0")):
            about, _, name = entry.partition(b"\t")
            if _LOCK_FILES.search(name.decode(errors="replace")):
                digest.update(about + b"\0" + name + b"\0")
                found = True
    if not found:
        digest.update(tree.encode())
    return digest.hexdigest()[:20]
