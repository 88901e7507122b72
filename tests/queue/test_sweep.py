"""Which tasks a sweep has, and that each task's words reach its command byte for byte, in each kind of sh."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsh.errors import MlshError, RefusedInput, UsageError
from mlsh.jobs import sweep
from mlsh.jobs.sweep import Task
from mlsh.records import Spec
from tests.bed.requirements import not_possible_here

SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
# As array.sh and command.sh read a line of the list: fields, assignments, then the command.
READ = r"""
tab=$(printf '\t')
mlsh_tab=$tab
mlsh_nl='
'
while IFS=$tab read -r number given words; do
    (
        eval "export $given"
        eval "set -- ${words#exec }"
        printf '%s\0%s\0' "$number" "$#"
        printf '%s\0' "$@" "$MLSH_PARAMS"
        eval "printf '%s\0' $SHOW"
    )
done
"""
words = st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])), min_size=1, max_size=4)
values = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Zs", "Co", "Cn"]), max_size=8)


def read_back(shell: list[str], listing: bytes, names: Sequence[str]) -> list[list[str]]:
    if shutil.which(shell[0]) is None:
        not_possible_here("This test", f"there is no {shell[0]} here")
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "SHOW": " ".join(f'"${name}"' for name in names)}
    ran = subprocess.run([*shell, "-c", READ], input=listing, env=env, capture_output=True, check=True)
    assert ran.stderr == b""
    told = [os.fsdecode(word) for word in ran.stdout.split(b"\0")[:-1]]
    tasks = []
    while told:
        size = 2 + int(told[1]) + 1 + len(names)
        tasks.append([told[0], *told[2:size]])
        told = told[size:]
    return tasks


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(argv=words, lr=st.lists(values, min_size=1, max_size=3), mark=values)
def test_every_byte_of_every_word_and_value_reaches_the_task(
    shell: list[str], argv: list[str], lr: list[str], mark: str
) -> None:
    tasks = [Task(number, {"lr": value, "mark": mark}) for number, value in enumerate(lr)]
    argv = [*argv, "{lr}|{mark}|{task}|{other}"]
    told = read_back(shell, sweep.listing(argv, tasks), ["lr", "mark"])
    # A number where a placeholder stood by chance in a random word is replaced as well.
    wanted = [
        [str(task.number), *sweep.words_of(argv, task), sweep.describe(task), task.params["lr"], mark] for task in tasks
    ]
    assert told == wanted


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_odd_words_stay_what_they_are(shell: list[str]) -> None:
    odd = [
        "a\tb",
        "a\n\nb\n",
        "\t",
        "\n",
        "it's",
        '"',
        "$HOME `id` \\",
        "-n",
        "*",
        "",
        " ",
        "ünï一\U0001f600",
        "\\t\\n",
        "é\n'\t",
    ]
    [told] = read_back(shell, sweep.listing(odd, [Task(7, {"lr": "it's \\ $x"})]), ["lr"])
    assert told == ["7", *odd, "lr=it's \\ $x", "it's \\ $x"]


def test_a_grid_has_each_value_with_each_and_the_last_runs_fastest() -> None:
    found = sweep.sweep(["lr=1e-3,1e-4", "seed=0..2"], "grid", 4, 0)
    assert [tuple(task.params.values()) for task in found.tasks] == [
        ("1e-3", "0"), ("1e-3", "1"), ("1e-3", "2"), ("1e-4", "0"), ("1e-4", "1"), ("1e-4", "2"),
    ]  # fmt: skip
    assert [task.number for task in found.tasks] == list(range(6))
    assert found.at_once == 4


def test_zip_takes_the_first_with_the_first() -> None:
    found = sweep.sweep(["lr=1,2", "name=a,b"], "zip", 0, 0)
    assert [dict(task.params) for task in found.tasks] == [{"lr": "1", "name": "a"}, {"lr": "2", "name": "b"}]
    with pytest.raises(UsageError, match="lr has 2, name has 3"):
        sweep.sweep(["lr=1,2", "name=a,b,c"], "zip", 0, 0)


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    wanted=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_random_sweep_is_a_sample_of_the_grid_and_the_same_for_a_seed(
    sizes: list[int], wanted: int, seed: int
) -> None:
    axes = [f"v{axis}={','.join(str(number) for number in range(size))}" for axis, size in enumerate(sizes)]
    found = sweep.sweep(axes, f"random:{wanted}", 0, seed)
    assert found == sweep.sweep(axes, f"random:{wanted}", 0, seed)
    total = 1
    for size in sizes:
        total *= size
    rows = [tuple(task.params.values()) for task in found.tasks]
    assert len(rows) == len(set(rows)) == min(wanted, total)
    if total <= 2000:
        assert set(rows) <= {tuple(task.params.values()) for task in sweep.sweep(axes, "grid", 0, 0).tasks}


def test_a_random_sweep_of_a_grid_that_is_far_too_large_is_possible() -> None:
    axes = [f"v{axis}=0..9999" for axis in range(6)]
    assert len(sweep.sweep(axes, "random:50", 0, 1).tasks) == 50
    with pytest.raises(UsageError, match="10000 is the most"):
        sweep.sweep(axes, "grid", 0, 0)


@pytest.mark.parametrize(
    ("text", "numbers", "at_once"),
    [("0-3", [0, 1, 2, 3], 0), ("0-99%4", list(range(100)), 4), ("1,3,7-9", [1, 3, 7, 8, 9], 0),
     ("0-10:5", [0, 5, 10], 0), ("7", [7], 0), ("0-9999", list(range(10000)), 0)],
)  # fmt: skip
def test_numbers_are_read_as_slurm_reads_them(text: str, numbers: list[int], at_once: int) -> None:
    found = sweep.array(text)
    assert ([task.number for task in found.tasks], found.at_once) == (numbers, at_once)


@pytest.mark.parametrize(
    "text",
    ["", "a", "3-1", "0-9:0", "1,1", "0-5,3", "0-10000", "0-3%0", "0-3%", "0-3%x", "-1", "1-", "0-3%10001", "٣",
     "0-9999,10001"],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        sweep.array(text)
    assert len(refused.value.what) < 200


@pytest.mark.parametrize(
    "text",
    ["lr", "=1", "lr=", "1r=2", "a-b=1", "PATH=1", "LD_PRELOAD=x", "UID=1,2", "BASH_ENV=x", "MLSH_TASK_ID=1", "_=1",
     "CUDA_VISIBLE_DEVICES=0,1", "mlsh_tree=/", "seed=5..1", "seed=0..99999", "x=a\tb", "x=a\nb", "x=\x1b[2J", "é=1"],
)  # fmt: skip
def test_axes_that_can_not_be_are_refused(text: str) -> None:
    with pytest.raises((UsageError, RefusedInput)) as refused:
        sweep.sweep([text], "grid", 0, 0)
    assert isinstance(refused.value, MlshError)
    assert refused.value.what.isprintable()


def test_one_name_is_one_axis() -> None:
    with pytest.raises(UsageError, match="lr is given twice"):
        sweep.sweep(["lr=1", "lr=2"], "grid", 0, 0)


def test_a_parameter_called_task_is_what_its_placeholder_shows() -> None:
    assert sweep.words_of(["{task}-{x}-{task}"], Task(0, {"task": "5"})) == ["5-{x}-5"]
    assert sweep.words_of(["{task}", "{{task}}", "{task"], Task(3, {})) == ["3", "{3}", "{task"]


@given(st.integers(1, 300), st.data())
def test_what_is_run_again_has_the_numbers_and_parameters_that_it_had(count: int, data: st.DataObject) -> None:
    spec = Spec("bcdfghjk", ["x"], "gpu1", 0.0, sweep=[f"seed=1..{count}"], only=[])
    only = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    again = Spec("bcdfghjm", ["x"], "gpu1", 0.0, sweep=spec.sweep, only=sorted(only))
    first = {task.number: task for task in sweep.tasks_of(spec).tasks}
    assert sweep.tasks_of(again).tasks == [first[number] for number in sorted(only)]
    assert len(sweep.whole(again).tasks) == count


def test_the_500th_of_1000_that_failed_is_found_by_its_number(tmp_path: Path) -> None:
    from mlsh.jobs.again import only_failed
    from mlsh.jobs.standing import counts
    from mlsh.jobs.tasks import parse_array
    from mlsh.records import State, to_json

    spec = Spec("bcdfghjk", ["x", "{seed}"], "gpu1", 0.0, sweep=["seed=1..1000"])
    state = '{"state":"FAILED","id":"bcdfghjk","tasks":"0 0 999 1 0"}'
    one = '{{"state":"{}","id":"bcdfghjk-{}"}}'
    lines = [one.format("FAILED" if number == 499 else "SUCCEEDED", number) for number in range(1000)]
    answer = b"box 5 gpu1 b\n" + to_json(spec) + f"\n{state}\n".encode() + "\n".join(lines).encode() + b"\nend\n"
    array = parse_array("gpu1", answer)
    assert counts(array.job) is not None
    assert only_failed(array.job, array.tasks).only == [499]
    assert array.tasks[499].params == {"seed": "500"}
    assert array.tasks[499].spec.argv == ["x", "500"]
    assert State is type(array.tasks[0].state)
