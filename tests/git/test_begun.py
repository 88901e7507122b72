"""A snapshot that is begun early: it is the same snapshot, and one that is given up leaves nothing behind."""

import fcntl
from pathlib import Path

import pytest

from mlsh.errors import NotFound, SnapshotRefused
from mlsh.git.shadow import shadow_of
from mlsh.git.snapshot import Begun, take
from tests.git.folders import content, everything, on_disk, yes


def is_free(repo: Path) -> bool:
    """Whether somebody else can take a snapshot of the folder now."""
    with open(f"{shadow_of(repo)}.lock", "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_what_is_begun_and_then_taken_is_the_folder(repo: Path) -> None:
    take(repo, yes)
    (repo / "a.txt").write_text("changed\n")
    before = everything(repo)
    begun = Begun(repo / "src")
    assert not is_free(repo)
    snapshot = begun.take(yes)
    assert is_free(repo)
    assert everything(repo) == before
    assert content(snapshot) == on_disk(repo)
    assert (snapshot.subdir, snapshot.changed) == ("src", 1)
    assert take(repo, yes).commit == snapshot.commit


def children() -> set[str]:
    """The pids of this process's children: the bed of other tests has some."""
    return {pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def test_what_is_given_up_leaves_no_process_and_no_lock(repo: Path) -> None:
    take(repo, yes)
    before = children()
    begun = Begun(repo)
    begun.close()
    begun.close()
    assert is_free(repo)
    assert children() <= before
    assert content(take(repo, yes)) == on_disk(repo)


def test_a_file_that_changes_or_goes_after_the_beginning_is_seen_by_the_next_launch(repo: Path) -> None:
    take(repo, yes)
    (repo / "a.txt").write_text("changed\n")
    (repo / "goes").write_text("1")
    begun = Begun(repo)
    begun._taking._scan._changes.wait()  # type: ignore[union-attr]
    (repo / "a.txt").write_text("changed once more\n")
    (repo / "goes").unlink()
    assert content(begun.take(yes)) == on_disk(repo)
    begun = Begun(repo)
    begun._taking._scan._changes.wait()  # type: ignore[union-attr]
    (repo / "late").write_text("1")
    begun.take(yes)
    assert content(take(repo, yes)) == on_disk(repo)


def test_what_goes_wrong_at_the_beginning_is_told_by_the_taking(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound):
        Begun(repo / "nowhere").take(yes)
    with pytest.raises(SnapshotRefused, match="home folder"):
        Begun(tmp_path / "home").take(yes)
    shadow = Path(take(repo, yes).git_dir)
    (shadow / "index").write_bytes(b"DIRC" + b"\0" * 40)
    assert content(Begun(repo).take(yes)) == on_disk(repo)
    monkeypatch.setenv("XDG_CACHE_HOME", str(repo / "a.txt"))
    with pytest.raises(SnapshotRefused) as refusal:
        Begun(repo).take(yes)
    assert "XDG_CACHE_HOME" in refusal.value.hint
