"""Reverts in this process, and all that must be the same where one is refused."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlsh.undo import revert
from mlsh.undo.revert import Made, Watcher, Wish
from tests.undo.playground import Playground


def do(play: Playground, *revisions: str, **more: object) -> Made:
    """Revert, without a push."""
    return revert.revert(play.repo, Wish(revisions=revisions, **more), Watcher())  # type: ignore[arg-type]


def everything(play: Playground) -> dict[str, object]:
    """What must be byte-identical after a revert that was refused or failed: the index's own bytes too."""
    git_dir = play.git_dir()
    logs = {path.name: path.read_bytes() for path in sorted((git_dir / "logs").rglob("*")) if path.is_file()}
    index = (git_dir / "index").read_bytes() if (git_dir / "index").exists() else b""
    return {**play.state(), "index bytes": index, "logs": logs, "own refs": play.git("for-each-ref", "refs/mlsh")}


def left_behind(play: Playground) -> list[str]:
    """Whatever a trial may have left."""
    common = Path(play.git("rev-parse", "--path-format=absolute", "--git-common-dir"))
    found = [line for line in play.git("worktree", "list", "--porcelain").splitlines() if "mlsh-revert" in line]
    found += [str(path) for path in (common / "mlsh").glob("revert-*")]
    found += [str(path) for path in (common / "worktrees").glob("tree*")]
    return found + [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("mlsh-revert-")]
