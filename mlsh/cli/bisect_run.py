"""`mlsh bisect run` and `resume`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlsh.cli.options import common, complete_box, dry_run_option, verb

if TYPE_CHECKING:
    from mlsh.bisect.bisection import Audience, Bisection, Observed
    from mlsh.bisect.candidates import Candidates
    from mlsh.bisect.journal import Journal
    from mlsh.bisect.question import Question
    from mlsh.bisect.repository import Repository
    from mlsh.bisect.workers_plan import WorkerPlan
    from mlsh.jobs.launch import Values

F = TypeVar("F", bound=Callable[..., Any])

_SECTIONS = {
    "The range": ("good", "bad", "first_parent", "path"),
    "What counts as bad": ("metric", "metric_regex", "metric_file", "bad_if"),
    "An oracle that may lie": ("flaky", "confidence", "controls", "max_runs"),
    "How it is run": ("overlay", "setup", "timeout", "clean", "env", "env_file", "secret"),
    "Where": ("on", "workers", "share_box", "gpus", "gpu_ids", "gpu_memory", "slots", "priority"),
}

_VALUES = (
    click.option("--env", multiple=True, metavar="K[=V]", help="Set a variable; without =V, its value here."),
    click.option("--env-file", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
                 help="Set the variables of a .env file, treated as secrets."),
    click.option("--secret", multiple=True, metavar="K", help="Set a variable from here, or ask for it."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON, an event a line; the last one is the verdict."),
)  # fmt: skip


def _value_options(function: F) -> F:
    for option in reversed(_VALUES):
        function = option(function)
    return function


@verb("run", wraps_command=True, sections=_SECTIONS)
@click.option("--good", multiple=True, metavar="REV", help="A commit at which it worked; several are fine.")
@click.option("--bad", default="HEAD", metavar="REV", show_default=True, help="A commit at which it is broken.")
@click.option("--first-parent", is_flag=True, help="Only the line of bad itself; a merge stands for all it brought.")
@click.option("--path", multiple=True, metavar="PATHSPEC", help="Only commits that touch this.")
@click.option("--metric", default="", metavar="NAME",
              help="Read a number: the last NAME=… or NAME: … printed, or NAME in the last line of JSON.")  # fmt: skip
@click.option("--metric-regex", default="", metavar="RE", help="Read the number that this expression's group finds.")
@click.option("--metric-file", default="", metavar="FILE", help="Read it from this file, which the command writes.")
@click.option("--bad-if", default="", metavar="RULE",
              help="'val_loss > 0.35', or beside the good end: 'val_loss > good + 5%', 'good + 3 sd'. Without a rule "
              "both ends are measured, and each value counts as far as it tells them apart.")  # fmt: skip
@click.option("--flaky", is_flag=True, help="The command may answer falsely: measure how often, at both ends first.")
@click.option("--confidence", default=0.95, metavar="P", show_default=True, type=click.FloatRange(0.5, 0.9999),
              help="How sure to be where answers may be false.")  # fmt: skip
@click.option("--controls", default=8, metavar="N", show_default=True, type=click.IntRange(2, 1000),
              help="Runs at either end that measure the noise.")  # fmt: skip
@click.option("--max-runs", default=None, metavar="N", type=click.IntRange(1), help="At most N runs beside the ends.")
@click.option("--overlay", multiple=True, metavar="PATH",
              help="Put this file or folder, as it is now, over each commit: today's test, or a tool.")  # fmt: skip
@click.option("--setup", default="", metavar="CMD", help="Run this first, again only where the lock files changed.")
@click.option("--timeout", default="", metavar="T", help="A run that takes longer can't tell: 90s, 30m.")
@click.option("--clean", is_flag=True, help="A fresh folder for each run; without it builds stay incremental.")
@click.option("--on", "on", multiple=True, metavar="BOX", shell_complete=complete_box,
              help="Run it there; several are fine. Default: this machine.")  # fmt: skip
@click.option("-j", "--workers", default=None, metavar="N", type=click.IntRange(1, 64),
              help="How many runs at a time, over all boxes. Default: one a box.")  # fmt: skip
@click.option("--share-box", is_flag=True, help="Several at a time on a box, though the metric is a time.")
@click.option("--gpus", default="", metavar="N", help="Each worker waits for N GPUs and holds them; 0.5: shares one.")
@click.option("--gpu-ids", default="", metavar="I,J", help="Exactly these GPUs.")
@click.option("--gpu-memory", default="", metavar="SIZE", help="Only GPUs with that much memory: 20G.")
@click.option("--slots", default=0, type=click.IntRange(0, 1000), metavar="N", help="As of mlsh run.")
@click.option("--priority", default=50, type=click.IntRange(0, 99), metavar="P", help="As of mlsh run.")
@_value_options
@dry_run_option
@common
@click.argument("command_", metavar="COMMAND...", nargs=-1, type=click.UNPROCESSED)
def run(
    env: tuple[str, ...],
    env_file: tuple[Path, ...],
    secret: tuple[str, ...],
    as_json: bool,
    dry_run: bool,
    command_: tuple[str, ...],
    **asked: Any,
) -> None:
    """Find the commit that broke it: run COMMAND at commits between good and bad.

    Exit codes are those of git bisect run: 0 is good, 125 can't tell, 1 to 124 and 126, 127 are bad. A signal, a
    time-out or want of memory is "can't tell". Each run has a folder of its own; your files stay as they are.

    \b
      mlsh bisect run --good v1.2 -- pytest -q tests/test_x.py
      mlsh bisect run --good HEAD~200 --metric val_loss --on gpu1 --on gpu2 -j 4 -- python train.py --steps 200
      mlsh bisect run --good v1.2 --overlay tests/test_new.py --setup 'uv sync' -- uv run pytest -q tests/test_new.py
    """
    from mlsh.bisect.candidates import Swapped
    from mlsh.bisect.job_ends import candidates, commits_of, let_go
    from mlsh.bisect.repository import Repository
    from mlsh.cli.bisect_question import question_of_words, values_for, with_names
    from mlsh.errors import UsageError

    if not command_:
        raise UsageError("run what?", "mlsh bisect run --good v1.2 -- pytest -q tests/test_x.py")
    if not asked["good"]:
        raise UsageError("no good commit is named", "name one at which it still worked: --good v1.2")
    repository = Repository(Path.cwd())
    asked["bad"], *asked["good"] = commits_of(repository, [asked["bad"], *asked["good"]])
    question = question_of_words(repository, command_, asked)
    values = values_for(question, env, env_file, secret)
    question = with_names(question, values)
    try:
        found = candidates(
            repository, question.good, question.bad, first_parent=question.first_parent, pathspecs=question.paths
        )
    except Swapped as error:
        if not (os.isatty(0) and os.isatty(2)):
            raise
        click.echo(f"mlsh: {error.what}", err=True)
        click.confirm("Swap them?", err=True, abort=True)
        import msgspec

        question = msgspec.structs.replace(question, good=[error.bad], bad=error.good)
        found = candidates(
            repository, question.good, question.bad, first_parent=question.first_parent, pathspecs=question.paths
        )
    if dry_run:
        _plan_only(question, found)
        let_go(repository, (found.bad, *found.goods))
        return
    journal = begin(repository, question, found)
    _go(repository, question, found, journal, values, as_json)


@verb("resume")
@click.argument("bisection", required=False)
@click.option("--max-runs", default=None, metavar="N", type=click.IntRange(1),
              help="At most N runs in all beside the ends, in place of what was said at first.")  # fmt: skip
@_value_options
@common
def resume(
    bisection: str | None,
    max_runs: int | None,
    env: tuple[str, ...],
    env_file: tuple[Path, ...],
    secret: tuple[str, ...],
    as_json: bool,
) -> None:
    """Go on with BISECTION, by default the last one of this repository.

    Answers that came while nobody was there count; nothing is asked twice.
    """
    import msgspec

    from mlsh.bisect.job_ends import candidates
    from mlsh.bisect.journal import Journal
    from mlsh.bisect.repository import Repository
    from mlsh.cli.bisect_hand import question_of, which
    from mlsh.cli.bisect_question import values_for
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError

    repository = Repository(Path.cwd())
    journal = Journal.resume(repository.common, which(repository, bisection))
    if journal.note:
        say(journal.note)
    question = question_of(journal.events)
    if not question.argv:
        raise UsageError("in this bisection you answer yourself", "see what is next: mlsh bisect next")
    if max_runs is not None:
        question = msgspec.structs.replace(question, max_runs=max_runs)
    values = values_for(question, (*question.env, *env), env_file, (*question.secrets, *secret))
    found = candidates(
        repository, question.good, question.bad, first_parent=question.first_parent, pathspecs=question.paths
    )
    _go(repository, question, found, journal, values, as_json)


def begin(repository: Repository, question: Question, found: Candidates) -> Journal:
    """The journal of a new bisection, with the question as its first line."""
    import msgspec

    from mlsh import __version__
    from mlsh.bisect.events import Begun
    from mlsh.bisect.journal import Journal
    from mlsh.jobs import ids

    return Journal.begin(
        repository.common,
        Begun(
            at=time.time(),
            id=ids.new_id(),
            bad=found.bad,
            goods=list(found.goods),
            bad_typed=question.bad,
            goods_typed=question.good,
            argv=question.argv,
            first_parent=question.first_parent,
            pathspecs=question.paths,
            options=msgspec.to_builtins(question),
            mlsh=__version__,
        ),
    )


def _plan_only(question: Question, found: Candidates) -> None:
    """What would be done, for --dry-run."""
    import shlex

    from mlsh.bisect.question import spread
    from mlsh.bisect.recorded import range_of
    from mlsh.bisect.search.search import Search
    from mlsh.shell.visible import printable

    search = Search(range_of(found), question.options())
    runs = question.controls * 2 if search.noisy else 2
    click.echo(
        f"{len(found.commits)} commits may be it: git rev-list {found.bad} {' '.join('^' + g for g in found.goods)}"
    )
    about = f"about {search.runs_left()}" if not search.noisy else "those that tell most, as many as it takes"
    click.echo(f"{runs} runs at the two ends first, then {about}")
    for box, slot in spread(list(question.boxes), question.workers):
        click.echo(f"worker {slot} on {box}, in a git worktree of its own:")
        where = f"cd {printable(shlex.quote(question.subdir))} && " if question.subdir else ""
        click.echo(f"  git checkout --detach COMMIT && {where}{printable(shlex.join(question.argv))}")


def _go(
    repository: Repository,
    question: Question,
    found: Candidates,
    journal: Journal,
    values: Callable[[str], Values],
    as_json: bool,
) -> None:
    """Run a bisection to its end, and say what it found."""
    from mlsh.bisect import worktrees
    from mlsh.bisect.bisection import Bisection
    from mlsh.bisect.events import standing
    from mlsh.bisect.job_ends import let_go
    from mlsh.bisect.recorded import Recorder, range_of, running_of, seen_by, skips_of
    from mlsh.bisect.search.search import Search
    from mlsh.bisect.workers import Workers
    from mlsh.cli import bisect_report, bisect_view
    from mlsh.cli.screen import Screen
    from mlsh.cli.talk import say

    range_ = range_of(found)
    search = Search(range_, question.options())
    outside = {parent for parents in range_.outside for parent in parents}
    needed = dict.fromkeys((found.bad, *found.goods, *found.merge_bases, *found.commits, *sorted(outside)))
    subjects = {about.commit: about.subject for about in repository.details(list(needed))}
    stands = standing(journal.events)
    recorder = Recorder(journal)
    picture = bisect_view.Picture(subjects, Screen()) if not as_json and bisect_view.wants_picture() else None
    seen: list[Observed] = []
    front: Audience = picture or (bisect_view.Events() if as_json else bisect_view.Lines(subjects))
    audience = bisect_view.Keeping(front, seen)
    workers = Workers(journal.id, repository.common, list(needed))
    if not as_json:
        say(f"{len(found.commits)} commits may be it; stop with Ctrl-C, and go on with: mlsh bisect resume")
    crew = plans(repository, question, journal.id, values)
    for kind in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C: nothing goes on running, no worktree is left.
        signal.signal(kind, _ended)
    workers.start(crew)
    try:
        bisection = Bisection(search, question.oracle(), workers, recorder, audience, stands.next_number)
        for skipped in skips_of(stands):
            search.tell(skipped)
        for answer in stands.observations:
            seen.append(seen_by(answer))
            bisection.take(seen[-1])
        _take_over(bisection, workers, {one.number: running_of(one) for one in stands.pending})
        verdict = _watch(bisection, picture)
    except KeyboardInterrupt:
        say("stopped; what was found is kept, go on with: mlsh bisect resume")
        raise
    finally:
        signal.signal(signal.SIGINT, _be_patient)
        workers.close()
        # Of a repository that was moved, those that were made where it was.
        for tree in worktrees.of(repository.common, journal.id):
            worktrees.remove(repository.common, tree)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    bisect_report.show(repository, question, search, verdict, seen, subjects, as_json, bisection.printed)
    journal.close()
    let_go(repository, (found.bad, *found.goods))
    sys.stdout.flush()
    raise SystemExit(bisect_report.exit_code(verdict))


def _ended(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _be_patient(_number: int, _frame: FrameType | None) -> None:
    """Ctrl-C while the folders are removed, which takes a second, or longer where a box is gone."""
    from mlsh.cli.talk import say

    signal.signal(signal.SIGINT, signal.default_int_handler)
    say("ending what runs; Ctrl-C once more leaves it, and then: mlsh bisect reset")


def plans(
    repository: Repository, question: Question, identity: str, values: Callable[[str], Values]
) -> list[WorkerPlan]:
    """The workers that are to be started, on all boxes."""
    from mlsh import config
    from mlsh.bisect.question import spread
    from mlsh.bisect.workers_plan import WorkerPlan
    from mlsh.cli.typed import spec_of

    assert repository.top is not None  # noqa: S101
    settings = config.load()
    queue = {
        name: getattr(question, name)
        for name in ("gpus", "gpu_share", "gpu_ids", "gpu_memory_mib", "slots", "priority")
    }
    return [
        WorkerPlan(
            bisection=identity,
            box=box,
            slot=slot,
            argv=question.argv,
            git_dir=repository.common,
            top=repository.top,
            spec=spec_of([], box, "", values(box), "", None, 2, "", (), None, settings, None, **queue),
            values=values(box),
            subdir=question.subdir,
            overlay=tuple(question.overlay),
            setup=question.setup,
            timeout_s=question.timeout_s,
            metrics_file=question.metric_file,
            clean=question.clean,
        )
        for box, slot in spread(question.boxes, question.workers)
    ]


def _take_over(bisection: Bisection, workers: Any, pending: dict[int, Any]) -> None:
    """What was asked before this process began: answers that lie on the boxes, and probes that still run."""
    if not pending:
        return
    under_way = workers.under_way()
    bisection.adopt([one for number, one in pending.items() if number in under_way])
    waiting = [number for number in pending if number not in under_way]
    for result in workers.collect(waiting):
        bisection.finish(pending[result.number], result)


def _watch(bisection: Bisection, picture: Any) -> Any:
    """Run it, drawn on the screen where there is one."""
    if picture is None:
        return bisection.run()
    picture.bisection = bisection
    with picture.screen.held(picture.lines):
        return bisection.run()
