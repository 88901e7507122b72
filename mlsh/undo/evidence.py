"""What tells which operation was the last one: reflogs, the refs, what is in progress, mlsh's own records."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mlsh.undo import reflogs, standing
from mlsh.undo.capture import Refs, look_at_refs
from mlsh.undo.records import Record, load_all, ours, packed, refs_of, unpacked
from mlsh.undo.reflogs import Event, Log
from mlsh.undo.repository import Repository
from mlsh.undo.standing import Standing

_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MOVING = re.compile(r"checkout: moving from (\S+) to (\S+)")
_RENAMED = re.compile(r"Branch: renamed (refs/heads/\S+) to (refs/heads/\S+)")


class Gone(msgspec.Struct, frozen=True):
    """A branch or tag that was there and is not any more."""

    ref: str
    name: str
    """The commit or tag that it was at, as far as is known."""
    source: str
    """What remembers it, in words."""


class Evidence(msgspec.Struct, frozen=True):
    """All that the decision is made from. Logs are cut to what still counts: undone operations don't."""

    head: str
    """The commit that HEAD is at; empty before the first."""
    branch: str
    """The ref that HEAD is on; empty where it is detached."""
    refs: dict[str, str]
    head_log: Log
    head_told: frozenset[tuple[str, str, str]]
    """Of all that HEAD's log ever told: old, new, message."""
    branch_logs: dict[str, Log]
    stash_log: Log
    stash_changed_ns: int
    """When the stash's log was last written, or taken away."""
    elsewhere: dict[str, str]
    """Branches that other work trees are on, and where those are."""
    in_progress: str
    """rebase, am, merge, cherry-pick, revert, bisect; or nothing."""
    branch_gone_ns: int
    """When a branch's reflog was last taken away; 0 where nothing tells of it."""
    tag_gone_ns: int
    branches_gone: tuple[Gone, ...]
    tags_gone: tuple[Gone, ...]
    stashes_gone: tuple[tuple[str, str], ...]
    """Those that the newest record still has: commit and message."""
    records: tuple[Record, ...]
    """Those of this work tree, the newest first."""
    standing: Standing
    orig_head: str
    has_reflogs: bool


def look(repo: Repository) -> Evidence:
    """Gather it; nothing is written. Raises RefusedInput where there is no work tree."""
    repo.require_top()
    head = reflogs.head_of(repo)
    refs = look_at_refs(repo)
    records = ours(repo, load_all(repo))
    same = [
        {unpacked(each.log): (each.size, each.tail, each.equal) for each in record.meta.same}
        for record in records
        if record.meta.same
    ]
    branch = head.removeprefix("ref: ") if head.startswith("ref: ") else ""
    commit = refs.names.get(branch, "") if branch else head
    elsewhere = other_worktrees(repo)
    written = {(log, size): when for record in records for log, (size, when) in record.meta.marks.items()}
    whole = reflogs.read(repo, "HEAD")
    head_log = _read(repo, "HEAD", same, written)
    branch_logs = {ref: _read(repo, ref, same, written) for ref in refs.names if ref.startswith("refs/heads/")}
    acted_ns = max((record.meta.time_ns for record in records if record.meta.kind == "after"), default=0)
    newest = records[0] if records else None
    before = refs_of(repo, newest) if newest else {}
    stash_changed_ns = max(_mtime_ns(reflogs.path_of(repo, "refs/stash")), 0)
    had_stash = {name for name, _ in newest.meta.stash} if newest else set()
    stash_log = reflogs.read(repo, "refs/stash")
    now_stash = {event.new for event in stash_log.events}
    if not stash_log.events and (had_stash or any(e.message == "reset: moving to HEAD" for e in head_log.events)):
        stash_changed_ns = _mtime_ns(repo.common / "logs/refs")  # the last one was dropped, and the log with it
    return Evidence(
        head=commit,
        branch=branch,
        refs=refs.names,
        head_log=head_log,
        head_told=frozenset((event.old, event.new, event.message) for event in whole.events),
        branch_logs=branch_logs,
        stash_log=stash_log,
        stash_changed_ns=stash_changed_ns if stash_changed_ns > acted_ns else 0,
        elsewhere=elsewhere,
        in_progress=in_progress(repo),
        branch_gone_ns=_branch_gone_ns(repo, acted_ns),
        tag_gone_ns=_tag_gone_ns(repo, acted_ns),
        branches_gone=_branches_gone(whole, refs, before),
        tags_gone=tuple(
            Gone(ref, name, "a record of mlsh")
            for ref, name in before.items()
            if ref.startswith("refs/tags/") and ref not in refs.names
        ),
        stashes_gone=tuple(
            (name, unpacked(message))
            for name, message in (newest.meta.stash if newest else ())
            if name not in now_stash
        ),
        records=tuple(records),
        standing=standing.look(repo),
        orig_head=_orig_head(repo),
        has_reflogs=repo.settings.get("core.logallrefupdates", "true") != "false",
    )


def _read(
    repo: Repository,
    log: str,
    same: list[dict[str, tuple[int, str, int]]],
    written: dict[tuple[str, int], int],
) -> Log:
    size = reflogs.marks(repo, [log]).get(log, (0, 0))[0]
    counts = reflogs.resolve(size, log, repo, list(same))
    return reflogs.read(repo, log, None if counts == size else counts, written.get((packed(log), counts), 0))


def in_progress(repo: Repository) -> str:
    """What git is in the middle of; empty where it is not."""
    there = repo.git_dir
    if (there / "rebase-merge").is_dir():
        return "rebase"
    if (there / "rebase-apply").is_dir():
        return "am" if (there / "rebase-apply" / "applying").exists() else "rebase"
    for name, verb in (("MERGE_HEAD", "merge"), ("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert")):
        if (there / name).exists():
            return verb
    with contextlib.suppress(OSError):
        # Between two picks of a sequence, where the person made the commit.
        todo = (there / "sequencer" / "todo").read_text(errors="replace")
        return "revert" if todo.startswith("revert") else "cherry-pick"
    return "bisect" if (there / "BISECT_LOG").exists() else ""


def way_back(verb: str) -> str:
    """The command that ends what is in progress and goes back to before it."""
    return "git bisect reset" if verb == "bisect" else f"git {verb} --abort"


def other_worktrees(repo: Repository) -> dict[str, str]:
    """Branches that other work trees are on, and the git folders of those."""
    found = {}
    folders = [repo.common, *(repo.common / "worktrees").glob("*")]
    for folder in folders:
        if folder.resolve() == repo.git_dir.resolve():
            continue
        with contextlib.suppress(OSError):
            head = os.fsdecode((folder / "HEAD").read_bytes()).rstrip("\n")
            if head.startswith("ref: ") and not (folder == repo.common and repo.settings.get("core.bare") == "true"):
                found[head.removeprefix("ref: ")] = str(folder)
    return found


def _orig_head(repo: Repository) -> str:
    with contextlib.suppress(OSError):
        text = (repo.git_dir / "ORIG_HEAD").read_text(errors="replace").strip()
        if _HEX.fullmatch(text):
            return text
    return ""


def _mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _branch_gone_ns(repo: Repository, acted_ns: int) -> int:
    """When a file was last taken away from the branches' logs; 0 where one came instead, or nobody knows."""
    top = repo.common / "logs/refs/heads"
    folder_ns, file_ns = 0, 0
    for where, _, files in os.walk(top):
        folder_ns = max(folder_ns, _mtime_ns(Path(where)))
        file_ns = max([file_ns, *(_mtime_ns(Path(where) / name) for name in files)])
    # A new branch changes its folder first and is written then; a gc writes the logs aside and renames them.
    if folder_ns <= file_ns + 20_000_000 or folder_ns <= acted_ns:
        return 0
    return folder_ns


def _tag_gone_ns(repo: Repository, acted_ns: int) -> int:
    times = [_mtime_ns(repo.common / "packed-refs")]
    times += [_mtime_ns(Path(where)) for where, _, _ in os.walk(repo.common / "refs/tags")]
    return max(times) if max(times) > acted_ns else 0


def _branches_gone(head_log: Log, refs: Refs, before: dict[str, str]) -> tuple[Gone, ...]:
    """Branches that a record or HEAD's log names and that are not there, the one seen last first."""
    found = {}
    if before:
        for ref, name in before.items():
            if ref.startswith("refs/heads/") and ref not in refs.names:
                found[ref] = Gone(ref, name, "a record of mlsh")
    seen = last_seen(head_log.events)
    for ref, name in reversed(seen.items()):
        # A record that lacked it says that it was gone by then; it may have come and gone since, so it stays last.
        if ref not in refs.names and ref not in found:
            found[ref] = Gone(ref, name, "the reflog of HEAD")
    known = [gone for gone in found.values() if not before or gone.source == "a record of mlsh"]
    return tuple(known or found.values())


def last_seen(events: Sequence[Event]) -> dict[str, str]:
    """The branches that HEAD was on and the last commit of each there; the one seen last is last."""
    seen: dict[str, str] = {}
    current = ""
    for event in events:
        if found := _MOVING.fullmatch(event.message):
            _note(seen, _branch(found[1]), event.old)
            current = _branch(found[2])
        elif found := _RENAMED.fullmatch(event.message):
            seen.pop(found[1], None)
            current = found[2]
        if current and set(event.new) != {"0"}:
            _note(seen, current, event.new)
    return seen


def _branch(name: str) -> str:
    if _HEX.fullmatch(name) or re.search(r"[~^:]|@\{", name) or name == "HEAD":
        return ""
    return f"refs/heads/{name}"


def _note(seen: dict[str, str], ref: str, name: str) -> None:
    if ref:
        seen.pop(ref, None)
        seen[ref] = name
