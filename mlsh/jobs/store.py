"""Ask boxes for their jobs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mlsh.errors import NotFound, Unreachable
from mlsh.jobs.onbox import OnBox
from mlsh.records import Job, JobState, Spec, State


class Listing(msgspec.Struct, frozen=True):
    """The jobs of one box, oldest first, and the box's clock (seconds since the epoch), node and boot id.

    `unreadable` counts files that this version of mlsh can't read. `comes_back` is how jobs are started again after
    a boot (`systemd`, `cron`, or at the next `contact`), `drained` why nothing begins there, or "".
    """

    box: str
    now: int
    node: str
    boot: str
    jobs: list[Job]
    unreadable: int = 0
    comes_back: str = "contact"
    drained: str = ""


def list_jobs(on_box: OnBox, ids: Sequence[str] = ()) -> Listing:
    """All jobs of a box, or those with the given ids. One exec."""
    return parse_listing(on_box.box.name, on_box.ask("list", *ids))


def get_job(on_box: OnBox, job_id: str) -> Job:
    """One job, or one task (`ID-17`); raises NotFound."""
    if "-" in job_id:
        from mlsh.jobs.tasks import read_task

        return read_task(on_box, job_id)
    jobs = list_jobs(on_box, [job_id]).jobs
    if not jobs:
        raise NotFound(f"{on_box.box.name}: there is no job {job_id}", "see what there is: mlsh ps -a")
    return jobs[0]


_SPEC = msgspec.json.Decoder(Spec)
_STATE = msgspec.json.Decoder(State)


def parse_listing(box: str, answer: bytes) -> Listing:
    """The answer of `list.sh`.

    A `box` line; specs; a `line` line for each ticket; `mlsh-states`; states; then the list of jobs that have ended,
    where there is one (a line with their ids, and a line each: id, spec, state, with tabs between); `mlsh-end`.
    """
    lines = answer.splitlines()
    words = lines[0].split(maxsplit=5) if lines else []
    if len(words) < 5 or words[0] != b"box" or not words[1].isdigit():
        raise Unreachable(box, "its answer was cut short", "try again")
    now, node, boot, comes_back = int(words[1]), words[2].decode(), words[3].decode(), words[4].decode()
    drained = words[5].decode(errors="replace") if len(words) == 6 else ""
    if len(lines) == 1:
        return Listing(box, now, node, boot, [], 0, comes_back, drained)
    if lines[-1] != b"mlsh-end":
        raise Unreachable(box, "its answer was cut short", "try again")
    listed = next((number for number, line in enumerate(lines) if line.startswith(b"ended='")), len(lines) - 1)
    ended = [line.split(b"\t") for line in lines[listed + 1 : -1]]
    tickets: list[str] = []
    specs = [parts[1] for parts in ended if len(parts) == 3]
    states = [parts[2] for parts in ended if len(parts) == 3]
    # The box left out of the rest what its list names, so a line that is missing is a job that can't be read.
    unreadable = max(0, lines[listed].count(b" ") - 1 - len(specs))
    if b"mlsh-states" in lines[:listed]:
        middle = lines.index(b"mlsh-states")
        specs += [line for line in lines[1:middle] if not line.startswith(b"line ")]
        tickets = [line[5:].decode(errors="replace") for line in lines[1:middle] if line.startswith(b"line ")]
        states += lines[middle + 1 : listed]
    known: dict[str, State] = {}
    for line in states:
        try:
            state = _STATE.decode(line)
        except msgspec.DecodeError:
            unreadable += 1
        else:
            known[state.id] = state
    places = _places(tickets, known)
    jobs: dict[str, Job] = {}
    for line in specs:
        try:
            spec = _SPEC.decode(line)
        except msgspec.DecodeError:
            unreadable += 1
            continue
        state = known.get(spec.id, State(JobState.LOST, spec.id, reason="its state can't be read"))
        jobs[spec.id] = Job(spec, state, box, _running_s(state, now), comes_back if is_revived(spec, state) else "")
        if spec.id in places:
            jobs[spec.id] = msgspec.structs.replace(jobs[spec.id], place=places[spec.id])
    ordered = sorted(jobs.values(), key=lambda job: (job.spec.created, job.id))
    return Listing(box, now, node, boot, ordered, unreadable, comes_back, drained)


def is_revived(spec: Spec, state: State) -> bool:
    """Whether the job is started again when its box has booted (revive.sh)."""
    if state.state is JobState.PENDING:
        waits = spec.gpus or spec.gpu_share or spec.slots or spec.after or spec.begin or spec.held
        return bool(waits or spec.restart or spec.max_retries or spec.array or spec.sweep)
    return state.state is JobState.RUNNING and bool(
        spec.restart or spec.array or spec.sweep or state.attempt <= spec.max_retries
    )


def _places(tickets: list[str], known: dict[str, State]) -> dict[str, int]:
    if not tickets:
        return {}
    from mlsh.jobs.standing import places

    return places(tickets, {job_id for job_id, state in known.items() if state.state.is_final})


def _running_s(state: State, now: int) -> int | None:
    if state.started is None:
        return None
    return max(0, (now if state.ended is None else state.ended) - state.started)
