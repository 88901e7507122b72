"""`mlsh bisect`: a group whose commands are imported when they run."""

from __future__ import annotations

import importlib
from typing import Any

import click

from mlsh.cli.options import common

_PARTS = {
    "run": ("mlsh.cli.bisect_run", "Find the commit that broke it, by running a command at commits."),
    "resume": ("mlsh.cli.bisect_run", "Go on with a bisection that was stopped, and ask nothing twice."),
    "within": ("mlsh.cli.bisect_within", "Find the lines of a commit that broke it."),
    "start": ("mlsh.cli.bisect_hand", "Begin a bisection in which you say what each commit is."),
    "next": ("mlsh.cli.bisect_hand", "Say which commit to test next, and have it in a folder."),
    "good": ("mlsh.cli.bisect_hand", "Say that a commit is good."),
    "bad": ("mlsh.cli.bisect_hand", "Say that a commit is bad."),
    "mark": ("mlsh.cli.bisect_hand", "Say what commits are: mark good REV, mark bad REV."),
    "skip": ("mlsh.cli.bisect_hand", "Say that commits can't be tested."),
    "undo": ("mlsh.cli.bisect_hand", "Take an answer back: the last one, or the one with a number."),
    "status": ("mlsh.cli.bisect_look", "Where a bisection stands: what is left, and how likely each commit is."),
    "log": ("mlsh.cli.bisect_look", "All that was asked and answered; --git for `git bisect replay`."),
    "visualize": ("mlsh.cli.bisect_look", "The commits that may still be it, as a graph."),
    "replay": ("mlsh.cli.bisect_hand", "Take over what `git bisect log` printed."),
    "reset": ("mlsh.cli.bisect_hand", "End what a bisection left running, and forget where it stood."),
}
_NAMES = {"next": "next_"}


class _Parts(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _PARTS:
            return None
        found = getattr(importlib.import_module(_PARTS[cmd_name][0]), _NAMES.get(cmd_name, cmd_name))
        assert isinstance(found, click.Command)  # noqa: S101
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(part, help_) for part, (_, help_) in _PARTS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found = [CompletionItem(part, help=help_) for part, (_, help_) in _PARTS.items() if part.startswith(incomplete)]
        return found or list(click.Command.shell_complete(self, ctx, incomplete))


@click.group(
    "bisect",
    cls=_Parts,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@common
def command() -> None:
    """Find the commit that broke it, though the test is noisy, slow, and runs elsewhere.

    Your files, your branch and your index stay as they are: each commit is tested in a folder of its own. What is
    found is kept as it comes, so a bisection that was stopped goes on.

    \b
      mlsh bisect run --good v1.2 -- pytest -q tests/test_x.py
      mlsh bisect run --good v1.2 --flaky -j 4 -- pytest -q tests/test_x.py
      mlsh bisect run --good v1.2 --metric val_loss --on gpu1 -- python train.py --steps 200
    """
