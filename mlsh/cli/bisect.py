"""`mlsh bisect`: a group whose commands are imported when they run."""

from __future__ import annotations

import click

from mlsh.cli.options import common
from mlsh.cli.parts import group_of

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


@click.group(
    "bisect",
    cls=group_of(_PARTS),
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
