"""Where a revert is refused or fails, everything of the person's is byte-identical, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsh.errors import MlshError
from mlsh.undo import revert
from mlsh.undo.repository import Repository
from mlsh.undo.revert import Wish
from mlsh.undo.revert_conflict import Conflict, hunks, in_conflict
from mlsh.undo.revert_plan import Refused
from mlsh.undo.revert_trial import CheckFailed
from tests.undo.playground import Playground
from tests.undo.reverting import do, everything, left_behind


@pytest.fixture(autouse=True)
def _own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def refused(play: Playground, *revisions: str, **more: object) -> MlshError:
    """The error, after a look that nothing has changed."""
    before = everything(play)
    with pytest.raises(MlshError) as error:
        do(play, *revisions, **more)
    assert everything(play) == before
    assert left_behind(play) == []
    return error.value


def begin(play: Playground, *words: str) -> None:
    play.git(*words, check=False)


STATES: dict[str, tuple[Callable[[Playground], object], str, str]] = {
    # name: what comes before, what is said, what to type
    "merge": (lambda p: (p.conflict(), begin(p, "merge", "other")), "middle of a merge", "git merge --abort"),
    "rebase": (lambda p: (p.conflict(), begin(p, "rebase", "other")), "middle of a rebase", "git rebase --abort"),
    "cherry-pick": (
        lambda p: (p.conflict(), begin(p, "cherry-pick", "other")),
        "middle of a cherry-pick",
        "git cherry-pick --abort",
    ),
    "revert": (
        lambda p: (p.commit("file1", "x", "x"), begin(p, "revert", "HEAD~3")),
        "middle of a revert",
        "git revert --abort",
    ),
    "bisect": (lambda p: p.git("bisect", "start", "HEAD", "HEAD~2"), "bisect", "git bisect reset"),
    "detached": (lambda p: p.git("switch", "-q", "--detach"), "no branch", "--branch NAME"),
    "unborn": (lambda p: p.git("switch", "-q", "--orphan", "new"), "nothing has been committed", ""),
    "stash in conflict": (
        lambda p: (p.write("file1", "s"), p.git("stash", "-q"), p.commit("file1", "o", "o"), begin(p, "stash", "pop")),
        "conflicts in the index",
        "git status",
    ),
    "git at work": (lambda p: p.write(".git/index.lock", ""), "another git is at work", "rm --"),
    "dirty": (lambda p: p.write("file3", "mine"), "changes of your own", "git stash"),
    "staged": (lambda p: (p.write("file3", "mine"), p.git("add", "file3")), "changes of your own", "--branch NAME"),
    "assumed unchanged": (
        lambda p: (p.git("update-index", "--assume-unchanged", "file3"), p.write("file3", "mine")),
        "changes of your own",
        "",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_it_is_refused_with_the_way_out(play: Playground, name: str) -> None:
    prepare, said, hint = STATES[name]
    commit = play.git("rev-parse", "HEAD")
    prepare(play)
    error = refused(play, commit)
    assert said in error.what
    assert hint in error.hint


def test_names_that_are_no_commit_here(play: Playground) -> None:
    assert "git knows no commit" in refused(play, "nonsense").what
    assert "git knows no commit" in refused(play, "--force").what
    assert "no revision" in refused(play, "").what
    assert "git rev-list --first-parent" in refused(play, "HEAD~2..HEAD").hint
    assert "git knows no commit" in refused(play, "HEAD:file1").what
    assert "--mainline 1" in refused(play, "HEAD", text="1").hint


def test_a_commit_of_another_branch_names_the_branch_and_a_picked_one_its_twin(play: Playground) -> None:
    error = refused(play, "topic")
    assert "not in the history of main" in error.what
    assert "git switch topic" in error.hint
    play.commit("m", "m", "between")
    play.git("cherry-pick", "topic")
    twin = play.git("rev-parse", "HEAD")
    assert f"mlsh revert {twin[:12]}" in refused(play, "topic").hint


def test_a_second_revert_names_the_first(play: Playground) -> None:
    commit = play.git("rev-parse", "HEAD~1")
    do(play, commit)
    error = refused(play, commit)
    assert "reverted already" in error.what
    assert play.git("rev-parse", "HEAD")[:7] in error.hint
    play.git("commit", "-q", "--allow-empty", "-m", "empty")
    assert "changes nothing" in refused(play, "HEAD").what


def test_of_several_what_is_gone_already_is_left_out_and_named(play: Playground) -> None:
    commit = play.git("rev-parse", "HEAD~1")
    do(play, commit)
    made = do(play, commit, "HEAD~1")
    assert [each.name for each in made.skipped] == [commit]
    assert len(made.commits) == 1


def test_without_an_identity_it_says_how_to_give_one(play: Playground) -> None:
    play.git("config", "--global", "--unset", "user.email")
    play.git("config", "--global", "user.useConfigOnly", "true")
    assert "git config --global user.name" in refused(play, "HEAD").hint


def test_a_shallow_clone_is_never_emptied(play: Playground, tmp_path: Path) -> None:
    play.git("clone", "-q", "--depth", "1", f"file://{play.top}", str(tmp_path / "shallow"))
    shallow = Playground(tmp_path / "shallow")
    error = refused(shallow, "HEAD")
    assert "shallow" in error.what
    assert "--deepen" in error.hint
    assert "--unshallow" in refused(shallow, "HEAD~1").hint


def test_a_branch_that_another_work_tree_is_on_too(play: Playground, tmp_path: Path) -> None:
    play.git("worktree", "add", "-q", "--force", str(tmp_path / "same"), "main")
    assert "another work tree" in refused(play, "HEAD").what


def test_an_untracked_or_ignored_file_in_the_way_is_not_written_over(play: Playground) -> None:
    play.git("rm", "-q", "file1")
    play.git("commit", "-qm", "without file1")
    play.write("file1", "mine")
    assert "file1" in refused(play, "HEAD").what
    play.write(".git/info/exclude", "file1\n")
    assert "file1" in refused(play, "HEAD").what
    os.unlink(play.top / "file1")
    play.write("file1/deep", "mine, where a file is to be")
    assert "file1/deep" in refused(play, "HEAD").what


def test_a_file_where_a_folder_is_to_be_is_not_written_over(play: Playground) -> None:
    play.commit("folder/inner", "x", "folder")
    play.git("rm", "-q", "-r", "folder")
    play.git("commit", "-qm", "without the folder")
    play.write(".git/info/exclude", "folder\n")
    play.write("folder", "mine")
    assert "folder" in refused(play, "HEAD").what


# Conflicts


def test_a_conflict_names_the_lines_and_the_commits_that_touched_them(play: Playground) -> None:
    text = "".join(f"{number}\n" for number in range(1, 31))
    play.commit("code", text, "code")
    bad = play.commit("code", text.replace("\n10\n", "\nten\n"), "ten")
    elsewhere = play.commit("code", text.replace("\n10\n", "\nten\n").replace("\n25\n", "\n"), "elsewhere")
    later = play.commit("code", play.read("code").replace("\nten\n", "\nTEN\n"), "louder")
    error = refused(play, bad)
    assert isinstance(error, Conflict)
    [file] = error.files
    assert (file.path, file.why, file.same_lines) == (b"code", "line 10", True)
    assert [commit.name for commit in file.later] == [later]
    assert elsewhere[:9] not in error.what
    assert f"mlsh revert {later[:12]} {bad[:12]}" in error.what
    assert f"git revert --no-edit {bad[:12]}" in error.what
    assert "git revert --continue" in error.hint
    do(play, bad, later)
    assert "\n10\n" in play.read("code")


def test_what_has_to_go_too_is_tried_before_it_is_named(play: Playground) -> None:
    first = play.commit("code", "one\n", "one")
    second = play.commit("code", "two\n", "two")
    third = play.commit("code", "two\n2\n", "three")
    error = refused(play, first)
    assert isinstance(error, Conflict)
    assert set(error.others) == {second, third}
    assert f"mlsh revert {third[:12]} {second[:12]} {first[:12]}" in error.what
    do(play, *error.others, first)
    assert not (play.top / "code").exists()


def test_where_a_merge_came_later_nothing_is_promised(play: Playground) -> None:
    first = play.commit("code", "one\n", "one")
    play.conflict()
    play.git("switch", "-q", "-c", "side", first)
    play.commit("code", "side\n", "side")
    play.git("switch", "-q", "main")
    play.commit("code", "main\n", "main")
    play.git("merge", "-q", "side", check=False)
    play.write("code", "both\n")
    play.git("commit", "-qam", "merged by hand")
    error = refused(play, first)
    assert isinstance(error, Conflict)
    assert error.others == ()
    assert "mlsh revert" not in error.what


def test_a_conflict_of_the_second_of_two_makes_neither(play: Playground) -> None:
    bad = play.commit("code", "one\n", "one")
    play.commit("code", "two\n", "two")
    fine = play.commit("other", "x", "other")
    assert isinstance(refused(play, bad, fine), Conflict)


def test_conflicts_of_whole_files_say_what_happened_to_them(play: Playground) -> None:
    made = play.commit("made", "x\n", "made")
    play.commit("made", "y\n", "changed")
    error = refused(play, made)
    assert isinstance(error, Conflict)
    assert "the revert would delete it" in error.files[0].why
    assert [commit.subject for commit in error.files[0].later] == ["changed"]
    changed = play.git("rev-parse", "HEAD")
    play.git("rm", "-q", "made")
    play.git("commit", "-qm", "deleted")
    gone = play.git("rev-parse", "HEAD")
    error = refused(play, changed)
    assert isinstance(error, Conflict)
    assert "deleted" in error.files[0].why
    assert [commit.name for commit in error.files[0].later] == [gone]
    (play.top / "binary").write_bytes(b"\0a")
    play.git("add", "binary")
    play.git("commit", "-qm", "binary")
    (play.top / "binary").write_bytes(b"\0b")
    play.git("commit", "-qam", "binary b")
    b = play.git("rev-parse", "HEAD")
    (play.top / "binary").write_bytes(b"\0c")
    play.git("commit", "-qam", "binary c")
    error = refused(play, b)
    assert isinstance(error, Conflict)
    assert "binary" in error.files[0].why


def test_a_conflict_is_not_remembered_in_the_persons_rerere(play: Playground) -> None:
    play.git("config", "rerere.enabled", "true")
    (play.git_dir() / "rr-cache").mkdir()
    bad = play.commit("code", "one\n", "one")
    play.commit("code", "two\n", "two")
    assert isinstance(refused(play, bad), Conflict)
    assert list((play.git_dir() / "rr-cache").iterdir()) == []


def test_a_path_of_odd_bytes_in_a_conflict_is_shown_harmless(play: Playground) -> None:
    bad = play.commit("a\x1b[31m b\n:x", "one\n", "subject \x1b]0;x")
    play.commit("a\x1b[31m b\n:x", "two\n", "two")
    error = refused(play, bad)
    assert isinstance(error, Conflict)
    assert "\x1b" not in error.what
    assert error.files[0].later


def test_deleted_lines_and_touching_hunks_are_conflicts_as_git_sees_them() -> None:
    ours = hunks(b"@@ -3,2 +2,0 @@ x\n-a\n@@ -10 +8,2 @@\n")
    assert ours == [(3, 2, 2, 0), (10, 1, 8, 2)]
    assert in_conflict(ours, [(5, 1, 5, 1)]) == [(2, 3)]
    assert in_conflict(ours, [(9, 1, 9, 1)]) == [(8, 9)]
    assert in_conflict(ours, [(6, 2, 6, 2)]) == []
    assert in_conflict([(0, 0, 1, 1)], [(0, 0, 1, 2)]) == [(1, 1)]


# The check


def test_a_failed_check_makes_nothing_and_shows_its_last_lines(play: Playground) -> None:
    error = refused(play, "HEAD", check=("sh", "-c", "seq 1 50; printf '\\033]0;title\\007last\\n'; exit 7"))
    assert isinstance(error, CheckFailed)
    assert error.checked.exit_code == 7
    assert error.checked.tail[-1] == "last"
    assert len(error.checked.tail) == 20
    assert "exit 7" in error.what
    assert "can't tell" in refused(play, "HEAD", check=("sh", "-c", "exit 125")).what
    assert "SIGKILL" in refused(play, "HEAD", check=("sh", "-c", "kill -9 $$")).what


def test_a_check_that_cannot_start_makes_nothing(play: Playground) -> None:
    refused(play, "HEAD", check=("./no-such-check",))
    assert "not executable" in refused(play, "HEAD", check=("./file1",)).what
    assert "no folder" in refused(play, "HEAD", check=("true",), subdir=Path("nowhere")).what


def test_a_check_may_leave_folders_that_nobody_may_write_and_children(play: Playground) -> None:
    script = "mkdir -p a/b && touch a/b/c && chmod 500 a/b a; sleep 300 & exit 1"
    assert isinstance(refused(play, "HEAD", check=("sh", "-c", script)), CheckFailed)


def test_a_head_that_moves_meanwhile_is_left_where_it_is(play: Playground) -> None:
    moving = f"git -C {play.top} commit -q --allow-empty -m meanwhile"
    with pytest.raises(MlshError, match="HEAD has moved"):
        do(play, "HEAD~1", check=("sh", "-c", moving))
    assert play.git("log", "-1", "--format=%s") == "meanwhile"
    assert play.git("status", "--porcelain") == ""


def test_a_file_changed_while_the_check_ran_is_not_written_over(play: Playground) -> None:
    with pytest.raises(Refused, match="file3"):
        do(play, "HEAD", check=("sh", "-c", f"echo mine > {play.top}/file3"))
    assert play.read("file3") == "mine\n"
    assert play.git("log", "-1", "--format=%s") == "commit 3"


def test_a_checkout_that_stops_half_way_is_put_back(play: Playground) -> None:
    """A filter that fails stands for a full disk, which stops git at the same place."""
    for number in range(3):
        play.write(f"z{number}", "x\n")
    play.write("a.big", "old\n")
    play.write(".gitattributes", "*.big filter=fails\n")
    play.git("add", ".")
    play.git("commit", "-qm", "files")
    play.write("a.big", "new\n")
    for number in range(3):
        play.write(f"z{number}", "y\n")
    play.write("0", "made too\n")
    play.git("add", ".")
    play.git("commit", "-qm", "to be reverted")
    play.git("config", "filter.fails.clean", "cat")
    play.git("config", "filter.fails.smudge", """sh -c 'read -r text; test "$text" = new && echo new'""")
    play.git("config", "filter.fails.required", "true")
    before = play.state()
    with pytest.raises(MlshError):
        do(play, "HEAD")
    assert play.state() == before
    assert left_behind(play) == []


def test_a_ctrl_c_between_files_and_branch_puts_the_files_back(
    play: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Ctrl-C is raised in this process at that very point, which no signal from outside hits."""
    real = Repository.git

    def cut(self: Repository, *words: str, **more: Any) -> bytes:
        if words[0] == "update-ref" and "refs/heads/main" in words:
            raise KeyboardInterrupt
        return real(self, *words, **more)

    play.write("file1", "staged")
    play.git("add", "file1")
    play.write("file2", "dirty")
    before = play.state()
    monkeypatch.setattr(Repository, "git", cut)
    with pytest.raises(KeyboardInterrupt):
        do(play, "HEAD")
    assert play.state() == before


# Whatever the person has


PATHS = ("file1", "file2", "file3", "new", "sub/new")
CHANGES = st.lists(
    st.tuples(st.sampled_from(["write", "add", "rm", "add -N", "chmod", "ignore"]), st.sampled_from(PATHS)), max_size=6
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=CHANGES,
    which=st.sampled_from(["HEAD", "HEAD~1", "HEAD~2"]),
    check=st.sampled_from([(), ("true",), ("false",)]),
    branch=st.sampled_from(["", "new-branch"]),
)
def test_a_persons_own_changes_survive_every_revert(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[str, str]],
    which: str,
    check: tuple[str, ...],
    branch: str,
) -> None:
    play = Playground.make(tmp_path_factory.mktemp("any") / "repo")
    play.commit("file1", "1\nagain\n", "file1 again")
    for what, path in changes:
        if what == "write":
            play.write(path, f"{what} {path}\n")
        elif what == "chmod" and (play.top / path).exists():
            (play.top / path).chmod(0o755)
        elif what == "ignore":
            play.write(".git/info/exclude", f"{path}\n")
        else:
            play.git(*what.split(), "--", path, check=False)
    before = everything(play)
    dirty = {path: (play.top / path).read_bytes() for path in PATHS if (play.top / path).exists()}
    status = set(play.git("status", "--porcelain=v2", "--untracked-files=all").splitlines())
    touched = set(play.git("diff", "--name-only", f"{which}~1", which).splitlines())
    made = None
    with contextlib.suppress(MlshError):
        made = do(play, which, check=check, branch=branch)
    assert left_behind(play) == []
    assert made is None or check != ("false",)
    if made is None:
        assert everything(play) == before
    elif branch:
        assert everything(play)["index bytes"] == before["index bytes"]
        assert play.state()["files"] == before["files"]
    else:
        assert set(play.git("status", "--porcelain=v2", "--untracked-files=all").splitlines()) == status
        assert {path: (play.top / path).read_bytes() for path in dirty if path not in touched} == {
            path: data for path, data in dirty.items() if path not in touched
        }
        undone = play.undo()
        assert undone.operation.verb == "revert"
        assert play.state() == {key: before[key] for key in play.state()}


def test_planning_writes_nothing(play: Playground) -> None:
    before = everything(play)
    revert.plan(play.repo, Wish(revisions=("HEAD", "HEAD~1"), branch="x"))
    assert everything(play) == before
    assert not (play.git_dir() / "mlsh").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.root
def test_a_full_disk_under_the_trial_leaves_nothing(
    play: Playground, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (play.top / "large").write_bytes(os.urandom(4 << 20))  # of zeros git makes a hole
    play.git("add", "large")
    play.git("commit", "-qm", "large")
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    error = refused(play, "HEAD~1", check=("true",))
    assert "TMPDIR" in error.hint
    assert os.listdir(small_disk) == []


@pytest.mark.root
def test_a_full_disk_under_the_repository_leaves_the_files_as_they_were(small_disk: Path) -> None:
    play = Playground.make(small_disk / "repo")
    play.write("a", "x\n")
    (play.top / "large").write_bytes(os.urandom(600 << 10))
    play.git("add", ".")
    play.git("commit", "-qm", "large")
    play.git("rm", "-q", "large")
    play.git("commit", "-qm", "without it")
    (small_disk / "filling").write_bytes(bytes(800 << 10))
    before = play.state()
    with pytest.raises(MlshError) as error:
        do(play, "HEAD")
    assert "room" in error.value.hint
    assert play.state() == before
    assert left_behind(play) == []
