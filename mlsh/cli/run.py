"""`mlsh run`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.guard_options import guard_fields, guard_options
from mlsh.cli.options import common, complete_box, dry_run_option, launched_json_option, verb
from mlsh.cli.queue_options import queue_fields, queue_options

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.config import Settings
    from mlsh.git.snapshot import Begun, BigFile, Snapshot
    from mlsh.jobs.launch import Values
    from mlsh.jobs.onbox import OnBox, Progress
    from mlsh.records import Spec


_SECTIONS = {
    "When it begins": (
        "gpus", "gpu_ids", "gpu_memory", "slots", "priority", "after", "begin", "hold",
    ),
    "Many tasks at once": ("array", "sweep", "sweep_mode", "at_once"),
    "When it runs again": ("max_retries", "retry_delay", "restart"),
    "When it is ended, and who is told": ("time_limit", "grace", "fail_if", "idle_timeout", "memory", "notify"),
}  # fmt: skip


@verb("run", wraps_command=True, sections=_SECTIONS)
@click.option("--on", "box", default="local", metavar="BOX", shell_complete=complete_box, show_default=True,
              help="Where: `local`, a Host of ~/.ssh/config, a group of boxes, or `any`.")  # fmt: skip
@click.option("-n", "--name", default="", help="A name for the job.")
@click.option("-d", "--detach", is_flag=True, help="Don't follow: print the job's id and return.")
@click.option("--env", "env", multiple=True, metavar="K[=V]", help="Set a variable; without =V, its value here.")
@click.option("--env-file", "env_files", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Set the variables of a .env file, treated as secrets.")  # fmt: skip
@click.option("--secret", "secrets", multiple=True, metavar="K",
              help="Set a variable from here, or ask for it; removed from the box when the job has ended.")  # fmt: skip
@click.option("--workdir", default="", metavar="DIR", help="Folder to run in: in the code, or absolute on the box.")
@click.option("--time", "time_limit", default="", metavar="T", help="End the job after this long: 90s, 30m, 2h, 1d.")
@click.option("--grace", default="10s", metavar="T", show_default=True,
              help="How long the job has between SIGINT and SIGTERM when it is ended.")  # fmt: skip
@click.option("--setup", default="", metavar="CMD",
              help="Run this first; what it makes is kept for as long as the lock files stay the same.")  # fmt: skip
@click.option("--no-code", is_flag=True, help="Send no code: run in the home folder, or in --workdir.")
@click.option("--tag", "tags", multiple=True, help="A word to find the job by: mlsh ps --tag WORD.")
@click.option("--outputs", multiple=True, metavar="PATTERN",
              help="What the job makes: paths in its folder that mlsh pull brings; may have * ? [ and **.")  # fmt: skip
@click.option("--shell", type=click.Choice(["interactive", "login", "none"]), default=None,
              help="Which start-up files set the job's variables (PATH, conda): those of a shell that you open there "
              "(interactive), those of a login only (login), or none. Default: interactive; on `local` none, and the "
              "variables that you have here.")  # fmt: skip
@click.option("--allow-large", is_flag=True, help="Send more than 50 MiB of code without asking.")
@queue_options
@guard_options
@launched_json_option
@dry_run_option
@common
@click.argument("command_", metavar="COMMAND...", nargs=-1, type=click.UNPROCESSED)
def command(
    box: str,
    name: str,
    detach: bool,
    env: tuple[str, ...],
    env_files: tuple[Path, ...],
    secrets: tuple[str, ...],
    workdir: str,
    time_limit: str,
    grace: str,
    setup: str,
    no_code: bool,
    tags: tuple[str, ...],
    outputs: tuple[str, ...],
    shell: str | None,
    allow_large: bool,
    as_json: bool,
    dry_run: bool,
    command_: tuple[str, ...],
    **queue: Any,
) -> None:
    """Run COMMAND as a job: with the code as it is now, in tmux, on a box.

    Your folder goes along as it is, uncommitted and untracked files included; what .gitignore or
    .mlshignore name stays here. The job gets a folder of its own and a real terminal. It goes on when you
    close the laptop; Ctrl-C only stops watching.

    \b
      mlsh run -- python train.py --lr 3e-4
      mlsh run --on gpu1 -n big --setup 'uv sync' -- uv run train.py
      mlsh run --on gpu1 -d --time 8h --secret HF_TOKEN -- python train.py
    """
    from mlsh.errors import SnapshotRefused, UsageError
    from mlsh.jobs.durations import parse

    if not command_:
        raise UsageError("run what?", "mlsh run -- python train.py")
    _check_names(box, name, tags, env)
    limit_s = parse(time_limit) if time_limit else None
    grace_s = 0 if grace in {"0", "0s"} else parse(grace)
    for word in (*command_, workdir, setup, *outputs):
        _check_word(word)
    begun = None
    if not (no_code or dry_run or secrets):
        # Git looks for what changed while the rest of mlsh is imported. Not while a person types a secret.
        from mlsh.git.snapshot import Begun

        begun = Begun(Path.cwd())
        click.get_current_context().call_on_close(begun.close)
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.jobs.onbox import OnBox

    settings = config.load()
    if box != "local":
        from mlsh.cli.placing import place

        box = place(box, settings, queue, not no_code, dry_run)
    on_box = OnBox(open_box(box, settings))
    values = _values(box, env, env_files, secrets)
    if outputs:
        from mlsh.files import patterns

        outputs = tuple(map(patterns.check, outputs))

    looked_after, values.ways = guard_fields(settings, queue)
    waits = queue_fields(settings, box, **queue)
    watched: list[str] = waits.pop("watched", [])
    waits |= looked_after
    if (waits.get("gpus") or waits.get("gpu_share")) and "CUDA_VISIBLE_DEVICES" in values.plain:
        raise UsageError("with --gpus mlsh sets CUDA_VISIBLE_DEVICES", "which GPUs: --gpu-ids 0,3")

    confirm = _ask_size(settings, allow_large)
    try:
        snapshot = None if no_code else _take_snapshot(confirm, dry_run, begun)
    except SnapshotRefused:
        _refuse_unknown(on_box.box)
        raise
    if setup and no_code:
        raise UsageError("--setup prepares the code's folder, and there is none with --no-code")
    spec = _spec(
        list(command_),
        box,
        name,
        values,
        workdir,
        limit_s,
        grace_s,
        setup,
        tags,
        shell,
        settings,
        snapshot,
        **waits,
        outputs=list(outputs),
    )
    if dry_run:
        _show_plan(on_box, spec, no_code)
        for first in watched:
            click.echo(f"# here, as a job on local: mlsh release --on {box} --after {first} {spec.id}")
        return
    spec = start(on_box, spec, values, snapshot, confirm)
    if watched:
        from mlsh.cli.watcher import have_watched

        have_watched(spec, watched, settings, _values("local", (), (), ()))
    finish(on_box, spec, detach, as_json, lambda: start(on_box, anew(spec), values, snapshot, confirm))


def anew(spec: Spec) -> Spec:
    """The same job under another id."""
    import msgspec

    from mlsh.jobs import ids

    return msgspec.structs.replace(spec, id=ids.new_id(), created=round(time.time(), 3), retry_of=spec.id)


def _values(box: str, env: tuple[str, ...], env_files: tuple[Path, ...], secrets: tuple[str, ...]) -> Values:
    from mlsh.box import LOCAL
    from mlsh.jobs import environment
    from mlsh.jobs.launch import Values

    secret: dict[str, str] = {}
    for path in env_files:
        secret |= environment.from_file(path)
    secret |= environment.secrets_from(secrets)
    inherited = environment.inherited() if box == LOCAL else {}
    # A secret that is exported here must not also travel in the file that stays.
    plain = {key: value for key, value in environment.from_flags(env).items() if key not in secret}
    return Values(plain, secret, {key: value for key, value in inherited.items() if key not in secret})


def _check_names(box: str, name: str, tags: tuple[str, ...], env: tuple[str, ...]) -> None:
    """Refuse what could not travel, before anything is started."""
    from mlsh.box import check_name
    from mlsh.jobs import environment, ids
    from mlsh.jobs.find import refuse_box_reference

    check_name(box)
    if name:
        ids.check_name(name)
        refuse_box_reference(name)
    for tag in tags:
        ids.check_name(tag, "a tag")
    environment.from_flags(env)


def _check_word(word: str) -> None:
    from mlsh.errors import RefusedInput

    try:
        word.encode()
    except UnicodeEncodeError:
        raise RefusedInput(
            f"{word.encode(errors='replace')[:60]!r} is not valid UTF-8, so it can't be recorded as it is",
            "put such bytes into a file, and give the job the file's name",
        ) from None
    if "\0" in word:
        raise RefusedInput("an argument has a NUL byte, which no command can be given")


def _ask_size(settings: Settings, allow_large: bool) -> Callable[[int, list[BigFile]], None]:
    """Refuse, or ask at a terminal, above the limit; once for what was agreed to."""
    from mlsh.git.snapshot import too_large

    agreed = 0

    def confirm(size: int, largest: list[BigFile]) -> None:
        nonlocal agreed
        if allow_large or size <= max(settings.size_limit_bytes, agreed):
            return
        refusal = too_large(size, largest, settings.size_limit_bytes)
        if not (os.isatty(0) and os.isatty(2)):
            raise refusal
        click.echo(f"mlsh: {refusal.what}", err=True)
        if not click.confirm("Send it all?", err=True):
            raise click.Abort
        agreed = size

    return confirm


def _refuse_unknown(box: Box) -> None:
    """Raise Unreachable for a name that is no box: whoever mistyped it has no use for what is wrong with the code."""
    from mlsh.box import inventory

    if box.name in inventory.names(box.settings):
        return
    ran = box.run(["true"])
    if failure := box.explain_failure(ran):
        raise failure


def _take_snapshot(
    confirm: Callable[[int, list[BigFile]], None], dry_run: bool, begun: Begun | None
) -> Snapshot | None:
    from mlsh.git.snapshot import take

    if dry_run:
        return None
    from mlsh.cli.talk import say

    snapshot = begun.take(confirm) if begun else take(Path.cwd(), confirm)
    for note in snapshot.notes:
        say(note)
    return snapshot


def _spec(
    argv: list[str],
    box: str,
    name: str,
    values: Values,
    workdir: str,
    limit_s: int | None,
    grace_s: int,
    setup: str,
    tags: tuple[str, ...],
    shell: str | None,
    settings: Settings,
    snapshot: Snapshot | None,
    **more: Any,
) -> Spec:
    from mlsh.box import LOCAL
    from mlsh.jobs import ids
    from mlsh.records import Code, Spec

    code = None
    if snapshot is not None:
        code = Code(
            snapshot.name,
            snapshot.commit,
            snapshot.top,
            snapshot.subdir,
            snapshot.base,
            snapshot.branch,
            snapshot.changed,
        )
    terminal = _terminal_size()
    return Spec(
        id=ids.new_id(),
        argv=argv,
        box=box,
        created=round(time.time(), 3),
        name=name,
        who=f"{os.environ.get('USER', '') or os.getuid()}@{os.uname().nodename}",
        code=code,
        workdir=workdir,
        env=sorted(values.plain),
        secrets=sorted(values.secret),
        tags=list(tags),
        time_limit_s=limit_s,
        grace_s=grace_s,
        setup=setup,
        setup_key=_setup_key(setup, snapshot),
        shell=shell or ("none" if box == LOCAL else settings.shell(box)),
        width=max(40, terminal.columns),
        height=max(10, terminal.lines),
        **more,
    )


def _setup_key(setup: str, snapshot: Snapshot | None) -> str:
    if not setup or snapshot is None:
        return ""
    from mlsh.jobs.setup import setup_key

    return setup_key(setup, snapshot)


def _terminal_size() -> os.terminal_size:
    # shutil's, which also minds $COLUMNS, takes 4 ms to import.
    for descriptor in (1, 2, 0):
        try:
            return os.get_terminal_size(descriptor)
        except OSError:
            continue
    return os.terminal_size((120, 40))


def _show_plan(on_box: OnBox, spec: Spec, no_code: bool) -> None:
    from mlsh.jobs.plan import lines

    for line in lines(on_box, spec, no_code):
        click.echo(line)


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
