"""`mlsh revert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, json_option

if TYPE_CHECKING:
    from mlsh.undo.repository import Repository
    from mlsh.undo.revert import Made, Push, Wish
    from mlsh.undo.revert_plan import Plan
    from mlsh.undo.revert_trial import Checked

_CHECK = "mlsh.check"


class _WithCheck(click.Command):
    """A command where all that follows `--` is a command of the person's, options too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the command off before click sees it."""
        typed = list(args)
        if "--" in typed:
            at = typed.index("--")
            ctx.meta[_CHECK] = tuple(typed[at + 1 :])
            del typed[at:]
        return super().parse_args(ctx, typed)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line, with what click does not know of."""
        return [*super().collect_usage_pieces(ctx), "[-- CMD...]"]


@click.command("revert", cls=_WithCheck, context_settings={"help_option_names": ["-h", "--help"],
                                                           "max_content_width": 100})  # fmt: skip
@click.argument("commits", nargs=-1, required=True, metavar="COMMIT...")
@click.option("--branch", metavar="NAME", default="", help="Make it on a new branch, and leave files and index alone.")
@click.option("-m", "--message", metavar="TEXT", default="", help="Why, for the commit's message.")
@click.option("--mainline", type=click.IntRange(1), metavar="N",
              help="The parent that a merge is taken back to; default: the one on this branch's own line.")  # fmt: skip
@click.option("--push", is_flag=True, help="Push the branch afterwards, never with force.")
@click.option("--dry-run", is_flag=True, help="Print the plain git commands, and do nothing.")
@json_option
@common
@click.pass_context
def command(
    ctx: click.Context, commits: tuple[str, ...], branch: str, message: str, mainline: int | None, push: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Take commits back with new ones, once that is known to work.

    Tried in a throwaway work tree first; CMD, if there is one, must exit with 0 on the result. A conflict or a failed
    check leaves nothing behind. Your own changes stay as they are. mlsh undo takes the revert back.
    """
    import os
    import signal

    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.undo import repository, revert

    repo = repository.find(Path.cwd())
    check = ctx.meta.get(_CHECK)
    if check is not None and not check:
        raise UsageError("there is no command after --", "mlsh revert COMMIT -- pytest -q")
    wish = revert.Wish(
        revisions=commits, branch=branch, text=message, mainline=mainline or 0, push=push, check=check or (),
        subdir=Path(os.path.relpath(Path.cwd().resolve(), repo.top.resolve())) if repo.top else Path(),
    )  # fmt: skip
    plan, target = revert.plan(repo, wish)
    if not wish.check:
        wish = _as_bisected(repo, wish, plan, dry_run or as_json)
    if dry_run:
        _show_plan(repo, plan, wish, target, as_json)
        return
    for kind in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C: the throwaway work tree goes away.
        signal.signal(kind, signal.default_int_handler)
    made = _revert(repo, wish, as_json)
    said = _told(made, wish)
    if target is not None:
        _push(repo, plan, target)
    if as_json:
        _print_json({"result": "reverted", **said, "reverted": _steps(plan), "pushed": target is not None})
        return
    for line in _after(repo, plan, made):
        say(line)
    for commit in made.commits:
        click.echo(commit)


def _as_bisected(repo: Repository, wish: Wish, plan: Plan, quiet: bool) -> Wish:
    """Offer the command of the bisection that named one of these commits; taken only where a person says so."""
    import os
    import shlex

    import msgspec

    from mlsh.bisect.known import question_that_named
    from mlsh.cli.talk import say
    from mlsh.shell.visible import printable

    question = question_that_named(repo.common, {step.commit.name for step in plan.steps})
    if question is None or quiet:
        return wish
    command = printable(shlex.join(question.argv))
    if question.overlay or question.setup or question.has_metric or question.boxes != ("local",):
        say(f"nothing is run on the result; it was found by: {command}")
        return wish
    if os.isatty(0) and os.isatty(2):
        if not click.confirm(f"mlsh: run on the result what found it? {command}", default=True, err=True):
            return wish
        return msgspec.structs.replace(wish, check=tuple(question.argv), subdir=Path(question.subdir))
    say(f"nothing is run on the result; what found it would be: -- {command}")
    return wish


def _revert(repo: Repository, wish: Wish, as_json: bool) -> Made:
    from mlsh.cli.talk import Status, say
    from mlsh.undo import revert
    from mlsh.undo.revert_conflict import Conflict
    from mlsh.undo.revert_trial import CheckFailed, editable_install

    status = Status()

    class Shown(revert.Watcher):
        """What goes on, for a person."""

        def planned(self, plan: Plan) -> None:
            _say_steps(plan)
            if wish.check:
                say("the check runs on the reverted code, in a throwaway work tree")
                if repo.top and (where := editable_install(repo.top)):
                    say(f"careful: {where} has this folder installed as editable, so Python may import your own code "
                        "and not the reverted; put that first: -- env PYTHONPATH=src CMD")  # fmt: skip

        def checking(self, running_s: float, line: str) -> None:
            status.show(f"{running_s:.0f} s  {line}")

        def checked(self, checked: Checked) -> None:
            status.clear()
            say(f"the check passed, in {checked.duration_s:.1f} s")

    try:
        return revert.revert(repo, wish, Shown())
    except Conflict as conflict:
        if as_json:
            files = [
                {"path": _text(file.path), "why": file.why, "later": [commit.name for commit in file.later],
                 "same_lines": file.same_lines}
                for file in conflict.files
            ]  # fmt: skip
            _print_json(
                {"result": "conflict", "commit": conflict.step.commit.name, "files": files, "others": conflict.others}
            )
        raise
    except CheckFailed as failed:
        if as_json:
            checked = failed.checked
            about = {"exit_code": checked.exit_code, "duration_s": checked.duration_s, "tail": checked.tail}
            _print_json({"result": "check-failed", "check": about})
        raise
    finally:
        status.clear()


def _push(repo: Repository, plan: Plan, target: Push) -> None:
    from mlsh.cli.talk import say
    from mlsh.undo import revert

    more = revert.going_along(repo, target, plan.base)
    if more:
        say(f"{more} earlier commit{'s' * (more > 1)} of yours that {target.remote} lacks go{'es' * (more == 1)} along")
    revert.send(repo, target)
    say(f"pushed to {target.remote}")


def _say_steps(plan: Plan) -> None:
    from mlsh.cli.talk import say

    for step in plan.steps:
        say(f"reverting {step.commit.shown}")
        for note in step.notes:
            say(f"  {note}")


def _after(repo: Repository, plan: Plan, made: Made) -> list[str]:
    from mlsh.undo.transition import list_paths, short

    lines = [f"{commit.shown} changes nothing any more, and was left out" for commit in made.skipped]
    here = repo.line("symbolic-ref", "-q", "HEAD") == made.ref
    lines.append(f"{short(made.ref)} is at {made.commits[-1][:9]}" + (" (new)" * (not here)))
    if made.submodules:
        lines.append(f"for {list_paths(made.submodules)}: git submodule update")
    done = [step for step in plan.steps if step.commit not in made.skipped]
    for step, commit in zip(done, made.commits, strict=True):
        if step.mainline:
            lines.append(f"before {step.side} is merged again: mlsh revert {commit[:9]}")
    lines.append("to take that back: mlsh undo")
    return lines


def _show_plan(repo: Repository, plan: Plan, wish: Wish, target: Push | None, as_json: bool) -> None:
    import shlex

    branch = shlex.quote(wish.branch)
    lines = ["git worktree add --detach ../trial HEAD", "cd ../trial", *plan.reverts()]
    if wish.check:
        where = "" if wish.subdir == Path() else f"cd {shlex.quote(str(wish.subdir))} && "
        lines.append(where + shlex.join(wish.check))
    lines.append(f"git branch {branch} HEAD" if wish.branch else "git rev-parse HEAD  # COMMIT")
    lines += [f"cd {shlex.quote(str(repo.top or repo.git_dir))}", "git worktree remove --force ../trial"]
    if not wish.branch:
        lines.append("git merge --ff-only COMMIT")
    if target is not None:
        lines.append(shlex.join(["git", *target.words]))
    if as_json:
        _print_json({"result": "dry-run", "reverted": _steps(plan), "commands": lines})
        return
    from mlsh.shell.visible import printable

    _say_steps(plan)
    for line in lines:
        click.echo(printable(line))


def _steps(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"commit": step.commit.name, "subject": _text(step.commit.subject.encode(errors="surrogateescape")),
         "mainline": step.mainline or None, "notes": step.notes}
        for step in plan.steps
    ]  # fmt: skip


def _told(made: Made, wish: Wish) -> dict[str, Any]:
    from mlsh.undo.transition import short

    checked = made.checked
    return {
        "branch": short(made.ref),
        "commits": made.commits,
        "skipped": [commit.name for commit in made.skipped],
        "check": {"exit_code": checked.exit_code, "duration_s": checked.duration_s} if checked and wish.check else None,
        "record": made.record,
    }


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _print_json(value: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(value).encode(errors="replace"))
