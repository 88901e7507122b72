"""What no branch, tag or stash leads to any more, but the repository still holds: asked of git's fsck and reflogs."""

from __future__ import annotations

import re

import msgspec

from mlsh.box.process import TimedOut
from mlsh.undo.repository import Repository

FSCK_S = 60.0
_STASH = re.compile(r"(?:WIP on |On )[^:]*: ")
_FORMAT = "%H%x00%P%x00%T%x00%ct%x00%an%x00%s%x1e"


class Commit(msgspec.Struct, frozen=True):
    """A commit that is lost."""

    name: str
    parents: tuple[str, ...]
    tree: str
    time_s: int
    author: str
    subject: str

    @property
    def is_stash(self) -> bool:
        """Whether `git stash` made it."""
        return len(self.parents) in {2, 3} and _STASH.match(self.subject) is not None


class Dangling(msgspec.Struct, frozen=True):
    """What fsck found, by kind; `complete` where it had the time to look at everything."""

    commits: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    complete: bool = True


def dangling(repo: Repository, timeout_s: float = FSCK_S) -> Dangling:
    """The objects that nothing leads to, reflogs aside."""
    words = ("fsck", "--no-reflogs", "--no-progress", "--connectivity-only", "--dangling")
    try:
        # It ends with other codes where something is missing or damaged, and tells what it found all the same.
        out = repo.git(*words, codes=range(256), timeout_s=timeout_s)
    except TimedOut:
        return Dangling(complete=False)
    found: dict[str, list[str]] = {"commit": [], "blob": [], "tag": [], "tree": []}
    for line in out.decode(errors="replace").splitlines():
        words_of_line = line.split()
        if len(words_of_line) == 3 and words_of_line[0] == "dangling" and words_of_line[1] in found:
            found[words_of_line[1]].append(words_of_line[2])
    return Dangling(tuple(found["commit"]), tuple(found["blob"]), tuple(found["tag"]), tuple(found["tree"]))


def describe(repo: Repository, names: list[str]) -> list[Commit]:
    """The commits of these names that there are."""
    if not names:
        return []
    asked = "".join(f"{name}\n" for name in dict.fromkeys(names)).encode()
    out = repo.git("log", "--no-walk=unsorted", "--ignore-missing", f"--format={_FORMAT}", "--no-show-signature",
                   "--stdin", stdin=asked)  # fmt: skip
    return parse_commits(out)


def parse_commits(out: bytes) -> list[Commit]:
    """Read the answer to a `log` with our format."""
    found = []
    for entry in out.decode(errors="replace").split("\x1e"):
        fields = entry.lstrip("\n").split("\0")
        if len(fields) == 6:
            name, parents, tree, time_s, author, subject = fields
            found.append(Commit(name, tuple(parents.split()), tree, int(time_s or 0), author, subject))
    return found


def dropped_stashes(repo: Repository) -> list[tuple[str, str]]:
    """Stashes that were dropped, the newest first: commit and message."""
    found = describe(repo, list(dangling(repo).commits))
    return [(each.name, each.subject) for each in sorted(found, key=lambda each: -each.time_s) if each.is_stash]
