"""`mlsh bisect start`, `next`, `good`, `bad`, `skip`, `undo`, `reset`: a person is the oracle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import click

from mlsh.cli.options import common, verb

if TYPE_CHECKING:
    from mlsh.bisect.events import AnyEvent, Standing
    from mlsh.bisect.journal import Journal
    from mlsh.bisect.question import Question
    from mlsh.bisect.repository import Repository
    from mlsh.bisect.search.search import Search

_id_option = click.option("--id", "bisection", default=None, metavar="ID", help="Which; default: the last one.")


@verb("start")
@click.option("--good", multiple=True, required=True, metavar="REV", help="A commit at which it worked.")
@click.option("--bad", default="HEAD", metavar="REV", show_default=True, help="A commit at which it is broken.")
@click.option("--first-parent", is_flag=True, help="Only the line of bad itself.")
@click.option("--path", multiple=True, metavar="PATHSPEC", help="Only commits that touch this.")
@click.option("--flaky", is_flag=True, help="Your answers may be false: each counts as likely, not as sure.")
@common
def start(good: tuple[str, ...], bad: str, first_parent: bool, path: tuple[str, ...], flaky: bool) -> None:
    """Begin a bisection by hand: you test a commit, and say good, bad or skip.

    Good and bad are believed. `mlsh bisect next` says which commit to test, and has it in a folder of its own; your
    own files stay as they are.
    """
    from mlsh.bisect.candidates import candidates
    from mlsh.bisect.question import Question
    from mlsh.bisect.repository import Repository
    from mlsh.cli.bisect_run import begin

    repository = Repository(Path.cwd())
    found = candidates(repository, good, bad, first_parent=first_parent, pathspecs=path)
    question = Question(good=list(good), bad=bad, first_parent=first_parent, paths=list(path), flaky=flaky)
    with begin(repository, question, found) as journal:
        search, stands = searched(repository, journal.events)
        _say_next(repository, journal, search, stands)


@verb("next")
@_id_option
@common
def next_(bisection: str | None) -> None:
    """Say which commit to test next, and check it out in a folder of the bisection's own."""
    repository, journal = _opened(bisection)
    with journal:
        search, stands = searched(repository, journal.events)
        _say_next(repository, journal, search, stands)


def _mark(kind: Literal["good", "bad"], revisions: Sequence[str], bisection: str | None) -> None:
    from mlsh.bisect.events import Marked, standing
    from mlsh.cli.talk import say

    repository, journal = _opened(bisection)
    with journal:
        commits = repository.resolve(revisions) if revisions else [_pending(journal)]
        _check_fits(repository, journal, commits, kind)
        for commit in commits:
            number = standing(journal.events).next_number
            journal.append(Marked(at=time.time(), number=number, commit=commit, kind=kind))
        if question_of(journal.events).argv:
            say("written down; go on: mlsh bisect resume")
            return
        search, stands = searched(repository, journal.events)
        _say_next(repository, journal, search, stands)


@verb("mark")
@click.argument("kind", type=click.Choice(["good", "bad"]))
@click.argument("rev", nargs=-1)
@_id_option
@common
def mark(kind: Literal["good", "bad"], rev: tuple[str, ...], bisection: str | None) -> None:
    """Say that REV is good, or bad: the same as `mlsh bisect good REV`, `mlsh bisect bad REV`.

    Also in a bisection that runs a command: stop it, say what you know, and resume it.
    """
    _mark(kind, rev, bisection)


def _check_fits(repository: Repository, journal: Journal, commits: Sequence[str], kind: Literal["good", "bad"]) -> None:
    """Nothing, where an answer can be true beside those before it. Raises UsageError: a person mistypes.

    Where answers may be false it may be one of those; and in a bisection that runs a command too, which asks again.
    """
    from mlsh.bisect.search.range import Purpose, Seen
    from mlsh.errors import UsageError

    question = question_of(journal.events)
    if question.argv or question.flaky:
        return
    search, _ = searched(repository, journal.events)
    for commit in commits:
        was_noisy = search.noisy
        search.tell(Seen(commit, Purpose.SEARCH, kind))
        if search.noisy and not was_noisy:
            raise UsageError(
                f"{commit[:12]} can't be {kind} beside what you said before: then no commit could be the first bad one",
                "see your answers: mlsh bisect log; take a wrong one back: mlsh bisect undo NUMBER; "
                "if the test is flaky, begin anew: mlsh bisect start --flaky",
            )


@verb("good")
@click.argument("rev", nargs=-1)
@_id_option
@common
def good(rev: tuple[str, ...], bisection: str | None) -> None:
    """Say that REV is good; by default the commit that was to be tested."""
    _mark("good", rev, bisection)


@verb("bad")
@click.argument("rev", nargs=-1)
@_id_option
@common
def bad(rev: tuple[str, ...], bisection: str | None) -> None:
    """Say that REV is bad; by default the commit that was to be tested."""
    _mark("bad", rev, bisection)


@verb("skip")
@click.argument("rev", nargs=-1)
@_id_option
@common
def skip(rev: tuple[str, ...], bisection: str | None) -> None:
    """Say that REV can't be tested; by default the commit that was to be tested. A..B: all of them."""
    from mlsh.bisect.events import Skipped, standing

    repository, journal = _opened(bisection)
    with journal:
        commits = [commit for one in rev for commit in _commits(repository, one)]
        number = standing(journal.events).next_number
        journal.append(Skipped(at=time.time(), number=number, commits=commits or [_pending(journal)]))
        search, stands = searched(repository, journal.events)
        _say_next(repository, journal, search, stands)


@verb("undo")
@click.argument("number", required=False, type=int)
@_id_option
@common
def undo(number: int | None, bisection: str | None) -> None:
    """Take an answer back: the last one, or that with NUMBER, as `mlsh bisect log` shows them."""
    from mlsh.bisect.events import Marked, Observed, Skipped, Undone, standing
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound

    repository, journal = _opened(bisection)
    with journal:
        gone = standing(journal.events).undone
        answers = {
            one.number: one
            for one in journal.events
            if isinstance(one, Observed | Marked | Skipped) and one.number not in gone
        }
        if not answers or (number is not None and number not in answers):
            raise NotFound(
                "there is no answer to take back" if not answers else f"there is no answer {number}",
                "see: mlsh bisect log",
            )
        chosen = answers[max(answers) if number is None else number]
        journal.append(Undone(at=time.time(), number=chosen.number))
        commit = chosen.commits[0] if isinstance(chosen, Skipped) else chosen.commit
        say(f"answer {chosen.number}, {commit[:12]}, counts no longer")
        question = question_of(journal.events)
        if question.argv:
            say("go on: mlsh bisect resume")
            return
        search, stands = searched(repository, journal.events)
        _say_next(repository, journal, search, stands)


@verb("replay")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="surrogateescape"))
@common
def replay(file: IO[str]) -> None:
    """Take over what `git bisect log` printed into FILE (- for standard input), and go on by hand."""
    from mlsh.bisect import gitlog
    from mlsh.bisect.candidates import candidates
    from mlsh.bisect.events import Marked, Skipped, standing
    from mlsh.bisect.question import Question
    from mlsh.bisect.repository import Repository
    from mlsh.cli.bisect_run import begin
    from mlsh.errors import UsageError

    repository = Repository(Path.cwd())
    told = gitlog.read(file.read())
    bads = [one.revision for one in told.entries if one.kind == "bad"]
    goods = [one.revision for one in told.entries if one.kind == "good"]
    if not bads or not goods:
        raise UsageError("the log names no good commit, or no bad one", "both ends are needed: git bisect log > FILE")
    # The first ones are the ends; what git was told later lies between them.
    ends = [bads[0], *goods[:1]]
    question = Question(good=ends[1:], bad=ends[0], first_parent=told.first_parent, paths=list(told.pathspecs))
    found = candidates(
        repository, question.good, question.bad, first_parent=question.first_parent, pathspecs=question.paths
    )
    with begin(repository, question, found) as journal:
        for entry in told.entries:
            number = standing(journal.events).next_number
            if entry.kind == "skip":
                commits = _commits(repository, entry.revision)
                journal.append(Skipped(at=time.time(), number=number, commits=commits))
            elif entry.revision not in ends:
                (commit,) = repository.resolve([entry.revision])
                journal.append(Marked(at=time.time(), number=number, commit=commit, kind=entry.kind))
        search, stands = searched(repository, journal.events)
        _say_next(repository, journal, search, stands)


@verb("reset")
@click.argument("bisection", required=False)
@common
def reset(bisection: str | None) -> None:
    """End what BISECTION left running, remove its folders and its record; by default the last one.

    A bisection that ended by itself has cleaned up: this is for one that was killed, or that is no longer wanted.
    """
    import shutil

    from mlsh.bisect import workers
    from mlsh.bisect.job_ends import let_go
    from mlsh.bisect.journal import Journal, JournalDamaged, folder
    from mlsh.bisect.repository import Repository
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound

    repository = Repository(Path.cwd())
    identity = which(repository, bisection)
    record = folder(repository.common) / identity
    try:
        journal = Journal.resume(repository.common, identity)
    except (JournalDamaged, NotFound):
        if not record.is_dir():
            raise
        # Nobody can go on with it, and this is how it goes away.
        workers.cleanup(identity, repository.common)
        shutil.rmtree(record)
    else:
        with journal:
            question = question_of(journal.events)
            workers.cleanup(identity, repository.common)
            let_go(repository, (question.bad, *question.good))
            shutil.rmtree(record)
    say(f"bisection {identity} is gone; your files were never touched")


def _commits(repository: Repository, revision: str) -> list[str]:
    """The commit of a revision, or those of a range A..B."""
    first, dots, last = revision.partition("..")
    if not dots:
        return repository.resolve([revision])
    ends = repository.resolve([first or "HEAD", last or "HEAD"])
    return repository("rev-list", ends[1], f"^{ends[0]}", "--").decode("ascii").split()


def which(repository: Repository, bisection: str | None) -> str:
    """The id that is meant. Raises NotFound where there is none."""
    from mlsh.bisect.journal import current, identities
    from mlsh.errors import NotFound

    if bisection:
        found = [identity for identity in identities(repository.common) if identity.startswith(bisection)]
        return found[0] if len(found) == 1 else bisection
    if (identity := current(repository.common)) is None:
        raise NotFound(
            "there is no bisection in this repository", "mlsh bisect run --good REV -- COMMAND, or mlsh bisect start"
        )
    return identity


def question_of(events: Sequence[AnyEvent]) -> Question:
    """What a bisection was asked, by its journal; commits by their full names. Raises NotFound."""
    import msgspec

    from mlsh.bisect.events import standing
    from mlsh.bisect.question import Question
    from mlsh.errors import NotFound

    begun = standing(events).begun
    if begun is None:
        raise NotFound("mlsh was cut off while it began this bisection, before it asked anything", "mlsh bisect reset")
    question = msgspec.convert(begun.options, Question, strict=False)
    return msgspec.structs.replace(question, good=begun.goods, bad=begun.bad)


def searched(repository: Repository, events: Sequence[AnyEvent]) -> tuple[Search, Standing]:
    """The search after all answers so far. In one by hand the two ends are believed."""
    from mlsh.bisect.events import standing
    from mlsh.bisect.job_ends import candidates
    from mlsh.bisect.recorded import range_of, seen_by, skips_of
    from mlsh.bisect.search.range import Purpose, Seen
    from mlsh.bisect.search.search import Search

    question, stands = question_of(events), standing(events)
    found = candidates(
        repository, question.good, question.bad, first_parent=question.first_parent, pathspecs=question.paths
    )
    search = Search(range_of(found), question.options())
    if not question.argv:
        repeat = question.controls if question.flaky else 1
        for _ in range(repeat):
            search.tell(Seen(found.bad, Purpose.BAD_END, "bad"))
            for good in found.goods:
                search.tell(Seen(good, Purpose.GOOD_END, "good"))
        for base in found.merge_bases:
            search.tell(Seen(base, Purpose.MERGE_BASE, "good"))
    for skipped in skips_of(stands):
        search.tell(skipped)
    for answer in stands.observations:
        one = seen_by(answer)
        if one.answer.kind is not None or search.options.values:
            search.tell(Seen(one.ask.commit, one.ask.purpose, one.answer.kind, one.answer.value))
    return search, stands


def _opened(bisection: str | None) -> tuple[Repository, Journal]:
    from mlsh.bisect.journal import Journal
    from mlsh.bisect.repository import Repository

    repository = Repository(Path.cwd())
    return repository, Journal.resume(repository.common, which(repository, bisection))


def _pending(journal: Journal) -> str:
    """The commit that the person was told to test."""
    from mlsh.bisect.events import standing
    from mlsh.errors import UsageError

    pending = standing(journal.events).pending
    if not pending:
        raise UsageError("which commit?", "name it, or see which is next: mlsh bisect next")
    return pending[-1].commit


def _say_next(repository: Repository, journal: Journal, search: Search, stands: Standing) -> None:
    """The commit to test, in a folder of its own; or how it ended."""
    from mlsh.bisect import by_hand
    from mlsh.bisect.events import Asked, Cancelled, standing
    from mlsh.bisect.recorded import Recorder
    from mlsh.cli import bisect_report
    from mlsh.cli.talk import say
    from mlsh.shell.visible import printable

    question = question_of(journal.events)
    verdict = search.verdict()
    if verdict is not None:
        if stands.verdict is None:
            Recorder(journal).ended(verdict)
        subjects = {about.commit: about.subject for about in repository.details(list(search.range.commits))}
        bisect_report.show(repository, question, search, verdict, [], subjects, as_json=False)
        raise SystemExit(bisect_report.exit_code(verdict))
    (ask,) = search.ask(1)
    pending = standing(journal.events).pending
    if not pending or pending[-1].commit != ask.commit:
        for old in pending:
            journal.append(Cancelled(at=time.time(), number=old.number, reason="another one is next"))
        number = standing(journal.events).next_number
        journal.append(Asked(at=time.time(), number=number, commit=ask.commit, purpose=ask.purpose, worker="you"))
    where = by_hand.check_out(repository.common, journal.id, ask.commit)
    (about,) = repository.details([ask.commit])
    left = int((search.weights()[:-1] > 0).sum())
    say(f"{left} commits may be it, about {search.runs_left()} more to test; next: {printable(about.subject)}")
    say(f"test it in {where}, then: mlsh bisect good, bad or skip")
    click.echo(f"{ask.commit}\t{where}")
