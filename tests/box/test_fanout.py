"""Many boxes at once: whoever answers is heard at once, and nobody waits for the dead."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mlsh.box import Box, open_box
from mlsh.box.fanout import AT_ONCE, side_by_side
from mlsh.box.local import LocalBox
from mlsh.box.openssh import OpenSSHBox
from mlsh.config import Settings
from mlsh.errors import BoxUnfit, MlshError, Unreachable

SETTINGS = Settings({})


class Named(LocalBox):
    """This machine under another name: what is asked here never leaves the process."""

    def __init__(self, name: str) -> None:
        super().__init__(SETTINGS)
        self.name = name


def boxes(*names: str) -> list[Box]:
    return [Named(name) for name in names]


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that comes only at the end of the test, so that no thread outlives it."""
    event = threading.Event()
    yield event
    event.set()


def test_answers_come_in_the_order_of_arrival() -> None:
    first = threading.Event()

    def ask(box: Box) -> str:
        if box.name == "slow":
            first.wait(10)
        return box.name.upper()

    answers = side_by_side(boxes("slow", "quick"), ask, 20)
    assert next(answers).value == "QUICK"
    first.set()
    assert next(answers).value == "SLOW"
    assert list(answers) == []


def test_our_errors_are_answers_like_others() -> None:
    def ask(box: Box) -> str:
        if box.name == "bad":
            raise BoxUnfit("bad", "no-tmux", "no tmux")
        return "fine"

    found = {box.name: value for box, value in side_by_side(boxes("good", "bad"), ask, 10)}
    assert found["good"] == "fine"
    assert isinstance(found["bad"], BoxUnfit)


def test_a_fault_of_ours_is_not_hidden() -> None:
    def ask(box: Box) -> None:
        raise ZeroDivisionError(box.name)

    with pytest.raises(ZeroDivisionError):
        list(side_by_side(boxes("a", "b"), ask, 10))


def test_a_hung_box_is_given_up_and_its_late_answer_dropped(never: threading.Event) -> None:
    def ask(box: Box) -> str:
        if box.name == "hung":
            never.wait(30)
        return box.name

    found = {box.name: value for box, value in side_by_side(boxes("hung", "a", "b"), ask, 0.3)}
    assert isinstance(found["hung"], Unreachable)
    assert (found["a"], found["b"]) == ("a", "b")


def test_more_hung_boxes_than_threads_leave_room_for_the_living(never: threading.Event) -> None:
    names = [*(f"hung{number}" for number in range(AT_ONCE + 3)), "alive"]

    def ask(box: Box) -> str:
        if box.name != "alive":
            never.wait(30)
        return box.name

    answers = [value for _, value in side_by_side(boxes(*names), ask, 0.2)]
    assert answers.count("alive") == 1
    assert sum(isinstance(value, Unreachable) for value in answers) == AT_ONCE + 3


def test_never_more_than_sixteen_at_once() -> None:
    now, most, lock = 0, 0, threading.Lock()
    full = threading.Event()

    def ask(box: Box) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == AT_ONCE:
                full.set()
        full.wait(5)
        with lock:
            now -= 1

    assert len(list(side_by_side(boxes(*(f"b{number}" for number in range(50))), ask, 10))) == 50
    assert most == AT_ONCE


def test_nobody_at_all_is_no_answer() -> None:
    assert list(side_by_side([], lambda box: box.name, 1)) == []


def test_a_hung_thread_does_not_keep_the_program_from_exiting() -> None:
    code = (
        "import threading\n"
        "from mlsh.box.fanout import side_by_side\n"
        "from mlsh.box import open_box\n"
        "from mlsh.config import Settings\n"
        "box = open_box('local', Settings({}))\n"
        "print([type(v).__name__ for _, v in side_by_side([box], lambda b: threading.Event().wait(), 0.1)])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert ran.stdout == "['Unreachable']\n"


def test_only_one_box_may_ask_for_a_passphrase() -> None:
    alone = open_box("gpu1", SETTINGS)
    list(side_by_side([alone], lambda box: None, 5))
    assert isinstance(alone, OpenSSHBox)
    assert alone.may_prompt
    assert alone.attempts > 1
    several = [open_box(name, SETTINGS) for name in ("gpu1", "gpu2", "local")]
    list(side_by_side(several, lambda box: None, 5))
    assert all(not box.may_prompt and box.attempts == 1 for box in several if isinstance(box, OpenSSHBox))


def test_a_dead_box_beside_live_ones_delays_nobody(many_boxes: Callable[[int], list], laptop, monkeypatch) -> None:
    """A blackholed box takes its whole ConnectTimeout; the live ones are done long before."""
    dead, *alive = many_boxes(3)
    for box in (dead, *alive):
        laptop.add(box)
    dead.blackhole(True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(laptop.runtime_dir))
    settings = Settings({"ssh_config": str(laptop.ssh_config)})
    opened = [open_box(box.name, settings) for box in (dead, *alive)]
    began = time.monotonic()
    answers = side_by_side(opened, lambda box: box.run(["hostname"], timeout_s=5).stdout.decode().strip(), 30)
    first = [next(answers), next(answers)]
    took_s = time.monotonic() - began
    assert {box.name for box, _ in first} == {box.name for box in alive}
    assert not any(isinstance(value, MlshError) for _, value in first)
    assert took_s < 8
    last = next(answers)
    assert last.box.name == dead.name
    assert isinstance(last.value, Unreachable)
