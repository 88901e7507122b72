"""`mlsh bisect within`: of a commit that broke it, the lines that did."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.bisect_run import run
from mlsh.cli.options import Sectioned, common

if TYPE_CHECKING:
    from mlsh.bisect.hunks import Difference, Piece
    from mlsh.bisect.narrowing import Narrowing, Tried, Try, Watcher, Wish
    from mlsh.bisect.question import Question
    from mlsh.bisect.repository import Repository
    from mlsh.bisect.search.delta import Minimal
    from mlsh.bisect.search.verdict import EndsWrong
    from mlsh.jobs.launch import Values

_COMMAND = "mlsh.command"
_SECTIONS = {
    "The difference": ("good", "bad"),
    "What counts as bad": ("metric", "metric_regex", "metric_file", "bad_if"),
    "An oracle that may lie": ("flaky", "confidence", "controls", "max_runs"),
    "How it is run": ("overlay", "setup", "timeout", "clean", "env", "env_file", "secret"),
    "Where": ("on", "workers", "share_box", "gpus", "gpu_ids", "gpu_memory", "slots", "priority"),
}
_MOST_LISTED = 40


class _WithCommand(Sectioned):
    """A command where all that follows `--` is the person's command, options too."""

    sections = _SECTIONS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the command off before click sees it."""
        typed = list(args)
        if "--" in typed:
            at = typed.index("--")
            ctx.meta[_COMMAND] = tuple(typed[at + 1 :])
            del typed[at:]
        return super().parse_args(ctx, typed)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line, with what click does not know of."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND..."]


@click.command("within", cls=_WithCommand, context_settings={"help_option_names": ["-h", "--help"],
                                                             "max_content_width": 100})  # fmt: skip
@click.argument("commit", required=False, metavar="[COMMIT]")
@click.option("--good", default="", metavar="REV", help="Where it worked. Default: the parent of COMMIT.")
@click.option("--bad", default="", metavar="REV", help="The same as COMMIT.")
@common
@click.pass_context
def within(
    ctx: click.Context, /, commit: str | None, good: str, bad: str, env: tuple[str, ...], env_file: tuple[Path, ...],
    secret: tuple[str, ...], as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Find the lines of COMMIT that broke it: run COMMAND with parts of its changes.

    What COMMIT changed is taken apart into pieces, runs of changed lines mostly, and COMMAND is run with fewer and
    fewer of them, by delta debugging. What is left alone makes COMMAND fail, and without any one of its pieces it does
    not. It is printed as a patch. Your files, your index and your branches stay as they are.

    \b
      mlsh bisect within 89a890a32622 -- pytest -q tests/test_x.py
      mlsh bisect within HEAD --good v1.2 -j 4 -- pytest -q tests/test_x.py
      mlsh bisect within --good JOB1 --bad JOB2 -- python eval.py
    """
    import signal

    from mlsh.bisect.hunks import Difference
    from mlsh.bisect.job_ends import let_go
    from mlsh.bisect.narrowing import Wish
    from mlsh.bisect.repository import Repository
    from mlsh.bisect.within import claimed
    from mlsh.cli import bisect_question
    from mlsh.errors import UsageError

    words = ctx.meta.get(_COMMAND, ())
    if not words:
        raise UsageError("run what?", "mlsh bisect within COMMIT -- pytest -q tests/test_x.py")
    if (commit is None) == (not bad):
        raise UsageError("which commit broke it?", "mlsh bisect within COMMIT -- COMMAND")
    repository = Repository(Path.cwd())
    for kind in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C: what is in the repository meanwhile goes away.
        signal.signal(kind, signal.default_int_handler)
    good_commit, bad_commit = _ends(repository, good, commit or bad)
    try:
        question = _question(repository, words, good_commit, bad_commit, asked)
        values = bisect_question.values_for(question, env, env_file, secret)
        wish = Wish(question.flaky, question.confidence, question.controls, question.max_runs)
        with claimed(repository) as identity:
            difference = Difference(repository, good_commit, bad_commit, identity)
            _go(repository, difference, question, wish, identity, values, as_json)
    finally:
        let_go(repository, (good_commit, bad_commit))


# The other options are those of `run`, as it has them.
_SHARED = {name for names in _SECTIONS.values() for name in names} - {"good", "bad", "env", "env_file", "secret"}
within.params += [param for param in run.params if param.name in _SHARED | {"as_json", "env", "env_file", "secret"}]


def _ends(repository: Repository, good: str, bad: str) -> tuple[str, str]:
    """The two commits. Raises UsageError, and what `job_ends.commits_of` does."""
    from mlsh.bisect.job_ends import commits_of
    from mlsh.errors import UsageError

    ends = repository.resolve(commits_of(repository, [bad, good] if good else [bad]))
    if good:
        return ends[1], ends[0]
    commit = ends[0]
    parents = repository("rev-list", "--no-walk", "--parents", commit, "--").decode("ascii").split()[1:]
    if not parents:
        raise UsageError(
            f"{commit[:12]} has no parent here, so nothing says what it changed", "name a good commit: --good REV"
        )
    return parents[0], commit


def _question(repository: Repository, words: tuple[str, ...], good: str, bad: str, asked: dict[str, Any]) -> Question:
    """What was typed, checked as `run` does."""
    from mlsh.cli import bisect_question
    from mlsh.errors import UsageError

    unused = {"first_parent": False, "path": (), "good": (good,), "bad": bad}
    question = bisect_question.question_of_words(repository, words, {**asked, **unused})
    if question.has_metric and not question.bad_if:
        raise UsageError("which values are bad?", "say it with a rule: --bad-if 'val_loss > good + 5%'")
    return question


def _go(
    repository: Repository,
    difference: Difference,
    question: Question,
    wish: Wish,
    identity: str,
    values: Callable[[str], Values],
    as_json: bool,
) -> None:
    """Narrow it down, and say what is left."""
    from mlsh.bisect.narrowing import Narrowing
    from mlsh.bisect.search.delta import Minimal
    from mlsh.bisect.workers import Workers
    from mlsh.cli import bisect_run
    from mlsh.cli.bisect_report import ENDS, FOUND, NOT_ONE
    from mlsh.cli.talk import say

    pieces = difference.pieces
    if not as_json:
        files = len({piece.path for piece in pieces})
        say(f"{_counted(len(pieces), 'piece')} in {_counted(files, 'file')} may be it")
    workers = Workers(identity, repository.common, [difference.bad, difference.good])
    workers.start(bisect_run.plans(repository, question, identity, values))
    try:
        narrowing = Narrowing(difference, question.oracle(), workers, wish, _watcher(difference, as_json))
        found = narrowing.run()
    except KeyboardInterrupt:
        say("stopped; nothing is kept")
        raise
    finally:
        workers.close()
    if as_json:
        _show_json(difference, narrowing, found)
    elif isinstance(found, Minimal):
        _show(difference, question, narrowing, found)
    else:
        _show_ends(difference, narrowing, found)
    sys.stdout.flush()
    raise SystemExit(ENDS if not isinstance(found, Minimal) else NOT_ONE if found.gave_up else FOUND)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


# While it runs


def _watcher(difference: Difference, as_json: bool) -> Watcher:
    from mlsh.bisect.narrowing import Watcher
    from mlsh.bisect.search.range import Purpose
    from mlsh.cli.bisect_view import _WORD, finite, long
    from mlsh.cli.talk import say
    from mlsh.shell.visible import printable

    everything = len(difference.pieces)

    class Lines(Watcher):
        """A line on stderr for each run."""

        def tried(self, tried: Tried) -> None:
            where = "" if tried.worker == "local" else f" on {tried.worker}"
            word = _WORD[tried.answer.kind]
            why = f": {tried.answer.reason}" if tried.answer.reason else ""
            has = f"{tried.mask.bit_count()} of {everything}"
            purpose = f"{tried.purpose}, " if tried.purpose != Purpose.SEARCH else ""
            say(f"{tried.number:3}  {has} pieces  {word}{why}  ({purpose}{long(tried.duration_s)}{where})")

        def dropped(self, one: Try, reason: str) -> None:
            say(f"{one.number:3}  {one.mask.bit_count()} of {everything} pieces  no answer: {reason}")

        def lost(self, worker: str, why: str) -> None:
            say(f"{worker} is lost: {why}")

        def back(self, worker: str) -> None:
            say(f"{worker} is back")

    class Events(Watcher):
        """A JSON object a line on stdout."""

        def tried(self, tried: Tried) -> None:
            answer = tried.answer
            said = {"answer": answer.kind, "value": finite(answer.value), "reason": printable(answer.reason)}
            fields = {"number": tried.number, "pieces": numbers(tried.mask), "purpose": str(tried.purpose)}
            where = {"worker": tried.worker, "seconds": tried.duration_s}
            click.echo(json.dumps({"event": "answered", **fields, **where, **said}))

        def dropped(self, one: Try, reason: str) -> None:
            fields = {"number": one.number, "pieces": numbers(one.mask), "reason": printable(reason)}
            click.echo(json.dumps({"event": "dropped", **fields}))

        def lost(self, worker: str, why: str) -> None:
            click.echo(json.dumps({"event": "worker-lost", "worker": worker, "reason": printable(why)}))

        def back(self, worker: str) -> None:
            click.echo(json.dumps({"event": "worker-back", "worker": worker}))

    def numbers(mask: int) -> list[int]:
        return [number for number in range(everything) if mask >> number & 1]

    return Events() if as_json else Lines()


# At the end


def _show(difference: Difference, question: Question, narrowing: Narrowing, found: Minimal) -> None:
    """The pieces as a table and a patch, on stdout: `git apply` passes over what stands before the patch."""
    from mlsh.cli.diff import show_patch
    from mlsh.cli.talk import paint, terminal_width
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    mask = sum(1 << number for number in found.deltas)
    pieces = [difference.pieces[number] for number in found.deltas]
    sure = f", {found.confidence:.1%} sure" if found.confidence < 1 else ""
    verb = "breaks" if len(pieces) == 1 else "break"
    count = f"{len(pieces)} of {_counted(len(difference.pieces), 'piece')}"
    if found.gave_up:
        click.echo(paint(f"{count} of {difference.bad[:12]} {verb} it; the runs are used up, fewer might do", "bold"))
    else:
        click.echo(paint(f"{count} of {difference.bad[:12]} {verb} it{sure}", "bold"))
    rows = [(*_row(piece), _without(kind)) for piece, kind in zip(pieces, found.without or ["bad"] * len(pieces),
                                                                 strict=True)]  # fmt: skip
    for line in columns(rows[:_MOST_LISTED], terminal_width()):
        click.echo(f"  {line}")
    if len(rows) > _MOST_LISTED:
        click.echo(f"  and {len(rows) - _MOST_LISTED} more")
    controls = sum(narrowing.ends()[end][at] for end in narrowing.ends() for at in (0, 1))
    click.echo(f"{len(narrowing.tried)} runs, {controls} of them at the ends")
    click.echo(f"on top of {difference.good[:12]}, this is what makes it fail:")
    click.echo(f"  {printable(shlex.join(question.argv))}\n")
    sys.stdout.flush()
    show_patch(difference.patch(mask, colour=sys.stdout.isatty()))


def _row(piece: Piece) -> tuple[str, str]:
    """A piece in words: where, and what."""
    import os

    from mlsh.shell.visible import printable

    path = printable(os.fsdecode(piece.path))
    if piece.kind != "lines":
        what = {"added": "new file", "deleted": "file gone", "mode": "another mode", "type": "another type of file"}
        was = f", before {printable(os.fsdecode(piece.old_path))}" if piece.old_path != piece.path else ""
        return path, what.get(piece.kind, piece.kind) + was
    first, count = (piece.new_start, piece.new_lines) if piece.new_lines else (piece.old_start, piece.old_lines)
    lines = f"line {first}" if count == 1 else f"lines {first} to {first + count - 1}"
    return path, f"{lines} taken out" if not piece.new_lines else lines


def _without(kind: str) -> str:
    return {"good": "", "unknown": "(can't be tested without it)"}.get(kind, "")


_ENDS_HINT = """\
Both ends are run first: the command must pass at the good one and fail at the bad one. If it fails only at times:
--flaky. If it needs today's test or tool: --overlay PATH; if something must be built first: --setup CMD."""


def _show_ends(difference: Difference, narrowing: Narrowing, found: EndsWrong) -> None:
    from mlsh.cli.bisect_report import _ENDS
    from mlsh.cli.talk import paint

    click.echo(paint(f"nothing to narrow: {_ENDS[found.trouble][0]}", "bold"))
    names = {0: ("good", difference.good), (1 << len(difference.pieces)) - 1: ("bad", difference.bad)}
    for end, (fails, passes) in narrowing.ends().items():
        word, commit = names[end]
        unknown = sum(one.mask == end for one in narrowing.tried) - fails - passes
        more = f", {unknown} can't tell" if unknown else ""
        click.echo(f"  {word} end {commit[:12]}: {fails} failed, {passes} passed{more}")
        for one in [one for one in narrowing.tried if one.mask == end][:1]:
            click.echo(f"    {one.answer.reason}")
    click.echo(_ENDS_HINT)


def _show_json(difference: Difference, narrowing: Narrowing, found: Minimal | EndsWrong) -> None:
    """The verdict, one object."""
    from mlsh.bisect.search.delta import Minimal

    controls = sum(sum(counts) for counts in narrowing.ends().values())
    about = {"good": difference.good, "bad": difference.bad, "total": len(difference.pieces),
             "runs": len(narrowing.tried) - controls, "controls": controls}  # fmt: skip
    if not isinstance(found, Minimal):
        fields = {"event": "verdict", "verdict": "ends", "reason": str(found.trouble), "commits": list(found.commits)}
        click.echo(json.dumps({**fields, **about}))
        return
    mask = sum(1 << number for number in found.deltas)
    pieces = [
        {"number": number, **_fields(difference.pieces[number]), "without": kind}
        for number, kind in zip(found.deltas, found.without or [None] * len(found.deltas), strict=True)
    ]
    patch = difference.patch(mask).decode(errors="replace")
    verdict = {"event": "verdict", "verdict": "pieces", "pieces": pieces, "minimal": not found.gave_up}
    click.echo(json.dumps({**verdict, "confidence": found.confidence, **about, "patch": patch}))


def _fields(piece: Piece) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": piece.kind, "path": piece.path.decode(errors="replace")}
    if piece.old_path != piece.path:
        fields["old_path"] = piece.old_path.decode(errors="replace")
    if piece.kind == "lines":
        fields |= {name: getattr(piece, name) for name in ("old_start", "old_lines", "new_start", "new_lines")}
    return fields
