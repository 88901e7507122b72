"""What the box's shells read of bootstrap: ~/.local/bin on the PATH, and the variables and functions of other steps.

The dotfiles read `env.sh` (fish: `env.fish`), for scripts and jobs too; each step has a file of its own in `env.d`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, file_of_ours, joined

_HERE = Path(__file__)
# The file on the box, the one here, and what it is for.
FILES = (
    ("~/.config/mlsh/env.d/path.sh", "env_path.sh", "~/.local/bin on the PATH"),
    ("~/.config/mlsh/env.sh", "env_all.sh", "reads env.d"),
    ("~/.config/mlsh/env.fish", "env_all.fish", "the same for fish"),
)


class Env(Step):
    """env.sh, env.fish and the first file of env.d."""

    name = "env"
    summary = "what the box's shells read of bootstrap"

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """The three files."""
        del desired
        return [Watched(path) for path, _, _ in FILES]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """Those that are missing."""
        del desired
        made = joined(*(file_of_ours(facts, path, _text(name), why) for path, name, why in FILES))
        return Planned(changes=made.changes, notes=made.notes, has="" if made.changes else "in place")


def _text(name: str) -> str:
    lines = _HERE.with_name(name).read_text().splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith("# shellcheck"))


STEP = Env()
