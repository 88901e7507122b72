"""Make a revert: plan, try, check, and only then a commit; whatever goes wrong before that leaves no trace.

The trial has no commits, only trees. So where it fails nothing is there that `mlsh rescue` would list as lost.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mlsh.box import process
from mlsh.errors import MlshError, RefusedInput, UsageError
from mlsh.git.plumbing import environment
from mlsh.shell.visible import printable
from mlsh.undo import act, revert_plan, revert_trial, standing
from mlsh.undo.capture import capture
from mlsh.undo.repository import Busy, GitRefused, Repository
from mlsh.undo.restore import refuse_taken
from mlsh.undo.revert_plan import Commit, Plan, Refused
from mlsh.undo.revert_tree import CANNOT_WRITE, throwaway, undisturbed
from mlsh.undo.revert_trial import Checked, Trial
from mlsh.undo.transition import diff_trees, list_paths, short

_TIMEOUT_S = 600.0
_IDENTITY = tuple(f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL", "DATE"))
_REACHING = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "GIT_PROXY_COMMAND")


class Wish(msgspec.Struct, frozen=True):
    """What a person asked for."""

    revisions: tuple[str, ...]
    branch: str = ""
    """A new branch for the revert; empty for the branch that HEAD is on."""
    text: str = ""
    """Why, for the message."""
    mainline: int = 0
    push: bool = False
    check: tuple[str, ...] = ()
    """A command that must exit with 0 on the reverted code; empty for none."""
    subdir: Path = Path()
    """Where in the work tree it runs."""


class Push(msgspec.Struct, frozen=True):
    """Where a branch goes."""

    remote: str
    ref: str

    @property
    def words(self) -> list[str]:
        """The words of the plain push, without `git`."""
        return ["push", self.remote, f"{self.ref}:{self.ref}"]


class Made(msgspec.Struct, frozen=True):
    """A revert that was made."""

    commits: tuple[str, ...]
    """The new ones, the oldest first."""
    ref: str
    """The branch that has them."""
    skipped: tuple[Commit, ...]
    """What was asked for and changes nothing any more."""
    submodules: tuple[bytes, ...]
    """Submodules that stand on another commit now than the work tree has."""
    checked: Checked | None
    record: int
    """The record from after it."""


class Watcher:
    """Is told what goes on; a front end overrides what it shows."""

    def planned(self, plan: Plan) -> None:
        """It is known what is to be reverted."""

    def checking(self, running_s: float, line: str) -> None:
        """The check runs, and printed `line` last."""

    def checked(self, checked: Checked) -> None:
        """The check passed."""


def plan(repo: Repository, wish: Wish) -> tuple[Plan, Push | None]:
    """What would be done; nothing is changed. Raises MlshError where it is clear already that it can't be."""
    if wish.text.strip().isdigit():
        raise UsageError(
            f"-m is the reason, in words, and {wish.text.strip()} is none",
            f"for the parent of a merge: --mainline {wish.text.strip()}",
        )
    if "\0" in wish.text:
        raise UsageError("a commit's message can't hold a zero byte")
    if wish.branch:
        refuse_taken(repo, wish.branch)
    made = revert_plan.make(repo, wish.revisions, wish.text, wish.mainline, to_branch=bool(wish.branch))
    _require_identity(repo)
    if not wish.branch:
        repo.refuse_index_lock()
        if standing.look(repo).unmerged:
            raise Refused("there are conflicts in the index, from a stash or a merge", "see: git status")
    ref = f"refs/heads/{wish.branch}" if wish.branch else made.ref
    return made, (_push_of(repo, ref) if wish.push else None)


def revert(repo: Repository, wish: Wish, watcher: Watcher) -> Made:
    """Do it, but for the push. Raises MlshError; HEAD, branches, index, files and stash are untouched then."""
    made, _ = plan(repo, wish)
    watcher.planned(made)
    with throwaway(repo, made.base) as place:
        trial = revert_trial.attempt(place, made)
        if not wish.branch:
            _refuse_overlap(repo, made.base, trial.tree)
        checked = None
        if wish.check:
            checked = revert_trial.check(place, trial.tree, wish.check, wish.subdir, watcher.checking)
            watcher.checked(checked)
    commits = _commit(repo, made.base, trial)
    title = made.title
    with repo.changing():
        before = capture(repo, "before", title)
        ref = made.ref
        reason = f"revert: {trial.done[0].step.message.partition(chr(10))[0]}"
        if wish.branch:
            ref = f"refs/heads/{wish.branch}"
            refuse_taken(repo, wish.branch)
            repo.git("update-ref", "-m", reason, ref, commits[-1], repo.null)
        else:
            _move(repo, made, commits[-1], reason, before.meta.number)
        after = act.after(repo, "revert", title, before, None)
    skipped = tuple(step.commit for step in trial.skipped)
    return Made(tuple(commits), ref, skipped, _submodules(repo, made.base, commits[-1]), checked, after.meta.number)


# The person's own files


def _refuse_overlap(repo: Repository, base: str, tree: str) -> None:
    """Raise Refused where the revert writes what the person has changed, staged, or keeps out of git."""
    found = overlap(repo, base, tree)
    if found:
        raise Refused(
            f"you have changes of your own in what the revert would write: {list_paths(found)}",
            "commit them, or put them aside (git stash -u); or make the revert on a new branch: --branch NAME",
        )


def overlap(repo: Repository, base: str, tree: str) -> list[bytes]:
    """The paths where something lies that is in no commit and that going from one tree to another would write over."""
    changed = diff_trees(repo, base, tree).now
    found = set(standing.in_the_way(repo, changed, standing.look(repo)))
    # Git takes these for unchanged, whatever lies there.
    listed = repo.git("ls-files", "-v", "-z").split(b"\0")
    unwatched = {entry[2:] for entry in listed if entry[:1].islower() or entry[:1] == b"S"}
    top = os.fsencode(repo.require_top())
    found |= {path for path in changed.keys() & unwatched if os.path.lexists(os.path.join(top, path))}
    tracked = {entry[2:] for entry in listed if entry}
    for path, becomes in changed.items():
        if becomes is None:
            continue
        parent = os.path.dirname(path)
        while parent:
            whole = os.path.join(top, parent)
            if parent not in tracked and os.path.lexists(whole) and (os.path.islink(whole) or not os.path.isdir(whole)):
                found.add(parent)
            parent = os.path.dirname(parent)
        found |= _untracked_below(top, path, tracked)
    return sorted(found)


def _untracked_below(top: bytes, path: bytes, tracked: set[bytes]) -> set[bytes]:
    """What lies in a folder that is to become a file, and is not git's."""
    whole = os.path.join(top, path)
    if path in tracked or os.path.islink(whole):
        return set()
    found = set()
    for where, _, files in os.walk(whole):
        found |= {os.path.relpath(os.path.join(where, name), top) for name in files}
    return found - tracked


def _move(repo: Repository, made: Plan, commit: str, reason: str, record: int) -> None:
    """Index, files and branch go to the new commit; what is staged or changed elsewhere stays."""
    if repo.line("rev-parse", "HEAD") != made.base or repo.line("symbolic-ref", "-q", "HEAD") != made.ref:
        raise Busy("HEAD has moved while this ran, so nothing was changed", "again")
    _refuse_overlap(repo, made.base, commit)
    try:
        repo.git("read-tree", "-m", "-u", made.base, commit, filters=True)
        repo.git("update-ref", "-m", reason, made.ref, commit, made.base)
    except BaseException as error:
        if isinstance(error, GitRefused) and CANNOT_WRITE.search(error.said):
            error.hint = "your files are as they were; look whether there is room on the disk: df -h ."
        with undisturbed():
            try:
                _put_back(repo, made, commit)
            except MlshError as second:
                second.hint = f"when that is mended, put your files back: mlsh save --restore {record}"
                raise second from error
        raise


def _put_back(repo: Repository, made: Plan, commit: str) -> None:
    """After a move that stopped somewhere, a Ctrl-C included: index and files to where the branch is."""
    if repo.line("rev-parse", made.ref) == commit:
        return
    top = os.fsencode(repo.require_top())
    diff = diff_trees(repo, made.base, commit)
    if (
        standing.names(repo.git("diff-index", "--cached", "-z", "--name-only", "--no-renames", made.base))
        & diff.now.keys()
    ):
        repo.git("read-tree", "-m", "-u", commit, made.base, filters=True)
        return
    # The index is written last: git stopped before that, with some of the files written.
    for path, was in diff.was.items():
        if was is None:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(top, path))
    back = b"".join(path + b"\0" for path, was in diff.was.items() if was is not None)
    if back:
        repo.git("checkout-index", "-q", "-f", "-z", "--stdin", stdin=back, filters=True)


def _submodules(repo: Repository, base: str, commit: str) -> tuple[bytes, ...]:
    changed = diff_trees(repo, base, commit).now
    return tuple(sorted(path for path, file in changed.items() if file is not None and file.mode == "160000"))


# The commits


def _as_person(repo: Repository, words: Sequence[str], stdin: bytes = b"") -> process.Ran:
    """Run git with the person's own settings, identity and terminal: a key may ask for its passphrase."""
    mine = {name: os.environ[name] for name in (*_IDENTITY, *_REACHING) if name in os.environ}
    argv = ["git", "-C", str(repo.top or repo.git_dir), *words]
    return process.run(argv, stdin=stdin, timeout_s=_TIMEOUT_S, env=environment(**mine), own_session=False)


def _require_identity(repo: Repository) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        ran = _as_person(repo, ["var", f"GIT_{who}_IDENT"])
        if ran.returncode != 0:
            raise RefusedInput(
                "git does not know who you are, and a commit has an author",
                'git config --global user.name "YOUR NAME" && git config --global user.email YOU@EXAMPLE.ORG',
            )


def _commit(repo: Repository, base: str, trial: Trial) -> list[str]:
    """A commit for each tree of a trial, signed where the person signs theirs; no ref is moved. Raises MlshError."""
    signs = _as_person(repo, ["config", "--type=bool", "commit.gpgSign"]).stdout.strip() == b"true"
    commits: list[str] = []
    for tried in trial.done:
        parent = commits[-1] if commits else base
        words = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", tried.tree, "-p", parent, *(["-S"] if signs else [])]
        ran = _as_person(repo, [*words, "-F", "-"], tried.step.message.encode(errors="surrogateescape"))
        if ran.returncode != 0:
            said = [line for line in ran.stderr.decode(errors="replace").splitlines() if line.strip()]
            why = printable(said[0][:200]) if said else f"it ended with {ran.returncode}"
            if signs:
                raise RefusedInput(
                    f"the revert could not be signed (commit.gpgSign is on), so nothing was changed: {why}",
                    "look whether your key works: git commit-tree -S -m test HEAD^{tree}",
                )
            raise GitRefused(["commit-tree"], ran.stderr, ran.returncode)
        commits.append(ran.stdout.decode().strip())
    return commits


# The push


def _push_of(repo: Repository, ref: str) -> Push:
    """Where a plain push of a branch goes. Raises UsageError where that is not clear."""
    name = short(ref)

    def setting(key: str) -> str:
        return repo.line("config", "--get", key)

    remotes = repo.line("remote").splitlines()
    remote = setting(f"branch.{name}.pushRemote") or setting("remote.pushDefault") or setting(f"branch.{name}.remote")
    if not remote and len(remotes) == 1:
        remote = remotes[0]
    if not remote or remote == "." or remote.startswith("-"):
        raise UsageError(
            f"git does not know where {printable(name)} is to be pushed",
            "leave --push out, and push it yourself: git push REMOTE BRANCH",
        )
    merge = setting(f"branch.{name}.merge")
    if merge and merge != ref and setting(f"branch.{name}.remote") == remote:
        raise UsageError(
            f"{printable(name)} follows {printable(short(merge))} of {printable(remote)}, a branch of another name",
            f"leave --push out, then: git push {printable(remote)} {printable(name)}:{printable(short(merge))}",
        )
    return Push(remote, ref)


def going_along(repo: Repository, push: Push, base: str) -> int:
    """How many commits besides the revert the push would publish, as far as is known here."""
    tracked = f"refs/remotes/{push.remote}/{short(push.ref)}"
    if not repo.line("rev-parse", "-q", "--verify", tracked):
        return 0
    return int(repo.line("rev-list", "--count", base, "--not", tracked, "--") or 0)


def send(repo: Repository, push: Push) -> None:
    """Push the branch, never with force; the person's pre-push hook runs. Raises MlshError: the revert stays then."""
    ran = _as_person(repo, push.words)
    if ran.returncode != 0:
        refused = GitRefused(["push"], ran.stderr, ran.returncode)
        again = f"git push {printable(push.remote)} {printable(short(push.ref))}"
        hint = f"when that is settled: {again}"
        if "rejected" in refused.said:
            hint = f"the remote has commits that you lack: git pull --rebase, then {again}"
        raise MlshError(f"the revert is made, and was not pushed: {refused.what}", hint)
