"""`mlsh show`."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, job_argument, json_option, on_option, verb

if TYPE_CHECKING:
    from mlsh.records import Job


@verb("show")
@click.option("--patch", is_flag=True, help="Also what the code had over its last commit, as a diff.")
@json_option
@on_option
@common
@job_argument
def command(patch: bool, as_json: bool, on: str | None, job: str) -> None:
    """Show everything that made JOB, and how it stands."""
    from mlsh import config
    from mlsh.jobs.find import find
    from mlsh.jobs.store import get_job

    on_box, job_id = find(job, config.load(), on)
    there = get_job(on_box, job_id)
    if as_json:
        from mlsh.cli.ps import as_fields
        from mlsh.records import to_json

        whole = {**as_fields(there), "spec": there.spec}
        click.echo(to_json(whole))
        return
    for title, text in facts(there, on_box.home):
        click.echo(f"{title:>12}  {text}")
    if patch:
        from mlsh.cli.diff import show_patch
        from mlsh.jobs.compare import patch_of

        click.echo()
        show_patch(patch_of(there, sys.stdout.isatty()))


def _line(job: Job) -> str:
    from mlsh.jobs.standing import ordinal, waits_for

    waits = waits_for(job)
    return f"{waits}; {ordinal(job.place)} in line" if waits and job.place is not None else waits


def facts(job: Job, home: str) -> list[tuple[str, str]]:
    """What there is to say about a job, as (title, text)."""
    from mlsh.jobs.durations import show
    from mlsh.jobs.outcome import tell
    from mlsh.jobs.standing import array_of, asked, counts, told
    from mlsh.shell.visible import printable

    spec, state = job.spec, job.state
    tasks = counts(job)
    code = spec.code
    lines = [
        ("job", f"{spec.id}  {spec.name}".rstrip()),
        ("state", tell(state) + (f" ({state.phase})" if state.phase and not state.state.is_final else "")),
        ("waits for", _line(job)),
        ("task", f"{job.task} of the array {array_of(spec.id)[0]}" if job.task is not None else ""),
        ("parameters", " ".join(f"{name}={shlex.quote(value)}" for name, value in job.params.items())),
        ("command", shlex.join(spec.argv)),
        ("sweep", "" if job.task is not None else asked(spec)),
        ("tasks", told(tasks) if tasks is not None and job.task is None else ""),
        ("attempt", str(state.attempt) if state.attempt > 1 else ""),
        ("GPUs", state.gpus.replace(" ", ",")),
        ("box", spec.box + (f" (node {state.node})" if state.node else "")),
        ("launched", f"{_clock(spec.created)} by {spec.who}"),
        ("started", _clock(state.started)),
        ("ended", _clock(state.ended)),
        ("took", "" if job.running_s is None else show(job.running_s)),
        ("code", f"{code.repo}, snapshot {code.commit[:12]}" if code else "none (--no-code)"),
        ("taken from", code.folder if code else ""),
        ("based on", _base(code.base, code.branch, code.changed) if code and code.base else ""),
        ("folder", _folder(job, home)),
        ("variables", " ".join(spec.env)),
        ("secrets", " ".join(spec.secrets)),
        ("setup", spec.setup),
        ("time limit", "" if spec.time_limit_s is None else show(spec.time_limit_s)),
        ("tags", " ".join(spec.tags)),
        ("retry of", spec.retry_of),
        ("after a boot", _COMES_BACK.get(job.comes_back, "")),
        ("log", f"{home}/jobs/{spec.id.replace('-', '/tasks/')}/log"),
    ]
    return [(title, printable(text)) for title, text in lines if text]


_COMES_BACK = {
    "systemd": "started again, by a systemd user unit",
    "cron": "started again, by a line in the crontab there",
    "contact": "started again when mlsh next looks at the box",
}


def _clock(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _base(base: str, branch: str, changed: int) -> str:
    files = "1 file" if changed == 1 else f"{changed} files"
    dirty = f", {files} changed since" if changed else ", nothing changed since"
    return f"{base[:12]}" + (f" on {branch}" if branch else "") + dirty


def _folder(job: Job, home: str) -> str:
    from mlsh.jobs.standing import array_of

    spec = job.spec
    if spec.workdir.startswith(("/", "~")):
        return spec.workdir
    if spec.code is None:
        return f"~/{spec.workdir}".rstrip("/")
    inside = spec.workdir or spec.code.subdir
    array, number = array_of(spec.id)
    tree = array if number is None else f"{array}-{number:06}"
    return f"{home}/trees/{tree}/{inside}".rstrip("/")
