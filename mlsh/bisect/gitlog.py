"""What `git bisect log` writes and `git bisect replay` reads. Pure: the commits are not looked up.

git keeps one bad commit, the last that was named, and never two answers for one. So a bisection of mlsh, which may ask
a commit again and several side by side, is told in another order: bad commits from the newest to the oldest.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from mlsh.bisect.events import Marked, Observed, Standing
from mlsh.errors import RefusedInput
from mlsh.shell.visible import printable

_COMMAND = re.compile(r"[ \t]*git[ -]bisect[ \t]+(?P<word>\S+)[ \t]*(?P<rest>.*)")
_SAID = re.compile(r"# (?P<term>\S+): \[(?P<commit>[0-9a-f]{40,64})\]", re.ASCII)
_FIRST = re.compile(r"# first \S+ commit: \[(?P<commit>[0-9a-f]{40,64})\]", re.ASCII)
# As git's check: a term is part of a ref's name, and is no command of git bisect.
_TERM = re.compile(r"(?!-)[^\s~^:?*\[\\\x00-\x20\x7f/.@{]+", re.ASCII)
_COMMANDS = frozenset(
    ["help", "start", "skip", "next", "reset", "visualize", "view", "replay", "log", "run", "terms"]
)  # fmt: skip
_OLD_OPTIONS, _NEW_OPTIONS = ("--term-old", "--term-good"), ("--term-new", "--term-bad")
_LONGEST = 1 << 20


class GitLogRefused(RefusedInput):
    """A line that git bisect does not write; `line` counts from 1."""

    def __init__(self, line: int, what: str, hint: str = "it should be what `git bisect log` printed") -> None:
        super().__init__(f"line {line} of the log: {what}", hint)
        self.line = line


class Entry(msgspec.Struct, frozen=True):
    """One answer. `revision` is a full name, or in a log that a person wrote any revision, or a range for a skip."""

    kind: Literal["good", "bad", "skip"]
    revision: str


class GitLog(msgspec.Struct, frozen=True):
    """A bisection as git tells it. `entries` are in the order of the log, the ends first."""

    entries: tuple[Entry, ...]
    term_good: str = "good"
    term_bad: str = "bad"
    first_parent: bool = False
    pathspecs: tuple[str, ...] = ()
    culprit: str = ""
    """The commit that git found, by its full name; empty where it had not."""

    @property
    def bad(self) -> str | None:
        """The bad end as it stands: the last that was named."""
        return next((one.revision for one in reversed(self.entries) if one.kind == "bad"), None)

    @property
    def goods(self) -> tuple[str, ...]:
        """All good commits."""
        return tuple(dict.fromkeys(one.revision for one in self.entries if one.kind == "good"))

    @property
    def skips(self) -> tuple[str, ...]:
        """All that can't be tested."""
        return tuple(dict.fromkeys(one.revision for one in self.entries if one.kind == "skip"))


class Decided(msgspec.Struct, frozen=True):
    """What can be told to git. Of `contradictory` commits there are good answers and bad ones; git is told neither."""

    entries: tuple[Entry, ...]
    contradictory: tuple[str, ...]


def decided(standing: Standing, position: Mapping[str, int]) -> Decided:
    """The observations in force, one answer a commit, bad ones in the order of falling `position`.

    `position` says where a commit stands among the candidates, parents before children; it may lack some.
    """
    kinds: dict[str, set[str]] = {commit: {"unknown"} for commit in sorted(standing.skipped)}
    for seen in standing.observations:
        if isinstance(seen, Observed | Marked) and seen.kind is not None:
            kinds.setdefault(seen.commit, set()).add(seen.kind)
    contradictory = tuple(commit for commit, found in kinds.items() if {"good", "bad"} <= found)
    bad = [commit for commit, found in kinds.items() if "bad" in found and "good" not in found]
    # What is no candidate is the bad end, or newer: it comes first.
    bad.sort(key=lambda commit: -position.get(commit, len(position)))
    entries = [Entry("bad", commit) for commit in bad]
    entries += [Entry("good", commit) for commit, found in kinds.items() if "good" in found and "bad" not in found]
    entries += [Entry("skip", commit) for commit, found in kinds.items() if found == {"unknown"}]
    return Decided(tuple(entries), contradictory)


def write(log: GitLog, subjects: Mapping[str, str], contradictory: Sequence[str] = ()) -> str:
    """The log as text that `git bisect replay` takes. Raises RefusedInput for a path that it can't hold."""
    if any("\n" in path for path in log.pathspecs):
        raise RefusedInput("a path with a line end can't be written into a git bisect log", "leave that path out")
    words = ["git bisect start"]
    if (log.term_good, log.term_bad) != ("good", "bad"):
        words += [_quoted(f"--term-old={log.term_good}"), _quoted(f"--term-new={log.term_bad}")]
    words += [_quoted("--first-parent")] if log.first_parent else []
    words += [_quoted(word) for word in ("--", *log.pathspecs)] if log.pathspecs else []
    lines = [" ".join(words)]
    terms = {"good": log.term_good, "bad": log.term_bad, "skip": "skip"}
    for entry in log.entries:
        term = terms[entry.kind]
        lines += [f"# {term}: {_named(entry.revision, subjects)}", f"git bisect {term} {entry.revision}"]
    lines += [f"# answers of both kinds, left out: {_named(commit, subjects)}" for commit in contradictory]
    if log.culprit:
        lines.append(f"# first {log.term_bad} commit: {_named(log.culprit, subjects)}")
    return "".join(f"{line}\n" for line in lines)


def _named(commit: str, subjects: Mapping[str, str]) -> str:
    return f"[{commit}] {printable(subjects.get(commit, ''))}".rstrip()


def _quoted(word: str) -> str:
    """Quoted as git does, whose reader knows no other way."""
    return "'" + word.replace("'", "'\\''").replace("!", "'\\!'") + "'"


def read(text: str, is_revision: Callable[[str], bool] = lambda _: True) -> GitLog:
    """Understand a log, also one that a person shortened. Raises GitLogRefused.

    `is_revision` decides where revisions end and paths begin in a start without `--` that says no more.
    """
    reader = _Reader(is_revision)
    for number, line in enumerate(text.split("\n"), 1):
        reader.line(number, line.rstrip("\r"))
    return reader.log()


class _Reader:
    """A log, line by line."""

    def __init__(self, is_revision: Callable[[str], bool]) -> None:
        self._is_revision = is_revision
        self._said: list[tuple[str, str]] = []
        self._started = False
        self._clear()

    def _clear(self) -> None:
        self._entries: list[Entry] = []
        self._good = self._bad = ""
        self._first_parent = False
        self._paths: list[str] = []
        self._culprit = ""

    def log(self) -> GitLog:
        if not self._started:
            raise GitLogRefused(1, "there is no `git bisect start` in it")
        good, bad = self._good or "good", self._bad or "bad"
        return GitLog(tuple(self._entries), good, bad, self._first_parent, tuple(self._paths), self._culprit)

    def line(self, number: int, line: str) -> None:
        if len(line) > _LONGEST or "\0" in line:
            raise GitLogRefused(number, "it is no text, or far too long")
        if found := _FIRST.match(line):
            self._culprit = found["commit"]
        elif found := _SAID.match(line):
            # git writes what a revision meant before the command that names it.
            self._said.append((found["term"], found["commit"]))
        elif found := _COMMAND.fullmatch(line):
            self._command(number, found["word"], found["rest"])
            self._said = []
        elif line.strip() and not line.lstrip().startswith("#"):
            raise GitLogRefused(number, f"{printable(line.strip()[:80])!r} is no command of git bisect")

    def _command(self, number: int, word: str, rest: str) -> None:
        try:
            words = shlex.split(rest)
        except ValueError as error:
            raise GitLogRefused(number, f"a quote is not closed in {printable(rest[:80])!r}") from error
        if word == "start":
            self._clear()
            self._started = True
            self._start(number, words)
        elif not self._started:
            raise GitLogRefused(number, f"`{printable(word[:40])}` comes before `git bisect start`")
        elif word == "terms":
            pass  # as git does: the start has said them
        else:
            kind = "skip" if word == "skip" else self._kind(number, word)
            self._add(number, kind, words)

    def _add(self, number: int, kind: Literal["good", "bad", "skip"], revisions: Sequence[str]) -> None:
        if not revisions:
            raise GitLogRefused(number, "it names no commit", "write the commit behind it: git bisect good COMMIT")
        for revision in revisions:
            if revision.startswith("-"):
                raise GitLogRefused(number, f"{printable(revision[:80])!r} is an option, not a commit")
            self._entries.append(Entry(kind, revision))

    def _kind(self, number: int, word: str) -> Literal["good", "bad"]:
        if not self._good and not self._bad and word in {"good", "bad", "old", "new"}:
            self._good, self._bad = ("good", "bad") if word in {"good", "bad"} else ("old", "new")
        if word == (self._good or "good"):
            return "good"
        if word == (self._bad or "bad"):
            return "bad"
        terms = f"{printable(self._good or 'good')} and {printable(self._bad or 'bad')}"
        raise GitLogRefused(number, f"`{printable(word[:40])}` is none of its words, which are {terms}, and skip")

    def _start(self, number: int, words: list[str]) -> None:
        words = self._options(number, words)
        if "--" in words:
            at = words.index("--")
            revisions, self._paths = words[:at], words[at + 1 :]
        else:
            at = len(self._said) or next(
                (place for place, word in enumerate(words) if not self._is_revision(word)), len(words)
            )
            revisions, self._paths = words[:at], words[at:]
        if revisions and len(self._said) == len(revisions):
            # `HEAD` is another commit by now.
            revisions = [commit for _, commit in self._said]
        for place, revision in enumerate(revisions):
            self._add(number, "good" if place else "bad", [revision])
        if revisions and not (self._good or self._bad):
            self._good, self._bad = "good", "bad"

    def _options(self, number: int, words: list[str]) -> list[str]:
        """Take the options off the start; returns the words behind them."""
        place = 0
        while place < len(words) and words[place] != "--" and words[place].startswith("-"):
            name, equals, value = words[place].partition("=")
            place += 1
            if name in (*_OLD_OPTIONS, *_NEW_OPTIONS):
                if not equals:
                    value = words[place] if place < len(words) else ""
                    place += 1
                if not _TERM.fullmatch(value) or value in _COMMANDS:
                    raise GitLogRefused(number, f"{printable(value[:40])!r} can't be a term")
                if name in _OLD_OPTIONS:
                    self._good = value
                else:
                    self._bad = value
            elif name == "--first-parent":
                self._first_parent = True
            elif name != "--no-checkout":
                raise GitLogRefused(number, f"the option {printable(name[:40])} is not known")
        if (self._good or "good") == (self._bad or "bad"):
            raise GitLogRefused(number, "both terms are the same word")
        return words[place:]
