"""Give back what the laptop's copies of code hold for nobody: snapshots that are older than a month."""

from __future__ import annotations

import contextlib
import fcntl
import re
import time
from pathlib import Path

from mlsh import config
from mlsh.git import shadow as shadows
from mlsh.git.plumbing import Git, GitFailed

MONTH_S = 30 * 86400


def tidy(older_than_s: float = MONTH_S) -> int:
    """Drop old snapshots and what only they hold, in every shadow; returns how many were dropped.

    A shadow that a launch works on just now is left for the next time. Its last snapshot stays, and those that
    boxes were last sent: a launch finds out by them what has changed, and builds its pack on them.
    """
    dropped = 0
    for shadow in sorted((config.cache_dir() / "snapshots").glob("*.git")):
        with contextlib.suppress(BlockingIOError), open(f"{shadow}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # What is wrong with a shadow is found, and mended, by the next launch.
            with contextlib.suppress(GitFailed, OSError):
                dropped += _tidy(shadow, older_than_s, lock.fileno())
    return dropped


def _tidy(shadow: Path, older_than_s: float, lock: int) -> int:
    kept = {shadows.get(shadow / "last").decode().rpartition(" ")[2]}
    kept |= {path.read_text().strip() for path in (config.cache_dir() / "sent").glob("*/*")}
    before = time.time() - older_than_s
    refs = [path for path in (shadow / "refs" / "mlsh").glob("*") if re.fullmatch("[0-9a-f]{40,64}", path.name)]
    old = [path for path in refs if path.name not in kept and path.stat().st_mtime < before]
    if not old:
        return 0
    for path in old:
        path.unlink()
    # The trees that are remembered with an index need not be part of a snapshot: a repository inside is put in later.
    trees = [shadows.get(path).decode().rpartition(" ")[2].strip() for path in shadow.glob("index*.*")
             if path.suffix in {".tree", ".graft"}]  # fmt: skip
    git = Git(shadow, shadow, (lock,))
    # Not gc: objects stay files of their own, which a launch reads without git.
    git("prune", "--expire=1.hour.ago", "--", *[tree for tree in trees if re.fullmatch("[0-9a-f]{40,64}", tree)])
    return len(old)
