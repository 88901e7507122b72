"""Which of several boxes gets a job: the decision alone, without a box."""

from hypothesis import given
from hypothesis import strategies as some

from mlsh.jobs.placement import ASSUMED_S, Room, Running, Waiting, Wish, decide, explain, has_room, wait_s, why_never
from mlsh.jobs.room import parse

limits = some.none() | some.integers(0, 5 * 24 * 3600)
wishes = some.builds(
    Wish, gpus=some.integers(1, 8), gpu_memory_mib=some.sampled_from([0, 40960]), priority=some.integers(0, 99)
)


@some.composite
def rooms(draw: some.DrawFn) -> Room:
    fitting = draw(some.integers(0, 8))
    taken = draw(some.lists(some.integers(1, 8), max_size=4))
    while sum(taken) > fitting:
        taken.pop()
    free = draw(some.integers(0, fitting - sum(taken)))
    return Room(
        load=draw(some.floats(0, 99)),
        cores=draw(some.integers(1, 64)),
        drained=draw(some.sampled_from(["", "", "", "disks"])),
        free=draw(some.sampled_from([free, free, free, None])),
        fitting=fitting,
        there=8,
        running=tuple(Running(draw(limits), count * 20) for count in taken),
        waiting=tuple(
            draw(some.lists(some.builds(Waiting, limits, some.integers(1, 160), some.integers(0, 5)), max_size=4))
        ),
    )


answers = some.dictionaries(
    some.sampled_from(["gpu1", "gpu2", "gpu3", "gpu4"]), rooms() | some.just("no answer within 5 s"), min_size=1
)


@given(wishes, answers)
def test_no_job_goes_to_a_box_that_is_dead_drained_or_too_small(wish: Wish, told: dict[str, Room | str]) -> None:
    choice = decide(wish, told)
    if choice.box:
        room = told[choice.box]
        assert isinstance(room, Room)
        assert not room.drained
        assert room.fitting >= wish.gpus
    else:
        assert all(isinstance(room, str) or why_never(wish, room) for room in told.values())
    assert set(choice.others) | {choice.box} - {""} == set(told) | ({choice.box} - {""})
    assert choice.box not in choice.others


@given(wishes, answers)
def test_no_job_waits_while_another_box_has_room_and_the_first_one_with_room_is_taken(
    wish: Wish, told: dict[str, Room | str]
) -> None:
    choice = decide(wish, told)
    open_now = [
        box
        for box, room in told.items()
        if isinstance(room, Room) and not why_never(wish, room) and has_room(wish, room)
    ]
    if open_now:
        assert (choice.box, choice.waits) == (open_now[0], False)
    elif choice.box:
        assert choice.waits


@given(wishes, answers)
def test_a_job_that_must_wait_waits_where_it_begins_first(wish: Wish, told: dict[str, Room | str]) -> None:
    choice = decide(wish, told)
    if choice.waits:
        fit = {box: room for box, room in told.items() if isinstance(room, Room) and not why_never(wish, room)}
        assert wait_s(wish, fit[choice.box]) == min(wait_s(wish, room) for room in fit.values())


@given(wishes, rooms(), some.builds(Waiting, limits, some.integers(1, 160)))
def test_a_longer_line_is_never_a_shorter_wait(wish: Wish, room: Room, one: Waiting) -> None:
    if why_never(wish, room):
        return
    longer = Room(free=room.free, fitting=room.fitting, there=8, running=room.running, waiting=(*room.waiting, one))
    assert wait_s(wish, longer) >= wait_s(wish, room) >= 0


def test_the_wait_is_reckoned_as_the_line_works() -> None:
    busy = Room(free=0, fitting=2, there=2, running=(Running(600, 20), Running(100, 20)))
    assert wait_s(Wish(gpus=1), busy) == 100
    assert wait_s(Wish(gpus=2), busy) == 600
    behind = Room(free=0, fitting=2, there=2, running=busy.running, waiting=(Waiting(50, 40),))
    assert wait_s(Wish(gpus=1), behind) == 650
    assert wait_s(Wish(gpus=1), Room(free=0, fitting=1, there=1, running=(Running(None, 20),))) == ASSUMED_S
    assert wait_s(Wish(gpus=1), Room(free=0, fitting=1, there=1)) == ASSUMED_S  # a stranger has it
    many = Room(free=0, fitting=1, there=1, running=(Running(10, 20),), waiting=(Waiting(5, 20, 3),))
    assert wait_s(Wish(gpus=1), many) == 25
    assert wait_s(Wish(slots=2), Room(free=0, running=(Running(7, 1), Running(9, 1)))) == 7
    assert wait_s(Wish(gpu_share=0.5), Room(free=0, fitting=1, there=1, running=(Running(8, 10), Running(3, 10)))) == 3


def test_a_job_without_gpus_goes_where_the_processors_are_idle() -> None:
    told = {"a": Room(load=9, cores=8), "b": Room(load=1, cores=8), "c": Room(load=0, cores=8)}
    assert decide(Wish(), told).box == "b"
    assert decide(Wish(), {"a": Room(load=9, cores=8), "b": Room(load=9, cores=4)}).box == "a"


def test_the_choice_is_said_with_what_the_others_lack() -> None:
    told: dict[str, Room | str] = {
        "gpu1": Room(free=0, fitting=4, there=4, waiting=(Waiting(None, 20),) * 3),
        "gpu2": Room(free=2, fitting=4, there=4),
        "gpu3": "no answer within 5 s",
        "cpu": Room(),
    }
    assert explain(decide(Wish(gpus=1), told)) == (
        "gpu2: 2 of 4 GPUs free "
        "(gpu1: 0 of 4 GPUs free, 3 wait in line; gpu3: no answer within 5 s; cpu: it has no GPU)"
    )


@given(some.text())
def test_a_box_that_talks_nonsense_is_no_crash(text: str) -> None:
    parse(text)


def test_an_answer_is_read() -> None:
    told = parse("load 150 4\ndrained new disks\nlacks tmux\ngpus - 0 0\nrunning - 20\nwaiting 60 40 3\nend\n")
    assert told == Room(1.5, 4, "new disks", ("tmux",), None, 0, 0, (Running(None, 20),), (Waiting(60, 40, 3),))
