"""Ask several boxes side by side; each answer comes when it is there, and a dead box delays nobody."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from mlsh.box import CALL_TIMEOUT_S, LOCAL, Box
from mlsh.errors import MlshError, Unreachable

T = TypeVar("T")
# More ssh clients than this at once only wait for each other's processor.
AT_ONCE = 16


class Answer(NamedTuple, Generic[T]):
    """What a box answered, or the error of ours that came instead."""

    box: Box
    value: T | MlshError


def side_by_side(
    boxes: Sequence[Box], ask: Callable[[Box], T], limit_s: float = CALL_TIMEOUT_S * 2
) -> Iterator[Answer[T]]:
    """Ask each box in a thread of its own, at most 16 at once; yields the answers as they arrive.

    A box that has not answered `limit_s` seconds after it was asked is given up: its answer is an
    Unreachable, its place goes to the next, and its thread, a daemon, keeps nobody from exiting. Any other
    error than ours is raised here. With more than one box none may ask for a passphrase, for nobody would
    know which one asks, and none tries twice.
    """
    if len(boxes) > 1:
        keep_quiet(boxes)
    arrived: queue.SimpleQueue[tuple[int, T | BaseException]] = queue.SimpleQueue()
    waiting = list(range(len(boxes)))[::-1]
    due: dict[int, float] = {}

    def start() -> None:
        while waiting and len(due) < AT_ONCE:
            number = waiting.pop()
            due[number] = time.monotonic() + limit_s
            asking = threading.Thread(
                target=_ask, args=(boxes[number], ask, number, arrived), name=f"ask-{boxes[number].name}", daemon=True
            )
            asking.start()

    # Now, and not when the first answer is looked for: the caller has other things to do meanwhile.
    start()
    return _answers(boxes, arrived, due, start, limit_s)


def _answers(
    boxes: Sequence[Box],
    arrived: queue.SimpleQueue[tuple[int, T | BaseException]],
    due: dict[int, float],
    start: Callable[[], None],
    limit_s: float,
) -> Iterator[Answer[T]]:
    while due:
        try:
            number, value = arrived.get(timeout=max(0.0, min(due.values()) - time.monotonic()))
        except queue.Empty:
            number = min(due, key=lambda late: due[late])
            value = _given_up(boxes[number], limit_s)
        if due.pop(number, None) is None:
            continue  # an answer after it was given up
        start()
        if isinstance(value, BaseException) and not isinstance(value, MlshError):
            raise value
        yield Answer(boxes[number], value)


def _ask(
    box: Box,
    ask: Callable[[Box], T],
    number: int,
    arrived: queue.SimpleQueue[tuple[int, T | BaseException]],
) -> None:
    try:
        arrived.put((number, ask(box)))
    except BaseException as error:  # noqa: BLE001  (it is raised again where the answers are read)
        arrived.put((number, error))


def _given_up(box: Box, limit_s: float) -> Unreachable:
    return Unreachable(box.name, f"no answer within {limit_s:g} s", f"is it up? try: mlsh box doctor {box.name}")


def keep_quiet(boxes: Sequence[Box]) -> None:
    """Have none of several boxes ask for a passphrase, or try twice."""
    if all(box.name == LOCAL for box in boxes):
        return
    from mlsh.box.openssh import OpenSSHBox  # it is imported already where there is such a box

    for box in boxes:
        if isinstance(box, OpenSSHBox):
            box.may_prompt = False
            box.attempts = 1
