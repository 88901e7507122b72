"""Arrays on real boxes: what a task is given, how many run at a time, and what their verbs do."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until
from tests.queue import fake_gpus


@pytest.fixture
def box(laptop: Laptop, fresh_box: Box) -> Box:
    laptop.add(fresh_box)
    return fresh_box


def lines(box: Box, name: str) -> list[str]:
    file = box.path(f"~/{name}")
    return file.read_text().splitlines() if file.exists() else []


def task(box: Box, job: str, number: int) -> Path:
    return folder(box, job) / "tasks" / str(number)


def tasks(laptop: Laptop, job: str, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in laptop.run("ps", "--json", *options, job).stdout.splitlines()]


def states(laptop: Laptop, job: str) -> dict[int, str]:
    return {one["task"]: one["state"] for one in tasks(laptop, job)}


def test_each_task_has_its_parameters_as_words_and_as_variables(box: Box, laptop: Laptop) -> None:
    script = (
        'printf "%s|%s|%s|%s|%s|%s|%s\\n" "$1" "$lr" "$tag" "$MLSH_PARAMS" "$MLSH_TASK_ID" "$MLSH_ARRAY_COUNT" "$0"'
    )
    job = start(laptop, "fresh", "sh", "-c", f"{script} >>~/said", "task {task}", "a\tb {lr}\n{tag}", options=(
        "--sweep", "lr=1e-3,it's", "--sweep", 'tag=é"$x', "-n", "sw"))  # fmt: skip
    assert until(box, job, "SUCCEEDED")["tasks"] == "0 0 2 0 0"
    said = box.path("~/said").read_text()
    for number, lr in enumerate(("1e-3", "it's")):
        assert f'a\tb {lr}\né"$x|{lr}|é"$x|lr={lr} tag=é"$x|{number}|2|task {number}\n' in said
    shown = laptop.run("show", "sw-1").stdout
    assert "1 of the array" in shown
    assert "tag='é\"$x'" in shown
    assert "2: 2 succeeded" in laptop.run("show", "sw").stdout
    digest = laptop.run("logs", "sw").stdout.replace("\r", "").splitlines()
    assert sorted(digest) == [
        f'task {number}  SUCCEEDED  lr={lr} tag=é"$x' for number, lr in enumerate(("1e-3", "it's"))
    ]
    [one] = tasks(laptop, "sw-1")
    assert (one["id"], one["array"], one["task"], one["params"]) == (f"{job}-1", job, 1, {"lr": "it's", "tag": 'é"$x'})


def test_no_more_tasks_run_at_a_time_than_were_asked_for(box: Box, laptop: Laptop) -> None:
    script = "echo + >>~/n; sleep 0.2; echo - >>~/n"
    job = start(laptop, "fresh", script, options=("--array", "1-12%3"))
    until(box, job, "SUCCEEDED", 40)
    running = most = 0
    for sign in lines(box, "n"):
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert (most, lines(box, "n").count("+")) == (3, 12)


def test_a_task_is_read_waited_for_and_cancelled_by_its_number(box: Box, laptop: Laptop) -> None:
    script = "echo here {task}; until [ -e ~/go ]; do sleep 0.05; done; exit {task}"
    job = start(laptop, "fresh", script, options=("--array", "0-4%1", "-n", "train"))
    wait_for(lambda: (task(box, job, 0) / "state.json").exists() and "RUNNING" in states(laptop, job)[0], 15, "task 0")
    assert laptop.run("logs", "train-0").stdout.replace("\r", "") == "here 0\n"
    late = laptop.run("logs", "@-2", check=False)
    assert late.returncode == 66
    assert f"the task 2 of {job} has not begun" in late.stderr
    none = laptop.run("logs", f"{job}-9", check=False)
    assert none.returncode == 66
    assert "has no task 9: there are 5, from 0 to 4" in none.stderr
    assert states(laptop, job) == {0: "RUNNING", 1: "PENDING", 2: "PENDING", 3: "PENDING", 4: "PENDING"}
    assert "CANCELLED: before it started" in laptop.run("cancel", f"{job[:5]}-3").stderr
    watching = laptop.spawn("wait", "train-2")
    with_log = laptop.spawn("logs", "-f", "train-1")
    box.sh("touch ~/go")
    assert watching.wait(30) == 2
    assert with_log.communicate(timeout=20)[0].replace(b"\r", b"").endswith(b"here 1\n")
    assert with_log.returncode == 1
    assert until(box, job, "FAILED", 20)["tasks"] == "0 0 1 3 1"
    assert states(laptop, job) == {0: "SUCCEEDED", 1: "FAILED", 2: "FAILED", 3: "CANCELLED", 4: "FAILED"}
    assert [one["task"] for one in tasks(laptop, "train", "--state", "failed")] == [1, 2, 4]
    assert not (task(box, job, 3) / "log").read_text()
    text = laptop.run("logs", "--tasks", "train").stdout.replace("\r", "")
    assert text.startswith("==> task 0  SUCCEEDED <==\nhere 0\n\n==> task 1  FAILED <==\nhere 1\n")
    assert laptop.run("rm", "-y", "train-2", check=False).returncode == 2
    # A job that is really called so is meant then.
    named = start(laptop, "fresh", "true", options=("-n", "train-2"))
    assert json.loads(laptop.run("show", "--json", "train-2").stdout)["id"] == named
    single = laptop.run("show", "train-2-1", check=False)
    assert single.returncode == 66
    assert "is one job, and has no tasks" in single.stderr


def test_what_failed_runs_again_with_the_numbers_that_it_had(box: Box, laptop: Laptop) -> None:
    script = 'echo "$MLSH_TASK_ID of $MLSH_ARRAY_COUNT" >>~/ran; [ {x} != 1 ] || [ -e ~/better ]'
    job = start(laptop, "fresh", script, options=("--sweep", "x=0,1", "--sweep", "y=5..6", "-n", "sw"))
    until(box, job, "FAILED", 30)
    assert sorted(lines(box, "ran")) == ["0 of 4", "1 of 4", "2 of 4", "3 of 4"]
    box.sh("touch ~/better; rm ~/ran")
    again = laptop.run("retry", "-d", "--failed", "sw").stdout.strip()
    until(box, again, "SUCCEEDED", 30)
    assert sorted(lines(box, "ran")) == ["2 of 4", "3 of 4"]
    assert [one["params"] for one in tasks(laptop, again)] == [{"x": "1", "y": "5"}, {"x": "1", "y": "6"}]
    nothing = laptop.run("retry", "-d", "--failed", again, check=False)
    assert nothing.returncode == 2
    assert "no task" in nothing.stderr
    box.sh("rm ~/ran")
    one = laptop.run("retry", "-d", f"{job}-3").stdout.strip()
    until(box, one, "SUCCEEDED", 30)
    assert lines(box, "ran") == ["3 of 4"]


def test_retry_drops_what_the_first_waited_for_and_says_so(box: Box, laptop: Laptop) -> None:
    first = start(laptop, "fresh", "true")
    until(box, first, "SUCCEEDED")
    job = start(laptop, "fresh", "true", options=("--after", first, "--begin", "1s"))
    until(box, job, "SUCCEEDED")
    laptop.run("rm", "-y", first)
    done = laptop.run("retry", "-d", job)
    assert f"--after {first}:ok, --begin: not waited for again" in done.stderr
    until(box, done.stdout.strip(), "SUCCEEDED")


def test_a_job_behind_an_array_waits_for_all_of_its_tasks(box: Box, laptop: Laptop) -> None:
    fake_gpus.fit(box, 2)
    note = "echo $MLSH_JOB_NAME-$MLSH_TASK_ID >>~/order; sleep 0.3"
    held = start(laptop, "fresh", "until [ -e ~/go ]; do sleep 0.05; done", options=("--gpus", "2"))
    until(box, held, "RUNNING")
    for name, options in (
        ("before", ("--gpus", "1")),
        ("a", ("--gpus", "1", "--array", "1-6")),
        ("after", ("--gpus", "1")),
    ):
        start(laptop, "fresh", note, options=(*options, "-n", name))
    wait_for(lambda: len(list(box.path("~/.mlsh/line/fresh/gpu").iterdir())) >= 4, 15, "all in line")
    shown = {
        one["name"]: one for one in map(json.loads, laptop.run("ps", "--json", "--on", "fresh").stdout.splitlines())
    }
    assert [shown[name]["place_in_line"] for name in ("before", "a", "after")] == [1, 2, 3]
    assert shown["after"]["waits_for"] == "1 GPU"
    table = laptop.run("ps", "--on", "fresh").stdout
    assert "[3rd in line: 1 GPU]" in table
    assert "[GPU 0,1]" in table
    box.sh("touch ~/go")
    wait_for(lambda: len(lines(box, "order")) == 8, 40, "all to have begun")
    order = lines(box, "order")
    assert order[0] == "before-"
    assert order[-1] == "after-"
    assert sorted(order[1:-1]) == [f"a-{number}" for number in range(1, 7)]


def test_cancel_ends_the_array_as_one_and_nothing_of_it_begins_later(box: Box, laptop: Laptop) -> None:
    script = "echo {task} >>~/ran; trap '' INT TERM; sleep 98761"
    job = start(laptop, "fresh", script, options=("--array", "0-19%5"))
    wait_for(lambda: len(lines(box, "ran")) == 5, 30, "five tasks")
    laptop.run("cancel", "--grace", "0", job)
    assert box.processes("^sleep 98761") == []
    # The logs' writers end by themselves.
    wait_for(lambda: not box.processes(job), 10, "nothing of it")
    assert state(box, job)["tasks"] == "0 0 0 0 20"
    assert set(states(laptop, job).values()) == {"CANCELLED"}
    box.sh("sleep 2")
    laptop.run("ps", "--on", "fresh")
    assert len(lines(box, "ran")) == 5
    laptop.run("rm", "-y", job)
    assert not folder(box, job).exists()


def test_the_setup_runs_once_and_each_task_has_a_tree_of_its_own(box: Box, laptop: Laptop) -> None:
    project = laptop.project({"train.py": "x = 1\n", "uv.lock": "1"})
    words = ["run", "--on", "fresh", "-d", "--setup", "echo x >>~/setups; echo made >made", "--array", "0-3"]
    job = laptop.run(*words, "--", "sh", "-c", "cat made >own; pwd >>~/trees", cwd=project).stdout.strip()
    until(box, job, "SUCCEEDED", 40)
    assert lines(box, "setups") == ["x"]
    assert len(set(lines(box, "trees"))) == 4
    out = laptop.run("pull", f"{job}-2", "own", "--to", str(laptop.home / "out"), check=False)
    assert out.returncode == 0, out.stderr
    assert (laptop.home / "out/own").read_text() == "made\n"
    laptop.run("rm", "-y", job)
    assert [path.name for path in box.path("~/.mlsh/trees").iterdir() if path.name.startswith(job)] == []


def test_a_secret_reaches_every_task_and_is_gone_at_the_end(box: Box, laptop: Laptop) -> None:
    words = ["run", "--on", "fresh", "-d", "--no-code", "--secret", "TOKEN", "--array", "0-5%2"]
    script = '[ "$(echo "$TOKEN" | tr a-z b-za)" = "t3ds fu" ]'
    job = laptop.run(*words, "--", "sh", "-c", script, env={"TOKEN": "s3cr et"}).stdout.strip()
    assert until(box, job, "SUCCEEDED", 30)["tasks"] == "0 0 6 0 0"
    assert box.sh("grep -rl 's3cr et' ~/.mlsh || true").stdout == ""


def test_the_digest_is_what_run_shows_and_the_first_failure_its_exit_code(box: Box, laptop: Laptop) -> None:
    words = ["run", "--on", "fresh", "--no-code", "--array", "1-4%1"]
    done = laptop.run(*words, "--", "sh", "-c", "[ {task} -lt 3 ] || exit {task}", check=False)
    assert done.returncode == 3
    said = done.stdout.replace("\r", "").splitlines()
    assert said == ["task 1  SUCCEEDED", "task 2  SUCCEEDED", "task 3  FAILED 3", "task 4  FAILED 4"]
    assert log(box, json.loads(laptop.run("show", "--json", "@").stdout)["id"]).count("task") == 4


def test_a_box_runs_more_jobs_at_once_than_a_login_may_open_files(laptop: Laptop, fresh_box: Box) -> None:
    """The tmux server has two open files for each, and at its limit it answers nobody any more."""
    laptop.add(fresh_box)
    fresh_box.write("~/.bashrc", "ulimit -Sn 40\n")
    array = start(laptop, "fresh", "ulimit -Sn; until [ -e ~/go ]; do sleep 0.2; done", options=("--array", "0-29%30"))
    try:
        wait_for(lambda: state(fresh_box, array).get("tasks", "").split()[1:2] == ["30"], 40, "all tasks to run")
        # The job itself has the limit that its login gave to it.
        assert wait_for((task(fresh_box, array, 29) / "log").read_text, 10, "the task's word").split() == ["40"]
    finally:
        fresh_box.write("~/go", "")
    until(fresh_box, array, "SUCCEEDED", 60)
