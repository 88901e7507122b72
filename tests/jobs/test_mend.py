"""A box's copy of the code that is damaged mends itself: nothing is lost, and no job runs other code."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until, until_says

REPO = "~/.mlsh/repos/project.git"
SAID = "fresh: its copy of this code was damaged; sending all of it again"


@pytest.fixture
def project(laptop: Laptop, fresh_box: Box) -> Path:
    """A project of which one job has run on the box."""
    laptop.add(fresh_box)
    project = laptop.project({"train.py": "print('trained')\n", "data/a": "a" * 3000, "data/b": "b" * 3000})
    laptop.run("run", "--on", "fresh", "--", "true", cwd=project)
    return project


def objects(box: Box) -> list[Path]:
    found = [path for path in box.path(f"{REPO}/objects").rglob("*") if path.is_file() and path.suffix != ".idx"]
    for path in found:
        path.chmod(0o600)
    return found


def remove_blobs(box: Box) -> None:
    """Remove every object but commits: what a ref names is still there."""
    box.sh(
        "cd .mlsh/repos/project.git; git cat-file --batch-all-objects --batch-check | grep -v commit | cut -c 1-40 | "
        "while read -r name; do rm -f objects/$(echo $name | cut -c 1-2)/$(echo $name | cut -c 3-); done"
    )


def cut_objects(box: Box) -> None:
    """Cut every file of objects short, as a disk does that lost its power."""
    for path in objects(box):
        path.write_bytes(path.read_bytes()[:20])


def empty_objects(box: Box) -> None:
    for path in objects(box):
        path.write_bytes(b"")


def pack_then_damage(box: Box) -> None:
    """Have git put all into one pack, and spoil bytes in the middle of it."""
    box.sh("git --git-dir=.mlsh/repos/project.git -c gc.packRefs=false gc -q --prune=now")
    [pack] = [path for path in objects(box) if path.suffix == ".pack"]
    data = bytearray(pack.read_bytes())
    data[20:-30] = bytes(len(data) - 50)
    pack.write_bytes(data)


def lose_refs_and_head(box: Box) -> None:
    box.path(f"{REPO}/HEAD").unlink()


ways = pytest.mark.parametrize(
    "damage", [remove_blobs, cut_objects, empty_objects, pack_then_damage, lose_refs_and_head]
)


def asides(box: Box) -> list[str]:
    return sorted(path.name for path in box.path("~/.mlsh/repos").glob("*.damaged.*"))


@ways
def test_a_run_of_code_that_the_box_had_gets_through_with_one_line(
    laptop: Laptop, fresh_box: Box, project: Path, damage: Callable[[Box], None]
) -> None:
    damage(fresh_box)
    ran = laptop.run("run", "--on", "fresh", "--", "python3", "train.py", cwd=project)
    assert ran.stdout == "trained\r\n"
    assert ran.stderr.count(SAID) == 1
    assert asides(fresh_box) == ["project.git.damaged.1"]
    again = laptop.run("run", "--on", "fresh", "--", "python3", "train.py", cwd=project)
    assert (again.stdout, again.stderr) == ("trained\r\n", "")


@ways
def test_changed_code_that_builds_on_what_is_damaged_gets_through(
    laptop: Laptop, fresh_box: Box, project: Path, damage: Callable[[Box], None]
) -> None:
    damage(fresh_box)
    (project / "train.py").write_text("print('changed')\n")
    ran = laptop.run("run", "--on", "fresh", "--", "python3", "train.py", cwd=project)
    assert ran.stdout == "changed\r\n"
    assert ran.stderr.count(SAID) == 1


def test_much_changed_code_that_builds_on_what_is_damaged_gets_through(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    remove_blobs(fresh_box)
    for number in range(300):
        (project / f"new{number}").write_text(f"{number}\n" * 200)
    ran = laptop.run("run", "--on", "fresh", "--", "cat", "new299", "data/b", cwd=project)
    assert ran.stdout == "299\r\n" * 200 + "b" * 3000
    assert ran.stderr.count(SAID) == 1


def test_a_detached_job_says_what_happened_and_retry_runs_it(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    cut_objects(fresh_box)
    job = start(laptop, "fresh", "cat data/a", cwd=project)
    now = until(fresh_box, job, "FAILED")
    assert now["reason"] == "the copy of the code on the box was damaged"
    assert f"mlsh retry {job}" in laptop.run("logs", "-f", job, check=False).stderr
    ran = laptop.run("retry", job)
    assert ran.stdout == "a" * 3000
    assert ran.stderr.count(SAID) == 1


def test_running_jobs_keep_their_repository_until_they_have_ended(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    held = start(laptop, "fresh", "echo up; while [ ! -e ~/go ]; do sleep 0.1; done; git rev-parse HEAD", cwd=project)
    own = start(laptop, "fresh", "echo gitdir: ~/mine >.git; echo up; sleep 1000", cwd=project)
    for job in (held, own):
        until_says(fresh_box, job, "up")
    remove_blobs(fresh_box)
    laptop.run("run", "--on", "fresh", "--", "true", cwd=project)
    laptop.run("prune", "-y", "--on", "fresh")
    assert asides(fresh_box) == ["project.git.damaged.1"]
    fresh_box.write("~/go", "")
    until(fresh_box, held, "SUCCEEDED")
    assert fresh_box.path(f"~/.mlsh/trees/{own}/.git").read_text() == f"gitdir: {fresh_box.home}/mine\n"
    commit = fresh_box.sh(f'grep -o \'"commit":"[0-9a-f]*\' .mlsh/jobs/{held}/spec.json').stdout.split('"')[-1].strip()
    assert commit in log(fresh_box, held)
    laptop.run("rm", "-y", held)
    laptop.run("cancel", own)
    laptop.run("prune", "-y", "--on", "fresh")
    assert asides(fresh_box) == []


def test_a_job_whose_own_code_is_whole_is_started_from_what_was_put_aside(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    (project / "data/a").write_text("other")
    whole = laptop.run("run", "--on", "fresh", "-d", "--", "true", cwd=project).stdout.strip()
    until(fresh_box, whole, "SUCCEEDED")
    # The job stands before its checkout while its repository goes away.
    fresh_box.write("~/.mlsh/repos/project.git/mlsh.lock", "")
    fresh_box.sh("flock .mlsh/repos/project.git/mlsh.lock sleep 1000 </dev/null >/dev/null 2>&1 &")
    waiting = start(laptop, "fresh", "cat data/a", cwd=project)
    wait_for(lambda: fresh_box.processes("^flock 6"), 10, "the job to wait for the lock")
    fresh_box.sh("mv .mlsh/repos/project.git .mlsh/repos/project.git.damaged.1; pkill -f '^sleep 1000'")
    until(fresh_box, waiting, "SUCCEEDED")
    assert log(fresh_box, waiting) == "other"


def test_references_that_somebody_packed_are_no_damage(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    fresh_box.sh("git --git-dir=.mlsh/repos/project.git gc -q --prune=now")
    (project / "train.py").write_text("print('changed')\n")
    ran = laptop.run("run", "--on", "fresh", "--", "python3", "train.py", cwd=project)
    assert (ran.stdout, ran.stderr) == ("changed\r\n", "")


def test_a_full_disk_is_not_taken_for_damage(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    fresh_box.fill_disk(leave_kib=200)
    (project / "big").write_bytes(b"x" * 9_000_000)
    job = laptop.run("run", "--on", "fresh", "-d", "--", "true", cwd=project, check=False).stdout.strip()
    if job:
        until(fresh_box, job, "FAILED")
        assert "the disk is full" in state(fresh_box, job)["reason"]
        assert (folder(fresh_box, job) / "log").exists()
    fresh_box.free_disk()
    assert asides(fresh_box) == []
