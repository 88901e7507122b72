"""A secret or a huge file was committed: write the commits that nobody else has anew, without it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mlsh.errors import NotFound, RefusedInput
from mlsh.undo import act
from mlsh.undo.capture import capture
from mlsh.undo.evidence import in_progress, way_back
from mlsh.undo.records import Record, batch
from mlsh.undo.repository import Repository
from mlsh.undo.transition import File, index_info

_IN_PLACE = b"***REMOVED***"
_SHORTEST = 6


class Pushed(RefusedInput):
    """A remote has it: writing commits anew here does not take it back."""


class Scrub(msgspec.Struct, frozen=True):
    """What is to be done. The secret itself is in no field that is ever shown."""

    branch: str
    head: str
    commits: tuple[str, ...]
    """Those that nobody else has, the oldest first."""
    paths: tuple[bytes, ...]
    """Files to be left out of them."""
    secret: bytes
    blobs: dict[str, str]
    """Files with the secret, and the same without it."""
    places: tuple[str, ...]
    """Where it was found, for a person."""


def plan_paths(repo: Repository, paths: Sequence[str]) -> Scrub:
    """Take files out of the commits that no remote has. Raises NotFound, Pushed, RefusedInput."""
    branch, head, commits = _range(repo)
    literal = [f":(literal){path}" for path in paths]
    on_remote = repo.line("rev-list", "-n1", "--remotes", "--", *literal)
    if on_remote:
        raise _pushed(repo, on_remote, "the file")
    found: set[bytes] = set()
    places = []
    for commit in commits:
        listed = repo.git("ls-tree", "-r", "-z", "--name-only", commit, "--", *paths).split(b"\0")
        names = {name for name in listed if name}
        if names:
            places.append(commit[:9])
        found |= names
    if not found:
        raise NotFound("no commit that only you have has such a file", "see: git log --all -- PATH")
    return Scrub(branch, head, tuple(commits), tuple(sorted(found)), b"", {}, tuple(places))


def plan_secret(repo: Repository, secret: bytes) -> Scrub:
    """Put `***REMOVED***` in the place of a text, in the commits that no remote has.

    Raises NotFound, Pushed, RefusedInput; no error tells the text.
    """
    if len(secret) < _SHORTEST or b"\n" in secret:
        raise RefusedInput(
            f"a secret of less than {_SHORTEST} bytes, or of several lines, is not looked for: too much would fit"
        )
    branch, head, commits = _range(repo)
    listed = repo.git("rev-list", "--objects", "--no-object-names", "HEAD", "--not", "--remotes").decode().split()
    blobs = {}
    for name, body in _holding(repo, listed, secret).items():
        clean = body.replace(secret, _IN_PLACE)
        blobs[name] = repo.git("hash-object", "-w", "--stdin", stdin=clean).decode().strip()
    in_messages = [c for c, body in zip(commits, _bodies(repo, commits), strict=True) if secret in body]
    if not blobs and not in_messages:
        raise NotFound(
            "no commit that only you have has that text", "if it was pushed before: switch the old one off, now"
        )
    places = []
    paths: set[str] = set()
    for commit in commits:
        for line in repo.git("ls-tree", "-r", "-z", commit).split(b"\0"):
            about, _, path = line.partition(b"\t")
            if about and about.split()[2].decode() in blobs:
                places.append(f"{commit[:9]}:{path.decode(errors='replace')}")
                paths.add(os.fsdecode(path))
    places += [f"{commit[:9]}, its message" for commit in in_messages]
    _refuse_pushed_versions(repo, secret, paths)
    return Scrub(branch, head, tuple(commits), (), secret, blobs, tuple(places))


def _refuse_pushed_versions(repo: Repository, secret: bytes, paths: set[str]) -> None:
    """Raise Pushed where a remote has the text in an earlier version of these files."""
    if not paths:
        return
    literal = [f":(literal){path}" for path in sorted(paths)]
    listed = repo.git("rev-list", "--objects", "--no-object-names", "--remotes", "--", *literal).decode().split()
    for bad in _holding(repo, listed, secret):
        raise _pushed(repo, repo.line("log", "-n1", "--remotes", "--format=%H", f"--find-object={bad}"), "the secret")


def _range(repo: Repository) -> tuple[str, str, list[str]]:
    repo.require_top()
    if verb := in_progress(repo):
        raise RefusedInput(f"a {verb} is not finished here", f"{way_back(verb)}, or finish it")
    branch = repo.line("symbolic-ref", "-q", "HEAD")
    head = repo.line("rev-parse", "-q", "--verify", "HEAD")
    if not branch or not head:
        raise RefusedInput("HEAD is on no branch, or has no commit", "switch to the branch that has it")
    words = ("rev-list", "--reverse", "--topo-order", "HEAD", "--not", "--remotes")
    return branch, head, repo.line(*words).split()


def _holding(repo: Repository, names: list[str], secret: bytes) -> dict[str, bytes]:
    """Those of the blobs that hold it, and what they are."""
    if not names:
        return {}
    asked = "".join(f"{name}\n" for name in names).encode()
    kinds = repo.git("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", stdin=asked).decode()
    found: dict[str, bytes] = {}
    part: list[str] = []
    size = 0
    blobs = [line.split() for line in kinds.splitlines() if line.split()[1:2] == ["blob"]]
    for number, (name, _, length) in enumerate(blobs):
        part.append(name)
        size += int(length)
        if size > 64 << 20 or number + 1 == len(blobs):
            found |= {each: body for each, body in zip(part, _bodies(repo, part), strict=True) if secret in body}
            part, size = [], 0
    return found


def _bodies(repo: Repository, names: Sequence[str]) -> list[bytes]:
    return [body or b"" for body in batch(repo, "".join(f"{name}\n" for name in names).encode())] if names else []


def _pushed(repo: Repository, commit: str, what: str) -> Pushed:
    words = ("for-each-ref", "--count=1", "--format=%(refname:lstrip=2)", f"--contains={commit}", "refs/remotes")
    where = repo.line(*words) if commit else ""
    return Pushed(
        f"{what} has been pushed ({where or 'a remote has it'}, commit {commit[:9]}): others may have it, and so may "
        "the server's caches. What to do, in this order:\n"
        "  1. a secret: make a new one and switch the old one off NOW; nothing below makes it secret again\n"
        "  2. tell those who work with this repository; agree on a time\n"
        "  3. in a fresh clone: git filter-repo (--invert-paths --path FILE, or --replace-text LIST), then\n"
        "     git push --force-with-lease of each branch and tag\n"
        "  4. everybody clones anew; ask the server's people to drop caches, forks and pull requests that show it",
        "nothing was changed here",
    )


def carry_out(repo: Repository, scrub: Scrub) -> tuple[Record, str]:
    """Write the commits anew; to be called inside of `repo.changing()`.

    Returns the record from after it and the branch's new commit. No file in the work tree is touched: the index
    leaves them out, or has the clean version.
    """
    title = f"scrub of {len(scrub.commits)} commits on {scrub.branch.removeprefix('refs/heads/')}"
    before = capture(repo, "before", title)
    with tempfile.TemporaryDirectory(prefix="mlsh-") as folder:
        new: dict[str, str] = {}
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        for commit in scrub.commits:
            new[commit] = _anew(repo, scrub, commit, new, env)
    tip = new.get(scrub.head, scrub.head)
    repo.git("update-ref", "-m", "mlsh rescue scrub", scrub.branch, tip, scrub.head)
    _clean_index(repo, scrub, {})
    return act.after(repo, "scrub", title, before, None), tip


def _anew(repo: Repository, scrub: Scrub, commit: str, new: dict[str, str], env: dict[str, str]) -> str:
    raw = repo.git("cat-file", "commit", commit)
    head, _, message = raw.partition(b"\n\n")
    lines = head.split(b"\n")
    tree = lines[0].split()[1].decode()
    repo.git("read-tree", tree, env=env)
    _clean_index(repo, scrub, env)
    clean = repo.git("write-tree", "--missing-ok", env=env).decode().strip()
    parents = [line.split()[1].decode() for line in lines if line.startswith(b"parent ")]
    mapped = [new.get(parent, parent) for parent in parents]
    text = message.replace(scrub.secret, _IN_PLACE) if scrub.secret else message
    if (clean, mapped, text) == (tree, parents, message):
        return commit
    kept = _without_signature(lines[1 + len(parents) :])
    first = [b"tree " + clean.encode(), *(b"parent " + parent.encode() for parent in mapped)]
    body = b"\n".join([*first, *kept]) + b"\n\n" + text
    return repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=body).decode().strip()


def _without_signature(lines: list[bytes]) -> list[bytes]:
    """The header of a commit without its signature, which would not be true any more."""
    kept: list[bytes] = []
    inside = False
    for line in lines:
        if line.startswith((b"gpgsig ", b"gpgsig-sha256 ", b"mergetag ")):
            inside = True
        elif not (inside and line.startswith(b" ")):
            inside = False
            kept.append(line)
    return kept


def _clean_index(repo: Repository, scrub: Scrub, env: dict[str, str]) -> None:
    """Take the files out of an index, or put their clean versions in."""
    if scrub.paths:
        lines = b"".join(path + b"\0" for path in scrub.paths)
        repo.git("update-index", "-z", "--force-remove", "--stdin", stdin=lines, env=env)
        return
    changes: dict[bytes, File | None] = {}
    for line in repo.git("ls-files", "-s", "-z", env=env).split(b"\0"):
        about, _, path = line.partition(b"\t")
        if about:
            mode, name, _ = about.decode().split(" ")
            if name in scrub.blobs:
                changes[path] = File(mode, scrub.blobs[name])
    if changes:
        repo.git("update-index", "-z", "--index-info", stdin=index_info(changes, repo.null), env=env)


def others(repo: Repository, scrub: Scrub) -> list[str]:
    """Further branches and tags that still have one of those commits."""
    if not scrub.commits:
        return []
    words = (
        "for-each-ref",
        "--format=%(refname:lstrip=2)",
        f"--contains={scrub.commits[0]}",
        "refs/heads",
        "refs/tags",
    )
    own = scrub.branch.removeprefix("refs/heads/")
    return [name for name in repo.line(*words).splitlines() if name != own]
