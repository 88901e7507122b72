"""Which of several boxes is to have a job. Pure: boxes have been looked at (room.py), and this decides.

The rule: the first box, in the order in which they are named, where the job could begin now. Where it could begin on
none, the one where it is expected to begin first. That is reckoned as the line works: whoever is before it takes what
becomes free, in turn. A job with a time limit is taken to run until that, one without for a day from now; so is
somebody who uses a GPU outside of mlsh.

A job that waits for nothing (no GPUs, no slot) could begin on every box. It goes to the first whose load is below one
for each core, else to the least loaded.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import msgspec

from mlsh.jobs import durations
from mlsh.jobs.queueing import SHARES

ASSUMED_S = 24 * 3600
"""How long a job without a time limit is taken to run on."""

_MOST_TASKS = 1000


class Wish(msgspec.Struct, frozen=True):
    """What a job wants: `gpus` whole ones, or the part `gpu_share` of one, or one of `slots`; or nothing."""

    gpus: int = 0
    gpu_share: float = 0
    gpu_ids: str = ""
    gpu_memory_mib: int = 0
    slots: int = 0
    priority: int = 50

    @property
    def parts(self) -> int:
        """How much of a box it takes: twentieths of GPUs, or slots; 0 where it waits for nothing."""
        return self.gpus * SHARES or int(self.gpu_share * SHARES + 1e-9) or (1 if self.slots else 0)


class Running(msgspec.Struct, frozen=True):
    """A job that holds such things, for `left_s` seconds at most; None where it has no limit."""

    left_s: int | None
    parts: int


class Waiting(msgspec.Struct, frozen=True):
    """A job that would go first: its limit, what it takes, and how many tasks of it are to come."""

    limit_s: int | None
    parts: int
    tasks: int = 1


class Room(msgspec.Struct, frozen=True):
    """What a box answered. `free` and `fitting` are GPUs that are free, and that the job could be given at all."""

    load: float = 0
    cores: int = 1
    drained: str = ""
    lacks: tuple[str, ...] = ()
    free: int | None = 0
    fitting: int = 0
    there: int = 0
    running: tuple[Running, ...] = ()
    waiting: tuple[Waiting, ...] = ()


class Choice(msgspec.Struct, frozen=True):
    """The box, or "" where none will do; why, in words; what was said of each other box; and whether it waits."""

    box: str
    why: str
    others: Mapping[str, str]
    waits: bool = False


def decide(wish: Wish, answers: Mapping[str, Room | str]) -> Choice:
    """Choose among boxes, in their order; what is no Room is why that box can't be asked."""
    said: dict[str, str] = {}
    rooms: dict[str, Room] = {}
    for box, answer in answers.items():
        problem = answer if isinstance(answer, str) else why_never(wish, answer)
        said[box] = problem or _tell(wish, answer)
        if not problem and isinstance(answer, Room):
            rooms[box] = answer
    if not rooms:
        return Choice("", "", said)
    waits = {box: wait_s(wish, room) for box, room in rooms.items()}
    at_once = [box for box, room in rooms.items() if has_room(wish, room)]
    if not wish.parts:
        chosen = at_once[0] if at_once else min(rooms, key=lambda box: rooms[box].load / rooms[box].cores)
        return Choice(chosen, said.pop(chosen), said)
    if at_once:
        return Choice(at_once[0], said.pop(at_once[0]), said)
    chosen = min(rooms, key=lambda box: waits[box])
    said = {box: text + (f", about {durations.show(waits[box])}" if box in rooms else "") for box, text in said.items()}
    return Choice(chosen, said.pop(chosen), said, waits=True)


def why_never(wish: Wish, room: Room) -> str:
    """Why the job can't be launched there, or never would begin; "" if it can."""
    if room.drained:
        return f"drained: {room.drained}"
    if room.lacks:
        return f"it has no {' and no '.join(room.lacks)}"
    if wish.gpus or wish.gpu_share:
        if room.free is None:
            return "nvidia-smi or rocm-smi does not answer"
        if room.fitting < (wish.gpus or 1):
            such = f" with {wish.gpu_memory_mib / 1024:g} GiB" if wish.gpu_memory_mib and room.there else ""
            return f"it has {_count(room.fitting, f'GPU{such}', f'GPUs{such}')}" if room.there else "it has no GPU"
    return ""


def has_room(wish: Wish, room: Room) -> bool:
    """Whether the job could begin there now."""
    if not wish.parts:
        return room.load < room.cores
    return not room.waiting and (room.free or 0) >= (wish.gpus or 1)


def wait_s(wish: Wish, room: Room) -> int:
    """In how many seconds the job is expected to begin there, by the rule above."""
    if not wish.parts or has_room(wish, room):
        return 0
    unit = 1 if wish.slots else SHARES
    capacity = (wish.slots or room.fitting) * unit
    free = min(capacity, (room.free or 0) * unit)
    ends = [(ASSUMED_S if one.left_s is None else one.left_s, one.parts) for one in room.running]
    # What is neither free nor held by a job of ours is used by somebody else.
    strangers = capacity - free - sum(parts for _, parts in ends)
    if strangers > 0:
        ends.append((ASSUMED_S, strangers))
    heapq.heapify(ends)
    now = 0

    def begin(parts: int) -> int:
        nonlocal free, now
        while free < min(parts, capacity) and ends:
            end, given_back = heapq.heappop(ends)
            now, free = max(now, end), min(capacity, free + given_back)
        free -= min(parts, free)
        return now

    for one in room.waiting:
        for _ in range(min(one.tasks, _MOST_TASKS)):
            end = begin(one.parts) + (ASSUMED_S if one.limit_s is None else one.limit_s)
            heapq.heappush(ends, (end, min(one.parts, capacity)))
    return begin(wish.parts)


def _tell(wish: Wish, answer: Room | str) -> str:
    """How a box stands, in a few words."""
    if isinstance(answer, str):
        return answer
    if not wish.parts:
        return f"load {answer.load:.1f} on {_count(answer.cores, 'core', 'cores')}"
    if wish.slots:
        text = f"{answer.free or 0} of {_count(wish.slots, 'slot', 'slots')} free"
    else:
        text = f"{answer.free or 0} of {_count(answer.fitting, 'GPU', 'GPUs')} free"
    line = sum(one.tasks for one in answer.waiting)
    return text + (f", {line} {'waits' if line == 1 else 'wait'} in line" if line else "")


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"


def explain(choice: Choice) -> str:
    """The choice in one line: `gpu2: 2 of 4 GPUs free (gpu1: 3 wait in line)`."""
    others = "; ".join(f"{box}: {text}" for box, text in choice.others.items())
    waits = ", where it is expected to begin first" if choice.waits else ""
    return f"{choice.box}: {choice.why}{waits}" + (f" ({others})" if others else "")


def unplaced(choice: Choice, boxes: Sequence[str]) -> str:
    """Each box and why it is out of the question."""
    return "; ".join(f"{box}: {choice.others[box]}" for box in boxes)
