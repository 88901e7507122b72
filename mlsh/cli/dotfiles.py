"""`mlsh dotfiles`: one's own shell, tmux, git and vim on any box, and off again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlsh.cli.options import common, complete_box, json_option

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.dotfiles.plan import Plan
    from mlsh.dotfiles.source import Source

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
F = TypeVar("F", bound=Callable[..., Any])
# A look and a change, each with a connection to be made first.
_LIMIT_S = 600.0

_boxes = click.argument("boxes", nargs=-1, required=True, metavar="BOX...", shell_complete=complete_box)
_overwrite = click.option("--overwrite", is_flag=True, help="Also what was changed on the box, or is somebody else's.")
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
_yes = click.option("-y", "--yes", is_flag=True, help="Don't ask.")


def _with_source(function: F) -> F:
    for option in (
        click.option(
            "--skip-unsupported",
            is_flag=True,
            help="Leave out templates, scripts and what else can't be sent as meant.",
        ),
        click.option(
            "--layout",
            type=click.Choice(["chezmoi", "stow", "plain"]),
            help="How the files of --from are named; guessed otherwise.",
        ),
        click.option(
            "--from", "source", metavar="FOLDER|REPO", help="Your own dotfiles: a folder, or the address of a git repo."
        ),
    ):
        function = option(function)
    return function


@click.group("dotfiles", context_settings=_HELP, no_args_is_help=True)
@common
def command() -> None:
    """Have your shell, tmux, git, vim and ssh on any box as you like them, and take them off again.

    All of it lies in one folder there, ~/.config/mlsh, behind one line in each file of yours (~/.bashrc, ~/.tmux.conf,
    ...). What you set yourself wins. BOX is `local`, or any Host of ~/.ssh/config.
    """


@command.command("list", context_settings=_HELP, short_help="The files, and how they stand on boxes.")
@click.argument("boxes", nargs=-1, metavar="[BOX]...", shell_complete=complete_box)
@_with_source
@json_option
@common
def list_(
    boxes: tuple[str, ...], source: str | None, layout: str | None, skip_unsupported: bool, as_json: bool
) -> None:
    """List the files that boxes get, and for which boxes. With BOX, how they stand there.

    \b
    --json: path, origin, only (a pattern, or null), bytes
    --json BOX: box, error, source, pushed (when, or null), files: path, state (ours, changed, missing)
    """
    from mlsh.cli import dotfiles_show as show
    from mlsh.dotfiles import push

    if not boxes:
        show.files(_source(source, layout, skip_unsupported), as_json)
        return
    _leave(_ask(boxes, push.look, lambda box, state: show.standing(box, state, as_json), as_json))


@command.command(context_settings=_HELP, short_help="What a push would change.")
@_boxes
@_with_source
@_overwrite
@json_option
@common
def diff(
    boxes: tuple[str, ...],
    source: str | None,
    layout: str | None,
    skip_unsupported: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Show what a push would change on boxes, as a unified diff; nothing is changed.

    \b
    --json: box, error, applied (false), changes: path, what (file, line), verb (create, change, remove, mode), diff;
    refused: path, why, hint
    """
    from mlsh.cli import dotfiles_show as show
    from mlsh.dotfiles import push

    chosen = _source(source, layout, skip_unsupported)
    plans: list[Plan] = []

    def planned(box: Box, plan: Plan) -> None:
        del box
        if as_json:
            show.as_json(plan, applied=False)
        else:
            plans.append(plan)

    code = _ask(boxes, lambda box: push.plan(box, chosen, overwrite=overwrite), planned, as_json)
    show.diffs(plans)
    _leave(code)


@command.command("push", context_settings=_HELP, short_help="Have them on boxes.")
@_boxes
@_with_source
@_overwrite
@_yes
@_dry_run
@json_option
@common
def push_(
    boxes: tuple[str, ...],
    source: str | None,
    layout: str | None,
    skip_unsupported: bool,
    overwrite: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put the dotfiles on boxes, side by side: all of them on a box, or none.

    Nothing of yours is overwritten: files are put into ~/.config/mlsh, or where nothing is. What is left alone is
    named, and mlsh exits with 71. `mlsh dotfiles remove` gives every file back as it was.

    \b
    --json: as of `mlsh dotfiles diff`
    """
    from mlsh.dotfiles import push

    chosen = _source(source, layout, skip_unsupported)
    _change(boxes, lambda box: push.plan(box, chosen, overwrite=overwrite), overwrite, yes, dry_run, as_json)


@command.command(context_settings=_HELP, short_help="Take them off boxes again.")
@_boxes
@_overwrite
@_yes
@_dry_run
@json_option
@common
def remove(boxes: tuple[str, ...], overwrite: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Give boxes back as they were before the first push, to the byte.

    Of a file that you edited since, only mlsh's line goes. Files of mlsh's that were changed on the box stay, and are
    named, unless --overwrite.

    \b
    --json: as of `mlsh dotfiles diff`
    """
    from mlsh.dotfiles import push

    _change(boxes, lambda box: push.plan_removal(box, overwrite=overwrite), overwrite, yes, dry_run, as_json)


@command.command(context_settings=_HELP, short_help="Take what was changed on a box into the source.")
@click.argument("box", shell_complete=complete_box)
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@_with_source
@_yes
@_dry_run
@common
def adopt(
    box: str,
    paths: tuple[str, ...],
    source: str | None,
    layout: str | None,
    skip_unsupported: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Take files that were changed on a box back into the source; shows the difference and asks first.

    FILE: only these, by their path below the home there; also one that the source does not have yet. Of the built-in
    dotfiles, your version goes to ~/.config/mlsh/dotfiles on this machine, and from there to every box.
    """
    import os

    from mlsh import config
    from mlsh.box import open_box
    from mlsh.cli import dotfiles_show as show
    from mlsh.cli.talk import say
    from mlsh.dotfiles import adopting, push
    from mlsh.errors import ExitCode, UsageError
    from mlsh.shell.visible import printable

    if not (yes or dry_run or os.isatty(0)):
        raise UsageError("adopt asks first, and there is no terminal to ask at", "mlsh dotfiles adopt -y ...")
    chosen = _source(source, layout, skip_unsupported)
    opened = open_box(box, config.load())
    asked = tuple(_below_home(path) for path in paths)
    state = push.look(opened, asked)
    adopted, refused = adopting.choose(chosen, push.names_of(opened, state), state, asked)
    for other in refused:
        show.left_alone(box, other)
    if not adopted and not refused:
        say(f"{box}: nothing was changed there since it was pushed")
    for one in adopted:
        show.patch(one.change.diff())
        if dry_run:
            say(f"would be written: {one.change.target}")
        elif yes or click.confirm(f"Write it to {printable(one.change.target)}?", default=True, err=True):
            adopting.write(one)
            say(f"written: {one.change.target}")
    if refused:
        raise SystemExit(int(ExitCode.BOX_UNFIT))


# What the verbs share


def _below_home(path: str) -> str:
    from mlsh.errors import RefusedInput

    plain = path.removeprefix("~/")
    parts = plain.split("/")
    if not plain or plain.startswith("/") or ".." in parts or any(ord(char) < 32 for char in plain):
        raise RefusedInput(f"{path!r} is no path below the home of the box", "for example: .config/mlsh/bashrc")
    return plain


def _source(asked: str | None, layout: str | None, skip: bool) -> Source:
    from mlsh import config
    from mlsh.dotfiles.source import find

    found = find(asked or config.load().dotfiles, layout)
    if skip and found.problems:
        from mlsh.cli.talk import say

        for problem in found.problems:
            say(f"left out: {problem.path}: {problem.why}")
        return found.without_problems()
    found.check()
    return found


def _ask(names: Sequence[str], ask: Callable[[Box], Any], done: Callable[[Box, Any], None], as_json: bool) -> int:
    """Ask boxes side by side; returns the exit code of the last error, 0 for none."""
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.box.fanout import side_by_side
    from mlsh.cli import dotfiles_show as show
    from mlsh.errors import MlshError

    settings = config.load()
    boxes = [open_box(name, settings) for name in dict.fromkeys(names)]
    code = 0
    for box, answer in side_by_side(boxes, ask, _LIMIT_S):
        if isinstance(answer, MlshError):
            code = int(answer.exit_code)
            show.complain(answer)
            if as_json:
                show.error_as_json(box.name, answer)
        else:
            done(box, answer)
        sys.stdout.flush()
    return code


def _leave(code: int) -> None:
    if code:
        raise SystemExit(code)


def _change(
    names: Sequence[str], ask: Callable[[Box], Plan], overwrite: bool, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Plan for each box, show, and do it."""
    import os

    from mlsh.cli import dotfiles_show as show
    from mlsh.dotfiles import push
    from mlsh.errors import ExitCode, MlshError, UsageError

    if overwrite and not (yes or dry_run or os.isatty(0)):
        raise UsageError("--overwrite asks first, and there is no terminal to ask at", "again with -y")

    def once(box: Box) -> Plan:
        # Looked at anew where something changed in between; what is asked about is not looked at twice.
        for attempt in range(3):
            plan = ask(box)
            if dry_run or overwrite:
                return plan
            try:
                push.apply(box, plan)
            except push.Changed:
                if attempt == 2:
                    raise
            else:
                break
        return plan

    worst = 0

    def done(box: Box, plan: Plan) -> None:
        nonlocal worst
        worst = worst or (int(ExitCode.BOX_UNFIT) if plan.refused else 0)
        if overwrite and not dry_run and not plan.is_empty:
            show.diffs([plan], pages=False, to_stderr=True)
            if not yes and not click.confirm(f"Change {box.name} so?", err=True):
                raise click.Abort
            try:
                push.apply(box, plan)
            except MlshError as error:
                worst = int(error.exit_code)
                show.complain(error)
                if as_json:
                    show.error_as_json(box.name, error)
                return
        if as_json:
            show.as_json(plan, applied=not dry_run)
        elif dry_run:
            show.diffs([plan], pages=False)
        else:
            show.applied(plan)

    code = _ask(names, once, done, as_json)
    _leave(code or worst)
