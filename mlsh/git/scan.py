"""What a folder holds that its index does not know, and what of the index is to leave."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from mlsh.box import process
from mlsh.git.person import Person
from mlsh.git.plumbing import Git, split_z


class Found(NamedTuple):
    """Paths in the folder: new or changed ones (some may be gone), those to leave the index, repositories inside.

    `took_s` is how long it took to look.
    """

    entering: list[str]
    leaving: list[str]
    nested: set[str]
    took_s: float


class Scan:
    """Git's look at a folder, which goes on while something else is done; its end is `read`.

    Three commands side by side: what changed here, what is to leave, and what the person tracks although it
    is ignored.
    """

    def __init__(self, git: Git, folder: Path, person: Person | None, rules: list[str]) -> None:
        self.git = git
        self._folder = folder
        before, private = person.exclude_words() if person else ([], [])
        git.argv += before
        self._own = [f"--exclude={rule}" for rule in rules]
        exclude = [*self._own, "--exclude-standard", *private]
        self._began = time.monotonic()
        self._changes = git.start("ls-files", "-z", "--others", "--modified", "--deduplicate", *exclude)
        self._ignored = git.start("ls-files", "-z", "--cached", "--ignored", *exclude)
        self._kept = person.tracked_but_ignored() if person else None

    def stop(self) -> None:
        """End it; nobody wants to know."""
        for started in (self._changes, self._ignored, self._kept):
            if started is not None:
                process.stop(started)

    def read(self) -> Found:
        """What was found. Raises GitFailed."""
        git = self.git
        changed = split_z(git.finish(self._changes))
        leaving = set(split_z(git.finish(self._ignored)))
        forced = split_z(git.finish(self._kept)) if self._kept else []
        took_s = time.monotonic() - self._began
        if forced and self._own:
            banned = {name.rstrip("/") for name in split_z(git("ls-files", "-z", "-o", "-c", "-i", *self._own))}
            forced = [name for name in forced if name not in banned]
        nested = {name.rstrip("/") for name in changed if name.endswith("/")}
        nested |= {name for name in forced if _is_repository(self._folder / name)}
        stays = set(forced)
        entering = [name for name in changed if not name.endswith("/") and name not in leaving - stays]
        in_index = leaving & stays
        entering += [name for name in forced if name not in in_index]
        return Found(entering, sorted(leaving - stays), nested, took_s)


def _is_repository(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and os.path.exists(folder / ".git")
