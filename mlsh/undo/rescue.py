"""What can be got back: lost commits, dropped stashes, deleted branches and tags, staged files, mlsh's records."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from mlsh.errors import NotFound, RefusedInput
from mlsh.undo import contents, reflogs, restore, transition
from mlsh.undo.capture import look_at_refs
from mlsh.undo.evidence import last_seen
from mlsh.undo.lost import FSCK_S, Commit, Dangling, dangling, describe
from mlsh.undo.records import Record, batch, load_all, unpacked
from mlsh.undo.repository import Repository

Kind = Literal["commit", "branch", "stash", "tag", "file", "save"]
_MOST = 5000
_MOST_FILES = 300
_PREVIEW = 1 << 20


class Item(msgspec.Struct, frozen=True):
    """Something that can be got back."""

    kind: Kind
    name: str
    """The object."""
    time_s: float
    """When it was made; 0 where nobody knows."""
    title: str
    """Its subject, or its first line."""
    note: str = ""
    """What else is known: the name of a deleted branch, how many commits hang on it."""
    suggested: str = ""
    """The name of the branch that `take` makes."""


class Listing(msgspec.Struct, frozen=True):
    """Everything found, the newest first; `complete` where git's fsck had the time to look at all objects."""

    items: tuple[Item, ...]
    complete: bool


def find(repo: Repository, deep: bool = False) -> Listing:
    """What can be got back; nothing is changed. Raises GitRefused.

    `deep`: wait for git's fsck as long as it takes, in place of a minute.
    """
    loose = dangling(repo, 86400.0 if deep else FSCK_S)
    records = load_all(repo)
    refs = look_at_refs(repo)
    stashes = {event.new for event in reflogs.read(repo, "refs/stash").events}
    items = [
        *_commits(repo, loose, records, set(refs.names), [*refs.commits, *stashes]),
        *_files(repo, loose),
        *_tags(repo, loose),
        *_saves(records),
    ]
    return Listing(tuple(sorted(items, key=lambda item: -item.time_s)), loose.complete)


# Commits, stashes, branches


def _commits(
    repo: Repository, loose: Dangling, records: list[Record], refs: set[str], kept: list[str]
) -> Iterable[Item]:
    found, named = _names(repo, records, refs)
    found |= set(loose.commits)
    lost = _lost(repo, found, kept)
    children = {parent for commit in lost.values() for parent in commit.parents}
    for name, commit in lost.items():
        branch = named.get(name, "")
        if name in children and not branch:
            continue
        if commit.is_stash:
            yield Item("stash", name, commit.time_s, commit.subject, suggested=f"rescued/stash-{name[:8]}")
            continue
        behind = _behind(lost, name)
        note = f"deleted branch {transition.short(branch)}" if branch else ""
        if behind > 1:
            note = f"{note}, " * bool(note) + f"{behind} commits"
        yield Item(
            "branch" if branch else "commit",
            name,
            commit.time_s,
            commit.subject,
            note,
            transition.short(branch) if branch else f"rescued/{name[:8]}",
        )
    for name, ref in named.items():
        # A deleted branch whose commits others still have: only its name is lost.
        if name not in lost:
            for commit in describe(repo, [name]):
                note = f"deleted branch {transition.short(ref)}, its commits are in others"
                yield Item("branch", name, commit.time_s, commit.subject, note, transition.short(ref))


def _names(repo: Repository, records: list[Record], refs: set[str]) -> tuple[set[str], dict[str, str]]:
    """Every object that a reflog or a record names, and of some the branch that is not there any more."""
    found = {name for log in _logs(repo) for pair in _events(log) for name in pair}
    seen: dict[str, str] = {}
    for path in _head_logs(repo):
        seen |= last_seen(reflogs.parse("HEAD", 0, _bytes(path)))
    for record, held in zip(records, contents.read(repo, records) if records else [], strict=True):
        found |= {name for name, _ in record.meta.stash}
        then = {ref: name for ref, name in held.refs.items() if not ref.startswith("refs/remotes/")}
        found |= set(then.values())
        seen |= {ref: name for ref, name in then.items() if ref.startswith("refs/heads/")}
    return found, {name: ref for ref, name in seen.items() if ref not in refs}


def _lost(repo: Repository, found: set[str], kept: list[str]) -> dict[str, Commit]:
    """The commits that these lead to and that no ref has, mlsh's own records aside."""
    asked = "".join(f"{name}\n" for name in sorted(found)).encode()
    kinds = repo.git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).decode() if asked else ""
    commits = [line.split()[0] for line in kinds.splitlines() if line.endswith(" commit")]
    heads = [*kept, *_worktree_heads(repo)]
    if not commits:
        return {}
    lines = "".join(f"{name}\n" for name in commits) + "".join(f"^{name}\n" for name in heads)
    words = ("rev-list", "--ignore-missing", f"--max-count={_MOST}", "--stdin")
    names = repo.git(*words, stdin=lines.encode()).decode().split()
    return {
        commit.name: commit
        for commit in describe(repo, names)
        if not re.match(r"mlsh (save|before|after): ", commit.subject)
    }


def _behind(lost: dict[str, Commit], name: str) -> int:
    seen, todo = set(), [name]
    while todo:
        each = todo.pop()
        if each in lost and each not in seen:
            seen.add(each)
            todo += lost[each].parents
    return len(seen)


def _worktree_heads(repo: Repository) -> list[str]:
    """Commits that a work tree is on without a branch."""
    heads = []
    for folder in [repo.common, repo.git_dir, *(repo.common / "worktrees").glob("*")]:
        text = _bytes(folder / "HEAD").decode(errors="replace").strip()
        if re.fullmatch(r"[0-9a-f]{40,64}", text):
            heads.append(text)
    return heads


def _head_logs(repo: Repository) -> list[Path]:
    folders = {repo.common, repo.git_dir, *(repo.common / "worktrees").glob("*")}
    return [folder / "logs/HEAD" for folder in sorted(folders)]


def _logs(repo: Repository) -> list[Path]:
    found = _head_logs(repo)
    for where, _, files in os.walk(repo.common / "logs/refs"):
        found += [Path(where) / name for name in files]
    return found


def _events(path: Path) -> list[tuple[str, str]]:
    return [(event.old, event.new) for event in reflogs.parse("", 0, _bytes(path))]


def _bytes(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""


# Files, tags, saves


def _files(repo: Repository, loose: Dangling) -> Iterable[Item]:
    """Files that were staged and are in nothing; git remembers their bytes, not their names."""
    names = sorted(loose.blobs, key=lambda name: -_made(repo, name))[:_MOST_FILES]
    sizes = repo.git(
        "cat-file", "--batch-check=%(objectname) %(objectsize)", stdin="".join(f"{n}\n" for n in names).encode()
    )
    small = {}
    for line in sizes.decode().splitlines() if names else []:
        name, _, size = line.partition(" ")
        small[name] = int(size) if size.isdigit() else _PREVIEW + 1
    wanted = [name for name in names if small.get(name, 0) <= _PREVIEW]
    bodies = dict(zip(wanted, batch(repo, "".join(f"{n}\n" for n in wanted).encode()) if wanted else [], strict=True))
    for name in names:
        body = bodies.get(name) or b""
        if body.startswith((b"DIRC", b'{"number":')):
            continue  # the parts of a record that was pruned
        yield Item("file", name, _made(repo, name), _preview(body, small.get(name, 0)), f"{small.get(name, 0)} bytes")


def _made(repo: Repository, name: str) -> float:
    """When an object was written; 0 for one in a pack."""
    try:
        return (repo.common / "objects" / name[:2] / name[2:]).stat().st_mtime
    except OSError:
        return 0.0


def _preview(body: bytes, size: int) -> str:
    if size > _PREVIEW:
        return "(large)"
    if b"\0" in body[:8000]:
        return "(binary)"
    return next((line.strip() for line in body[:4000].decode(errors="replace").splitlines() if line.strip()), "(empty)")


def _tags(repo: Repository, loose: Dangling) -> Iterable[Item]:
    wanted = "".join(f"{name}\n" for name in loose.tags).encode()
    for name, body in zip(loose.tags, batch(repo, wanted) if wanted else [], strict=True):
        text = (body or b"").decode(errors="replace")
        tag = re.search(r"^tag (.*)$", text, re.MULTILINE)
        when = re.search(r"^tagger .*> (\d+) ", text, re.MULTILINE)
        subject = text.partition("\n\n")[2].partition("\n")[0]
        title = tag[1] if tag else name[:9]
        yield Item(
            "tag", name, float(when[1]) if when else 0.0, subject, f"deleted tag {title}", f"rescued/tag-{title}"
        )


def _saves(records: list[Record]) -> Iterable[Item]:
    for record in records:
        meta = record.meta
        if meta.kind == "after":
            continue  # as things stood after something that mlsh did: the next one was recorded before it
        note = f"record {meta.number}" + ("" if meta.kind == "save" else ", from before what mlsh did")
        yield Item("save", record.commit, meta.time_ns / 1e9, unpacked(meta.title), note, f"rescued/save-{meta.number}")


# Which one, and what to do with it


def remember(repo: Repository, listing: Listing) -> None:
    """Keep the numbers of a listing that was shown, so that `take 2` means the second of that one."""
    with contextlib.suppress(OSError):
        folder = repo.common / "mlsh"
        folder.mkdir(exist_ok=True)
        aside = folder / f"rescue.{os.getpid()}"
        aside.write_bytes(msgspec.json.encode([packed_item(item) for item in listing.items]))
        os.replace(aside, folder / "rescue.json")


def packed_item(item: Item) -> Item:
    """An item that can be written as JSON: names that are not UTF-8 made so."""
    fields = {key: _utf8(getattr(item, key)) for key in ("title", "note", "suggested")}
    return msgspec.structs.replace(item, **fields)


def _utf8(text: str) -> str:
    return text.encode(errors="surrogateescape").decode(errors="replace")


def which(repo: Repository, wanted: str) -> Item:
    """The item of a number of the last listing, or of an object's name. Raises NotFound."""
    if wanted.isdigit() and len(wanted) <= 4:
        items = _remembered(repo) or find(repo).items
        if 1 <= int(wanted) <= len(items):
            return items[int(wanted) - 1]
        raise NotFound(f"there is no number {wanted} in the list", "the list: mlsh rescue")
    if re.fullmatch(r"[0-9a-f]{4,64}", wanted):
        name = repo.line("rev-parse", "-q", "--verify", f"{wanted}^{{object}}")
        for item in _remembered(repo) or find(repo).items:
            if name and item.name == name:
                return item
        kind = repo.line("cat-file", "-t", name) if name else ""
        for commit in describe(repo, [name]) if kind == "commit" else []:
            stash = commit.is_stash
            suggested = f"rescued/{'stash-' * stash}{name[:8]}"
            return Item("stash" if stash else "commit", name, commit.time_s, commit.subject, suggested=suggested)
        if kind == "blob":
            return Item("file", name, 0.0, "")
    raise NotFound(f"there is nothing of the name {wanted[:70]!r} to rescue", "the list: mlsh rescue")


def _remembered(repo: Repository) -> tuple[Item, ...]:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((repo.common / "mlsh/rescue.json").read_bytes(), type=tuple[Item, ...])
    return ()


def show(repo: Repository, item: Item, stat: bool, colour: bool) -> bytes:
    """What an item holds: a patch, or a file's bytes. Raises GitRefused where it is gone."""
    look = [
        "--no-ext-diff",
        "--no-textconv",
        f"--color={'always' if colour else 'never'}",
        *(["--stat"] if stat else ["-p"]),
    ]
    if item.kind == "file":
        return repo.git("cat-file", "blob", item.name)
    if item.kind == "save":
        base = repo.line("rev-parse", "-q", "--verify", f"{item.name}^1") or repo.empty_tree
        record = next((each for each in load_all(repo) if each.commit == item.name), None)
        if record is not None and record.meta.commit:
            base = record.meta.commit
        files = repo.line("rev-parse", "-q", "--verify", f"{item.name}:files") or repo.empty_tree
        return repo.git("diff", *look, base, files)
    if item.kind == "stash":
        patch = repo.git("diff", *look, f"{item.name}^1", item.name)
        if repo.line("rev-parse", "-q", "--verify", f"{item.name}^3"):
            patch += repo.git("diff", *look, repo.empty_tree, f"{item.name}^3")
        return patch
    return repo.git("show", "--no-show-signature", *look, item.name)


def take(repo: Repository, item: Item, to: str) -> str:
    """Bring an item back to a new branch or file; returns its name. Nothing is ever written over.

    Raises RefusedInput where there is a branch or file of that name.
    """
    if item.kind == "file":
        return _take_file(repo, item, to or f"rescued-{item.name[:8]}")
    branch = to or _free(repo, item.suggested)
    restore.refuse_taken(repo, branch)
    if item.kind == "save":
        record = next((each for each in load_all(repo) if each.commit == item.name), None)
        if record is None:
            raise NotFound("that record was pruned since", "the list: mlsh rescue")
        restore.to_branch(repo, record, branch)
    else:
        commit = repo.line("rev-parse", "-q", "--verify", f"{item.name}^{{commit}}")
        if not commit:
            raise NotFound(f"{item.name[:12]} is no commit that is still there", "the list: mlsh rescue")
        restore.new_branch(repo, branch, commit)
    return branch


def _free(repo: Repository, name: str) -> str:
    """The name, or that name with a number that is free."""
    usable = name if name and not name.startswith("-") and repo.line("check-ref-format", "--branch", name) else ""
    usable = usable or f"rescued/{int(time.time())}"
    taken = look_at_refs(repo).names
    number, free = 1, usable
    while f"refs/heads/{free}" in taken:
        number, free = number + 1, f"{usable}-{number + 1}"
    return free


def _take_file(repo: Repository, item: Item, to: str) -> str:
    body = repo.git("cat-file", "blob", item.name)
    try:
        target = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:
        raise RefusedInput(f"there is a {to} already, and nothing is written over it", "choose another name") from None
    with open(target, "wb") as file:
        file.write(body)
    return to
