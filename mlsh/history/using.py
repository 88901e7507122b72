"""Work with the database, and go on where it is damaged: it is set aside, and made anew from the histories."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mlsh.history.database import Damaged, opened, path_of, set_aside
from mlsh.history.local import refresh
from mlsh.history.salvage import salvage

T = TypeVar("T")


def using(work: Callable[[sqlite3.Connection], T], tell: Callable[[str], None], path: Path | None = None) -> T:
    """What `work` returns, once the histories of this machine are in the database; it may be called a second time.

    Raises what `opened` raises, and what `work` does. `tell` is told where a damaged database was set aside.
    """
    where = path or path_of()
    for is_second in (False, True):
        try:
            with opened(where) as database:
                refresh(database, tell)
                return work(database)
        except Damaged as error:
            if is_second:
                raise
            aside = set_aside(where, error.inode)
            if aside is not None:
                tell(
                    f"the history's database is damaged ({error.what}); it is kept as {aside}, and a new one is made "
                    "from the shells' files here"
                )
                with opened(where) as database:
                    refresh(database, tell)
                    saved = salvage(database, aside)
                tell(f"{saved} more runs were read from the damaged one; what a box still has: mlsh history sync")
    raise AssertionError
