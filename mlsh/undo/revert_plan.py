"""Which commits a revert is about, in which order, against which parent, and with which message."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

import msgspec

from mlsh.errors import NotFound, RefusedInput, UsageError
from mlsh.shell.visible import printable
from mlsh.undo import reflogs
from mlsh.undo.evidence import in_progress, other_worktrees
from mlsh.undo.repository import GitRefused, Repository
from mlsh.undo.transition import short

_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40}(?:[0-9a-f]{24})?)")
_NAMED = re.compile(r"Merge (?:remote-tracking )?branch '([^']+)'")
_FINISH = {
    "rebase": "git rebase --continue, or git rebase --abort",
    "am": "git am --continue, or git am --abort",
    "merge": "git commit, or git merge --abort",
    "cherry-pick": "git cherry-pick --continue, or git cherry-pick --abort",
    "revert": "git revert --continue, or git revert --abort",
    "bisect": "git bisect reset",
}


class Refused(RefusedInput):
    """It can't be reverted as things are; nothing was touched."""


class Commit(msgspec.Struct, frozen=True):
    """A commit as git has it; text is not yet made harmless for a terminal."""

    name: str
    parents: tuple[str, ...]
    subject: str
    """The first line of its message, as `git revert` takes it."""
    body: str

    @property
    def shown(self) -> str:
        """As a person knows it."""
        return f'{self.name[:9]} "{printable(self.subject[:70])}"'


class Step(msgspec.Struct, frozen=True):
    """One commit to be reverted."""

    commit: Commit
    mainline: int
    """Of a merge: the parent that it is taken back to, counted from 1; 0 for another commit."""
    why: str
    """Of a merge: why that parent."""
    brings_back: str
    """Of a revert: what reverting it brings back, in words; else empty."""
    message: str
    """The new commit's message."""

    @property
    def side(self) -> str:
        """Of a merge: what it brought in, in words."""
        named = _NAMED.match(self.commit.subject)
        return f"branch {printable(named[1])}" if named else "that side"

    @property
    def notes(self) -> list[str]:
        """What a person should know of it before it is made."""
        found = []
        if self.mainline:
            found.append(f"{self.commit.name[:9]} is a merge: {self.why}")
            found.append(
                f"merging {self.side} again will not bring its changes back, since git takes them as merged: "
                "revert the revert first"
            )
        if self.brings_back:
            found.append(f"{self.commit.name[:9]} is itself a revert: this brings back {self.brings_back}")
        if not self.commit.parents:
            found.append(f"{self.commit.name[:9]} is the first commit: every file that it made goes")
        return found


class Plan(msgspec.Struct, frozen=True):
    """What is to be reverted on top of what."""

    base: str
    """The commit that HEAD is at."""
    ref: str
    """The branch that HEAD is on; empty where it is on none."""
    steps: tuple[Step, ...]
    """In the order in which they are reverted: the newest first."""

    @property
    def title(self) -> str:
        """For a record and a reflog."""
        more = f" and {len(self.steps) - 1} more" if len(self.steps) > 1 else ""
        return f'revert of {self.steps[0].commit.name[:9]} "{self.steps[0].commit.subject[:60]}"{more}'

    def reverts(self) -> list[str]:
        """The plain git commands that revert; one for the commits that need no `-m`, where all need none."""
        if not any(step.mainline for step in self.steps):
            return [shlex.join(["git", "revert", "--no-edit", *(step.commit.name[:12] for step in self.steps)])]
        return [shlex.join(["git", "revert", "--no-edit", *mainline_words(step)]) for step in self.steps]


def mainline_words(step: Step) -> list[str]:
    """The words after `git revert` for one commit."""
    return [*(["-m", str(step.mainline)] if step.mainline else []), step.commit.name[:12]]


def make(repo: Repository, revisions: Sequence[str], text: str, mainline: int, to_branch: bool) -> Plan:
    """The plan; nothing is changed. `text` says why, for the messages; `mainline` is 0 where mlsh chooses.

    Raises UsageError, NotFound or Refused with what to type next.
    """
    base, ref = _place(repo, to_branch)
    names = list(dict.fromkeys(_resolve(repo, revisions)))
    commits = read(repo, names)
    for commit in commits:
        _refuse_missing_parents(repo, commit)
        if repo.line("rev-list", "--max-count=1", commit.name, "--not", base, "--"):
            raise _not_here(repo, commit, base, ref)
    merges = [commit for commit in commits if len(commit.parents) > 1]
    if mainline and not merges:
        raise UsageError(f"{commits[0].shown} is no merge, so it has no --mainline", "leave --mainline out")
    line = frozenset(repo.git("rev-list", "--first-parent", base, "--").decode().split()) if merges else frozenset()
    steps = tuple(_step(repo, commit, line, mainline, text) for commit in _newest_first(repo, commits))
    return Plan(base, ref, steps)


def together(repo: Repository, plan: Plan, names: Sequence[str]) -> Plan:
    """The plan with further commits of the same history, none of them a merge. Raises GitRefused."""
    steps = {step.commit.name: step for step in plan.steps}
    steps |= {commit.name: _step(repo, commit, frozenset(), 0, "") for commit in read(repo, names)}
    order = _newest_first(repo, [step.commit for step in steps.values()])
    return msgspec.structs.replace(plan, steps=tuple(steps[commit.name] for commit in order))


# Where


def _place(repo: Repository, to_branch: bool) -> tuple[str, str]:
    """HEAD's commit and branch. Raises Refused where no revert belongs."""
    head = reflogs.head_of(repo)
    ref = head.removeprefix("ref: ") if head.startswith("ref: ") else ""
    base = repo.line("rev-parse", "-q", "--verify", "HEAD^{commit}")
    if not base:
        raise Refused("nothing has been committed on this branch yet, so there is nothing to revert")
    if verb := in_progress(repo):
        raise Refused(f"you are in the middle of a {verb}", f"finish it first: {_FINISH[verb]}")
    if to_branch:
        return base, ref
    if repo.top is None:
        raise Refused(f"{repo.git_dir} has no working tree", "make the revert on a new branch: --branch NAME")
    if not ref:
        raise Refused(
            "HEAD is on no branch: a revert made here would be lost as soon as you switch away",
            "go to the branch that is to have it (git switch NAME), or make a new one: --branch NAME",
        )
    if ref in (elsewhere := other_worktrees(repo)):
        raise Refused(
            f"{printable(short(ref))} is checked out in another work tree too ({printable(elsewhere[ref])})",
            "make the revert on a new branch: --branch NAME",
        )
    return base, ref


# Which


def _resolve(repo: Repository, revisions: Sequence[str]) -> list[str]:
    """The full names. They travel by standard input, so one may begin with `-`."""
    for revision in revisions:
        if "\n" in revision or "\0" in revision or not revision.strip():
            raise NotFound(f"{printable(revision[:80])!r} is no revision", "name a commit: HEAD~2")
    # `:/text` takes all that follows for its text, so that it is asked for without a suffix.
    asked = "".join(f"{revision}\n{revision}^{{commit}}\n" for revision in revisions)
    out = repo.git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=os.fsencode(asked))
    answers = out.decode(errors="replace").splitlines()
    found = []
    for at, revision in enumerate(revisions):
        for answer in answers[2 * at : 2 * at + 2]:
            name, _, kind = answer.rpartition(" ")
            if kind == "commit" and len(name) == len(repo.null):
                found.append(name)
                break
        else:
            raise _unknown(repo, revision)
    return found


def _unknown(repo: Repository, revision: str) -> NotFound:
    shown = printable(revision[:80])
    if ".." in revision:
        first_parents = f"git rev-list --first-parent {shlex.quote(revision)}"
        return NotFound(f"{shown} is a range, and single commits are meant", f"mlsh revert $({first_parents})")
    if (repo.common / "shallow").exists():
        return NotFound(
            f"git knows no commit {shown}; this clone is shallow and may lack it", "git fetch --unshallow --tags"
        )
    return NotFound(f"git knows no commit {shown}", "see: git log --oneline; what the remote has: git fetch --tags")


def read(repo: Repository, names: Sequence[str]) -> list[Commit]:
    """The commits of full names, in that order. Raises GitRefused."""
    form = "--format=%H%x00%P%x00%B"
    words = ("log", "-z", "--no-walk=unsorted", "--stdin", "--no-show-signature", "--encoding=UTF-8", form)
    told = repo.git(*words, stdin="".join(f"{name}\n" for name in names).encode())
    fields = told.decode(errors="surrogateescape").split("\0")
    known = {}
    for at in range(0, len(fields) - 2, 3):
        name, parents, body = fields[at : at + 3]
        known[name] = Commit(name, tuple(parents.split()), body.lstrip("\n").partition("\n")[0], body)
    return [known[name] for name in names]


def _refuse_missing_parents(repo: Repository, commit: Commit) -> None:
    """Where a shallow clone ends, git takes a commit for the first one: reverting it would delete every file."""
    shallow = repo.common / "shallow"
    if shallow.exists() and commit.name in shallow.read_text().split():
        raise Refused(
            f"this clone is shallow and ends at {commit.shown}: it lacks what was before that, which is to come back",
            "git fetch --deepen=1, or git fetch --unshallow",
        )
    for parent in commit.parents:
        if repo.line("cat-file", "-t", parent) != "commit":
            raise Refused(
                f"the repository lacks {parent[:12]}, the commit before {commit.shown}", "git fetch, and git fsck"
            )


def _not_here(repo: Repository, commit: Commit, base: str, ref: str) -> Refused:
    place = printable(short(ref)) if ref else "HEAD"
    if same := _same_change(repo, commit, base):
        return Refused(
            f"{commit.shown} is not in the history of {place}; {same[:9]} is, and makes the same change",
            f"mlsh revert {same[:12]}",
        )
    form = ("for-each-ref", "--count=3", "--format=%(refname:short)", f"--contains={commit.name}")
    branches = [printable(name) for name in repo.line(*form, "refs/heads", "refs/remotes").splitlines()]
    hint = f"it is on {', '.join(branches)}: git switch {branches[0]}, then again" if branches else ""
    return Refused(
        f"{commit.shown} is not in the history of {place}, so there is nothing of it to take back here",
        hint or "see: git log --oneline",
    )


def _same_change(repo: Repository, commit: Commit, base: str) -> str:
    """A commit of this branch that makes the same change, as after a cherry-pick or a rebase; or nothing."""
    if len(commit.parents) != 1:
        return ""
    changed = repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", commit.parents[0], commit.name)
    paths = [os.fsdecode(path) for path in changed.split(b"\0") if path][:50]
    if not paths:
        return ""
    words = ("rev-list", "--cherry-mark", "--right-only", "--no-merges", f"{commit.name}...{base}", "--", *paths)
    try:
        marked = repo.git(*words, env={"GIT_LITERAL_PATHSPECS": "1"}).decode().split()
    except GitRefused:
        return ""
    return next((name[1:] for name in marked if name.startswith("=")), "")


def _newest_first(repo: Repository, commits: list[Commit]) -> list[Commit]:
    """A commit before those that it stands on."""
    if len(commits) == 1:
        return commits
    known = {commit.name: commit for commit in commits}
    asked = "".join(f"{name}\n" for name in known).encode()
    order = repo.git("rev-list", "--topo-order", "--stdin", stdin=asked).decode().split()
    return [known[name] for name in order if name in known]


# How


def _step(repo: Repository, commit: Commit, line: frozenset[str], mainline: int, text: str) -> Step:
    number, why = 0, ""
    if len(commit.parents) > 1:
        number, why = choose_mainline(commit, line, mainline)
    back = ""
    if (found := _REVERTS.search(commit.body)) and commit.subject.startswith(('Revert "', 'Reapply "')):
        name = found[1]
        back = read(repo, [name])[0].shown if repo.line("cat-file", "-t", name) == "commit" else name[:9]
    return Step(commit, number, why, back, message(commit, number, text))


def choose_mainline(commit: Commit, line: frozenset[str], asked: int) -> tuple[int, str]:
    """Which parent a merge is taken back to, counted from 1, and why. Raises UsageError or Refused.

    `line` are the commits on the first-parent line of the branch: what was there before the merge is to be there again.
    """
    count = len(commit.parents)
    if asked:
        if asked > count:
            raise UsageError(f"{commit.shown} has {count} parents, and no parent {asked}", f"--mainline 1 to {count}")
        return asked, f"taken back to parent {asked}, {commit.parents[asked - 1][:9]}, as you said"
    on_line = [number for number, parent in enumerate(commit.parents, 1) if parent in line]
    if commit.name in line:
        return 1, f"taken back to parent 1, {commit.parents[0][:9]}, where this branch was before the merge"
    if len(on_line) == 1:
        number = on_line[0]
        return number, (
            f"taken back to parent {number}, {commit.parents[number - 1][:9]}, the one on this branch's own line; "
            "what the other side had goes"
        )
    listed = "; ".join(f"{number} is {parent[:9]}" for number, parent in enumerate(commit.parents, 1))
    raise Refused(
        f"{commit.shown} is a merge that was not made on this branch, and which side is to go is not clear: {listed}",
        f"say which parent is to stay: --mainline N; what would go: git diff {commit.name[:9]}^N {commit.name[:9]}",
    )


def message(commit: Commit, mainline: int, text: str) -> str:
    """The message as git writes it (since 2.43 for a revert of a revert), and then why."""
    inner = commit.subject.removeprefix('Revert "')
    # Revert of a revert of a revert: git leaves those as they are.
    if inner != commit.subject and not inner.startswith('Revert "'):
        subject = f'Reapply "{inner}'
    else:
        subject = f'Revert "{commit.subject}"'
    body = f"This reverts commit {commit.name}"
    if mainline:
        body += f", reversing\nchanges made to {commit.parents[mainline - 1]}"
    said = f"\n\n{text.strip()}" if text.strip() else ""
    return f"{subject}\n\n{body}.{said}\n"
