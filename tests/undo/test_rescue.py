"""What was lost is listed, and comes back to a new branch or file, never over anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlsh.errors import MlshError, NotFound, RefusedInput
from mlsh.undo import conflict, rescue, scrub, wrong_branch
from mlsh.undo.capture import capture
from tests.undo.playground import Playground


def items(play: Playground) -> list[rescue.Item]:
    return list(rescue.find(play.repo).items)


def one(play: Playground, kind: str, title: str) -> rescue.Item:
    found = [item for item in items(play) if item.kind == kind and title in f"{item.title} {item.note}"]
    assert len(found) == 1, items(play)
    return found[0]


def take(play: Playground, item: rescue.Item, to: str = "") -> str:
    repo = play.repo
    with repo.changing():
        return rescue.take(repo, item, to)


def test_a_commit_thrown_away_by_reset_comes_back_on_a_new_branch(play: Playground) -> None:
    play.commit("a", "a\n", "commit 4")
    lost = play.commit("b", "3\n", "commit 5")
    play.git("reset", "-q", "--hard", "HEAD~2")
    item = one(play, "commit", "commit 5")
    assert item.name == lost
    assert item.note == "2 commits"
    assert b"+3" in rescue.show(play.repo, item, False, False)
    before = play.state()
    branch = take(play, item)
    assert play.git("rev-parse", branch) == lost
    play.git("branch", "-D", branch)
    assert play.state() == before


def test_a_commit_that_no_reflog_has_is_found_too(play: Playground) -> None:
    lost = play.commit("a", "a\n", "commit 4")
    play.git("reset", "-q", "--hard", "HEAD~1")
    play.git("reflog", "expire", "--expire=now", "--all")
    assert one(play, "commit", "commit 4").name == lost


def test_a_deleted_branch_comes_back_under_its_name(play: Playground) -> None:
    tip = play.git("rev-parse", "topic")
    play.git("branch", "-q", "-D", "topic")
    item = one(play, "branch", "deleted branch topic")
    assert take(play, item) == "topic"
    assert play.git("rev-parse", "topic") == tip


def test_a_dropped_stash_comes_back_whole(play: Playground) -> None:
    play.write("file1", "stashed\n")
    play.write("new", "untracked\n")
    play.git("stash", "-q", "-u", "-m", "my work")
    play.git("stash", "drop", "-q")
    item = one(play, "stash", "my work")
    assert b"stashed" in rescue.show(play.repo, item, False, False)
    assert b"untracked" in rescue.show(play.repo, item, False, False)
    branch = take(play, item)
    play.git("stash", "apply", "-q", branch)
    assert (play.read("file1"), play.read("new")) == ("stashed\n", "untracked\n")


def test_a_file_that_was_staged_once_comes_back_as_a_new_file(play: Playground, tmp_path: Path) -> None:
    play.write("file1", "precious\n")
    play.git("add", "file1")
    play.git("reset", "-q", "--hard")
    item = one(play, "file", "precious")
    target = tmp_path / "back"
    take(play, item, str(target))
    assert target.read_text() == "precious\n"
    with pytest.raises(RefusedInput, match="already"):
        take(play, item, str(target))


def test_a_deleted_annotated_tag_is_found(play: Playground) -> None:
    play.git("tag", "-a", "v1", "-m", "the first")
    play.git("tag", "-d", "v1")
    item = one(play, "tag", "deleted tag v1")
    branch = take(play, item)
    assert play.git("rev-parse", branch) == play.git("rev-parse", "main")


def test_a_save_comes_back_as_a_branch_with_what_was_not_committed(play: Playground) -> None:
    play.write("new", "untracked\n")
    repo = play.repo
    with repo.changing():
        capture(repo, "save", "before lunch")
    (play.top / "new").unlink()
    item = one(play, "save", "before lunch")
    assert b"untracked" in rescue.show(repo, item, False, False)
    branch = take(play, item)
    assert play.git("show", f"{branch}:new") == "untracked"


def test_nothing_is_put_over_a_branch(play: Playground) -> None:
    play.commit("a", "a\n", "commit 4")
    play.git("reset", "-q", "--hard", "HEAD~1")
    item = one(play, "commit", "commit 4")
    before = play.state()
    for name in ("topic", "main", "-f", "a..b", "--help"):
        with pytest.raises(RefusedInput):
            take(play, item, name)
    assert play.state() == before


def test_numbers_are_those_of_the_list_that_was_shown(play: Playground) -> None:
    play.commit("a", "a\n", "commit 4")
    play.git("reset", "-q", "--hard", "HEAD~1")
    repo = play.repo
    shown = rescue.find(repo)
    rescue.remember(repo, shown)
    play.commit("later", "x", "later")
    play.git("reset", "-q", "--hard", "HEAD~1")
    assert rescue.which(repo, "1") == shown.items[0]
    with pytest.raises(NotFound):
        rescue.which(repo, "99")
    with pytest.raises(NotFound):
        rescue.which(repo, "--all")
    assert rescue.which(repo, shown.items[0].name[:10]).name == shown.items[0].name


def test_what_is_stashed_or_on_another_worktree_is_not_lost(play: Playground, tmp_path: Path) -> None:
    for text in ("1", "2"):
        play.write("file1", text)
        play.git("stash", "-q")
    play.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    Playground(tmp_path / "other").commit("x", "x", "on no branch, but there")
    assert items(play) == []


# Conflicts


def test_a_conflict_of_a_merge_is_explained(play: Playground) -> None:
    play.conflict()
    play.git("merge", "-q", "other", check=False)
    found = conflict.explain(play.repo)
    assert found.during == "merge"
    assert [file.path for file in found.files] == ["file1"]
    file = found.files[0]
    assert file.what == "both sides changed it"
    assert [line.partition(" ")[2] for line in file.ours.commits] == ["ours"]
    assert [line.partition(" ")[2] for line in file.theirs.commits] == ["theirs"]
    assert play.git("cat-file", "blob", file.base) == "1"
    assert file.places == 1
    assert not found.rerere
    assert found.abort == "git merge --abort"


def test_in_a_rebase_ours_is_what_is_rebased_onto(play: Playground) -> None:
    play.conflict()
    play.git("rebase", "-q", "other", check=False)
    found = conflict.explain(play.repo)
    assert found.during == "rebase"
    assert "rebase onto" in found.ours
    assert "your own commit" in found.theirs
    assert "ours" in found.theirs  # the subject of main's commit
    assert [line.partition(" ")[2] for line in found.files[0].theirs.commits] == ["ours"]


def test_deleted_on_one_side(play: Playground) -> None:
    play.git("switch", "-q", "-c", "other")
    play.git("rm", "-q", "file1")
    play.git("commit", "-qm", "gone")
    play.git("switch", "-q", "main")
    play.commit("file1", "changed\n", "changed")
    play.git("merge", "-q", "other", check=False)
    assert conflict.explain(play.repo).files[0].what == "ours changed it, theirs deleted it"


def test_no_conflict_is_said(play: Playground) -> None:
    with pytest.raises(NotFound):
        conflict.explain(play.repo)


# The wrong branch


def move(play: Playground, target: str, count: int = 1) -> None:
    repo = play.repo
    with repo.changing():
        wrong_branch.carry_out(repo, wrong_branch.plan(repo, target, count))


def test_commits_go_to_a_new_branch_and_what_is_not_committed_stays(play: Playground) -> None:
    tip, base = play.git("rev-parse", "HEAD"), play.git("rev-parse", "HEAD~2")
    play.write("file1", "dirty\n")
    play.write("x", "staged")
    play.git("add", "x")
    before = play.state()
    move(play, "feature", 2)
    assert play.git("rev-parse", "feature") == tip
    assert play.git("rev-parse", "main") == base
    assert play.git("status", "--porcelain").split() == ["M", "file1", "A", "x"]
    play.undo()
    assert play.state() == before


def test_commits_are_picked_onto_a_branch_that_is_there(play: Playground) -> None:
    before = play.state()
    move(play, "topic")
    assert play.git("log", "-2", "--format=%s", "topic").splitlines() == ["commit 3", "on topic"]
    assert play.git("log", "-1", "--format=%s", "main") == "commit 2"
    assert play.git("worktree", "list").count("\n") == 0
    play.undo()
    assert play.state() == before


def test_commits_that_do_not_fit_are_left_where_they_are(play: Playground) -> None:
    play.conflict()
    before = play.state()
    with pytest.raises(RefusedInput, match="file1"):
        move(play, "other")
    assert play.state() == before
    assert play.git("worktree", "list").count("\n") == 0


@pytest.mark.parametrize(("target", "count"), [("main", 1), ("-f", 1), ("new", 3), ("new", 99)])
def test_a_move_that_makes_no_sense_changes_nothing(play: Playground, target: str, count: int) -> None:
    before = play.state()
    with pytest.raises(RefusedInput):
        move(play, target, count)
    assert play.state() == before


# A secret, a huge file

SECRET = "hunter2-hunter2-hunter2"  # noqa: S105


def test_a_secret_goes_from_every_commit_that_only_you_have_and_is_never_shown(play: Playground) -> None:
    play.commit("config", f"key = {SECRET}\n", "settings")
    play.commit("config", f"key = {SECRET}\nother = 1\n", f"more, {SECRET}")
    repo = play.repo
    with repo.changing():
        found = scrub.plan_secret(repo, SECRET.encode())
        assert SECRET not in "".join(found.places)
        _, tip = scrub.carry_out(repo, found)
    assert play.git("rev-parse", "main") == tip
    assert SECRET not in play.git("log", "-p", "main")
    assert "***REMOVED***" in play.git("show", "main:config")
    assert SECRET in play.read("config")  # the file is the person's
    assert play.git("log", "-1", "--format=%an %ae", "main") == "Ada ada@example.org"


def test_the_commands_that_scrub_prints_leave_no_trace_of_the_secret(play: Playground) -> None:
    play.commit("config", f"key = {SECRET}\n", "settings")
    argv = [sys.executable, "-m", "mlsh"]

    def mlsh(*words: str, given: str | None = None) -> str:
        done = subprocess.run([*argv, *words], cwd=play.top, input=given, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    said = mlsh("rescue", "scrub", "--secret", "-y", "--explain", given=SECRET)
    assert SECRET not in said
    play.write("config", "key = from the environment\n")
    for line in re.findall(r"\$ (.+)", said):
        program, *words = line.split()
        mlsh(*words) if program == "mlsh" else play.git(*words)
    everything = play.git("cat-file", "--batch", "--batch-all-objects", "--unordered")
    assert "from the environment" not in everything  # not committed
    assert SECRET not in everything
    assert SECRET not in play.git("reflog", "--all")


def test_a_huge_file_goes_and_stays_on_the_disk(play: Playground) -> None:
    play.write("huge.bin", "x" * 100)
    play.git("add", "huge.bin")
    play.commit("code", "code", "code and a huge file")
    play.commit("more", "more", "more")
    before = play.state()
    repo = play.repo
    with repo.changing():
        scrub.carry_out(repo, scrub.plan_paths(repo, ["huge.bin"]))
    assert "huge.bin" not in play.git("log", "--name-only", "main")
    assert play.git("show", "main~1:code") == "code"
    assert play.git("status", "--porcelain") == "?? huge.bin"
    play.undo()
    assert play.state() == before


def test_what_was_pushed_is_left_alone_and_the_plan_begins_with_a_new_key(play: Playground, tmp_path: Path) -> None:
    play.commit("config", f"key = {SECRET}\n", "settings")
    play.git("init", "-q", "--bare", str(tmp_path / "remote"))
    play.git("remote", "add", "origin", str(tmp_path / "remote"))
    play.git("push", "-q", "origin", "main")
    play.commit("config", f"key = {SECRET}\nmore\n", "more")
    before = play.state()
    for plan in (
        lambda: scrub.plan_secret(play.repo, SECRET.encode()),
        lambda: scrub.plan_paths(play.repo, ["config"]),
    ):
        with pytest.raises(scrub.Pushed, match=r"1\. a secret: make a new one") as caught:
            plan()
        assert SECRET not in caught.value.what + caught.value.hint
    assert play.state() == before


def test_names_that_are_not_text_are_rescued_too(play: Playground) -> None:
    name = b"b\xffd\nname"
    with open(os.path.join(os.fsencode(play.top), name), "wb") as file:
        file.write(b"odd\n")
    repo = play.repo
    with repo.changing():
        capture(repo, "save", "odd")
    os.unlink(os.path.join(os.fsencode(play.top), name))
    assert b"odd" in rescue.show(repo, one(play, "save", "odd"), False, False)
    with repo.changing():
        from mlsh.undo import records, restore

        restore.in_place(repo, records.load_all(repo)[0], False)
    with open(os.path.join(os.fsencode(play.top), name), "rb") as file:
        assert file.read() == b"odd\n"


def test_rescue_reads_a_bare_repository(play: Playground, tmp_path: Path) -> None:
    play.git("clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    bare = Playground(tmp_path / "bare")
    bare.git("branch", "-q", "-D", "topic")
    item = one(bare, "commit", "on topic")
    assert take(bare, item, "topic") == "topic"
    with pytest.raises(MlshError, match="no working tree"):
        bare.plan()
