"""Launch a job: its files and one question to the box, asked again until there is an answer.

The laptop makes the id, so asking twice starts nothing twice. In the usual case, code that the box already
has or that differs little from what it has, a launch is one ssh exec; with much changed code it is two.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from mlsh.errors import BoxError, NotFound
from mlsh.git.snapshot import BigFile, Snapshot
from mlsh.jobs import journal
from mlsh.jobs.environment import as_exports
from mlsh.jobs.ids import new_id
from mlsh.jobs.insist import insist, whole
from mlsh.jobs.onbox import OnBox, Progress, pack_files
from mlsh.jobs.sending import Along, Sending
from mlsh.records import Launched, Spec, to_json

if TYPE_CHECKING:
    from mlsh.jobs.notify import Way

_IDS = 5


class Values:
    """The values of a job's variables, which are in no record: plain ones, secret ones, the laptop's own.

    With `env_from`, the plain ones are those of that job, which the box still has. `ways`: who is told what
    (jobs/notify.py), with URLs that are secret too.
    """

    def __init__(
        self,
        plain: dict[str, str],
        secret: dict[str, str],
        inherited: dict[str, str],
        env_from: str = "",
        ways: Sequence[Way] = (),
    ) -> None:
        self.plain = plain
        self.secret = secret
        self.inherited = inherited
        self.env_from = env_from
        self.ways = list(ways)

    def __repr__(self) -> str:
        """Names only: this ends up in tracebacks."""
        return f"Values({sorted(self.plain)}, {sorted(self.secret)})"


def job_files(spec: Spec, values: Values) -> dict[str, bytes]:
    """The files of a job as they lie on the box (docs/box-layout.md)."""
    code = spec.code
    plan = {
        "repo": code.repo if code else "",
        "commit": code.commit if code else "",
        "subdir": code.subdir if code else "",
        "workdir": spec.workdir,
        "shell": spec.shell,
        "time_limit": "" if spec.time_limit_s is None else str(spec.time_limit_s),
        "grace": str(spec.grace_s),
        "setup": spec.setup,
        "setup_key": spec.setup_key,
    }
    if _waits(spec):
        from mlsh.jobs import queueing

        plan |= queueing.plan(spec, time.time())
    tasks = b""
    if spec.array or spec.sweep:
        from mlsh.jobs import sweep

        found = sweep.tasks_of(spec)
        tasks = sweep.listing(spec.argv, found.tasks)
        plan |= {
            "tasks_total": str(len(found.tasks)),
            # Whoever takes the 17th part of a hundred takes the same part when only that one is run again.
            "array_count": str(len(sweep.whole(spec).tasks)),
            "tasks_at_once": str(found.at_once or "auto"),
            "width": str(spec.width),
            "height": str(spec.height),
        }
    watched: dict[str, bytes] = {}
    if spec.fail_if or spec.idle_timeout_s or spec.memory_mib or values.ways:
        from mlsh.jobs import guards, notify

        watched = {
            "guards": guards.rules_file(spec.fail_if, notify.log_rules(spec.notify)),
            "notify": notify.box_file(spec, values.ways),
        }
        plan |= guards.plan(spec, told=bool(watched["notify"]), idle_gpu_s=notify.idle_gpu_s(values.ways))
    told = {
        "MLSH_JOB_NAME": spec.name,
        "MLSH_COMMIT": code.commit if code else "",
        "MLSH_BASE_COMMIT": code.base if code else "",
    }
    files = {
        "spec.json": to_json(spec),
        "job.sh": "".join(f"{key}={shlex.quote(value)}\n" for key, value in plan.items()).encode(),
        "argv": b"exec " + shlex.join(spec.argv).encode(),
    }
    if values.env_from:
        files["env-from"] = values.env_from.encode()
    else:
        files["env"] = as_exports({**values.inherited, **{k: v for k, v in told.items() if v}, **values.plain})
    files |= {name: text for name, text in watched.items() if text}
    if tasks:
        files["tasks.list"] = tasks
    if spec.held:
        files["hold"] = spec.held.encode()
    if values.secret:
        files["secret"] = as_exports(values.secret)
    return files


def _waits(spec: Spec) -> bool:
    return bool(
        spec.gpus
        or spec.gpu_share
        or spec.slots
        or spec.after
        or spec.begin
        or spec.held
        or spec.max_retries
        or spec.restart
    )


def launch(
    on_box: OnBox,
    spec: Spec,
    values: Values,
    snapshot: Snapshot | None,
    *,
    confirm: Callable[[int, list[BigFile]], None] | None = None,
    progress: Progress | None = None,
) -> Spec:
    """Have the job start on its box, once; returns its spec when the box has it.

    That is `spec`, with another id where the box had a job of that id already. Raises BoxUnfit where the
    box can't, and Unreachable when it did not answer for half a minute: then the job may or may not have
    started, and `mlsh ps` tells.
    """
    for _ in range(_IDS):
        if _launch_as(on_box, spec, values, snapshot, confirm, progress):
            return spec
        journal.add(Launched(spec.id, spec.box, spec.created, spec.name, removed=True))
        spec = msgspec.structs.replace(spec, id=new_id())
    raise BoxError(spec.box, f"it says that {_IDS} random ids are all taken", f"see: mlsh box doctor {spec.box}")


def _launch_as(
    on_box: OnBox,
    spec: Spec,
    values: Values,
    snapshot: Snapshot | None,
    confirm: Callable[[int, list[BigFile]], None] | None,
    progress: Progress | None,
) -> bool:
    """Launch; False when another job has this id."""
    payload = pack_files(job_files(spec, values))
    words = [
        spec.id,
        spec.engine,
        str(spec.width),
        str(spec.height),
        spec.code.repo if spec.code else "-",
        spec.code.commit if spec.code else "-",
    ]
    entry = Launched(spec.id, spec.box, spec.created, spec.name, array=bool(spec.array or spec.sweep))
    journal.add(entry)
    sending = Sending(on_box, snapshot, confirm, progress) if snapshot is not None else None
    along = sending.changed() if sending else None
    for _ in range(3):
        answer = insist(partial(_ask, on_box, words, payload, along), on_box)
        if not answer.startswith(b"need "):
            break
        along = None
        if sending is None:
            raise NotFound(f"{spec.box}: it no longer has this code", "launch it anew: mlsh run ...")
        sending.missing(answer)
    if answer == f"taken {spec.id}\nend\n".encode():
        return False
    if answer != f"launched {spec.id}\nend\n".encode():
        raise BoxError(spec.box, f"it did not say that {spec.id} was launched", f"look: mlsh show {spec.id}")
    journal.add(msgspec.structs.replace(entry, confirmed=True))
    if sending is not None:
        sending.remember()
    return True


def _ask(on_box: OnBox, words: list[str], payload: bytes, along: Along | None) -> bytes:
    if along is None:
        answer = on_box.call("launch", *words, "-", "0", stdin=payload, reads="the job's files")
    else:
        reads = f"the job's files, and a pack of {len(along.pack)} bytes"
        words = [*words, along.base, str(along.objects)]
        answer = on_box.call("launch", *words, stdin=payload + along.pack, reads=reads)
    return whole(answer, on_box)
