"""`mlsh bisect status`, `log`, `visualize`: look, and change nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, json_option, verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlsh.bisect.events import AnyEvent
    from mlsh.bisect.repository import Repository

_MOST_SHOWN = 20


@verb("status")
@click.argument("bisection", required=False)
@click.option("--all", "every", is_flag=True, help="List the bisections of this repository.")
@json_option
@common
def status(bisection: str | None, every: bool, as_json: bool) -> None:
    """Where BISECTION stands, by default the last one: what is left, and how likely each commit is."""
    from mlsh.bisect.journal import read
    from mlsh.bisect.repository import Repository
    from mlsh.cli.bisect_hand import question_of, searched, which
    from mlsh.cli.bisect_view import bars
    from mlsh.cli.talk import say, terminal_width
    from mlsh.shell.visible import printable

    repository = Repository(Path.cwd())
    if every:
        _list(repository, as_json)
        return
    identity = which(repository, bisection)
    parsed = read(repository.common, identity)
    if parsed.note:
        say(parsed.note)
    search, stands = searched(repository, parsed.events)
    weights = search.weights()
    if as_json:
        verdict = stands.verdict
        click.echo(
            json.dumps(
                {
                    "id": identity,
                    "commits": search.graph.n,
                    "left": int((weights[:-1] > 0).sum()),
                    "runs": len(stands.observations),
                    "noisy": search.noisy,
                    "runs_left": search.runs_left(),
                    "verdict": verdict.kind if verdict else None,
                    "found": verdict.commits if verdict else [],
                    "posterior": {
                        commit: round(float(weights[at]), 6)
                        for at, commit in enumerate(search.range.commits)
                        if weights[at] > 1e-6
                    },
                    "none": round(float(weights[-1]), 6),
                }
            )
        )
        return
    question = question_of(parsed.events)
    asked = printable(" ".join(question.argv)) if question.argv else "by hand"
    click.echo(f"{identity}: {search.graph.n} commits, {len(stands.observations)} answers, {asked}")
    subjects = {about.commit: about.subject for about in repository.details(list(search.range.commits))}
    for line in bars(search, subjects, terminal_width() or 120, _MOST_SHOWN):
        click.echo(f"  {line}")
    if stands.verdict is not None:
        found = ", ".join(commit[:12] for commit in stands.verdict.commits)
        click.echo(f"ended: {stands.verdict.kind} {found}".rstrip())
    elif question.argv:
        click.echo(f"about {search.runs_left()} more runs; go on with: mlsh bisect resume")
    else:
        click.echo(f"about {search.runs_left()} more to test; which: mlsh bisect next")


def _list(repository: Repository, as_json: bool) -> None:
    from mlsh.bisect.events import standing
    from mlsh.bisect.journal import identities, read
    from mlsh.cli.talk import terminal_width
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    rows = [("ID", "BEGUN", "ANSWERS", "ENDED", "COMMAND")]
    for identity in identities(repository.common):
        stands = standing(read(repository.common, identity).events)
        if stands.begun is None:
            continue
        verdict = stands.verdict.kind if stands.verdict else "-"
        if as_json:
            click.echo(
                json.dumps(
                    {
                        "id": identity,
                        "begun": stands.begun.at,
                        "answers": len(stands.observations),
                        "verdict": stands.verdict.kind if stands.verdict else None,
                        "argv": stands.begun.argv,
                    }
                )
            )
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(stands.begun.at))
        command = printable(" ".join(stands.begun.argv)) or "by hand"
        rows.append((identity, begun, str(len(stands.observations)), verdict, command))
    if not as_json:
        for line in columns(rows, terminal_width(), right=frozenset({2})):
            click.echo(line)


@verb("log")
@click.argument("bisection", required=False)
@click.option("--git", "as_git", is_flag=True, help="As `git bisect log` prints it, for git bisect replay.")
@json_option
@common
def log(bisection: str | None, as_git: bool, as_json: bool) -> None:
    """All that was asked and answered in BISECTION, by default the last one."""
    import sys

    from mlsh.bisect.events import Marked, Observed, Other, Skipped, Undone, to_line
    from mlsh.bisect.journal import read
    from mlsh.bisect.repository import Repository
    from mlsh.cli.bisect_hand import which
    from mlsh.shell.visible import printable

    repository = Repository(Path.cwd())
    parsed = read(repository.common, which(repository, bisection))
    if as_git:
        sys.stdout.write(_git_log(repository, parsed.events))
        return
    for event in parsed.events:
        if as_json:
            fields = event.fields if isinstance(event, Other) else json.loads(to_line(event))
            fields.pop("sum", None)
            click.echo(json.dumps(fields))
            continue
        match event:
            case Observed() | Marked():
                said = printable(event.reason) if isinstance(event, Observed) else "by hand"
                click.echo(f"{event.number:4}  {event.commit[:12]}  {event.kind or 'measured'}  {said}".rstrip())
            case Skipped():
                click.echo(f"{event.number:4}  {', '.join(c[:12] for c in event.commits)}  skipped by hand")
            case Undone():
                click.echo(f"{event.number:4}  undone")


def _git_log(repository: Repository, happened: Sequence[AnyEvent]) -> str:
    """What `git bisect log` would print, had the same been asked there."""
    from mlsh.bisect import gitlog
    from mlsh.cli.bisect_hand import question_of, searched
    from mlsh.cli.talk import say

    question = question_of(happened)
    search, stands = searched(repository, happened)
    ends = {question.bad, *question.good}
    decided = gitlog.decided(stands, {commit: at for at, commit in enumerate(search.range.commits)})
    entries = (
        gitlog.Entry("bad", question.bad),
        *(gitlog.Entry("good", good) for good in question.good),
        *(entry for entry in decided.entries if entry.revision not in ends),
    )
    if decided.contradictory:
        say("git knows no false answers: commits with answers of both kinds are left out")
    subjects = {about.commit: about.subject for about in repository.details([entry.revision for entry in entries])}
    log_ = gitlog.GitLog(entries, first_parent=question.first_parent, pathspecs=tuple(question.paths))
    return gitlog.write(log_, subjects, decided.contradictory)


@verb("visualize")
@click.argument("bisection", required=False)
@common
def visualize(bisection: str | None) -> None:
    """The commits that may still be it, as git draws them, each with its share of the posterior."""
    import sys

    from mlsh.bisect.journal import read
    from mlsh.bisect.repository import Repository
    from mlsh.cli.bisect_hand import searched, which
    from mlsh.shell.visible import printable

    repository = Repository(Path.cwd())
    search, _ = searched(repository, read(repository.common, which(repository, bisection)).events)
    weights = search.weights()
    share = {commit: float(weights[at]) for at, commit in enumerate(search.range.commits)}
    seen: dict[str, list[str]] = {}
    for one in search.seen:
        seen.setdefault(one.commit, []).append(str(one.kind or one.value))
    words = ("log", "--graph", "--no-color", "--no-show-signature", "--encoding=UTF-8", "--format=%x00%H%x00%s")
    drawn = repository(*words, search.range.bad, *(f"^{good}" for good in search.range.goods), "--")
    for line in drawn.decode(errors="replace").splitlines():
        lead, _, rest = line.partition("\0")
        commit, _, subject = rest.partition("\0")
        if not commit:
            sys.stdout.write(f"{lead}\n".replace("\n\n", "\n"))
            continue
        told = f"  [{', '.join(seen[commit])}]" if commit in seen else ""
        chance = f"{share[commit]:6.1%}" if share.get(commit, 0.0) > 0 else "      "
        click.echo(f"{lead}{commit[:10]} {chance}  {printable(subject)}{told}")
