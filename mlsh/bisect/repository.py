"""The person's repository as a bisection asks it. Nothing is written, and no hook or filter of theirs runs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from mlsh.box import process
from mlsh.errors import MlshError, NotFound, UsageError
from mlsh.git.plumbing import GIT_TIMEOUT_S, Git
from mlsh.shell.visible import printable

# These two say how git sees history; `Git` keeps only what says which settings to read.
_SEEN = ("GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE")
_HEX = re.compile(r"[0-9a-f]{4,64}")
_FETCH_FAILED = re.compile("promisor|could not fetch|ould not read from remote|lazy fetch", re.IGNORECASE)
_MISTYPED = re.compile(
    r"log for '.*' only has \d+ entries|(?:Invalid|Unimplemented) pathspec magic .*|.* is outside repository.*"
)
_MISTYPED_HINT = "revisions: git reflog, git log --oneline; paths: git ls-files"
_MOST_REFS = 5000


class NoRepository(NotFound):
    """There is no git repository around the folder."""


class UnknownRevision(NotFound):
    """git knows no such revision; `revision` is what was typed."""

    def __init__(self, revision: str, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.revision = revision


class NotACommit(UsageError):
    """The revision is there, and is a tree or a file."""


class GitRefused(MlshError):
    """git ended with an error of its own."""


class FetchFailed(GitRefused):
    """A partial clone lacks an object, and git could not fetch it."""


class Details(msgspec.Struct, frozen=True):
    """What a person knows a commit by, as it is in the commit: not yet made harmless for a terminal."""

    commit: str
    author: str
    email: str
    authored_s: int
    """Seconds since the epoch."""
    subject: str


class Repository:
    """A repository, seen from one folder of it.

    `folder` is where the person stands (pathspecs are relative to it), `common` the git directory that all worktrees
    share, `top` the top of the work tree, or None (bare, or inside `.git`). `is_shallow`: its history is cut off.
    Raises NoRepository, and GitRefused where git will not read it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git = Git(None, folder)
        # An own fsmonitor daemon would be started by a question, and a hook run.
        self.git.argv += ["-c", "core.fsmonitor=false"]
        self.git.env |= {name: os.environ[name] for name in _SEEN if name in os.environ}
        if not folder.is_dir():
            raise NoRepository(f"{printable(str(folder))}: there is no such folder")
        asked = ("--is-bare-repository", "--is-shallow-repository", "--is-inside-work-tree")
        ran = self.run("rev-parse", *asked, "--path-format=absolute", "--git-common-dir")
        if ran.returncode != 0:
            if b"not a git repository" in ran.stderr:
                raise NoRepository(
                    f"{printable(str(folder))}: no git repository here, nor in a folder above",
                    "go to the repository that you want to search: cd FOLDER",
                )
            raise self.refusal(ran)
        bare, shallow, inside, common = ran.stdout.split(b"\n", 3)
        self.common = Path(os.fsdecode(common.removesuffix(b"\n")))
        self.is_bare, self.is_shallow = bare == b"true", shallow == b"true"
        self.top: Path | None = None
        if inside == b"true":
            self.top = Path(os.fsdecode(self("rev-parse", "--show-toplevel").removesuffix(b"\n")))

    def run(self, *words: str, stdin: bytes = b"") -> process.Ran:
        """Run a command to its end, whatever that is."""
        argv = [*self.git.argv, *words]
        try:
            return process.run(argv, stdin=stdin, timeout_s=GIT_TIMEOUT_S, env=self.git.env, cwd=self.folder)
        except process.TimedOut as error:
            raise GitRefused(f"git {words[0]} took longer than {error.timeout_s:g} s") from error

    def __call__(self, *words: str, stdin: bytes = b"") -> bytes:
        """The output of a command; raises GitRefused with git's own reason."""
        ran = self.run(*words, stdin=stdin)
        if ran.returncode != 0:
            raise self.refusal(ran)
        return ran.stdout

    def side_by_side(self, *commands: Sequence[str]) -> list[bytes]:
        """The outputs of commands that run at the same time; raises GitRefused where one fails."""
        with ThreadPoolExecutor(len(commands)) as pool:
            return list(pool.map(lambda words: self(*words), commands))

    def refusal(self, ran: process.Ran) -> MlshError:
        """The error for a command that failed, in git's words; UsageError for what could not be understood."""
        said = ran.stderr.decode(errors="replace")
        lines = [line for line in said.splitlines() if line.startswith(("fatal:", "error:"))]
        reason = printable((lines or said.splitlines() or [f"it ended with {ran.returncode}"])[0])
        where = printable(str(self.folder))
        if _FETCH_FAILED.search(said):
            return FetchFailed(
                f"{where}: this clone is partial, and git could not fetch what it lacks: {reason[:300]}",
                "look whether the remote answers: git fetch",
            )
        if found := _MISTYPED.search(said):
            return UsageError(f"git does not understand what was typed: {printable(found[0])[:300]}", _MISTYPED_HINT)
        hint = ""
        if "dubious ownership" in said:
            hint = f"it belongs to somebody else; if you trust it: git config --global --add safe.directory {where}"
        return GitRefused(f"{where}: git could not read the repository: {reason[:300]}", hint)

    def resolve(self, revisions: Sequence[str]) -> list[str]:
        """The full name of the commit that each revision means, tags followed to it.

        They travel by git's standard input, so a revision may begin with `-`. Raises UnknownRevision or NotACommit.
        """
        for revision in revisions:
            if "\n" in revision or "\0" in revision or not revision.strip():
                raise UnknownRevision(
                    revision, f"{printable(revision[:80])!r} is no revision", "name a commit: HEAD~20"
                )
        # `:/text` takes all that follows for its text, so that it is asked for without a suffix.
        asked = "".join(f"{revision}\n{revision}^{{commit}}\n" for revision in revisions)
        ran = self.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=os.fsencode(asked))
        lines = ran.stdout.decode(errors="replace").splitlines()
        if len(lines) != 2 * len(revisions):
            raise self.refusal(ran)
        found = []
        for revision, plain, peeled in zip(revisions, lines[::2], lines[1::2], strict=True):
            for answer in (plain, peeled):
                name, _, kind = answer.rpartition(" ")
                if kind == "commit" and len(name) >= 40:
                    found.append(name)
                    break
            else:
                raise self._unknown(revision, plain, ran)
        return found

    def _unknown(self, revision: str, answer: str, ran: process.Ran) -> MlshError:
        shown = printable(revision[:80])
        kind = answer.rpartition(" ")[2]
        if kind in {"tree", "blob", "tag"}:
            is_what = {"tree": "a folder", "blob": "a file", "tag": "a tag that leads to no commit"}[kind]
            return NotACommit(
                f"{shown} is {is_what}, and a bisection goes from commit to commit", "look: git log --all"
            )
        if kind == "ambiguous":
            return UnknownRevision(revision, f"{shown} is the start of several names", "type more of it")
        if _FETCH_FAILED.search(ran.stderr.decode(errors="replace")):
            return self.refusal(ran)
        what = f"git knows no revision {shown}"
        if ".." in revision:
            return UnknownRevision(revision, f"{what}: one commit is meant, not a range", "name its first commit alone")
        if self.is_shallow:
            what = f"{what}; this clone is shallow and may lack it"
            return UnknownRevision(revision, what, "fetch the rest: git fetch --unshallow --tags")
        if near := self._near(revision):
            return UnknownRevision(revision, what, f"did you mean {near}?")
        has_remote = bool(self.run("remote").stdout)
        hint = "fetch what the remote has: git fetch --tags" if has_remote else "see: git log --oneline --all"
        return UnknownRevision(revision, what, hint)

    def _near(self, revision: str) -> str:
        """A branch or tag that was probably meant, or nothing."""
        if _HEX.fullmatch(revision):
            return ""
        from mlsh.box.inventory import closest

        listed = self.run("for-each-ref", f"--count={_MOST_REFS}", "--sort=-creatordate", "--format=%(refname:short)")
        names = listed.stdout.decode(errors="replace").splitlines()
        name = re.split("[~^@]", revision, maxsplit=1)[0]
        near = closest(name, names)
        return printable(near + revision[len(name) :]) if near else ""

    def details(self, commits: Sequence[str]) -> list[Details]:
        """Author, date and subject of each commit, in one call of git."""
        if not commits:
            return []
        form = "--format=%H%x00%an%x00%ae%x00%at%x00%s"
        words = ("log", "-z", "--no-walk=unsorted", "--stdin", "--no-show-signature", "--encoding=UTF-8", form)
        told = self(*words, stdin="".join(f"{commit}\n" for commit in commits).encode())
        fields = told.decode(errors="replace").split("\0")
        rows = [fields[at : at + 5] for at in range(0, len(fields) - 4, 5)]
        known = {row[0]: Details(row[0], row[1], row[2], int(row[3] or 0), row[4]) for row in rows}
        return [known[commit] for commit in commits]
