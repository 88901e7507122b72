"""Shells, tmux, git, vim and readline: what `mlsh dotfiles push` does. It has a receipt of its own for the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlsh.bootstrap.changes import Delegated
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, Worker

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.dotfiles.plan import Change, Plan

NAME = "dotfiles"
# Its record on the box; there before us where somebody pushed dotfiles without bootstrap.
RECORD = "~/.config/mlsh/.dotfiles"


class Dotfiles(Step):
    """Pushes them, if anything differs."""

    name = NAME
    summary = "shells, tmux, git, vim, readline"

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """Its record."""
        del desired
        return [Watched(RECORD, is_text=False)]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """Not without a look: see `look`."""
        del desired, facts
        return Planned()

    def look(self, box: Box, desired: Desired, facts: Facts) -> Planned:
        """What a push would change."""
        del facts
        from mlsh.dotfiles import push, source

        made = push.plan(box, source.find(desired.dotfiles or None))
        notes = tuple(f"~/{one.path} stays as it is: it {one.why}" for one in made.refused)
        if made.is_empty:
            return Planned(notes=notes, has="as they should be")
        count = len(made.shown)
        why = f"{count} file{'s' if count != 1 else ''}; the whole text: mlsh dotfiles diff {box.name}"
        return Planned(changes=(Delegated(name=NAME, diff="\n".join(_shown(made)), why=why),), notes=notes)

    def apply(self, work: Worker, planned: Planned) -> None:
        """Push. Only what was not there before us is ours to take back."""
        from mlsh.dotfiles import push, source

        is_recorded = any(entry.step == NAME for entry in work.facts.receipt)
        if not is_recorded and work.facts.at(RECORD).is_absent:
            work.make(planned.changes)
        push.apply(work.box, push.plan(work.box, source.find(work.desired.dotfiles or None)))

    def remove(self, work: Worker) -> Sequence[str]:
        """Take them off."""
        from mlsh.dotfiles import push

        return [f"~/{one.path}" for one in push.remove(work.box).refused]


def _shown(plan: Plan) -> Iterator[str]:
    for change in plan.shown:
        yield from _lines(change)


def _lines(change: Change) -> Iterator[str]:
    """A new file by its name; of what is the person's own, what changes in it."""
    if change.verb == "create":
        yield f"+ ~/{change.path} (new)"
    else:
        yield from change.diff()


STEP = Dotfiles()
