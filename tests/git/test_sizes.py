"""How much is sent: guarded, and only what changed."""

import os
import time
from pathlib import Path

import pytest

from mlsh.errors import SnapshotRefused
from mlsh.git import pack
from mlsh.git.snapshot import BigFile, take
from tests.git.folders import content, on_disk, yes


def test_the_size_guard_names_the_ten_largest_before_anything_is_read(repo: Path) -> None:
    for number in range(12):
        with open(repo / f"big{number}", "wb") as file:
            file.truncate((number + 1) << 20)
    asked: list[tuple[int, list[BigFile]]] = []

    class Refused(Exception):
        pass

    def refuse(size: int, largest: list[BigFile]) -> None:
        asked.append((size, largest))
        raise Refused

    started = time.process_time()
    with pytest.raises(Refused):
        take(repo, refuse)
    assert time.process_time() - started < 5
    assert asked[0][0] >= 78 << 20
    assert [file.path for file in asked[0][1]] == [f"big{number}" for number in range(11, 1, -1)]


def test_a_second_box_that_gets_everything_is_guarded_too(repo: Path) -> None:
    (repo / "big").write_bytes(os.urandom(1 << 20))
    first = take(repo, yes)
    (repo / "a.txt").write_text("changed\n")
    second = take(repo, yes)
    assert pack.sizes_to_send(second, first.commit) == (8, [BigFile("a.txt", 8)])
    total, largest = pack.sizes_to_send(second, None)
    assert (total, largest[0]) == ((1 << 20) + 12, BigFile("big", 1 << 20))
    assert pack.sizes_to_send(second, second.commit) == (0, [])


@pytest.mark.parametrize("which", ["home", "root", "above"])
def test_a_whole_home_or_disk_is_never_sent_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    def never(size: int, largest: list[BigFile]) -> None:
        raise AssertionError("it was listed first")

    folder = {"home": tmp_path / "home", "root": Path("/"), "above": tmp_path}[which]
    started = time.monotonic()
    with pytest.raises(SnapshotRefused) as refusal:
        take(folder, never)
    assert time.monotonic() - started < 5
    assert "--no-code" in refusal.value.hint
    project = tmp_path / "home/project"
    project.mkdir()
    (project / "f").write_text("1")
    assert content(take(project, yes)) == on_disk(project)


def test_the_second_launch_sends_only_what_changed(repo: Path) -> None:
    (repo / "large.py").write_text("".join(f"line {number} = {hash(str(number))}\n" for number in range(5000)))
    (repo / "other").write_bytes(os.urandom(100_000))
    first = take(repo, yes)
    with (repo / "large.py").open("a") as file:
        file.write("one more line\n")
    second = take(repo, yes)
    with pack.packed(second, first.commit) as (_, size, objects):
        assert size < 1500
        assert objects <= 3
    with pack.packed(second, None) as (_, size, _objects):
        assert size > 100_000
    assert pack.has_commit(second, first.commit)
    assert not pack.has_commit(second, "0" * 40)
