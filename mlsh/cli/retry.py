"""`mlsh retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, job_argument, launched_json_option, on_option, verb

if TYPE_CHECKING:
    from mlsh.jobs.notify import Way


@verb("retry")
@click.option("-d", "--detach", is_flag=True, help="Don't follow: print the new job's id and return.")
@click.option("--failed", is_flag=True, help="Of an array or a sweep, only the tasks that did not succeed.")
@launched_json_option
@on_option
@common
@job_argument
def command(detach: bool, failed: bool, as_json: bool, on: str | None, job: str) -> None:
    """Run JOB again as a new job on the same box: same code, command, variables and options.

    Secrets are not kept on the box: they are taken from your environment here, or asked for. Of the ways to tell you
    (--notify), those are used again that have a name in config.toml. What it waited for at first (--after, --begin,
    --hold) is not waited for again.

    Of an array, JOB-17 is one task and --failed are those that did not succeed: they become a new array, with the
    numbers and parameters that they had.
    """
    import msgspec

    from mlsh import config
    from mlsh.cli.launching import anew, finish, start
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.jobs import again, environment, notify
    from mlsh.jobs.find import find
    from mlsh.jobs.launch import Values
    from mlsh.jobs.sending import kept_here
    from mlsh.jobs.standing import array_of
    from mlsh.jobs.store import get_job

    settings = config.load()
    on_box, job_id = find(job, settings, on)
    array, number = array_of(job_id)
    if failed:
        from mlsh.jobs.tasks import read_array

        if number is not None:
            raise UsageError(f"{job_id} is one task", f"run it again: mlsh retry {job_id}")
        found = read_array(on_box, array)
        before = again.only_failed(found.job, found.tasks)
    else:
        before = get_job(on_box, array).spec
    if number is not None:
        get_job(on_box, job_id)  # or there is no such task
        before = again.only_task(before, number)
    before, left = again.begins_at_once(before)
    if left:
        say(f"{', '.join(left)}: not waited for again")
    ways: list[Way] = []
    if before.notify:
        ways, gone = notify.again(before.notify, settings.notify)
        for text in gone:
            say(f"--notify {text}: its address or command was not kept; nobody will be told that way")
        before = msgspec.structs.replace(before, notify=[way.kept for way in ways])
    values = Values({}, environment.secrets_from(before.secrets), {}, env_from=before.id, ways=ways)
    snapshot = kept_here(before.code) if before.code else None
    spec = start(on_box, anew(before), values, snapshot, None)
    finish(on_box, spec, detach, as_json, lambda: start(on_box, anew(before), values, snapshot, None))
