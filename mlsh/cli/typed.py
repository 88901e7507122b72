"""From what was typed for a job to its values and its `Spec`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlsh.config import Settings
    from mlsh.git.snapshot import Snapshot
    from mlsh.jobs.launch import Values
    from mlsh.records import Spec


def values_of(box: str, env: tuple[str, ...], env_files: tuple[Path, ...], secrets: tuple[str, ...]) -> Values:
    """The variables of a job, from --env, --env-file and --secret."""
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


def check_names(box: str, name: str, tags: tuple[str, ...], env: tuple[str, ...]) -> None:
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


def check_word(word: str) -> None:
    """Raise RefusedInput for an argument that could not be recorded, or given to a command, byte for byte."""
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


def spec_of(
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
    """The `Spec` of a new job, its id included."""
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
