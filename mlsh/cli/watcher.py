"""`mlsh run --after` a job on another box: a job on this machine that waits for that one, and then releases."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlsh.cli.talk import say
from mlsh.errors import MlshError

if TYPE_CHECKING:
    from mlsh.config import Settings
    from mlsh.jobs.launch import Values
    from mlsh.records import Spec


def have_watched(held: Spec, firsts: Sequence[str], settings: Settings, values: Values) -> None:
    """Start the watcher of a job that was launched held, and say what it needs. Never raises: the job stays held."""
    from mlsh.box import LOCAL, open_box
    from mlsh.cli.launching import start
    from mlsh.jobs import ids
    from mlsh.jobs.onbox import OnBox
    from mlsh.records import Spec

    after = [word for first in firsts for word in ("--after", first)]
    watcher = Spec(  # noqa: S604 - `shell` is whose variables it sees
        id=ids.new_id(),
        # -P: a folder `mlsh` in the home folder is not this program.
        argv=[sys.executable, "-P", "-m", "mlsh", "release", "--on", held.box, *after, "--", held.id],
        box=LOCAL,
        created=round(time.time(), 3),
        name=f"watch-{held.id}",
        who=held.who,
        shell="none",
        # Whatever goes wrong on the way is tried again, also after a reboot of this machine.
        restart="on-failure",
    )
    try:
        start(OnBox(open_box(LOCAL, settings)), watcher, values, None, None)
    except MlshError as error:
        say(f"{held.id} is held, and nobody watches: {error.what}")
        say(f"release it by hand when the time has come: mlsh release {held.id}")
        return
    say(
        f"{held.id} {held.held}: by the job {watcher.name} on local. This machine ({os.uname().nodename}) has to stay "
        f"on and to reach both boxes. By hand: mlsh release {held.id}"
    )


def await_turn(firsts: Sequence[str], settings: Settings) -> str:
    """Wait until each `JOB:CONDITION` has ended; "" when all conditions are met, else the first that can't be.

    Lost connections are waited out.
    """
    from mlsh.errors import NotFound
    from mlsh.jobs import queueing
    from mlsh.jobs.find import find
    from mlsh.jobs.follow import End, Follower

    for text in firsts:
        job, condition = queueing.after(text)
        on_box, job_id = find(job, settings)
        try:
            ends = [event.state for event in Follower(on_box, job_id, "nothing").events() if isinstance(event, End)]
        except NotFound:
            return f"job {job_id} on {on_box.box.name}, after which it was to run, is gone"
        if why := queueing.verdict(job_id, condition, ends[-1].state):
            return why
    return ""
