"""prune, rm, ps and a launch at the same moment: no job loses its code, and the list of jobs stays true.

The moment is chosen by a command on the box's PATH that stops half-way, or does what somebody else would just then.
"""

import os
import time
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, until
from tests.jobs.test_list import listed, many_jobs

OLD_S = 3 * 86400
STOP = "touch /home/alice/stopped; until [ -e /home/alice/go ]; do sleep 0.02; done"


@pytest.fixture
def project(laptop: Laptop, fresh_box: Box) -> Path:
    laptop.add(fresh_box)
    return laptop.project({"train.py": "print('trained')\n", "data.txt": "first"})


def grow_old(box: Box) -> None:
    """Let the snapshots be three days old, so that prune drops what no job has."""
    for path in box.path("~/.mlsh/repos").glob("*/refs/mlsh/*"):
        os.utime(path, (time.time() - OLD_S,) * 2)


def snapshots(box: Box) -> set[str]:
    return {path.name for path in box.path("~/.mlsh/repos").glob("*/refs/mlsh/*")}


def once(command: str, when: str, what: str) -> str:
    """A script for `install`: the first time that it is called with such words, something else happens first."""
    mark = f"/home/alice/{command}-once"
    return f'case "$*" in {when}) [ -e {mark} ] || {{ touch {mark}; {what}; }} ;; esac\nexec /usr/bin/{command} "$@"\n'


def prune(box: Box) -> None:
    """As `mlsh prune` does on the box, in the background."""
    box.sh("setsid sh $(echo ~/.mlsh/lib/*)/prune.sh </dev/null >~/pruned 2>&1 &")


def ended(laptop: Laptop, box: Box, project: Path) -> str:
    """A job that used the project as it is, and has succeeded."""
    job = start(laptop, box.name, "cat data.txt", cwd=project)
    until(box, job, "SUCCEEDED")
    return job


def test_a_launch_in_the_middle_of_a_prune_gets_its_code(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    laptop.run("rm", "-y", ended(laptop, fresh_box, project))
    grow_old(fresh_box)
    # prune has seen that no job has this code, and is about to drop it.
    fresh_box.install("find", once("find", "*refs/mlsh*", STOP))
    prune(fresh_box)
    wait_for(fresh_box.path("~/stopped").exists, 10, "prune to be about to drop the snapshot")
    launching = laptop.spawn("run", "--on", "fresh", "--", "cat", "data.txt", cwd=project)
    wait_for(lambda: list(fresh_box.path("~/.mlsh/jobs").glob("[a-z]*/spec.json")), 20, "the job's folder")
    fresh_box.write("~/go", "")
    out, said = launching.communicate(timeout=40)
    assert (launching.returncode, out.decode()) == (0, "first"), said
    assert fresh_box.path("~/pruned").read_text().startswith("mlsh-reply 1\nfreed")


def test_a_launch_whose_base_is_pruned_as_it_arrives_sends_what_is_missing(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    (project / "large.bin").write_bytes(os.urandom(100_000))
    laptop.run("rm", "-y", ended(laptop, fresh_box, project))
    grow_old(fresh_box)
    fresh_box.install("find", once("find", "*refs/mlsh*", STOP))
    prune(fresh_box)
    wait_for(fresh_box.path("~/stopped").exists, 10, "prune to be about to drop the snapshot")
    # The pack has only what changed, and waits for the end of the prune.
    (project / "data.txt").write_text("second")
    launching = laptop.spawn("run", "--on", "fresh", "--", "sh", "-c", "cat data.txt; wc -c <large.bin", cwd=project)
    wait_for(lambda: fresh_box.processes("flock -s 7"), 20, "the launch to wait")
    fresh_box.write("~/go", "")
    out, said = launching.communicate(timeout=40)
    assert (launching.returncode, out.decode().split()) == (0, ["second100000"]), said
    # It was missing, and not taken for damage.
    assert not list(fresh_box.path("~/.mlsh/repos").glob("*.damaged.*"))


def test_a_job_that_is_removed_while_prune_looks_costs_no_other_its_code(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    gone = ended(laptop, fresh_box, project)
    (project / "data.txt").write_text("second")
    kept = ended(laptop, fresh_box, project)
    grow_old(fresh_box)
    fresh_box.install("cat", once("cat", "*spec.json*", f"rm -rf /home/alice/.mlsh/jobs/{gone}"))
    laptop.run("prune", "-y", "--on", "fresh")
    assert not folder(fresh_box, gone).exists()
    retried = laptop.run("retry", "-d", kept).stdout.split()[-1]
    until(fresh_box, retried, "SUCCEEDED")
    assert log(fresh_box, retried) == "second"


def test_a_prune_that_can_not_look_drops_no_code(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    laptop.run("rm", "-y", ended(laptop, fresh_box, project))
    grow_old(fresh_box)
    before = snapshots(fresh_box)
    # As grep ends where there was an error: it has not said that no job has it.
    fresh_box.install("grep", 'case "$1" in -qF) exit 2 ;; esac\nexec /usr/bin/grep "$@"\n')
    laptop.run("prune", "-y", "--on", "fresh")
    assert snapshots(fresh_box) == before
    fresh_box.install("grep", 'exec /usr/bin/grep "$@"\n')
    laptop.run("prune", "-y", "--on", "fresh")
    assert snapshots(fresh_box) == set()


def test_a_list_that_goes_away_while_it_is_read_takes_no_job_out_of_sight(laptop: Laptop, fresh_box: Box) -> None:
    jobs = many_jobs(laptop, fresh_box)
    before = listed(laptop)
    path = jobs.parent / "ended.list"
    wait_for(path.exists, 10, "the list of ended jobs")
    running = start(laptop, "fresh", "sleep 600")
    # `rm` on a full disk does this, and another takes its place.
    fresh_box.install("grep", once("grep", "*-LsE*", f"rm {fresh_box.home}/.mlsh/ended.list"))
    assert set(listed(laptop)) == {*before, running}
    assert fresh_box.path("~/grep-once").exists()
    laptop.run("cancel", "--grace", "0", running)


def test_a_job_that_somebody_listed_while_it_was_removed_stays_removed(laptop: Laptop, fresh_box: Box) -> None:
    jobs = many_jobs(laptop, fresh_box)
    before = listed(laptop)
    path = jobs.parent / "ended.list"
    wait_for(path.exists, 10, "the list of ended jobs")
    # It has left the list, its folder is still there: a look that has enough to add puts it back.
    look = f"""cd jobs; for n in $(seq 10 29); do cp -r zzzzzz10 yyyyyy$n
        sed -i "s/zzzzzz10/yyyyyy$n/" yyyyyy$n/spec.json yyyyyy$n/state.json; done; cd ..
        sh {fresh_box.home}/.mlsh/lib/*/list.sh >/dev/null
        until grep -q ^zzzzzz10 ended.list; do sleep 0.02; done"""
    fresh_box.install("mv", once("mv", "*.gone.*", look))
    laptop.run("rm", "-y", "--on", "fresh", "zzzzzz10")
    assert fresh_box.path("~/mv-once").exists()
    assert set(listed(laptop)) == {*before, *(f"yyyyyy{number}" for number in range(10, 30))} - {"zzzzzz10"}
