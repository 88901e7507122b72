"""A worker's job: launched like any other, found again by its name, ended."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import tarfile
import time

import msgspec

from mlsh.bisect.probing import ProbeResult
from mlsh.bisect.sources import Source
from mlsh.bisect.workers_plan import WorkerPlan, job_prefix, worker_name
from mlsh.bisect.workers_said import Reader, Results
from mlsh.errors import MlshError, NotFound, RefusedInput
from mlsh.jobs import ids, journal
from mlsh.jobs.attempt import Attempt
from mlsh.jobs.cancel import cancel
from mlsh.jobs.insist import insist, whole
from mlsh.jobs.launch import launch
from mlsh.jobs.onbox import OnBox, version
from mlsh.jobs.store import list_jobs
from mlsh.records import Launched

# $1 is the tree; where it is empty, it is the job's own.
_START = (
    'h=${MLSH_JOB_DIR%/jobs/*}; t=${1:-$h/trees/$MLSH_JOB_ID}; l=$2; shift 2; exec sh "$h/lib/$l/worker.sh" "$t" "$@"'
)


def start(on_box: OnBox, plan: WorkerPlan, source: Source) -> str:
    """Launch a worker's job; returns its id. Raises as `jobs.launch.launch` does, and GitFailed for its tree."""
    job_id = ids.new_id()
    overlay = send_overlay(on_box, plan)
    place = source.place(on_box, job_id)
    about = ["" if plan.timeout_s is None else str(plan.timeout_s), plan.setup, plan.metrics_file]
    about += ["yes" if plan.clean else "", overlay, str(plan.silence_s)]
    words = [place.tree, version(), plan.subdir, *about, "--", *plan.argv]
    spec = msgspec.structs.replace(
        plan.spec,
        id=job_id,
        name=plan.job_name,
        box=plan.box,
        created=round(time.time(), 3),
        argv=["sh", "-c", _START, "worker", *words],
        code=place.code,
        workdir=place.tree,
        setup="",
        setup_key="",
    )
    attempt = Attempt(on_box.box)
    try:
        launched = launch(attempt, spec, plan.values, None).id
    except BaseException:
        if not attempt.may_have_begun:
            journal.add(Launched(spec.id, spec.box, spec.created, spec.name, removed=True))
            with contextlib.suppress(MlshError):
                source.clear(on_box, job_id)
        raise
    return launched


def send_overlay(on_box: OnBox, plan: WorkerPlan) -> str:
    """Bring the overlay to the box, once; returns its name there, or "" where there is none."""
    if not plan.overlay:
        return ""
    packed = pack_overlay(plan)
    name = hashlib.sha256(packed).hexdigest()[:20]
    insist(
        lambda: whole(on_box.send("worker_overlay", name, file=io.BytesIO(packed), size=len(packed)), on_box), on_box
    )
    return name


def pack_overlay(plan: WorkerPlan) -> bytes:
    """The overlay's files as a tar. Raises NotFound, and RefusedInput for what does not lie below the top."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in plan.overlay:
            inside = os.path.normpath(path)
            if os.path.isabs(inside) or inside.split(os.sep)[0] in {"..", ".git"}:
                raise RefusedInput(f"{path} does not lie in {plan.top}, so it can't be laid over a commit")
            if not os.path.lexists(plan.top / inside):
                raise NotFound(f"there is no {plan.top / inside} to lay over each commit")
            tar.add(plan.top / inside, inside, filter=_anonymous)
    return sink.getvalue()


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in entry.name.split("/"):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def living(on_box: OnBox, plan: WorkerPlan) -> str:
    """The id of the plan's job that still runs or waits, from before this process; "" where there is none."""
    for entry in reversed(jobs_of(plan.bisection)):
        if entry.box != plan.box or entry.name != plan.job_name:
            continue
        jobs = list_jobs(on_box, [entry.id]).jobs
        if jobs and not jobs[0].state.state.is_final:
            return entry.id
    return ""


def jobs_of(bisection: str) -> list[Launched]:
    """The jobs of a bisection's workers, oldest first, as this machine recorded them."""
    prefix = job_prefix(bisection)
    return [entry for entry in journal.read() if entry.name.startswith(prefix) and _slot(entry.name) is not None]


def _slot(name: str) -> int | None:
    slot = name.rpartition("-")[2]
    return int(slot) if slot.isdigit() else None


def named(entry: Launched) -> str:
    """The worker whose job it is, as a person names it."""
    return worker_name(entry.box, _slot(entry.name) or 1)


class Noted(msgspec.Struct):
    """What a worker has noted on its box: how its job stands, results, and what it had begun and not ended."""

    state: str = ""
    heard: int = 0
    results: list[ProbeResult] = []
    under_way: dict[int, str] = {}


def noted(on_box: OnBox, job_id: str, worker: str, numbers: list[int] | None) -> Noted:
    """Ask for results of these numbers; with None, only what is under way. Raises NotFound where the job is gone."""
    nonce = secrets.token_hex(8)
    asked = ["-"] if numbers is None else [str(number) for number in numbers]

    def ask() -> bytes:
        answer = on_box.call("worker_results", job_id, nonce, *asked, timeout_s=120)
        return whole(answer, on_box)

    reader, results, found = Reader(nonce), Results(worker), Noted(results=[], under_way={})
    for said in reader.feed(insist(ask, on_box)):
        found.heard = said.heard
        match said.words:
            case ["state", state]:
                found.state = state
            case ["begun", number, commit]:
                found.under_way[int(number)] = commit
            case ["ended", number, *_]:
                found.under_way.pop(int(number), None)
        if (result := results.take(said)) is not None:
            found.results.append(result)
    return found


def end(on_box: OnBox, job_id: str) -> None:
    """End a worker's job, whatever it runs."""
    with contextlib.suppress(NotFound):
        cancel(on_box, job_id, grace_s=1)
