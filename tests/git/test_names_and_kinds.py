"""Files, links, modes and names travel as they are, or are refused by name."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from mlsh.errors import RefusedInput, SnapshotRefused
from mlsh.git.snapshot import take
from tests.git.folders import content, on_disk, yes


def test_links_modes_and_swaps_of_files_and_folders(repo: Path) -> None:
    (repo / "absolute").symlink_to("/etc/passwd")
    (repo / "dangling").symlink_to("no such file")
    (repo / "outside").symlink_to("../..")
    (repo / "folder").symlink_to("src")
    (repo / "swap").write_text("file")
    (repo / "turns").mkdir()
    (repo / "turns/x").write_text("1")
    (repo / "deep").mkdir()
    (repo / "deep/er").write_text("1")
    (repo / "script").write_text("#!/bin/sh\n")
    assert content(take(repo, yes)) == on_disk(repo)
    (repo / "swap").unlink()
    (repo / "swap").mkdir()
    (repo / "swap/inside").write_text("2")
    shutil.rmtree(repo / "turns")
    (repo / "turns").write_text("file now")
    shutil.rmtree(repo / "deep")
    (repo / "deep").symlink_to("swap")
    (repo / "folder").unlink()
    (repo / "folder").mkdir()
    (repo / "folder/real").write_text("3")
    (repo / "script").chmod(0o755)
    (repo / "dangling").unlink()
    (repo / "dangling").write_text("no such file")
    assert content(take(repo, yes)) == on_disk(repo)
    (repo / "script").unlink()
    os.mkfifo(repo / "script")
    (repo / "swap/inside").unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(repo / "swap/inside"))
        snapshot = take(repo, yes)
        assert content(snapshot) == on_disk(repo)
        assert take(repo, yes).commit == snapshot.commit


ODD = [b"new\nline", b"quo\"te'", b"-rf", b"--help", b"tab\t", "nfd e\u0301".encode(), "nfc é".encode(), b"x" * 255,
       b"\xff\xfe", b" lead", b"trail ", b"*", b"[a]", b"\\", b"a\\.git", b":(top)x", b"git~1", b".git~1", b".gitx",
       b".git ", b".git.", "g\u200cit".encode(), ".g\u200cit".encode(), b"con", b"!x", b"#x", b"$(touch x)",
       b"\x1b]0;x\x07",       b".gitmodules", b".gitattributes2", b"~"]  # fmt: skip


def test_odd_names_travel_byte_for_byte(repo: Path) -> None:
    for name in ODD:
        (repo / os.fsdecode(name)).write_bytes(b"in " + name)
        (repo / "src" / os.fsdecode(name)).write_bytes(b"deeper " + name)
    assert content(take(repo, yes)) == on_disk(repo)
    for name in ODD[::2]:
        (repo / os.fsdecode(name)).unlink()
    assert content(take(repo, yes)) == on_disk(repo)


def test_a_name_that_git_can_not_hold_is_refused_with_what_to_do(repo: Path) -> None:
    (repo / ".GIT").mkdir()
    (repo / ".GIT/config").write_text("[core]\n")
    for _ in range(2):
        with pytest.raises(SnapshotRefused, match=r"\.GIT/config") as refusal:
            take(repo, yes)
        assert ".mlshignore" in refusal.value.hint
    (repo / ".mlshignore").write_text(".GIT\n")
    assert b".GIT/config" not in content(take(repo, yes))


@pytest.mark.parametrize("name", ["-rf", "...", "日本語", "with space", "new\nline", "a'b\"c", "x" * 200, "x.git"])
def test_a_folder_of_any_name_works(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "f").write_text("1")
    snapshot = take(folder, yes)
    assert content(snapshot) == on_disk(folder)
    assert set(snapshot.name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert snapshot.name[:1] not in "-."
    assert not snapshot.name.endswith((".", ".git"))


def test_a_folder_whose_name_is_not_utf8_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    folder.mkdir()
    with pytest.raises(RefusedInput, match="UTF-8"):
        take(folder, yes)
