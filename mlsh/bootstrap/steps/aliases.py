"""The person's aliases (`mlsh alias`), those that are meant for boxes, in files that the dotfiles read."""

from __future__ import annotations

from collections.abc import Sequence

from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, file_of_ours, joined

FOLDER = "~/.config/mlsh"


class Aliases(Step):
    """aliases.sh and aliases.fish."""

    name = "aliases"
    summary = "your aliases, in the box's shells too"

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """The files."""
        return [Watched(f"{FOLDER}/{name}") for name in desired.aliases]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """Those that are missing, or have older aliases."""
        at = {name: facts.at(f"{FOLDER}/{name}") for name in desired.aliases}
        # Those that were pushed once go when the last one does.
        if not desired.has_aliases and all(one.is_absent for one in at.values()):
            return Planned(has="you have none")
        files = desired.aliases.items()
        made = joined(*(file_of_ours(facts, f"{FOLDER}/{name}", text, "your aliases") for name, text in files))
        return Planned(changes=made.changes, notes=made.notes, has="" if made.changes else "as they are here")


STEP = Aliases()
