"""What a watch adds up to: any cut and any reconnect give the picture that an uncut stream gives."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.errors import Unreachable
from mlsh.jobs.picture import LOST, WATCHED, Picture, changes, reduce
from mlsh.jobs.reconnecting import Back, Lost
from mlsh.jobs.watching import Beat, Gpus, Host, JobChanged, JobGone, Line, Reader, Snapshot, gpus_of
from mlsh.records import JobState, Spec, State, to_json

IDS = ["bcdfg234", "mnpqr567", "z2222222"]
NAMES = st.sampled_from(["", "train", "\x1b]52;c;x\x07", "job\tgone\n", 'mlsh-end"}', "ünï"])
ONE = st.one_of(
    st.tuples(st.just("job"), st.sampled_from(IDS), NAMES),
    st.tuples(st.just("state"), st.sampled_from(IDS), st.sampled_from(list(JobState))),
    st.tuples(st.just("gone"), st.sampled_from(IDS), st.none()),
    st.tuples(st.just("line"), st.sampled_from(["gpu", "cpu"]), st.lists(st.sampled_from(IDS), unique=True)),
)
CARD = "nvidia.gpu 0, GPU-1, NVIDIA A100, 81559, 400, 7, 61, 535.1"


class Model:
    """A box, as `watch.sh` would tell of it."""

    def __init__(self) -> None:
        self.specs: dict[str, bytes] = {}
        self.states: dict[str, bytes] = {}
        self.line: dict[str, list[str]] = {}

    def snapshot(self) -> bytes:
        jobs = [*self.specs.values(), b"mlsh-states", *(state + b" " * 300 for state in self.states.values())]
        head = [b"welcome", b"mlsh-reply 1", b"box 100 node boot contact", *(jobs if self.specs else []), b"mlsh-end"]
        waiting = [f"line {need} {' '.join(ids)}".encode() for need, ids in self.line.items() if ids]
        return b"\n".join([*head, b"mlsh-watch 1", *waiting, b"beat", b"gpu " + CARD.encode(), b"gpus", b""])

    def act(self, kind: str, what: str, how: object) -> bytes:
        """Something happens; what `watch.sh` says of it."""
        if kind == "line":
            assert isinstance(how, list)
            self.line[what] = how
            return f"line {what}{''.join(f' {one}' for one in how)}\n".encode()
        if kind == "job" and what not in self.specs:
            self.specs[what] = to_json(Spec(what, ["true"], "gpu1", float(len(self.specs)), str(how)))
            self.states[what] = to_json(State(JobState.PENDING, what))
            return b"job " + self.specs[what] + b"\t" + self.states[what] + b"\n"
        if kind == "state" and what in self.specs:
            self.states[what] = to_json(State(JobState(str(how)), what, node="node"))
            return b"state " + self.states[what] + b"\n"
        if kind == "gone" and self.specs.pop(what, None) is not None:
            del self.states[what]
            return f"gone {what}\n".encode()
        return b"beat\n"


def picture_of(chunks: list[bytes], picture: Picture) -> Picture:
    reader = Reader("gpu1")
    for chunk in chunks:
        for event in reader.feed(chunk):
            picture = reduce(picture, event, 5.0)
    return picture


@settings(deadline=None)
@given(actions=st.lists(ONE, max_size=25), breaks=st.lists(st.integers(0, 25), max_size=6), data=st.data())
def test_a_stream_that_was_cut_anywhere_gives_the_picture_of_one_that_was_not(
    actions: list[tuple[str, str, object]], breaks: list[int], data: st.DataObject
) -> None:
    whole = Model()
    uncut = whole.snapshot() + b"".join(whole.act(*action) for action in actions)
    expected = picture_of([uncut], Picture("gpu1"))

    model, picture, done = Model(), Picture("gpu1"), 0
    for upto in sorted(min(at, len(actions)) for at in [*breaks, len(actions)]):
        stream = model.snapshot() + b"".join(model.act(*action) for action in actions[done:upto])
        cut = data.draw(st.integers(0, len(stream)))
        middle = data.draw(st.integers(0, cut))
        picture = picture_of([stream[:middle], stream[middle:cut]], picture)
        picture = reduce(picture, Lost("cut", 1.0), 5.0)
        done = upto
    picture = picture_of([model.snapshot()], reduce(picture, Back(), 5.0))
    assert picture == expected
    assert picture.connection == WATCHED


def test_a_box_that_begins_anew_in_the_middle_is_understood() -> None:
    model = Model()
    first = model.snapshot() + model.act("job", IDS[0], "one")
    model.act("gone", IDS[0], None)
    model.act("job", IDS[1], "two")
    picture = picture_of([first + model.snapshot()], Picture("gpu1"))
    assert list(picture.jobs) == [IDS[1]]


def test_what_a_later_version_says_is_passed_over() -> None:
    model = Model()
    model.act("job", IDS[0], "one")
    plain = picture_of([model.snapshot()], Picture("gpu1"))
    odd = b"news 1 2 3\nstate {]\njob {}\t{}\n\n\xff\xfe\nline\nline tpu a\nhost x\nstate " + to_json(
        State(JobState.LOST, "nobody00")
    )
    assert picture_of([model.snapshot(), odd + b"\n"], Picture("gpu1")) == plain


def test_another_version_of_the_stream_is_refused() -> None:
    with pytest.raises(Unreachable, match="another version"):
        list(Reader("gpu1").feed(b"mlsh-reply 1\nbox 1 n b contact\nmlsh-end\nmlsh-watch 2\n"))


def test_a_lost_box_keeps_its_picture_and_says_since_when() -> None:
    model = Model()
    model.act("job", IDS[0], "one")
    picture = reduce(picture_of([model.snapshot()], Picture("gpu1")), Lost("no route", 3.0), 20.0)
    assert (picture.connection, picture.reason, picture.since) == (LOST, "no route", 17.0)
    assert IDS[0] in picture.jobs


def test_the_seconds_that_a_job_has_run_go_on_between_events() -> None:
    picture = picture_of([Model().snapshot()], Picture("gpu1"))
    spec = Spec(IDS[0], ["true"], "gpu1", 1.0)
    picture = reduce(picture, JobChanged(State(JobState.RUNNING, IDS[0], started=90), spec), 6.0)
    assert [job.running_s for job in picture.sorted_jobs(5.0 + 7)] == [17]
    over = reduce(picture, JobChanged(State(JobState.FAILED, IDS[0], started=90, ended=95)), 6.0)
    assert [job.running_s for job in over.sorted_jobs(500.0)] == [5]


def test_what_changed_is_told_once() -> None:
    spec = Spec(IDS[0], ["true"], "gpu1", 1.0)
    empty = picture_of([Model().snapshot()], Picture("gpu1"))
    one = reduce(empty, JobChanged(State(JobState.RUNNING, IDS[0]), spec), 5.0)
    again = reduce(one, JobChanged(State(JobState.RUNNING, IDS[0])), 5.0)
    assert [job.id for job in changes(empty, one)[0]] == [IDS[0]]
    assert changes(one, again) == ([], [])
    assert [job.id for job in changes(again, reduce(again, JobGone(IDS[0]), 5.0))[1]] == [IDS[0]]


def test_a_job_that_waits_has_the_place_that_its_line_gives_it() -> None:
    picture = picture_of([Model().snapshot()], Picture("gpu1"))
    for id_ in IDS:
        spec = Spec(id_, ["true"], "gpu1", 1.0)
        picture = reduce(picture, JobChanged(State(JobState.PENDING, id_), spec), 5.0)
    line = Line("gpu", (f"{IDS[2]}-4", f"{IDS[2]}-5", IDS[0]))
    assert [job.place for job in reduce(picture, line, 5.0).sorted_jobs(5.0)] == [2, None, 1]


def test_gpus_and_the_jobs_on_them_are_understood() -> None:
    lines = [
        CARD,
        "nvidia.app GPU-1, 123, 300, python, with, commas",
        "nvidia.app GPU-1, 124, [N/A], /opt/x",
        "owner /proc/123 ada",
        "job 123 bcdfg234-17",
        "job x y",
        "job 124 \x1b[2J",
    ]
    seen = gpus_of(lines)
    assert seen.jobs == {123: "bcdfg234-17"}
    [gpu] = seen.gpus
    assert (gpu.utilization_percent, gpu.temperature_c) == (7, 61)
    assert [(process.pid, process.user, process.memory_mib) for process in gpu.processes] == [
        (123, "ada", 300),
        (124, "", None),
    ]
    assert gpus_of(["nvidia.gpu No devices were found", "nvidia.gpu.exit 6"]).trouble == "No devices were found"


def test_each_kind_of_line_is_an_event() -> None:
    head = b"mlsh-reply 1\nbox 1 n b contact\nmlsh-end\nmlsh-watch 1\n"
    text = head + b"beat\nline gpu a b\ngone a\ngpus\nhost 1.5 8 - 2 3 4\n"
    kinds = [type(event) for event in Reader("gpu1").feed(text)]
    assert kinds == [Snapshot, Beat, Line, JobGone, Gpus, Host]
    assert [*Reader("gpu1").feed(text)][-1] == Host(1.5, 8, None, 2, 3, 4)
    assert msgspec.structs.asdict([*Reader("gpu1").feed(text)][2]) == {"need": "gpu", "ids": ("a", "b")}
