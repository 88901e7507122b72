"""rm, prune and listings: what a job needs stays, what none needs goes, and a look costs little."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import asked, folder, log, start, state, until, until_says

OLD_S = 3 * 86400


@pytest.fixture
def project(laptop: Laptop, fresh_box: Box) -> Path:
    laptop.add(fresh_box)
    return laptop.project({"train.py": "print('trained')\n", "data.bin": "x" * 100_000})


def snapshots(box: Box) -> set[str]:
    return set(
        box.sh("git --git-dir=$(echo .mlsh/repos/*.git) for-each-ref --format='%(refname:lstrip=2)'").stdout.split()
    )


def grow_old(box: Box) -> None:
    """Let the snapshots' references be three days old."""
    for path in box.path("~/.mlsh/repos").glob("*/refs/mlsh/*"):
        os.utime(path, (time.time() - OLD_S,) * 2)


def commit_of(box: Box, job: str) -> str:
    found: str = json.loads((folder(box, job) / "spec.json").read_text())["code"]["commit"]
    return found


def test_a_running_job_is_kept_and_an_ended_one_leaves_nothing(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    odd = "mkdir -p 'a b/-rf' \"$(printf 'new\\nline')\" && touch 'a b/-rf/caf\u00e9' ./-n"
    odd += " && mkdir ro ro/in && touch ro/in/x"
    done = start(
        laptop, "fresh", f"{odd}; ln -s ~/precious link; ln -s .. up; chmod -R a-w ro; chmod 000 ro/in", cwd=project
    )
    fresh_box.write("~/precious/file", "mine", 0o400)
    running = start(laptop, "fresh", "echo up; sleep 100", cwd=project)
    until(fresh_box, done, "SUCCEEDED")
    until_says(fresh_box, running, "up")
    ran = laptop.run("rm", "-y", done, running, check=False)
    assert ran.returncode == 75
    assert f"first: mlsh cancel {running}" in ran.stderr
    assert not folder(fresh_box, done).exists()
    assert not fresh_box.path(f"~/.mlsh/trees/{done}").exists()
    assert fresh_box.path("~/precious/file").stat().st_mode & 0o777 == 0o400
    assert asked(laptop, running)["state"] == "RUNNING"
    assert fresh_box.path(f"~/.mlsh/trees/{running}/train.py").exists()
    assert [*fresh_box.path("~/.mlsh/jobs").glob(".*")] == []
    listed = fresh_box.sh("git --git-dir=$(echo .mlsh/repos/*.git) worktree list --porcelain").stdout
    assert (done in listed, running in listed) == (False, True)


def test_a_tree_whose_git_was_replaced_by_the_job_is_removed_and_nothing_beside_it(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    fresh_box.sh("git init -q mine && cd mine && git -c user.name=a -c user.email=b commit -q --allow-empty -m mine")
    script = 'rm .git && echo "gitdir: $HOME/mine/.git" >.git && mkdir kept'
    job = start(laptop, "fresh", script, cwd=project)
    other = start(laptop, "fresh", "rm -rf ../$MLSH_JOB_ID; ln -s ~/mine ../$MLSH_JOB_ID", cwd=project)
    for each in (job, other):
        until(fresh_box, each, "SUCCEEDED")
    laptop.run("rm", "-y", job, other)
    assert not fresh_box.path(f"~/.mlsh/trees/{job}").exists()
    assert not fresh_box.path(f"~/.mlsh/trees/{other}").is_symlink()
    assert "mine" in fresh_box.sh("git -C mine log --oneline").stdout
    assert not fresh_box.path("~/mine/.git/mlsh.lock").exists()


def test_prune_drops_old_snapshots_that_no_job_needs_and_no_other(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    first = start(laptop, "fresh", "true", cwd=project)
    (project / "data.bin").write_text("y" * 100_000)
    second = start(laptop, "fresh", "true", cwd=project)
    (project / "data.bin").write_text("z" * 100_000)
    third = start(laptop, "fresh", "true", cwd=project)
    for job in (first, second, third):
        until(fresh_box, job, "SUCCEEDED")
    commits = [commit_of(fresh_box, job) for job in (first, second, third)]
    laptop.run("rm", "-y", first, third)
    laptop.run("prune", "-y", "--on", "fresh")
    assert set(commits) <= snapshots(fresh_box)  # young ones may be for a launch that is under way
    laptop.run("prune", "-y", "--on", "fresh")
    assert set(commits) <= snapshots(fresh_box)
    grow_old(fresh_box)
    laptop.run("prune", "-y", "--on", "fresh")
    assert snapshots(fresh_box) == {commits[1]}
    retried = laptop.run("retry", "-d", second).stdout.split()[-1]
    assert until(fresh_box, retried, "SUCCEEDED")
    (project / "data.bin").write_text("x" * 100_000)
    ran = laptop.run("run", "--on", "fresh", "--", "head", "-c", "3", "data.bin", cwd=project)
    assert ran.stdout == "xxx"


def test_prune_while_jobs_are_launched_loses_none(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    job = start(laptop, "fresh", "true", cwd=project)
    until(fresh_box, job, "SUCCEEDED")
    laptop.run("rm", "-y", job)
    fresh_box.sh(
        "lib=$(echo .mlsh/lib/*); (while [ ! -e enough ]; do touch -d '3 days ago' .mlsh/repos/*/refs/mlsh/*; "
        "sh $PWD/$lib/prune.sh; echo again >>pruned; done) </dev/null >/dev/null 2>&1 &"
    )
    launched = []
    for number in range(6):
        (project / "data.bin").write_text(str(number % 2) * 100_000)
        launched.append((start(laptop, "fresh", "head -c 3 data.bin", cwd=project), str(number % 2) * 3))
    fresh_box.write("~/enough", "")
    for job, data in launched:
        until(fresh_box, job, "SUCCEEDED")
        assert log(fresh_box, job) == data
    assert len(fresh_box.path("~/pruned").read_text().split()) >= 2


def test_prune_keeps_the_scripts_that_a_running_job_needs(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    job = start(laptop, "fresh", "echo up; sleep 100", options=("--time", "1h"))
    until_says(fresh_box, job, "up")
    [lib] = fresh_box.path("~/.mlsh/lib").glob("[0-9a-f]*")
    fresh_box.sh(
        f"cp -r .mlsh/lib/{lib.name} .mlsh/lib/0123456789ab && cp -r .mlsh/lib/{lib.name} .mlsh/lib/ba9876543210"
    )
    prune = "sh $HOME/.mlsh/lib/0123456789ab/prune.sh"
    fresh_box.sh(prune)
    assert sorted(path.name for path in lib.parent.iterdir()) == sorted(["0123456789ab", lib.name])
    elsewhere = state(fresh_box, job) | {"node": "node7"}
    laptop.run("cancel", "--grace", "0", job)
    own = (folder(fresh_box, job) / "state.json").read_text()
    (folder(fresh_box, job) / "state.json").write_text(json.dumps(elsewhere, separators=(",", ":")) + "\n")
    fresh_box.sh(prune)
    assert lib.exists()
    (folder(fresh_box, job) / "state.json").write_text(own)
    # The last process that was started by these scripts may be just about to end.
    wait_for(lambda: fresh_box.sh(prune) and not lib.exists(), 15, "the end of scripts that nothing needs")


def many(box: Box, job: str, count: int) -> None:
    """Copies of an ended job, as a year of work leaves them; ten of them run on another node."""
    box.sh(
        f"cd .mlsh/jobs; for i in $(seq 100 {99 + count}); do cp -r {job} bcdfg$i; "
        f'sed -i "s/{job}/bcdfg$i/" bcdfg$i/spec.json bcdfg$i/state.json; done; for i in $(seq 100 109); do '
        'sed -i \'s/"SUCCEEDED"/"RUNNING"/; s/"node":"fresh"/"node":"node7"/; s/"ended":[0-9]*/"ended":null/\' '
        "bcdfg$i/state.json; done"
    )


def test_hundreds_of_old_jobs_are_removed_in_calls_of_a_length_that_every_box_takes(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    done = start(laptop, "fresh", "true")
    until(fresh_box, done, "SUCCEEDED")
    many(fresh_box, done, 215)
    fresh_box.sh('sed -i \'s/"ended":[0-9][0-9]*/"ended":9/\' .mlsh/jobs/bcdfg*/state.json')
    ran = laptop.run("prune", "-y", "--explain", "--older-than", "1d", "--on", "fresh", timeout=90)
    assert "205 jobs removed" in ran.stderr
    calls = [line.split(" remove ")[1].split() for line in ran.stderr.splitlines() if " remove " in line]
    assert [len(call) for call in calls] == [200, 5]
    left = {path.name for path in fresh_box.path("~/.mlsh/jobs").iterdir()}
    assert left == {done, *(f"bcdfg{number}" for number in range(100, 110))}


def test_a_listing_of_200_jobs_starts_a_handful_of_processes(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    done = start(laptop, "fresh", "true")
    held = [start(laptop, "fresh", "sleep 100") for _ in range(2)]
    until(fresh_box, done, "SUCCEEDED")
    for job in held:
        until(fresh_box, job, "RUNNING")
    many(fresh_box, done, 200)
    # A box numbers its processes one after the other: the numbers before and after tell how many there were.
    told = fresh_box.sh("sh -c 'echo $$'; sh .mlsh/lib/*/list.sh >listing; sh -c 'echo $$'; tail -n 1 listing")
    before, after, end = told.stdout.split()
    assert end == "mlsh-end"
    assert int(after) - int(before) < 20
    rows = laptop.run("ps", "-a", "--json", "--on", "fresh").stdout.splitlines()
    assert len(rows) == 203


def test_a_job_of_another_node_is_shown_as_it_says_and_left_alone(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    job = start(laptop, "fresh", "true")
    until(fresh_box, job, "SUCCEEDED")
    many(fresh_box, job, 10)
    before = state(fresh_box, "bcdfg100")
    shown = json.loads(laptop.run("show", "--json", "bcdfg100", "--on", "fresh").stdout)
    assert (shown["state"], shown["node"]) == ("RUNNING", "node7")
    refused = laptop.run("cancel", "bcdfg100", "--on", "fresh", check=False)
    assert refused.returncode == 71
    assert "node7" in refused.stderr
    assert laptop.run("rm", "-y", "bcdfg100", "--on", "fresh", check=False).returncode == 75
    assert state(fresh_box, "bcdfg100") == before
    assert not (folder(fresh_box, "bcdfg100") / "stop").exists()


def test_what_a_cut_off_launch_left_goes_after_a_day(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    job = start(laptop, "fresh", "true")
    until(fresh_box, job, "SUCCEEDED")
    fresh_box.sh("mkdir -p .mlsh/jobs/.old.1 .mlsh/jobs/.new.2; touch -d '2 days ago' .mlsh/jobs/.old.1")
    laptop.run("prune", "-y", "--on", "fresh")
    wait_for(lambda: not fresh_box.path("~/.mlsh/jobs/.old.1").exists(), 5, "the old stage to go")
    assert fresh_box.path("~/.mlsh/jobs/.new.2").exists()
    assert folder(fresh_box, job).exists()
