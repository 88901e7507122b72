"""A revert that conflicts, explained: which files, which lines, and what came later and touched them."""

from __future__ import annotations

import contextlib
import os
import re

import msgspec

from mlsh.box import process
from mlsh.errors import RefusedInput
from mlsh.undo.repository import GitRefused, Repository
from mlsh.undo.revert_plan import Commit, Plan, Step, read
from mlsh.undo.standing import Stages
from mlsh.undo.transition import shown

_TIMEOUT_S = 30.0
_MOST_FILES, _MOST_COMMITS = 20, 6
_NONE = "000000"
_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


class ConflictFile(msgspec.Struct, frozen=True):
    """One file of a conflict."""

    path: bytes
    why: str
    """In words: `lines 3-5`, `deleted since`."""
    later: tuple[Commit, ...]
    """The commits after the one to be reverted that touched it, the newest first; at most six."""
    same_lines: bool
    """Whether those touched the same lines; else only the same file."""


class Conflict(RefusedInput):
    """What came later stands in the way of a revert."""

    def __init__(
        self, plan: Plan, step: Step, files: tuple[ConflictFile, ...], count: int, others: tuple[str, ...] = ()
    ) -> None:
        self.plan, self.step, self.files, self.count, self.others = plan, step, files, count, others
        lines = [f"{step.commit.shown} can't be reverted by itself: what came later conflicts with it"]
        for file in files:
            lines.append(f"  {shown(file.path)}: {file.why}")
            how = "the same lines" if file.same_lines else "the same file"
            lines += [f"    {how}: {commit.shown}" for commit in file.later]
        if count > len(files):
            lines.append(f"  and {count - len(files)} more files")
        if others:
            names = [*(name[:12] for name in others), *(step.commit.name[:12] for step in plan.steps)]
            lines.append("nothing was changed. With what came later it can be taken back without a conflict:")
            lines += [f"  $ mlsh revert {' '.join(names)}", "by hand:"]
        else:
            lines.append("nothing was changed. By hand:")
        lines += [f"  $ {command}" for command in plan.reverts()]
        super().__init__(
            "\n".join(lines), "then mend the files, git add FILE, git revert --continue; to give up: git revert --abort"
        )

    def with_others(self, others: tuple[str, ...]) -> Conflict:
        """The same, and which commits have to go too so that there is no conflict; none where that is not known."""
        return Conflict(self.plan, self.step, self.files, self.count, others)


def explain(tree: Repository, plan: Plan, step: Step, unmerged: dict[bytes, Stages]) -> Conflict:
    """The error for a conflict that stands in a throwaway work tree's index. Raises GitRefused."""
    files = []
    for path, stages in sorted(unmerged.items())[:_MOST_FILES]:
        files.append(_explained(tree, plan, step, path, stages))
    return Conflict(plan, step, tuple(files), len(unmerged))


def _explained(tree: Repository, plan: Plan, step: Step, path: bytes, stages: Stages) -> ConflictFile:
    base, ours, theirs = stages
    since = f"{step.commit.name}..{plan.base}"
    if all(mode in {"100644", "100755"} for mode, _ in stages):
        regions = _regions(tree, stages)
        if regions:
            why = _lines(regions)
            if tree.line("rev-parse", "-q", "--verify", f"{plan.base}:{os.fsdecode(path)}") == ours[1]:
                later = _of_lines(tree, since, path, regions)
                if later:
                    return ConflictFile(path, why, later, same_lines=True)
        else:
            why = "changed in a way that git can't merge (a binary file?)"
    elif ours[0] == _NONE:
        why = "deleted or renamed since"
    elif theirs[0] == _NONE:
        why = f"changed since; {step.commit.name[:9]} had made it, so the revert would delete it"
    elif base[0] == _NONE:
        why = f"made again since {step.commit.name[:9]} deleted it"
    elif "160000" in {base[0], ours[0], theirs[0]}:
        why = "a submodule that went on since"
    else:
        why = "no longer the same kind of file"
    return ConflictFile(path, why, _of_file(tree, since, path), same_lines=False)


def _lines(regions: list[tuple[int, int]]) -> str:
    many = len(regions) > 1 or regions[0][0] < regions[0][1]
    listed = ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in regions)
    return f"line{'s' * many} {listed}"


def _regions(tree: Repository, stages: Stages) -> list[tuple[int, int]]:
    """The lines of our version that are in conflict, first and last, counted from 1; none of a binary file."""
    base, ours, theirs = (name for _, name in stages)
    words = ("diff", "-U0", "--no-color", "--no-ext-diff", "--no-textconv")
    return in_conflict(hunks(tree.git(*words, base, ours)), hunks(tree.git(*words, base, theirs)))


def hunks(diff: bytes) -> list[tuple[int, int, int, int]]:
    """The headers of a diff without context: first line and count, before and after."""
    return [
        (int(a), int(b or b"1"), int(c), int(d or b"1"))
        for a, b, c, d in (found.groups() for found in re.finditer(_HUNK, diff))
    ]


def in_conflict(
    ours: list[tuple[int, int, int, int]], theirs: list[tuple[int, int, int, int]]
) -> list[tuple[int, int]]:
    """Our lines, first and last, of changes to a base that meet a change of theirs; touching is meeting, as for git.

    Where we deleted the lines, those on either side.
    """
    found = []
    for first, count, line, lines in ours:
        begin, end = _span(first, count)
        if any(max(begin, other[0]) <= min(end, other[1]) for other in (_span(a, b) for a, b, _, _ in theirs)):
            found.append((line, line + lines - 1) if lines else (max(1, line), line + 1))
    return found


def _span(first: int, count: int) -> tuple[int, int]:
    """A hunk's side as positions between lines; git names the line before an insertion."""
    return (first - 1, first - 1 + count) if count else (first, first)


def _of_lines(tree: Repository, since: str, path: bytes, regions: list[tuple[int, int]]) -> tuple[Commit, ...]:
    """The commits that touched the lines."""
    names: dict[str, None] = {}
    for first, last in regions[:10]:
        where = f"-L{first},{last}:{os.fsdecode(path)}"
        with contextlib.suppress(GitRefused, process.TimedOut):
            out = tree.git("log", "-s", "--no-show-signature", "--format=%H", where, since, timeout_s=_TIMEOUT_S)
            names |= dict.fromkeys(out.decode().split())
    return tuple(read(tree, list(names)[:_MOST_COMMITS])) if names else ()


def _of_file(tree: Repository, since: str, path: bytes) -> tuple[Commit, ...]:
    """The commits that touched the file."""
    words = (
        "log",
        "--no-show-signature",
        "--format=%H",
        f"--max-count={_MOST_COMMITS}",
        since,
        "--",
        os.fsdecode(path),
    )
    with contextlib.suppress(GitRefused, process.TimedOut):
        names = tree.git(*words, env={"GIT_LITERAL_PATHSPECS": "1"}, timeout_s=_TIMEOUT_S).decode().split()
        return tuple(read(tree, names)) if names else ()
    return ()
