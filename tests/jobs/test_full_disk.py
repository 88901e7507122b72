"""Full and read-only disks: a clear word, nothing half-made, and nobody else's job harmed."""

from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import asked, folder, log, start, state, until, until_says

pytestmark = pytest.mark.root

NOISY = (
    "echo up; while [ ! -e ~/go ]; do head -c 20000 /dev/zero | tr '\\0' x; echo; sleep 0.02; done; echo last; exit 3"
)


@pytest.fixture
def project(laptop: Laptop, fresh_box: Box) -> Path:
    laptop.add(fresh_box)
    return laptop.project({"train.py": "print('trained')\n", "notes/data.txt": "x" * 300_000})


def made(box: Box) -> list[str]:
    """All jobs, stages and worktrees on the box."""
    home = box.path("~/.mlsh")
    return sorted(str(path.relative_to(home)) for where in ("jobs", "trees") for path in (home / where).glob("*")) + [
        str(path.relative_to(home)) for where in ("jobs", "lib", "repos") for path in (home / where).glob(".*")
    ]


def refused(laptop: Laptop, project: Path, *words: str) -> str:
    ran = laptop.run("run", "--on", "fresh", "-d", *words, "--", "true", cwd=project, check=False)
    assert ran.returncode == 71, ran.stderr
    return ran.stderr


def test_a_launch_on_a_full_disk_is_refused_with_the_reason_and_leaves_nothing(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    running = start(laptop, "fresh", "echo up; while [ ! -e ~/go ]; do sleep 0.1; done; exit 3", cwd=project)
    until_says(fresh_box, running, "up")
    before = made(fresh_box)
    for left_kib in (0, 4, 16):
        fresh_box.fill_disk(left_kib)
        (project / "new.txt").write_text("y" * 40_000 + str(left_kib))
        for words in ((), ("--no-code",)):
            said = refused(laptop, project, *words)
            assert "is full" in said
            assert "ssh fresh df -h" in said
            assert made(fresh_box) == before
    fresh_box.free_disk()
    fresh_box.write("~/go", "")
    assert until(fresh_box, running, "FAILED")["code"] == 3
    laptop.run("run", "--on", "fresh", "--", "true", cwd=project)


def test_a_first_launch_on_a_full_disk_is_refused_with_the_reason(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    fresh_box.fill_disk()
    assert "is full" in refused(laptop, project)
    fresh_box.fill_disk(20)
    assert "is full" in refused(laptop, project)
    assert made(fresh_box) == []
    fresh_box.free_disk()
    laptop.run("run", "--on", "fresh", "--", "true", cwd=project)


def test_a_read_only_home_is_named_with_the_setting_that_helps(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    fresh_box.read_only_home()
    said = refused(laptop, project)
    assert "read-only" in said
    assert "[boxes.fresh]" in said
    fresh_box.writable_home()
    laptop.run("run", "--on", "fresh", "--", "true", cwd=project)
    fresh_box.read_only_home()
    (project / "new.txt").write_text("new")
    for words in ((), ("--no-code",)):
        assert "read-only" in refused(laptop, project, *words)


def test_a_log_goes_on_when_there_is_room_again_and_says_that_some_is_missing(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    job = start(laptop, "fresh", NOISY)
    until_says(fresh_box, job, "up")
    fresh_box.fill_disk(64)
    wait_for((folder(fresh_box, job) / "log.gap").exists, 15, "the log to meet the full disk")
    fresh_box.free_disk()
    size = (folder(fresh_box, job) / "log").stat().st_size
    wait_for(lambda: (folder(fresh_box, job) / "log").stat().st_size > size, 10, "the log to go on")
    fresh_box.write("~/go", "")
    assert until(fresh_box, job, "FAILED")["code"] == 3
    assert laptop.run("logs", "-f", job, check=False).returncode == 3
    wait_for((folder(fresh_box, job) / "log.end").exists, 5, "the log's end")
    assert log(fresh_box, job).endswith(
        "last\n\nmlsh: the disk was full for a while, and some output is missing above\n"
    )


def test_jobs_that_end_on_a_full_disk_say_how(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    fails = start(laptop, "fresh", "echo up; while [ ! -e ~/go ]; do sleep 0.1; done; exit 3", cwd=project)
    cancelled = start(laptop, "fresh", "echo up; sleep 100", cwd=project)
    killed = start(laptop, "fresh", "echo up; sleep 100")
    noisy = start(laptop, "fresh", NOISY)
    for job in (fails, cancelled, killed, noisy):
        until_says(fresh_box, job, "up")
    fresh_box.write("~/go.hidden", "")
    wait_for(lambda: (folder(fresh_box, noisy) / "log").stat().st_size > 100_000, 10, "some output")
    fresh_box.fill_disk(400)  # which the noisy job takes
    wait_for((folder(fresh_box, noisy) / "log.gap").exists, 15, "the log to meet the full disk")
    laptop.run("cancel", cancelled)
    assert state(fresh_box, cancelled)["state"] == "CANCELLED"
    fresh_box.sh(f"kill -9 {state(fresh_box, killed)['runner']}")
    wait_for(lambda: asked(laptop, killed)["state"] == "LOST", 10, "LOST")
    assert not (folder(fresh_box, killed) / "secret").exists()
    fresh_box.sh("mv go.hidden go")
    assert until(fresh_box, fails, "FAILED")["code"] == 3
    assert until(fresh_box, noisy, "FAILED")["code"] == 3
    assert asked(laptop, fails)["state"] == "FAILED"


def test_a_disk_that_fills_up_during_the_checkout_is_the_reason_and_gets_its_room_back(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    laptop.run("run", "--on", "fresh", "--", "true", cwd=project)
    fresh_box.fill_disk(220)
    ran = laptop.run("run", "--on", "fresh", "--", "true", cwd=project, check=False)
    assert ran.returncode == 1
    assert "FAILED: the code could not be checked out: the disk is full" in ran.stderr
    assert len([*fresh_box.path("~/.mlsh/trees").iterdir()]) == 1  # the first job's
