"""Two boxes with one home, two laptops, and a home that an earlier version of mlsh has written."""

import json
from collections.abc import Iterator

import pytest

from tests.bed import Bed, Box, Laptop, wait_for
from tests.bed.namespace_box import NamespaceBox
from tests.bed.private_lan import root_command
from tests.jobs.life import asked, folder, log, start, state, until, until_says
from tests.queue import fake_gpus

LOOP = "until [ -e ~/go ]; do sleep 0.05; done"


@pytest.fixture
def nodes(bed: Bed) -> Iterator[tuple[Box, Box]]:
    """Two boxes of a cluster, whose home is one disk."""
    one, two = bed.boxes(["node1", "node2"])
    assert isinstance(one, NamespaceBox)
    assert isinstance(two, NamespaceBox)
    two.halt()
    root_command("mount", "--bind", str(one.root / "home"), str(two.root / "home"))
    two.boot()
    yield one, two
    two.halt()
    root_command("umount", "-l", str(two.root / "home"))
    bed.rm(two)
    bed.rm(one)


@pytest.mark.root
def test_each_node_of_a_shared_home_has_its_own_gpus_and_its_own_line(laptop: Laptop, nodes: tuple[Box, Box]) -> None:
    one, two = nodes
    for box in nodes:
        laptop.add(box)
        fake_gpus.fit(box, 1)
    first = start(laptop, "node1", LOOP, options=("--gpus", "1"))
    second = start(laptop, "node2", LOOP, options=("--gpus", "1"))
    waiting = start(laptop, "node2", "echo ran on $(hostname)", options=("--gpus", "1"))
    # The same card names on both: the locks of one node must not be the other's.
    until(one, first, "RUNNING")
    until(two, second, "RUNNING")
    until(two, waiting, "queue")
    assert state(one, first)["node"] == "node1"
    # Each node lists what runs on the other and leaves it alone, though it sees no lock of it.
    for name in ("node1", "node2"):
        told = [json.loads(line) for line in laptop.run("ps", "--on", name, "--json").stdout.splitlines()]
        assert {job["id"]: job["state"] for job in told} == {
            first: "RUNNING", second: "RUNNING", waiting: "PENDING",
        }  # fmt: skip
    refused = laptop.run("cancel", "--on", "node1", waiting, check=False)
    assert refused.returncode != 0
    assert "node2" in refused.stderr
    one.reboot()
    until_lost = lambda: asked(laptop, first)["state"] == "LOST"  # noqa: E731
    wait_for(until_lost, 15, "the job of the node that rebooted")
    assert state(two, second)["state"] == "RUNNING"
    two.sh("touch ~/go")
    until(two, waiting, "SUCCEEDED")
    assert "ran on node2" in log(two, waiting)


@pytest.mark.root
def test_two_laptops_see_one_line(bed: Bed, laptop: Laptop, fresh_box: Box) -> None:
    fake_gpus.fit(fresh_box, 1)
    laptop.add(fresh_box)
    with bed.laptop() as other:
        other.add(fresh_box)
        first = start(laptop, "fresh", f"echo up; {LOOP}", options=("--gpus", "1"))
        until_says(fresh_box, first, "up")
        theirs = [start(other, "fresh", "true", options=("--gpus", "1")) for _ in range(2)]
        mine = start(laptop, "fresh", "true", options=("--gpus", "1"))
        for job in (*theirs, mine):
            until(fresh_box, job, "queue")
        seen = [
            {json.loads(line)["id"] for line in one.run("ps", "--on", "fresh", "--json").stdout.splitlines()}
            for one in (laptop, other)
        ]
        assert seen == [{first, mine, *theirs}] * 2
        # Either may end what the other began.
        other.run("cancel", "--on", "fresh", first)
        laptop.run("cancel", "--on", "fresh", theirs[0])
        until(fresh_box, mine, "SUCCEEDED")
        assert state(fresh_box, theirs[0])["state"] in {"CANCELLED", "SUCCEEDED"}
        assert state(fresh_box, theirs[1])["state"] == "SUCCEEDED"


# As version 0.1 wrote them: no files of the queue, and no fields of it in the state.
OLD_SPEC = {"id": "b2345678", "argv": ["true"], "box": "fresh", "created": 1790000000.5, "shell": "none"}
OLD_STATE = (
    '{{"state":"{state}","id":"b2345678","phase":"","reason":"","code":{code},"node":"fresh","boot":"{boot}",'
    '"runner":{runner},"started":1790000001,"ended":{ended}}}'
)


def old_job(box: Box, **how: str) -> None:
    directory = "~/.mlsh/jobs/b2345678"
    box.write(f"{directory}/spec.json", json.dumps(OLD_SPEC) + "\n")
    box.write(f"{directory}/state.json", OLD_STATE.format(**how).ljust(511) + "\n")
    box.write(f"{directory}/job.sh", "repo=''\ncommit=''\ngrace=10\n")
    for name in ("argv", "env", "log", "alive", "started", "log.end", "log.lock"):
        box.write(f"{directory}/{name}", "an old line\n" if name == "log" else "")


def test_jobs_of_an_earlier_version_are_read_shown_and_removed(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    old_job(fresh_box, state="SUCCEEDED", code="0", boot="x", runner="null", ended="1790000009")
    assert asked(laptop, start(laptop, "fresh", "true"))["state"] in {"PENDING", "RUNNING", "SUCCEEDED"}
    told = json.loads(laptop.run("show", "--on", "fresh", "--json", "b2345678").stdout)
    assert (told["state"], told["exit_code"], told["running_s"]) == ("SUCCEEDED", 0, 8)
    assert laptop.run("logs", "--on", "fresh", "b2345678").stdout == "an old line\n"
    laptop.run("rm", "--on", "fresh", "-y", "b2345678")
    assert not folder(fresh_box, "b2345678").exists()


def test_a_job_of_an_earlier_version_that_ran_at_a_reboot_is_lost(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    old_job(fresh_box, state="RUNNING", code="null", boot="another", runner="4711", ended="null")
    told = json.loads(laptop.run("show", "--on", "fresh", "--json", "b2345678").stdout)
    assert (told["state"], told["reason"]) == ("LOST", "the box rebooted")
