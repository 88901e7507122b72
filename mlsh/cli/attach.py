"""`mlsh attach`."""

from __future__ import annotations

import sys

from mlsh.cli.options import common, job_argument, on_option, verb


@verb("attach")
@on_option
@common
@job_argument
def command(on: str | None, job: str) -> None:
    """Sit down at the terminal of a running JOB: type into it, use pdb, scroll.

    It is a tmux session: Ctrl-B then D leaves it running, Ctrl-C goes to the job.
    """
    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound, UsageError
    from mlsh.jobs.find import find
    from mlsh.jobs.outcome import tell
    from mlsh.jobs.store import get_job

    on_box, job_id = find(job, config.load(), on)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("attach needs a terminal", f"to read along: mlsh logs -f {job_id}")
    there = get_job(on_box, job_id)
    if there.state.state.is_final:
        raise NotFound(f"{job_id} has ended ({tell(there.state)})", f"its log: mlsh logs {job_id}")
    if there.task is not None and there.state.runner is None and not there.state.phase:
        raise NotFound(f"{job_id} has not begun, so it has no terminal yet", f"what it waits for: mlsh show {job_id}")
    if (code := on_box.terminal("attach", job_id)) != 0:
        raise SystemExit(code)
    now = get_job(on_box, job_id)
    say(f"{job_id} {tell(now.state)}" if now.state.state.is_final else f"{job_id} goes on: mlsh logs -f {job_id}")
