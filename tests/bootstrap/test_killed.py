"""A bootstrap that is killed before any command that changes something can be taken back, or done again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from mlsh.bootstrap.changes import Change, Folder, Link, Put, Run, Tree, Unpacked
from tests.bootstrap.home import WHEEL, Home

# All of them take minutes; this many find what is wrong with a kind of change.
EVERY = bool(os.environ.get("MLSH_TEST_EVERY_KILL"))


def as_found(home: Home) -> None:
    """A home with things that must stay as they are, and one file that is replaced."""
    (home.path / ".config").mkdir(mode=0o700)
    (home.path / ".profile").write_bytes(b"no newline at the end\r")
    (home.path / "old.conf").write_text("what was there\n")
    (home.path / "old.conf").chmod(0o640)
    (home.path / "link").symlink_to("nowhere at all")


def wanted(home: Home) -> list[Change]:
    """What is still to be done, as a plan from fresh facts has it."""
    marker = home.path / "ran"
    every: list[Change] = [
        Put(path="~/.local/bin/new tool", content=b"\x7fELF\0binary\n", mode=0o755),
        Put(path="~/old.conf", content=b"ours\n", mode=0o644),
        Link(path="~/.local/bin/fd", target="/usr/bin/fdfind"),
        Link(path="~/link", target="ours"),
        Tree(path="~/.local/share/mlsh/tree", content=Unpacked((WHEEL,))),
        Folder(path="~/.cache/big"),
        Run(label="mark", do=f"echo yes >'{marker}'", undo=f"rm -f '{marker}'"),
    ]
    left = []
    for change in every:
        if isinstance(change, Run):
            if not marker.exists():
                left.append(change)
            continue
        now = home.state(change.path)
        if isinstance(change, Put) and now == f"file {change.mode:o} {_sum(change.content)}":
            continue
        if isinstance(change, Link) and now == f"link {change.target}":
            continue
        if isinstance(change, Tree | Folder):
            if now == "absent":
                left.append(change)
            continue
        left.append(msgspec.structs.replace(change, before=now))
    return left


def _sum(content: object) -> str:
    from mlsh.digest import sha256

    assert isinstance(content, bytes)
    return str(sha256(content).hexdigest())


def made(home: Home, kill_at: int = 0) -> str:
    with home.held():
        return home.apply(wanted(home), kill_at)


def taken_back(home: Home, kill_at: int = 0) -> str:
    with home.held():
        return home.remove(kill_at=kill_at)


@pytest.fixture(params=[("dash",), ("bash", "--posix"), ("busybox", "sh")], ids=["dash", "bash", "busybox"])
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Home:
    shell: Sequence[str] = request.param
    if shutil.which(shell[0]) is None:
        pytest.fail(f"there is no {shell[0]} to test with")
    found = Home(tmp_path, shell)
    as_found(found)
    return found


def test_what_was_made_is_taken_back_to_the_byte(home: Home) -> None:
    before = home.tree()
    assert made(home).endswith("through\n")
    after = home.tree(".mlsh")
    assert after != before
    assert after["old.conf"][2] == b"ours\n"
    assert not wanted(home)
    said = taken_back(home)
    assert said.endswith("through\n")
    assert "kept" not in said
    assert home.tree() == before


def test_a_kill_anywhere_leaves_what_remove_and_a_second_run_understand(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = Home(tmp_path / "whole", ("dash",))
    as_found(whole)
    before = whole.tree()
    made(whole, kill_at=10_000)
    calls = whole.calls
    after = whole.tree(".mlsh")
    assert calls > 30
    taken_back(whole)
    for turn, kill_at in enumerate(range(1, calls, 1 if EVERY else 9)):
        assert "through" not in made(whole, kill_at)
        if turn % 2:
            assert "kept" not in taken_back(whole)
            assert whole.tree() == before, f"removed after a kill before command {kill_at}"
            continue
        assert made(whole).endswith("through\n")
        ours = {name: about for name, about in whole.tree(".mlsh").items() if name != "ran"}
        assert ours == {name: about for name, about in after.items() if name != "ran"}, f"again after {kill_at}"
        said = taken_back(whole)
        assert "kept" not in said
        assert whole.tree() == before, f"made again, then removed, after a kill before command {kill_at}"


def test_a_removal_that_is_killed_anywhere_goes_on(tmp_path: Path) -> None:
    home = Home(tmp_path, ("dash",))
    as_found(home)
    before = home.tree()
    made(home)
    taken_back(home, kill_at=10_000)
    calls = home.calls
    assert home.tree() == before
    for kill_at in range(1, calls + 1, 1 if EVERY else 9):
        made(home)
        taken_back(home, kill_at)
        taken_back(home)
        assert home.tree() == before, f"after a kill before command {kill_at}"


def test_a_file_that_was_changed_since_is_left_and_named(tmp_path: Path) -> None:
    home = Home(tmp_path, ("dash",))
    as_found(home)
    before = home.tree()
    made(home)
    (home.path / "old.conf").write_text("mine now\n")
    said = taken_back(home)
    assert f"kept {home.path}/old.conf\tchanged since" in said
    assert (home.path / "old.conf").read_text() == "mine now\n"
    (kept,) = (home.path / ".mlsh/bootstrap/receipt").glob("*/before")
    assert kept.read_text() == "what was there\n"
    assert not (home.path / ".local").exists()
    # As bootstrap left it, it is taken back after all.
    (home.path / "old.conf").write_text("ours\n")
    assert "kept" not in taken_back(home)
    assert home.tree() == before


def test_a_folder_with_files_of_somebody_is_left_and_named(tmp_path: Path) -> None:
    home = Home(tmp_path, ("dash",))
    as_found(home)
    made(home)
    (home.path / ".cache/big/model").write_text("weights")
    (home.path / ".local/bin/mine").write_text("mine")
    said = taken_back(home)
    assert f"left {home.path}/.cache/big\tit is not empty" in said
    assert (home.path / ".cache/big/model").exists()
    assert [at.name for at in (home.path / ".local/bin").iterdir()] == ["mine"]
    assert not (home.path / ".mlsh").exists()


def test_a_path_that_changed_after_the_plan_is_not_overwritten(tmp_path: Path) -> None:
    home = Home(tmp_path, ("dash",))
    as_found(home)
    plan = wanted(home)
    (home.path / "old.conf").write_text("mine, a moment ago\n")
    with home.held():
        said = home.apply(plan)
    assert "mlsh-error changed" in said
    assert (home.path / "old.conf").read_text() == "mine, a moment ago\n"
    assert "kept" not in taken_back(home)


def test_removing_one_step_leaves_the_others_whole(tmp_path: Path) -> None:
    home = Home(tmp_path, ("dash",))
    as_found(home)
    made(home)
    with home.held():
        assert home.remove("another").endswith("through\n")
    assert not wanted(home)


def test_the_lock_is_one_persons_at_a_time_and_gone_with_its_holder(tmp_path: Path) -> None:
    home = Home(tmp_path, ("dash",))
    with home.held():
        other = home._start("hold", "another")
        out, _ = other.communicate(timeout=20)
        assert b"mlsh-error busy another bootstrap is at work there: a test, since" in out
    with home.held():
        pass
    assert home.tree() == {}


def test_a_failed_command_is_undone_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path, ("dash",))
    marker = home.path / "half"
    with home.held():
        said = home.apply(
            [Run(label="a thing", do=f"touch '{marker}'; echo no luck; exit 3", undo=f"rm -f '{marker}'")]
        )
    assert "mlsh-error failed a thing: no luck" in said
    assert home.tree() == {}
