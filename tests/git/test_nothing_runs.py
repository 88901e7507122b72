"""Nothing that the person configured for git is run, and nothing that they exported misleads it."""

import os
import shutil
from pathlib import Path

import pytest

from mlsh.git.snapshot import take
from tests.git.folders import content, everything, git_in, on_disk, yes


def test_filters_hooks_and_attributes_run_nothing_and_change_no_byte(repo: Path, tmp_path: Path) -> None:
    git = git_in(repo)
    mark = tmp_path / "mark"
    script = tmp_path / "leaves-a-mark"
    script.write_text(f'#!/bin/sh\necho "$0 $*" >>{mark}\ncat\n')
    script.chmod(0o755)
    (repo / "crlf.txt").write_bytes(b"a\r\nb\r\n")
    (repo / "lf.txt").write_bytes(b"a\nb\n")
    (repo / "ident.txt").write_text("$Id$\n$Format:%H$\n")
    (repo / "utf16.txt").write_bytes("hé\n".encode("utf-16"))
    (repo / "filtered.dat").write_text("as it is")
    git("add", "-A")
    git("commit", "-qm", "before")
    (repo / ".gitattributes").write_text(
        "*.txt text=auto eol=crlf\nident.txt ident export-subst\nutf16.txt working-tree-encoding=UTF-16\n"
        "*.dat filter=evil diff=evil\nlf.txt text eol=crlf\n"
    )
    for where in ("--local", "--global"):
        for key in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv",
                    "diff.external", "core.fsmonitor", "core.editor", "core.pager"):  # fmt: skip
            git("config", where, key, str(script))
        git("config", where, "filter.evil.required", "true")
    hooks = repo / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    names = ["pre-commit", "post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman",
             "pre-auto-gc", "post-commit", "prepare-commit-msg", "commit-msg", "post-rewrite", "update"]  # fmt: skip
    for name in names:
        shutil.copy(script, hooks / name)
    git("config", "--global", "core.hooksPath", str(hooks))
    for name in ("filtered.dat", "crlf.txt", "lf.txt"):
        os.utime(repo / name)  # same size, other time: git has to look into them
    before = everything(repo)
    mark.unlink(missing_ok=True)
    snapshot = take(repo, yes)
    take(repo, yes)
    assert not mark.exists(), mark.read_text()
    assert everything(repo) == before
    assert content(snapshot) == on_disk(repo)


def test_a_person_hears_of_lfs_pointers_each_time_and_of_pulled_files_never(repo: Path) -> None:
    (repo / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    git_in(repo)("config", "filter.lfs.clean", "false")
    git_in(repo)("config", "filter.lfs.required", "true")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    (repo / "pointer.bin").write_text(pointer)
    (repo / "pulled.bin").write_bytes(b"\0" * 5000)
    for _ in range(2):
        snapshot = take(repo, yes)
        assert [note for note in snapshot.notes if "pointer.bin" in note and "lfs pull" in note]
        assert content(snapshot) == on_disk(repo)
    one = "pointer.bin is a pointer of Git LFS, not the content: git lfs pull"
    assert take(repo, yes).notes == [one]
    (repo / "second.bin").write_text(pointer)
    assert take(repo, yes).notes == [
        "2 files (such as pointer.bin) are pointers of Git LFS, not the content: git lfs pull"
    ]
    (repo / "second.bin").unlink()
    (repo / "pointer.bin").write_bytes(b"\0" * 5000)
    assert take(repo, yes).notes == []


def test_the_environment_can_not_point_git_elsewhere(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git_in(other)("init", "-q")
    before = everything(other)
    for name, value in {
        "GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": str(other / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / "objects"), "GIT_NAMESPACE": "x", "GIT_PREFIX": "src/",
        "GIT_CEILING_DIRECTORIES": str(tmp_path), "GIT_LITERAL_PATHSPECS": "1", "GIT_CONFIG_PARAMETERS": "'a.b=c'",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert content(take(repo, yes)) == on_disk(repo)
    assert everything(other) == before
