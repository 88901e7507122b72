"""Look at several boxes side by side, for whether they have room for a job."""

from __future__ import annotations

from collections.abc import Sequence

from mlsh.box import Box, open_box
from mlsh.box.fanout import side_by_side
from mlsh.config import Settings
from mlsh.errors import MlshError
from mlsh.jobs.insist import whole
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.placement import Room, Running, Waiting, Wish

LIMIT_S = 5.0
"""How long a box has to answer. A dead one keeps nobody waiting longer."""


def argv(wish: Wish, with_code: bool) -> list[str]:
    """The words of the question (room.sh)."""
    kind = "gpu" if wish.gpus or wish.gpu_share else "cpu" if wish.slots else "-"
    share = wish.parts if wish.gpu_share else 0
    numbers = map(str, (wish.gpu_memory_mib, wish.slots, wish.priority))
    return [kind, str(wish.gpus or 1), str(share), wish.gpu_ids or "-", *numbers, "1" if with_code else "-"]


def look(names: Sequence[str], wish: Wish, settings: Settings, with_code: bool) -> dict[str, Room | str]:
    """What each box says, in the order of `names`; for one that does not answer in time, why."""
    words = argv(wish, with_code)

    def ask(box: Box) -> Room:
        on_box = OnBox(box)
        return parse(whole(on_box.call("room", *words), on_box).decode(errors="replace"))

    answers: dict[str, Room | str] = dict.fromkeys(names, "")
    for box, answer in side_by_side([open_box(name, settings) for name in names], ask, LIMIT_S):
        answers[box.name] = answer.what.removeprefix(f"{box.name}: ") if isinstance(answer, MlshError) else answer
    return answers


def parse(text: str) -> Room:
    """The answer of room.sh."""
    fields: dict[str, object] = {}
    lacks: list[str] = []
    running: list[Running] = []
    waiting: list[Waiting] = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        values = [None if value == "-" else int(value) for value in rest.split() if value.isdecimal() or value == "-"]
        match word:
            case "load" if len(values) == 2:
                fields |= {"load": (values[0] or 0) / 100, "cores": max(1, values[1] or 1)}
            case "drained":
                fields["drained"] = rest or "no reason given"
            case "lacks":
                lacks.append(rest)
            case "gpus" if len(values) == 3:
                fields |= {"free": values[0], "fitting": values[1] or 0, "there": values[2] or 0}
            case "slots" if len(values) == 1:
                fields["free"] = values[0]
            case "running" if len(values) == 2:
                running.append(Running(values[0], values[1] or 0))
            case "waiting" if len(values) == 3:
                waiting.append(Waiting(values[0], values[1] or 0, values[2] or 0))
            case _:
                pass
    return Room(lacks=tuple(lacks), running=tuple(running), waiting=tuple(waiting), **fields)  # type: ignore[arg-type]
