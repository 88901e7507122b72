"""How a bisection ended: what it found, by what evidence, and what to type next."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.bisect.belief_words import effect
from mlsh.bisect.search.range import CONTROLS
from mlsh.bisect.search.verdict import CredibleSet, Culprit, EndsWrong, EndTrouble, NoCulprit, Verdict
from mlsh.cli.talk import paint, terminal_width
from mlsh.shell.table import clip
from mlsh.shell.visible import printable

if TYPE_CHECKING:
    from mlsh.bisect.bisection import Observed
    from mlsh.bisect.question import Question
    from mlsh.bisect.repository import Details, Repository
    from mlsh.bisect.search.search import Search

FOUND, NOT_ONE, NOTHING, ENDS = 0, 1, 3, 4
_MOST_FILES = 12
_MOST_OF_SET = 30
_MOST_PRINTED = 8
_COLOURS = re.compile(r"\x1b\[[0-9;:]{0,64}m")


def exit_code(verdict: Verdict) -> int:
    """0 for a culprit, 1 for several that can't be told apart, 3 for none in the range, 4 where the ends are wrong."""
    match verdict:
        case Culprit():
            return FOUND
        case CredibleSet():
            return NOT_ONE
        case NoCulprit():
            return NOTHING
    return ENDS


def show(
    repository: Repository,
    question: Question,
    search: Search,
    verdict: Verdict,
    seen: Sequence[Observed],
    subjects: Mapping[str, str],
    as_json: bool,
    printed: Mapping[str, bytes] | None = None,
) -> None:
    """Print how it ended, to stdout. `printed` is the end of what runs at the ends said, by commit."""
    if as_json:
        click.echo(json.dumps({"event": "verdict", **_fields(repository, search, verdict)}))
        return
    match verdict:
        case Culprit(commit=commit, confidence=confidence):
            sure = f", {_percent(confidence)} sure" if search.noisy else ""
            click.echo(paint(f"{commit} is the first bad commit{sure}", "bold"))
            _commit(repository, question, search, commit)
        case CredibleSet():
            _set(search, verdict, subjects)
        case NoCulprit(confidence=confidence):
            if confidence > 0.5:
                click.echo(paint(f"no commit of this range is to blame, {_percent(confidence)} sure", "bold"))
            else:
                click.echo(paint("no commit of this range stands out", "bold"))
            click.echo("The two ends don't differ enough. What changed may lie outside of the code: data, machine,")
            click.echo("libraries. Or the range is wrong: was good good, with this command, on this machine?")
        case EndsWrong():
            _ends(question, verdict, seen, printed or {})
    _evidence(search, seen, subjects)
    if isinstance(verdict, Culprit):
        from mlsh.bisect.job_ends import is_ours

        is_made = is_ours(repository, verdict.commit)
        _next(question, repository.top or repository.folder, verdict.commit, is_made)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.999 else "over 99.9%"


def _commit(repository: Repository, question: Question, search: Search, commit: str) -> None:
    from mlsh.bisect.origin import origin_of

    (about,) = repository.details([commit])
    rows = [("author", _author(about)), ("date", _date(about)), ("subject", printable(about.subject))]
    origin = origin_of(repository, commit, search.range.bad)
    if origin.commit != commit or origin.request:
        came = f"{origin.commit[:12]} {printable(origin.subject)}" if origin.commit != commit else ""
        rows.append(
            ("came with", " ".join(part for part in (came, f"({origin.request})" * bool(origin.request)) if part))
        )
    files = changed_files(repository, commit)
    more = f" and {len(files) - _MOST_FILES} more" if len(files) > _MOST_FILES else ""
    rows.append((f"files ({len(files)})", ", ".join(printable(name) for name in files[:_MOST_FILES]) + more))
    rows += effect(question, search)
    for name, text in rows:
        click.echo(f"  {name + ':':12} {text}")


def changed_files(repository: Repository, commit: str) -> list[str]:
    """The paths that a commit changed, beside its first parent; a root commit's are all of its files."""
    words = ("diff-tree", "-r", "-z", "--root", "--name-only", "--no-commit-id", "-m", "--first-parent", commit)
    return [name for name in repository(*words).decode(errors="replace").split("\0") if name]


def _author(about: Details) -> str:
    return printable(f"{about.author} <{about.email}>")


def _date(about: Details) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(about.authored_s))


def _set(search: Search, verdict: CredibleSet, subjects: Mapping[str, str]) -> None:
    sure = f", {_percent(verdict.confidence)} sure" if search.noisy else ""
    click.echo(paint(f"one of these {len(verdict.commits)} commits is the first bad one{sure}", "bold"))
    why = (
        "the runs are used up; for more: mlsh bisect resume --max-runs N"
        if verdict.gave_up
        else "nothing that can be tested tells them apart"
    )
    untestable = {search.range.commits[at] for at in search.untestable()}
    for commit in verdict.commits[::-1][:_MOST_OF_SET]:
        mark = "  (can't be tested)" if commit in untestable else ""
        click.echo(f"  {commit[:12]}  {printable(subjects.get(commit, ''))}{mark}")
    if len(verdict.commits) > _MOST_OF_SET:
        click.echo(f"  and {len(verdict.commits) - _MOST_OF_SET} older ones")
    click.echo(f"  ({why})")


_ENDS = {
    EndTrouble.BAD_PASSES: (
        "the bad end is good",
        "Nothing is broken there, with this command on this machine. Where did it fail? Name that commit with --bad,\n"
        "give the command that failed, or, if it fails only at times: --flaky",
    ),
    EndTrouble.GOOD_FAILS: (
        "the good end is bad",
        "It was broken before. Name an older commit with --good; if the command needs today's test or tool:\n"
        "--overlay PATH; if something must be built first: --setup CMD",
    ),
    EndTrouble.SWAPPED: (
        "the bad end is good, and the good end is bad",
        "Are they swapped? If you look for what mended it, give a command that fails where it is mended.",
    ),
    EndTrouble.BASE_FAILS: (
        "where the lines of good and bad part, it is bad already",
        "Something between that commit and the good one mended it, which bad never got. To find that, search from\n"
        "there to good; or name as good a commit that bad came from.",
    ),
    EndTrouble.UNTESTABLE: (
        "an end can't be tested",
        "The answer there must be good or bad.",
    ),
}


def _ends(question: Question, verdict: EndsWrong, seen: Sequence[Observed], printed: Mapping[str, bytes]) -> None:
    from mlsh.cli.bisect_view import outcome
    from mlsh.shell.sanitize import clean_log

    what, hint = _ENDS[verdict.trouble]
    click.echo(paint(f"no search: {what}", "bold"))
    for commit in verdict.commits:
        said = Counter(outcome(one) for one in seen if one.ask.commit == commit and one.ask.purpose in CONTROLS)
        for answer, times in said.items():
            click.echo(f"  {commit[:12]}: {answer}" + (f" ({times} times)" if times > 1 else ""))
        text = _COLOURS.sub("", clean_log(printed.get(commit, b"")))
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        for line in lines[-_MOST_PRINTED:]:
            click.echo(f"    | {clip(printable(line), 160)}")
    click.echo(hint)
    if verdict.trouble == EndTrouble.UNTESTABLE:
        click.echo(_made_testable(question, {one.answer.reason for one in seen if one.answer.kind == "unknown"}))


def _made_testable(question: Question, reasons: Collection[str]) -> str:
    """What to try where an end can't be tested, by what its runs said."""
    if any("folder" in reason for reason in reasons) and question.subdir:
        return "Start it in a folder that old commits have too: the command runs in the one where you are."
    if any("signal" in reason or "128" in reason for reason in reasons):
        return "If that crash is what you look for, make it an answer: sh -c 'COMMAND || exit 1'"
    if question.has_metric:
        return "--metric-regex or --metric-file find the number elsewhere; a command that fails has none."
    return "--setup CMD builds or installs what it needs there; --overlay PATH takes today's test along."


def _evidence(search: Search, seen: Sequence[Observed], subjects: Mapping[str, str]) -> None:
    from mlsh.cli.bisect_view import evidence, tally
    from mlsh.shell.table import columns

    controls = sum(one.ask.purpose in CONTROLS for one in seen)
    if not seen:
        return
    if search.noisy:
        rows, right = tally(search, seen, subjects), frozenset[int]()
    else:
        rows, right = evidence(seen, subjects), frozenset({0})
    each = "; each of them: mlsh bisect log" if search.noisy else ""
    runs = "1 run" if len(seen) == 1 else f"{len(seen)} runs"
    click.echo(f"\n{runs}, {controls} of them at the ends{each}")
    for line in columns(rows, terminal_width(), right=right):
        click.echo(f"  {line}")


def _next(question: Question, top: Path, commit: str, is_made: bool) -> None:
    if not question.argv:
        return
    command = printable(shlex.join(question.argv))
    folder = f"/tmp/{commit[:10]}"  # noqa: S108  (an example for a person to type)
    click.echo("\nto see it yourself:")
    for path in question.overlay:
        command = f"cp -R {shlex.quote(str(top / path))} {shlex.quote(f'{folder}/{path}')} && {command}"
    where = f"{folder}/{question.subdir}" if question.subdir else folder
    click.echo(f"  git worktree add --detach {folder} {commit[:12]} && cd {shlex.quote(where)} && {command}")
    click.echo("to see which of its lines did it:")
    click.echo(f"  mlsh bisect within {commit[:12]} -- {printable(shlex.join(question.argv))}")
    if is_made:
        return  # what a job had changed is on no branch
    click.echo("to undo it, if the command then passes:")
    click.echo(f"  mlsh revert {commit[:12]} -- {printable(shlex.join(question.argv))}")


def _fields(repository: Repository, search: Search, verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON has it."""
    from mlsh.bisect.recorded import event_of

    event = event_of(verdict)
    fields: dict[str, Any] = {
        "verdict": event.kind,
        "commits": event.commits,
        "confidence": event.confidence,
        "noisy": search.noisy,
        "runs": search.runs(),
        "controls": sum(seen.purpose in CONTROLS for seen in search.seen),
    }
    if event.reason:
        fields["reason"] = event.reason
    if isinstance(verdict, Culprit):
        (about,) = repository.details([verdict.commit])
        fields |= {"author": about.author, "email": about.email, "authored": about.authored_s, "subject": about.subject}
        fields["files"] = changed_files(repository, verdict.commit)
    return fields
