"""What a run of the bench was given."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Setting(NamedTuple):
    """How many trials of each kind, clones of public repositories, and a Python that has the other tools."""

    trials: int
    folder: Path
    """An empty one, for repositories that the bench makes."""
    attrs: Path | None = None
    jinja: Path | None = None
    peers: Path | None = None

    def say(self, row: Sequence[object]) -> None:
        """Show a row as it comes."""
        print("  " + "  ".join(str(cell) for cell in row if cell != ""), file=sys.stderr, flush=True)
