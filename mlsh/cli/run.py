"""`mlsh run`."""

from __future__ import annotations

import os
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
    from mlsh.jobs.onbox import OnBox
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
              help="Set a variable from here, as mlsh secret keeps it, or ask; removed from the box at the job's "
              "end.")  # fmt: skip
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
    from mlsh.cli.typed import check_names, check_word, spec_of, values_of
    from mlsh.errors import SnapshotRefused, UsageError
    from mlsh.jobs.durations import parse

    if not command_:
        raise UsageError("run what?", "mlsh run -- python train.py")
    check_names(box, name, tags, env)
    limit_s = parse(time_limit) if time_limit else None
    grace_s = 0 if grace in {"0", "0s"} else parse(grace)
    for word in (*command_, workdir, setup, *outputs):
        check_word(word)
    begun = None
    if not (no_code or dry_run or secrets):
        # Git looks for what changed while the rest of mlsh is imported. Not while a person types a secret.
        from mlsh.git.snapshot import Begun

        begun = Begun(Path.cwd())
        click.get_current_context().call_on_close(begun.close)
    from mlsh import config
    from mlsh.box import open_box
    from mlsh.cli.launching import anew, finish, start
    from mlsh.jobs.onbox import OnBox

    settings = config.load()
    if box != "local":
        from mlsh.cli.placing import place

        box = place(box, settings, queue, not no_code, dry_run)
    on_box = OnBox(open_box(box, settings))
    values = values_of(box, env, env_files, secrets)
    outputs = _patterns(outputs)
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
    spec = spec_of(
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

        have_watched(spec, watched, settings, values_of("local", (), (), ()))
    finish(on_box, spec, detach, as_json, lambda: start(on_box, anew(spec), values, snapshot, confirm))


def _patterns(outputs: tuple[str, ...]) -> tuple[str, ...]:
    if not outputs:
        return ()
    from mlsh.files import patterns

    return tuple(map(patterns.check, outputs))


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


def _show_plan(on_box: OnBox, spec: Spec, no_code: bool) -> None:
    from mlsh.jobs.plan import lines

    for line in lines(on_box, spec, no_code):
        click.echo(line)
