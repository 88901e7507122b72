"""A conflict explained: for each file what base, ours and theirs are, and which commits brought them."""

from __future__ import annotations

import os

import msgspec

from mlsh.errors import NotFound
from mlsh.undo import standing
from mlsh.undo.evidence import in_progress, way_back
from mlsh.undo.repository import Repository

_HEADS = {"merge": "MERGE_HEAD", "cherry-pick": "CHERRY_PICK_HEAD", "revert": "REVERT_HEAD", "rebase": "REBASE_HEAD"}
_KINDS = {
    (True, True, True): "both sides changed it",
    (False, True, True): "both sides added it, each its own",
    (True, False, True): "ours deleted it, theirs changed it",
    (True, True, False): "ours changed it, theirs deleted it",
    (False, True, False): "only ours has it under this name: a rename against another",
    (False, False, True): "only theirs has it under this name: a rename against another",
    (True, False, False): "both sides deleted or renamed it",
}


class Side(msgspec.Struct, frozen=True):
    """One side of a conflicted file."""

    object: str
    """The blob; empty where the file is not there on this side."""
    commits: tuple[str, ...]
    """The commits that made it so since the two parted, as short names with their subjects."""


class File(msgspec.Struct, frozen=True):
    """A file in conflict."""

    path: str
    what: str
    base: str
    """The blob that both came from; empty where there is none."""
    ours: Side
    theirs: Side
    places: int
    """How many places are marked in the file."""


class Conflict(msgspec.Struct, frozen=True):
    """All of it."""

    during: str
    """merge, rebase, cherry-pick, revert, am; empty after a `git stash pop`."""
    ours: str
    """Which commit `ours` is, in words."""
    theirs: str
    files: tuple[File, ...]
    rerere: bool
    """Whether git remembers resolutions here already."""
    abort: str
    """The command that goes back."""


def explain(repo: Repository) -> Conflict:
    """The conflict that this work tree is in. Raises NotFound where there is none."""
    repo.require_top()
    now = standing.look(repo)
    during = in_progress(repo)
    if not now.unmerged:
        hint = f"it is not finished; to go back: {way_back(during)}" if during else "see: git status"
        raise NotFound("no file here is in conflict", hint)
    other = repo.line("rev-parse", "-q", "--verify", _HEADS[during]) if during in _HEADS else ""
    base = repo.line("merge-base", "HEAD", other) if other else ""
    if other and during in {"cherry-pick", "rebase"}:
        base = repo.line("merge-base", "HEAD", f"{other}^") or base
    files = []
    for path, stages in sorted(now.unmerged.items()):
        there = tuple(mode != "000000" for mode, _ in stages)
        blobs = [name if mode != "000000" else "" for mode, name in stages]
        name = os.fsdecode(path)
        ours = Side(blobs[1], _touching(repo, base, "HEAD", name))
        theirs = Side(blobs[2], _theirs(repo, during, base, other, name))
        what = _KINDS.get((there[0], there[1], there[2]), "")
        files.append(File(name, what, blobs[0], ours, theirs, _places(repo, path)))
    return Conflict(
        during,
        _ours_in_words(repo, during),
        _theirs_in_words(repo, during, other),
        tuple(files),
        repo.line("config", "--type=bool", "rerere.enabled") == "true",
        way_back(during) if during else "git reset --merge",
    )


def _theirs(repo: Repository, during: str, base: str, other: str, path: str) -> tuple[str, ...]:
    if not other:
        return ()
    if during == "merge":
        return _touching(repo, base, other, path)
    return (repo.line("show", "-s", "--no-show-signature", "--format=%h %s", other),)


def _touching(repo: Repository, base: str, tip: str, path: str) -> tuple[str, ...]:
    if not base:
        return ()
    words = (
        "log",
        "--no-merges",
        "-n5",
        "--no-show-signature",
        "--format=%h %s",
        f"{base}..{tip}",
        "--",
        f":(literal,top){path}",
    )
    return tuple(line for line in repo.line(*words).splitlines() if line)


def _places(repo: Repository, path: bytes) -> int:
    try:
        with open(os.path.join(os.fsencode(repo.require_top()), path), "rb") as file:
            return sum(line.startswith(b"<<<<<<< ") for line in file)
    except OSError:
        return 0


def _ours_in_words(repo: Repository, during: str) -> str:
    described = repo.line("show", "-s", "--no-show-signature", "--format=%h %s", "HEAD")
    if during == "rebase":
        return f"what you rebase onto, and what of yours is replayed already: {described}"
    return f"where you are: {described}"


def _theirs_in_words(repo: Repository, during: str, other: str) -> str:
    described = repo.line("show", "-s", "--no-show-signature", "--format=%h %s", other) if other else ""
    words = {
        "rebase": "your own commit, which is being replayed",
        "merge": "the branch that you merge",
        "cherry-pick": "the commit that you pick",
        "revert": "the state before the commit that you revert",
        "am": "the patch that you apply",
    }
    return words.get(during, "what was stashed, if this is a stash pop") + (f": {described}" if described else "")
