"""Each kind of operation is recognised, undone whole, and done again by redo; on real repositories."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from mlsh.undo.plan import CannotUndo
from tests.undo.playground import Playground

Operation = Callable[[Playground], object]


def amend(play: Playground) -> None:
    play.write("file3", "amended\n")
    play.git("add", "file3")


CASES: dict[str, tuple[Operation, Operation, str]] = {
    # name: what comes before, the operation, the kind that it is taken for
    "commit": (
        lambda p: (p.write("file1", "new\n"), p.git("add", "file1"), p.write("file2", "not staged\n")),
        lambda p: p.git("commit", "-qm", "mistake"),
        "commit",
    ),
    "commit --amend": (amend, lambda p: p.git("commit", "-q", "--amend", "-m", "better"), "commit"),
    "commit on no branch": (
        lambda p: (p.git("switch", "-q", "--detach"), p.write("x", "x"), p.git("add", "x")),
        lambda p: p.git("commit", "-qm", "nowhere"),
        "commit",
    ),
    "reset --hard": (lambda p: None, lambda p: p.git("reset", "-q", "--hard", "HEAD~2"), "reset"),
    "reset --mixed": (lambda p: p.write("x", "x"), lambda p: p.git("reset", "-q", "HEAD~2"), "reset"),
    "reset --soft": (
        lambda p: (p.write("x", "x"), p.git("add", "x")),
        lambda p: p.git("reset", "-q", "--soft", "HEAD~1"),
        "reset",
    ),
    "reset --mixed with changes": (
        lambda p: p.write("file3", "dirty\n"),
        lambda p: p.git("reset", "-q", "HEAD~1"),
        "reset",
    ),
    "merge": (lambda p: p.commit("m", "m", "on main"), lambda p: p.git("merge", "-q", "--no-edit", "topic"), "move"),
    "merge, fast-forward": (lambda p: None, lambda p: p.git("merge", "-q", "topic"), "move"),
    "merge beside changes": (
        lambda p: (
            p.write("file1", "dirty\n"),
            p.write("file2", "staged\n"),
            p.git("add", "file2"),
            p.write("new", "n"),
        ),
        lambda p: p.git("merge", "-q", "topic"),
        "move",
    ),
    "merge with a conflict": (
        lambda p: p.conflict(),
        lambda p: p.git("merge", "-q", "other", check=False),
        "in-progress",
    ),
    "rebase": (
        lambda p: (p.commit("m", "m", "on main"), p.git("switch", "-q", "topic")),
        lambda p: p.git("rebase", "-q", "main"),
        "move",
    ),
    "rebase of another branch": (
        lambda p: (p.commit("m", "m", "on main"), p.git("switch", "-q", "topic")),
        lambda p: p.git("rebase", "-q", "--onto", "main~2", "main~1"),
        "move",
    ),
    "rebase with a conflict": (
        lambda p: p.conflict(),
        lambda p: p.git("rebase", "-q", "other", check=False),
        "in-progress",
    ),
    "cherry-pick": (lambda p: None, lambda p: p.git("cherry-pick", "topic"), "move"),
    "cherry-pick with a conflict": (
        lambda p: p.conflict(),
        lambda p: p.git("cherry-pick", "other", check=False),
        "in-progress",
    ),
    "revert": (lambda p: None, lambda p: p.git("revert", "--no-edit", "HEAD~1"), "move"),
    "checkout": (lambda p: p.write("file1", "comes along\n"), lambda p: p.git("checkout", "-q", "topic"), "checkout"),
    "checkout of a commit": (lambda p: None, lambda p: p.git("checkout", "-q", "HEAD~1"), "checkout"),
    "switch -c": (lambda p: None, lambda p: p.git("switch", "-q", "-c", "new", "topic"), "checkout"),
    "branch": (lambda p: None, lambda p: p.git("branch", "new", "HEAD~1"), "branch-created"),
    "branch -f": (lambda p: None, lambda p: p.git("branch", "-f", "topic", "main"), "branch-moved"),
    "branch -m": (lambda p: None, lambda p: p.git("branch", "-m", "topic", "renamed"), "branch-renamed"),
    "branch -m of HEAD's": (lambda p: None, lambda p: p.git("branch", "-m", "trunk"), "branch-renamed"),
    "branch -D": (lambda p: None, lambda p: p.git("branch", "-q", "-D", "topic"), "branch-deleted"),
    "branch -D of a folder": (
        lambda p: (p.git("switch", "-q", "-c", "feature/deep"), p.git("switch", "-q", "main")),
        lambda p: p.git("branch", "-q", "-D", "feature/deep"),
        "branch-deleted",
    ),
    "stash": (
        lambda p: (p.write("file1", "dirty\n"), p.write("file2", "staged\n"), p.git("add", "file2")),
        lambda p: p.git("stash", "-q"),
        "stash-push",
    ),
    "stash -u": (
        lambda p: (p.write("file1", "dirty\n"), p.write("new", "n\n")),
        lambda p: p.git("stash", "-q", "-u"),
        "stash-push",
    ),
    "stash drop": (
        lambda p: (p.write("file1", "dirty\n"), p.git("stash", "-q")),
        lambda p: p.git("stash", "drop", "-q"),
        "stash-drop",
    ),
    "stash drop of one of two": (
        lambda p: (p.write("file1", "1"), p.git("stash", "-q"), p.write("file1", "2"), p.git("stash", "-q")),
        lambda p: p.git("stash", "drop", "-q"),
        "stash-drop",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_undo_brings_back_what_was_before_and_redo_what_came_after(play: Playground, name: str) -> None:
    before_it, operation, kind = CASES[name]
    before_it(play)
    before = play.state()
    operation(play)
    after = play.state()
    assert after != before
    found = play.undo()
    assert found.operation.kind == kind
    assert play.state() == before, found
    play.redo()
    assert play.state() == after
    play.undo()
    assert play.state() == before


def test_a_chain_of_undos_walks_back_and_a_chain_of_redos_forward(play: Playground) -> None:
    states = [play.state()]
    for number, step in enumerate([
        lambda: (play.write("a", "a"), play.git("add", "a"), play.git("commit", "-qm", "a")),
        lambda: play.git("merge", "-q", "--no-edit", "topic"),
        lambda: play.git("reset", "-q", "--hard", "HEAD~1"),
        lambda: play.git("switch", "-q", "topic"),
        lambda: play.git("cherry-pick", "main"),
    ]):  # fmt: skip
        os.environ["GIT_COMMITTER_DATE"] = f"{4_000_000_000 + 60 * number} +0000"
        try:
            step()
        finally:
            del os.environ["GIT_COMMITTER_DATE"]
        states.append(play.state())
    for state in reversed(states[1:-1]):
        play.undo()
        assert play.state() == state
    for state in states[2:]:
        play.redo()
        assert play.state() == state


def test_a_pulled_merge_goes_back_and_what_was_fetched_stays(
    play: Playground, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone = Playground(tmp_path_factory.mktemp("clone") / "repo")
    play.git("clone", "-q", ".", str(clone.top))
    play.commit("later", "x", "later")
    clone.commit("mine", "x", "mine")
    before = clone.state()["files"]
    clone.git("-c", "pull.rebase=false", "pull", "-q", "--no-edit")
    fetched = clone.git("rev-parse", "origin/main")
    found = clone.undo()
    assert found.operation.verb == "pull"
    assert clone.state()["files"] == before
    assert clone.git("rev-parse", "origin/main") == fetched


def test_a_rebase_by_pull_goes_back(play: Playground, tmp_path_factory: pytest.TempPathFactory) -> None:
    clone = Playground(tmp_path_factory.mktemp("clone") / "repo")
    play.git("clone", "-q", ".", str(clone.top))
    play.commit("later", "x", "later")
    mine = clone.commit("mine", "x", "mine")
    clone.git("pull", "-q", "--rebase")
    assert clone.git("rev-parse", "HEAD") != mine
    found = clone.undo()
    assert found.operation.verb == "pull --rebase"
    assert clone.git("rev-parse", "HEAD") == mine


def test_the_first_commit_goes_and_its_files_stay_staged(tmp_path_factory: pytest.TempPathFactory) -> None:
    play = Playground(tmp_path_factory.mktemp("new"))
    play.git("init", "-q")
    play.write("a", "a")
    play.git("add", "a")
    before = play.state()
    play.git("commit", "-qm", "first")
    after = play.state()
    play.undo()
    assert play.state() == before
    play.redo()
    assert play.state() == after


def test_an_interactive_rebase_with_commits_of_the_persons_own_goes_back_whole(play: Playground) -> None:
    before = play.state()
    env = {**os.environ, "GIT_SEQUENCE_EDITOR": "sed -i s/^pick/edit/", "GIT_EDITOR": "true"}
    play.git("rebase", "-i", "HEAD~2", env=env)
    for number in range(2):
        play.commit(f"between{number}", "x", "between")
        play.git("rebase", "--continue", env=env)
    after = play.state()
    assert play.undo().operation.verb == "rebase"
    assert play.state() == before
    play.redo()
    assert play.state() == after


def test_what_is_in_the_way_can_be_stashed_and_the_stash_skipped(play: Playground) -> None:
    before = play.state()["files"]
    play.git("merge", "-q", "topic")
    play.write("topic", "my work\n")
    with pytest.raises(CannotUndo):
        play.undo()
    play.git("stash", "-q", "-u")
    assert play.undo(skip=1).operation.verb == "merge"
    assert play.state()["files"] == before
    play.redo()
    play.git("stash", "pop", "-q")
    assert play.read("topic") == "my work\n"


def test_a_commit_that_a_remote_has_comes_with_a_warning(
    play: Playground, tmp_path_factory: pytest.TempPathFactory
) -> None:
    remote = tmp_path_factory.mktemp("remote")
    play.git("init", "-q", "--bare", str(remote))
    play.git("push", "-q", str(remote), "main")
    play.git("remote", "add", "origin", str(remote))
    play.commit("x", "x", "not pushed")
    play.git("fetch", "-q", "origin")
    assert play.plan().plan.warning == ""
    play.git("push", "-q", "origin", "main")
    assert "origin/main" in play.plan().plan.warning
    assert "mlsh revert" in play.plan().plan.warning


def test_what_is_not_committed_is_never_overwritten(play: Playground) -> None:
    play.git("merge", "-q", "topic")
    play.write("topic", "my work\n")
    before = play.state()
    with pytest.raises(CannotUndo, match="topic"):
        play.undo()
    assert play.state() == before


def test_an_ignored_file_in_the_way_is_not_overwritten(play: Playground) -> None:
    play.git("rm", "-q", "--cached", "file3")
    play.write(".gitignore", "file3\n")
    play.git("add", ".gitignore")
    play.git("commit", "-qm", "no longer tracked")
    play.git("switch", "-q", "-c", "side", "HEAD~1")
    play.git("switch", "-q", "main")
    play.git("reset", "-q", "--hard", "topic")
    play.git("reset", "-q", "--hard", "main@{1}")
    play.write("file3", "precious\n")
    with pytest.raises(CannotUndo, match="file3"):
        play.undo()
    assert play.read("file3") == "precious\n"


def test_redo_refuses_where_it_would_overwrite_and_changes_nothing(play: Playground) -> None:
    play.git("merge", "-q", "topic")
    play.undo()
    play.write("topic", "made since\n")
    before = play.state()
    with pytest.raises(Exception, match="topic changed since"):
        play.redo()
    assert play.state() == before


def test_redo_after_another_commit_would_lose_that_and_is_refused(play: Playground) -> None:
    play.commit("x", "x", "x")
    play.undo()
    play.git("commit", "-qm", "other")
    with pytest.raises(Exception, match="main has moved since"):
        play.redo()
