"""A snapshot is the folder as it is, whatever state the person's repository is in; and that is untouched."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsh.git.snapshot import take
from tests.git.folders import content, everything, git_in, on_disk, yes


def test_uncommitted_untracked_and_deleted_are_as_on_disk_and_the_repository_is_untouched(repo: Path) -> None:
    git = git_in(repo)
    (repo / "staged").write_text("1")
    (repo / "staged then deleted").write_text("1")
    git("add", "-A")
    (repo / "staged then deleted").unlink()
    (repo / "a.txt").unlink()
    (repo / "src/b.py").rename(repo / "src/c.py")
    (repo / "src/c.py").chmod(0o755)
    (repo / "untracked").write_text("new")
    (repo / "stash me").write_text("x")
    git("stash", "-q", "--include-untracked")
    git("stash", "apply", "-q", "--index", check=False)
    os.utime(repo / "src", ns=(1, 1))  # stat-dirty: git would like to refresh its index
    before = everything(repo)
    first = take(repo, yes)
    again = take(repo / "src", yes)
    assert everything(repo) == before
    assert content(first) == on_disk(repo)
    assert (again.commit, again.subdir, again.branch) == (first.commit, "src", "main")
    assert first.base == git("rev-parse", "HEAD")
    assert first.changed == len(git("status", "--porcelain", "-uall", "--no-renames").splitlines())


def unborn(repo: Path) -> None:
    git_in(repo)("update-ref", "-d", "HEAD")


def detached(repo: Path) -> None:
    git_in(repo)("checkout", "-q", "--detach")


def index_locked(repo: Path) -> None:
    (repo / ".git/index.lock").write_text("")


def _conflict(repo: Path, command: str) -> None:
    git = git_in(repo)
    git("checkout", "-qb", "other")
    (repo / "a.txt").write_text("theirs\n")
    git("commit", "-qam", "theirs")
    git("checkout", "-q", "main")
    (repo / "a.txt").write_text("ours\n")
    git("commit", "-qam", "ours")
    git(command, "other", check=False)
    assert "<<<<" in (repo / "a.txt").read_text()


def merging(repo: Path) -> None:
    _conflict(repo, "merge")


def rebasing(repo: Path) -> None:
    _conflict(repo, "rebase")


def no_index(repo: Path) -> None:
    (repo / ".git/index").unlink()


def broken_git_file(repo: Path) -> None:
    shutil.rmtree(repo / ".git")
    (repo / ".git").write_text("gitdir: /nowhere/at/all\n")


def empty_git_folder(repo: Path) -> None:
    shutil.rmtree(repo / ".git")
    (repo / ".git").mkdir()


def no_repository(repo: Path) -> None:
    shutil.rmtree(repo / ".git")


def split_index(repo: Path) -> None:
    git_in(repo)("config", "core.splitIndex", "true")
    git_in(repo)("update-index", "--split-index")


def sparse(repo: Path) -> None:
    git_in(repo)("sparse-checkout", "set", "--no-cone", "a.txt")


def assumed_unchanged(repo: Path) -> None:
    git_in(repo)("update-index", "--assume-unchanged", "a.txt")
    (repo / "a.txt").write_text("changed in secret\n")


@pytest.mark.parametrize(
    "arrange",
    [
        unborn, detached, index_locked, merging, rebasing, no_index, broken_git_file, empty_git_folder, no_repository,
        split_index, sparse, assumed_unchanged,
    ],
)  # fmt: skip
def test_a_launch_works_from_any_state_of_the_repository(repo: Path, arrange: Callable[[Path], None]) -> None:
    arrange(repo)
    (repo / "new").write_text("n")
    before = everything(repo)
    snapshot = take(repo, yes)
    assert content(snapshot) == on_disk(repo)
    assert everything(repo) == before
    said = [note for note in snapshot.notes if "plain folder" in note]
    assert bool(said) == (arrange in (broken_git_file, empty_git_folder))


def test_a_linked_worktree_is_taken_with_its_own_files_and_the_shared_excludes(repo: Path, tmp_path: Path) -> None:
    git_in(repo)("worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    (repo / ".git/info").mkdir(exist_ok=True)
    (repo / ".git/info/exclude").write_text("private\n")
    tree = tmp_path / "tree"
    (tree / "private").write_text("mine")
    (tree / "only here").write_text("x")
    snapshot = take(tree, yes)
    assert set(content(snapshot)) == {b"a.txt", b"src/b.py", b"only here"}
    assert snapshot.branch == "side"
