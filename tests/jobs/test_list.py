"""The list of a box's jobs: whole, right after every change, and cheap with many old jobs."""

import json
from pathlib import Path

from tests.bed import Box, Laptop, wait_for

COUNT = 40


def listed(laptop: Laptop) -> dict[str, str]:
    lines = laptop.run("ps", "-a", "--json", "--on", "fresh").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["id"] for row in rows}) == len(rows), "a job is listed twice"
    return {row["id"]: row["state"] for row in rows}


def many_jobs(laptop: Laptop, box: Box) -> Path:
    """COUNT ended jobs, copies of one that ran; returns the folder of jobs."""
    laptop.add(box)
    first = laptop.run("run", "-d", "--no-code", "--on", "fresh", "-n", "first", "--", "true").stdout.strip()
    laptop.run("wait", first)
    box.sh(f"""cd .mlsh/jobs; for n in $(seq 10 {COUNT + 8}); do new=zzzzzz$n
        cp -r {first} $new; sed -i "s/{first}/$new/" $new/spec.json $new/state.json; done""")
    return box.path("~/.mlsh/jobs")


def test_jobs_stay_listed_once_when_they_move_to_the_list_of_ended_ones(laptop: Laptop, fresh_box: Box) -> None:
    jobs = many_jobs(laptop, fresh_box)
    running = laptop.run("run", "-d", "--no-code", "--on", "fresh", "--", "sleep", "600").stdout.strip()
    before = listed(laptop)
    ended = jobs.parent / "ended.list"
    wait_for(ended.exists, 10, "the list of ended jobs")
    assert len(ended.read_text().splitlines()) == COUNT + 2  # its index, and its end
    assert listed(laptop) == before
    assert len(before) == COUNT + 1
    assert before[running] in {"PENDING", "RUNNING"}
    laptop.run("cancel", running)
    assert listed(laptop) == {**before, running: "CANCELLED"}


def test_a_removed_job_is_gone_from_the_list(laptop: Laptop, fresh_box: Box) -> None:
    jobs = many_jobs(laptop, fresh_box)
    before = listed(laptop)
    wait_for((jobs.parent / "ended.list").exists, 10, "the list of ended jobs")
    laptop.run("rm", "-y", "--on", "fresh", "zzzzzz12", "zzzzzz13")
    left = {job: state for job, state in before.items() if job not in {"zzzzzz12", "zzzzzz13"}}
    assert listed(laptop) == left
    assert len(left) == COUNT - 2


def test_a_list_that_is_lost_or_torn_costs_nothing(laptop: Laptop, fresh_box: Box) -> None:
    jobs = many_jobs(laptop, fresh_box)
    before = listed(laptop)
    ended = jobs.parent / "ended.list"
    wait_for(ended.exists, 10, "the list of ended jobs")
    ended.unlink()
    assert listed(laptop) == before
    wait_for(ended.exists, 10, "the list of ended jobs")
    fresh_box.fill_disk()
    laptop.run("rm", "-y", "--on", "fresh", "zzzzzz12", check=False)
    fresh_box.free_disk()
    now = listed(laptop)
    assert {job: now[job] for job in now if job != "zzzzzz12"} == {
        job: before[job] for job in before if job != "zzzzzz12"
    }
