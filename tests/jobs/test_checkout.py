"""The job's own worktree: byte for byte the snapshot, also when it was made from a spare one."""

import shlex
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for

FILES = {f"pkg{number % 20}/module{number}.py": f"# {number}\n" for number in range(1200)}


@pytest.fixture
def project(laptop: Laptop, fresh_box: Box) -> Path:
    """A large project that has been launched once, so that a spare worktree lies on the box."""
    laptop.add(fresh_box)
    folder = laptop.project({**FILES, "run.sh": "#!/bin/sh\n"})
    laptop.run("run", "--on", "fresh", "--", "true", cwd=folder)
    wait_for(spare(fresh_box).is_dir, 20, "the spare worktree")
    return folder


def spare(box: Box) -> Path:
    return box.path("~/.mlsh/trees/.spare-project")


def check(laptop: Laptop, box: Box, folder: Path) -> None:
    """The next job sees exactly the folder, and git in it sees nothing changed."""
    job = laptop.run("run", "--on", "fresh", "-d", "--", "git", "status", "--porcelain", cwd=folder).stdout.strip()
    assert laptop.run("logs", "-f", job).stdout == ""
    tree = box.path(f"~/.mlsh/trees/{job}")
    there = {
        path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file() and path.name != ".git"
    }
    here = {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
    assert there == here
    listed = box.sh(f"git -C .mlsh/trees/{job} worktree list --porcelain").stdout
    assert f"worktree {box.home}/.mlsh/trees/{job}\n" in listed


def test_a_spare_worktree_becomes_the_next_jobs_own(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    before = spare(fresh_box).stat().st_ino
    (project / "pkg0/module0.py").write_text("changed\n")
    (project / "pkg1/module1.py").unlink()
    (project / "new").mkdir()
    (project / "new/file").write_text("new\n")
    check(laptop, fresh_box, project)
    wait_for(spare(fresh_box).is_dir, 20, "the next spare worktree")
    assert spare(fresh_box).stat().st_ino != before
    check(laptop, fresh_box, project)


@pytest.mark.parametrize(
    "harm",
    [
        "echo x >>pkg3/module3.py",
        "rm pkg3/module3.py",
        "echo x >stray.txt",
        "rm .git",
        "rm -rf ../../repos/project.git/worktrees",
    ],
)
def test_a_spare_worktree_that_was_touched_is_not_believed(
    laptop: Laptop, fresh_box: Box, project: Path, harm: str
) -> None:
    fresh_box.sh(f"cd .mlsh/trees/.spare-project && {harm}")
    check(laptop, fresh_box, project)


def test_two_jobs_at_once_never_share_a_worktree(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    launches = [
        laptop.spawn("run", "--on", "fresh", "-d", "--", "sh", "-c", "echo mine >>run.sh; cat run.sh", cwd=project)
        for _ in range(3)
    ]
    jobs = [launch.communicate(timeout=60)[0].decode().strip() for launch in launches]
    for job in jobs:
        assert laptop.run("logs", "-f", job).stdout == "#!/bin/sh\r\nmine\r\n"


def test_prune_gives_the_spare_worktree_back(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    laptop.run("prune", "-y", "--on", "fresh")
    assert not spare(fresh_box).exists()
    listed = fresh_box.sh(f"git --git-dir={shlex.quote('.mlsh/repos/project.git')} worktree list").stdout
    assert ".spare" not in listed
