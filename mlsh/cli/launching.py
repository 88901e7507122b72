"""Launch a job with progress for who watches, and then follow it or leave it: `mlsh run`, `mlsh retry` and others."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mlsh.git.snapshot import BigFile, Snapshot
    from mlsh.jobs.launch import Values
    from mlsh.jobs.onbox import OnBox, Progress
    from mlsh.records import Spec


def anew(spec: Spec) -> Spec:
    """The same job under another id."""
    import msgspec

    from mlsh.jobs import ids

    return msgspec.structs.replace(spec, id=ids.new_id(), created=round(time.time(), 3), retry_of=spec.id)


def start(
    on_box: OnBox,
    spec: Spec,
    values: Values,
    snapshot: Snapshot | None,
    confirm: Callable[[int, list[BigFile]], None] | None,
) -> Spec:
    """Launch, with progress for a person who watches; returns the spec as the box has it."""
    from mlsh.cli.talk import Status
    from mlsh.errors import Unreachable
    from mlsh.jobs import journal
    from mlsh.jobs.attempt import Attempt
    from mlsh.jobs.launch import launch
    from mlsh.records import Launched

    status = Status()
    attempt = Attempt(on_box.box)
    try:
        spec = launch(attempt, spec, values, snapshot, confirm=confirm, progress=_progress(status))
    except BaseException as error:
        status.clear()
        if not attempt.may_have_begun:
            # Nothing of it is anywhere: a mistyped box, above all, must not be asked for its jobs from now on.
            journal.add(Launched(spec.id, spec.box, spec.created, spec.name, removed=True))
        elif isinstance(error, Unreachable):
            error.hint = f"it may have started before that; ask when the box is back: mlsh show {spec.id}"
        elif isinstance(error, KeyboardInterrupt):
            click.echo(f"\nmlsh: interrupted; {spec.id} may have started: mlsh show {spec.id}", err=True)
        raise
    finally:
        status.clear()
    if values.ways:
        from mlsh.jobs import telling

        telling.remember(spec.id, values.ways)
    if spec.restart and not (spec.box == "local" and spec.name.startswith("watch-")):
        _come_back(on_box, spec)
    return spec


def _come_back(on_box: OnBox, spec: Spec) -> None:
    """Have the box start the job again after a reboot, and say how where that is news."""
    from mlsh.cli.talk import say
    from mlsh.errors import MlshError
    from mlsh.jobs import boot

    try:
        how, is_new = boot.arrange(on_box)
    except MlshError as error:
        say(f"{spec.id} runs; that it starts again after a reboot could not be arranged: {error.what}")
        return
    if is_new:
        say(f"{spec.box}: {boot.MADE[how]}")


def _progress(status: object) -> Progress:
    from mlsh.cli.talk import Status

    assert isinstance(status, Status)  # noqa: S101

    def show(sent: int, total: int) -> None:
        if total > 1 << 20:
            status.show(f"sending code: {sent / 2**20:.1f} of {total / 2**20:.1f} MiB")

    return show


def finish(on_box: OnBox, spec: Spec, detach: bool, as_json: bool, again: Callable[[], Spec] | None = None) -> None:
    """After a launch: print the id, or follow to the end and exit with the job's code.

    `again` launches the job anew where the box's copy of its code was damaged.
    """
    from mlsh.cli.talk import say

    if _has_input():
        say("what you pipe in does not reach the job: put it into a file, or type it with mlsh attach")
    if as_json:
        from mlsh.records import to_json

        click.echo(to_json({"id": spec.id, "box": spec.box, "name": spec.name}))
    elif detach:
        click.echo(spec.id)
    if detach:
        if sys.stderr.isatty():
            say(f"{spec.id} runs on {spec.box}. Follow it: mlsh logs -f {spec.name or spec.id}")
        return
    from mlsh.cli.following import follow

    if sys.stderr.isatty():
        say(f"{spec.id} on {spec.box}. Ctrl-C stops watching; the job goes on.")
    # Under --json the id has been printed, and is the one that the caller goes by.
    mend = (lambda: again().id) if again is not None and not as_json else None
    raise SystemExit(follow(on_box, spec.id, quiet=as_json, again=mend))


def _has_input() -> bool:
    """Whether a pipe or a file waits to be read by us; never waits itself, and takes nothing out of it."""
    import fcntl
    import stat
    import termios

    try:
        mode = os.fstat(0).st_mode
        if stat.S_ISREG(mode):
            return os.lseek(0, 0, os.SEEK_CUR) < os.fstat(0).st_size
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            return False
        return any(fcntl.ioctl(0, termios.FIONREAD, bytes(4)))
    except OSError:
        return False  # closed, as it is for what cron starts
