"""A person who watches sees each change within a second, whoever makes it, and nothing stays behind."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.jobs.life import folder, start, state, until
from tests.watch.seen import Seen, watchers


@pytest.fixture
def seen(laptop: Laptop, gpu1: Box, tmp_path: Path) -> Iterator[Seen]:
    laptop.add(gpu1)
    watch = Seen(laptop, tmp_path, "gpu1")
    watch.until_event("watching")
    yield watch
    watch.end()


def test_a_job_is_seen_from_launch_to_removal_within_a_second(laptop: Laptop, gpu1: Box, seen: Seen) -> None:
    job = start(laptop, "gpu1", "until [ -e ~/go ]; do sleep 0.05; done; exit 3", options=("-n", "one"))
    assert seen.until(job, "RUNNING") < 2
    gpu1.write("~/go", "")
    until(gpu1, job, "FAILED")
    assert seen.until(job, "FAILED") < 1
    told = [one for one in seen.events() if one.get("id") == job][-1]
    assert (told["name"], told["box"], told["exit_code"]) == ("one", "gpu1", 3)
    laptop.run("rm", "-y", job)
    assert seen.until(job, "GONE") < 1
    assert seen.of(job).count("FAILED") == 1
    assert seen.end() == 0


def test_what_another_laptop_does_is_seen(laptop: Laptop, gpu1: Box, seen: Seen) -> None:
    job = start(laptop, "gpu1", "sleep 600")
    seen.until(job, "RUNNING")
    laptop.run("cancel", "--on", "gpu1", job, env={"XDG_STATE_HOME": str(laptop.home / "other")})
    assert seen.until(job, "CANCELLED") < 1


def test_a_runner_that_was_killed_is_seen_though_nobody_tells(laptop: Laptop, gpu1: Box, seen: Seen) -> None:
    job = start(laptop, "gpu1", "sleep 600")
    seen.until(job, "RUNNING")
    gpu1.sh(f"kill -9 {state(gpu1, job)['runner']}")
    seen.until(job, "LOST", 15)
    gpu1.sh("pkill -9 -x sleep", check=False)


def test_folders_that_come_and_go_without_a_word_are_seen(laptop: Laptop, gpu1: Box, seen: Seen) -> None:
    job = start(laptop, "gpu1", "true")
    seen.until(job, "SUCCEEDED")
    gpu1.sh(f"cd ~/.mlsh/jobs && mv {job} ../away")
    seen.until(job, "GONE", 15)
    gpu1.sh(f"cd ~/.mlsh/jobs && mv ../away {job}")
    seen.until(job, "SUCCEEDED", 15)


def test_the_file_of_changes_may_be_cut_at_any_time(laptop: Laptop, gpu1: Box, seen: Seen) -> None:
    changed = next(gpu1.path("~/.mlsh/nodes").glob("*.changes"))
    start(laptop, "gpu1", "true")
    gpu1.sh(f": >~/.mlsh/nodes/{changed.name}")
    assert seen.until(start(laptop, "gpu1", "true"), "SUCCEEDED") < 5
    before = seen.count("watching")
    gpu1.sh(f"yes bcdfg234 | head -c 1200000 >>~/.mlsh/nodes/{changed.name}")
    # Whoever begins to watch shortens it, and tells the others.
    other = laptop.spawn("ps", "-w", "--on", "gpu1", stdout=-3, stderr=-3)
    wait_for(lambda: changed.stat().st_size < 1000, 15, "the file to be begun anew")
    seen.until_event("watching", before + 1)
    assert seen.until(start(laptop, "gpu1", "true"), "SUCCEEDED") < 5
    other.send_signal(signal.SIGINT)
    other.wait(15)


def test_a_change_of_another_node_of_a_shared_home_is_seen(laptop: Laptop, gpu1: Box, seen: Seen) -> None:
    job = start(laptop, "gpu1", "true")
    seen.until(job, "SUCCEEDED")
    file = folder(gpu1, job) / "state.json"
    theirs = file.read_text().replace('"SUCCEEDED"', '"RUNNING"').replace('"node":"gpu1"', '"node":"node7"')
    file.write_text(theirs)
    gpu1.write("~/.mlsh/nodes/node7.changes", f"{job}\n")
    before = seen.count("watching")
    # A node that was never heard of: all is looked at again.
    seen.until_event("watching", before + 1)
    seen.until(job, "RUNNING")
    file.write_text(theirs.replace('"RUNNING"', '"CANCELLED"'))
    gpu1.sh(f"echo {job} >>~/.mlsh/nodes/node7.changes")
    assert seen.until(job, "CANCELLED") < 2
    gpu1.sh("rm ~/.mlsh/nodes/node7.changes")


def test_two_hundred_jobs_at_once_are_all_seen(laptop: Laptop, gpu1: Box, seen: Seen) -> None:
    first = start(laptop, "gpu1", "true")
    seen.until(first, "SUCCEEDED")
    script = f"""cd ~/.mlsh/jobs; n=0; while [ $n -lt 200 ]; do
        new=b$(printf %07d $n | tr 0189 yzcd); cp -r {first} .new; mv .new $new
        sed -i "s/{first}/$new/" $new/spec.json $new/state.json; echo $new >>../nodes/gpu1.changes
        n=$((n + 1)); done; ls -d b* | wc -l"""
    made = int(gpu1.sh(script, timeout=60).stdout)

    def all_there() -> bool:
        return len({one["id"] for one in seen.events() if one["event"] == "job" and one["id"][0] == "b"}) >= made

    wait_for(all_there, 40, "all jobs")
    gpu1.sh("cd ~/.mlsh/jobs && rm -rf b*; rm -f ../ended.list")
    wait_for(lambda: seen.count("gone") >= made, 40, "all to be gone")


def test_nothing_is_left_on_the_box_when_the_laptop_is_gone(laptop: Laptop, gpu1: Box, tmp_path: Path) -> None:
    laptop.add(gpu1)
    for end in (signal.SIGINT, signal.SIGKILL):
        watch = Seen(laptop, tmp_path, "gpu1")
        watch.until_event("watching")
        assert watchers(gpu1)
        watch.process.send_signal(end)
        watch.process.wait(10)
        wait_for(lambda: not watchers(gpu1), 10, "the end of the watch on the box")


@pytest.mark.slow
def test_a_watch_of_a_quiet_box_costs_next_to_nothing(
    laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy], tmp_path: Path
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, alias="far", via=proxy)
    jobs = [start(laptop, "far", "sleep 60") for _ in range(3)]
    watch = Seen(laptop, tmp_path, "far")
    watch.until_event("watching")
    for job in jobs:
        watch.until(job, "RUNNING")
    time.sleep(3)
    before, seconds = (proxy.bytes_down, proxy.bytes_up), 12
    time.sleep(seconds)
    down, up = proxy.bytes_down - before[0], proxy.bytes_up - before[1]
    assert (down + up) / seconds < 1000, f"{down} down, {up} up in {seconds} s"
    laptop.run("cancel", *jobs)
    watch.end()
