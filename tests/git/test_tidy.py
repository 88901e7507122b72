"""The laptop's cache gives back what is old, and never what a launch needs."""

import os
import time
from pathlib import Path

from mlsh import config
from mlsh.git import shadow as shadows
from mlsh.git.snapshot import Snapshot, take
from mlsh.git.tidy import tidy
from tests.git.folders import content, git_in, on_disk, yes


def versions(repo: Path, count: int) -> list[Snapshot]:
    """Snapshots, each with a large file of its own and all of them months old."""
    taken = []
    for number in range(count):
        (repo / "large").write_bytes(os.urandom(100_000))
        (repo / "a.txt").write_text(f"{number}\n")
        taken.append(take(repo, yes))
    for path in Path(taken[0].git_dir).rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 40 * 86400,) * 2)
    return taken


def size(snapshot: Snapshot) -> int:
    return sum(path.stat().st_size for path in Path(snapshot.git_dir, "objects").rglob("*") if path.is_file())


def refs(snapshot: Snapshot) -> set[str]:
    return {path.name for path in Path(snapshot.git_dir, "refs/mlsh").iterdir()}


def test_old_snapshots_go_and_the_last_and_what_boxes_have_stay(repo: Path) -> None:
    inner = repo / "inner"
    inner.mkdir()
    git_in(inner)("init", "-q")
    (inner / "x").write_text("nested\n")
    taken = versions(repo, 5)
    sent = config.cache_dir() / "sent" / "gpu1" / "repo"
    sent.parent.mkdir(parents=True)
    sent.write_text(taken[1].commit)
    assert size(taken[0]) > 500_000
    assert tidy() == 3
    assert refs(taken[0]) == {taken[1].commit, taken[4].commit}
    assert size(taken[0]) < 250_000
    assert content(taken[1])[b"a.txt"] == ("file", b"1\n")
    again = take(repo, yes)
    assert again.commit == taken[4].commit
    (repo / "a.txt").write_text("new\n")
    (inner / "x").write_text("new too\n")
    assert content(take(repo, yes)) == on_disk(repo)
    assert git_in(repo)(f"--git-dir={again.git_dir}", "fsck", "--no-dangling") == ""


def test_young_snapshots_and_a_shadow_in_use_are_left_alone(repo: Path) -> None:
    taken = versions(repo, 3)
    with shadows.locked(Path(taken[0].git_dir)):
        assert tidy() == 0
    assert refs(taken[0]) == {each.commit for each in taken}
    for path in Path(taken[0].git_dir, "refs/mlsh").iterdir():
        os.utime(path)
    assert tidy() == 0
    assert refs(taken[0]) == {each.commit for each in taken}


def test_a_damaged_shadow_is_left_for_the_next_launch(repo: Path) -> None:
    taken = versions(repo, 3)
    for path in Path(taken[0].git_dir, "objects").glob("??/*"):
        path.unlink()
    tidy()
    assert content(take(repo, yes)) == on_disk(repo)
