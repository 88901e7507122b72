"""The tasks of an array: each a job of its own, with its number, its parameters, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mlsh.errors import NotFound, Unreachable
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.standing import array_of
from mlsh.jobs.sweep import Task, tasks_of, words_of
from mlsh.records import Job, JobState, Spec, State


class Array(msgspec.Struct, frozen=True):
    """An array and its tasks, in the order in which they begin; of a single job, none."""

    job: Job
    tasks: list[Job]


def task_of(array: Job, task: Task, state: State | None, now: int) -> Job:
    """A task as a job of its own. `state` is None where it has not begun, `now` is the box's clock."""
    spec = array.spec
    job_id = f"{spec.id}-{task.number}"
    if state is None:
        # Not even its folder is there. Of an array that has ended it never will be.
        never = array.state.state.is_final
        state = State(
            JobState.CANCELLED if never else JobState.PENDING,
            job_id,
            reason="it never began" if never else "",
            node=array.state.node,
        )
    name = f"{spec.name}-{task.number}" if spec.name else ""
    own = msgspec.structs.replace(spec, id=job_id, name=name, argv=words_of(spec.argv, task))
    ended = now if state.ended is None else state.ended
    running_s = None if state.started is None else max(0, ended - state.started)
    return Job(own, state, array.box, running_s, task=task.number, params=task.params)


def read_array(on_box: OnBox, job_id: str) -> Array:
    """An array with all of its tasks. One exec. Raises NotFound."""
    return parse_array(on_box.box.name, on_box.ask("tasks", job_id))


def read_task(on_box: OnBox, job_id: str) -> Job:
    """One task, by `ID-NUMBER`. One exec. Raises NotFound."""
    array, number = array_of(job_id)
    found = parse_array(on_box.box.name, on_box.ask("tasks", array, str(number)))
    for task in found.tasks:
        if task.task == number:
            return task
    raise NotFound(f"{on_box.box.name}: the array {array} has no task {number}", f"its tasks: mlsh ps {array}")


def parse_array(box: str, answer: bytes) -> Array:
    """The answer of `tasks.sh`: a `box` line, the array's spec and state, states of tasks, `end`."""
    lines = answer.splitlines()
    words = lines[0].split() if lines else []
    if len(lines) < 4 or lines[-1] != b"end" or len(words) < 4 or words[0] != b"box" or not words[1].isdigit():
        raise Unreachable(box, "its answer was cut short", "try again")
    now = int(words[1])
    try:
        spec = msgspec.json.decode(lines[1], type=Spec)
        state = msgspec.json.decode(lines[2], type=State)
    except msgspec.DecodeError as error:
        raise NotFound(f"{box}: the job can't be read: {error}", "see: mlsh ps -a") from None
    known = _states(lines[3:-1])
    ended = now if state.ended is None else state.ended
    job = Job(spec, state, box, None if state.started is None else max(0, ended - state.started))
    tasks = [task_of(job, task, known.get(f"{spec.id}-{task.number}"), now) for task in tasks_of(spec).tasks]
    return Array(job, tasks)


def _states(lines: list[bytes]) -> Mapping[str, State]:
    decoder = msgspec.json.Decoder(State)
    known: dict[str, State] = {}
    for line in lines:
        try:
            state = decoder.decode(line)
        except msgspec.DecodeError:
            continue  # a full disk cut it short: as if it had not begun
        known[state.id] = state
    return known
