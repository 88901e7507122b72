"""Odd repositories, odd names, bad moments: undo does the right thing, or says why not and changes nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlsh.errors import MlshError, NotFound
from mlsh.undo import act, records, repository, rescue, restore
from mlsh.undo.capture import LARGEST_FILE, capture
from mlsh.undo.plan import CannotUndo
from mlsh.undo.repository import Busy
from tests.bed import Laptop
from tests.git.folders import on_disk
from tests.undo.playground import Playground

ODD = [b" lead", b"two words", b"new\nline", b"-rf", b"b\xff\xfe", b'qu"ote\\', b"tab\t", b":(top)x", "é漢".encode()]


def save(play: Playground, name: str = "") -> records.Record:
    repo = play.repo
    with repo.changing():
        return capture(repo, "save", name, named=bool(name))


def mlsh(play: Playground, *words: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "mlsh", *words]
    return subprocess.run(argv, cwd=play.top, capture_output=True, check=False, stdin=subprocess.DEVNULL)


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="in no git repository"):
        repository.find(tmp_path)


def test_nothing_committed_yet(tmp_path: Path) -> None:
    play = Playground(tmp_path / "new")
    play.top.mkdir()
    play.git("init", "-q")
    play.write("a", "a")
    play.git("add", "a")
    with pytest.raises(CannotUndo, match="nothing has been committed"):
        play.plan()
    save(play)
    assert rescue.find(play.repo).items[0].kind == "save"


def test_a_fresh_clone_and_a_shallow_one(play: Playground, tmp_path: Path) -> None:
    clone = Playground(tmp_path / "clone")
    play.git("clone", "-q", "--depth=1", f"file://{play.top}", str(clone.top))
    with pytest.raises(CannotUndo, match="clone"):
        clone.plan()
    before = clone.state()
    clone.commit("x", "x", "x")
    clone.undo()
    clone.git("reset", "-q", "--hard")
    assert clone.state()["refs"] == before["refs"]


def test_a_commit_that_gc_took_is_said_to_be_gone(play: Playground) -> None:
    play.git("reset", "-q", "--hard", "HEAD~1")
    play.git("branch", "-q", "-D", "topic")
    log = play.git_dir() / "logs/HEAD"
    lines = log.read_text().splitlines(keepends=True)
    old = lines[-1].split()[0]
    for other in (play.git_dir() / "logs/refs").rglob("*"):
        if other.is_file():
            other.unlink()
    log.unlink()
    (play.git_dir() / "ORIG_HEAD").unlink()
    play.git("gc", "-q", "--prune=now")
    log.write_text(lines[-1].replace(old, old))
    with pytest.raises(CannotUndo, match="not in this repository any more"):
        play.plan()


def test_reflogs_switched_off(play: Playground) -> None:
    play.git("config", "core.logAllRefUpdates", "false")
    shutil.rmtree(play.git_dir() / "logs")
    play.commit("x", "x", "x")
    with pytest.raises(CannotUndo, match="keeps no reflogs"):
        play.plan()
    # ORIG_HEAD is what a merge leaves all the same.
    before = play.state()
    play.git("merge", "-q", "--no-edit", "topic")
    play.undo()
    assert play.state() == before


def test_reflogs_that_have_expired(play: Playground) -> None:
    play.git("reflog", "expire", "--expire=all", "--all")
    with pytest.raises(CannotUndo, match="expired"):
        play.plan()


def test_reflogs_that_expire_after_an_undo_undo_nothing_twice(play: Playground) -> None:
    play.commit("x", "x", "x")
    play.undo()
    play.git("reflog", "expire", "--expire=all", "--all")
    with pytest.raises(CannotUndo):
        play.undo()
    play.redo()
    assert play.git("log", "-1", "--format=%s") == "x"


def test_a_lock_of_the_index_is_named(play: Playground) -> None:
    play.commit("x", "x", "x")
    before = play.state()
    (play.git_dir() / "index.lock").touch()
    with pytest.raises(Busy, match=r"index\.lock"):
        play.undo()
    (play.git_dir() / "index.lock").unlink()
    assert play.state() == before


def test_a_locked_branch_leaves_everything_as_it_is(play: Playground) -> None:
    play.git("merge", "-q", "--no-edit", "topic")
    before = play.state()
    (play.git_dir() / "refs/heads/main.lock").touch()
    with pytest.raises(MlshError, match="lock"):
        play.undo()
    (play.git_dir() / "refs/heads/main.lock").unlink()
    # git had reset index and files before it found the lock.
    assert play.state() == before


def test_two_undos_at_once_take_turns(play: Playground) -> None:
    for name in ("x", "y"):
        play.commit(name, name, name)
    argv = [sys.executable, "-m", "mlsh", "undo", "-y"]
    both = [subprocess.Popen(argv, cwd=play.top, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) for _ in range(2)]
    assert [process.communicate()[1] and process.returncode for process in both] == [0, 0]
    assert play.git("log", "-1", "--format=%s") == "commit 3"
    assert play.git("diff", "--cached", "--name-only").split() == ["x", "y"]


def test_no_hook_runs(play: Playground, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hooks = play.git_dir() / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "post-checkout", "post-merge", "post-rewrite", "reference-transaction", "pre-rebase",
                 "post-index-change", "post-commit", "prepare-commit-msg", "commit-msg", "pre-auto-gc",
                 "pre-merge-commit", "fsmonitor-watchman"):  # fmt: skip
        (hooks / name).write_text(f'#!/bin/sh\necho "$0" >>{mark}\nexit 1\n')
        (hooks / name).chmod(0o755)
    play.git("config", "core.fsmonitor", str(hooks / "fsmonitor-watchman"))
    quiet = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
    play.write("x", "x")
    play.git(*quiet, "add", "x")
    for step in (
        ("commit", "-qm", "x"),
        ("merge", "-q", "--no-edit", "topic"),
        ("switch", "-q", "topic"),
        ("reset", "-q", "--hard", "HEAD~1"),
        ("branch", "-q", "-D", "main"),
    ):
        play.git(*quiet, *step)
        mark.unlink(missing_ok=True)
        play.undo()
        play.redo()
        play.undo()
        rescue.find(play.repo)
        save(play)
        assert not mark.exists(), mark.read_text()
        play.redo()


def test_filtered_files_come_back_as_they_lay_on_the_disk(play: Playground, tmp_path: Path) -> None:
    clean, smudge = tmp_path / "clean", tmp_path / "smudge"
    clean.write_text("#!/bin/sh\nsed s/PLAIN/STORED/\n")
    smudge.write_text("#!/bin/sh\nsed s/STORED/PLAIN/\n")
    clean.chmod(0o755)
    smudge.chmod(0o755)
    play.git("config", "filter.mine.clean", str(clean))
    play.git("config", "filter.mine.smudge", str(smudge))
    play.git("config", "filter.mine.required", "true")
    play.write(".gitattributes", "*.mine filter=mine\n*.txt text eol=crlf\n")
    play.git("add", ".gitattributes")
    play.git("commit", "-qm", "attributes")
    play.commit("a.mine", "PLAIN one\n", "one")
    play.commit("a.txt", "line\r\n", "text")
    play.commit("a.mine", "PLAIN two\n", "two")
    play.git("reset", "-q", "--hard", "HEAD~1")
    assert play.git("show", "HEAD:a.mine") == "STORED one"
    before = on_disk(play.top)
    play.undo()
    assert play.read("a.mine") == "PLAIN two\n"
    play.redo()
    assert on_disk(play.top) == before
    play.write("a.mine", "PLAIN dirty\n")
    record = save(play)
    assert play.git("show", f"{record.commit}:files/a.mine") == "PLAIN dirty"
    play.git("checkout", "-q", "--", "a.mine")
    repo = play.repo
    with repo.changing():
        restore.in_place(repo, record, False)
    assert play.read("a.mine") == "PLAIN dirty\n"


def test_odd_names_go_and_come_byte_for_byte(play: Playground) -> None:
    top = os.fsencode(play.top)
    for name in ODD:
        with open(os.path.join(top, name), "wb") as file:
            file.write(b"one " + name)
    play.git("add", "-A")
    play.git("commit", "-qm", "odd")
    for name in ODD[:4]:
        with open(os.path.join(top, name), "wb") as file:
            file.write(b"dirty " + name)
    for name in ODD[4:]:
        os.unlink(os.path.join(top, name))
        os.symlink(b"to " + name[:1] + b"x", os.path.join(top, name))
    before = play.state()
    play.git("stash", "-q")
    after = play.state()
    play.undo()
    assert play.state() == before
    play.redo()
    assert play.state() == after
    play.git("reset", "-q", "--hard", "HEAD~1")
    play.undo()
    assert play.state() == after


def test_a_folder_in_the_place_of_a_file_and_back(play: Playground) -> None:
    (play.top / "file1").unlink()
    play.write("file1/inner", "x")
    play.git("add", "-A")
    play.git("commit", "-qm", "a folder")
    before = play.state()
    play.git("reset", "-q", "--hard", "HEAD~1")
    after = play.state()
    play.undo()
    assert play.state() == before
    play.redo()
    assert play.state() == after


def test_a_link_in_the_place_of_a_folder_is_not_written_through(play: Playground, tmp_path: Path) -> None:
    play.commit("folder/file", "x", "x")
    play.git("reset", "-q", "--hard", "HEAD~1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (play.top / "folder").symlink_to(outside)
    with pytest.raises(MlshError):
        play.undo()
    assert list(outside.iterdir()) == []


def test_a_huge_file_that_is_not_tracked_is_left_out_and_left_alone(play: Playground) -> None:
    with open(play.top / "data.bin", "wb") as file:
        file.truncate(LARGEST_FILE + 1)
    play.commit("x", "x", "x")
    before = play.state()
    record = save(play)
    assert [path for path, _ in record.meta.left_out] == ["data.bin"]
    play.git("reset", "-q", "--hard", "HEAD~1")
    play.undo()
    assert play.state() == before


def test_a_submodule_is_left_alone(play: Playground, tmp_path: Path) -> None:
    inner = Playground.make(tmp_path / "inner")
    play.git("submodule", "add", "-q", str(inner.top), "sub")
    play.git("commit", "-qm", "with a submodule")
    (play.top / "sub/dirty").write_text("x")
    head = Playground(play.top / "sub").git("rev-parse", "HEAD")
    before = play.state()
    play.commit("x", "x", "x")
    play.undo()
    play.git("rm", "-q", "--cached", "x")
    (play.top / "x").unlink()
    assert play.state() == before
    assert Playground(play.top / "sub").git("rev-parse", "HEAD") == head
    sub = Playground(play.top / "sub")
    sub.git("switch", "-q", "-c", "here")
    sub.commit("y", "y", "in the submodule")
    sub.undo()
    assert sub.git("rev-parse", "HEAD") == head


def test_each_worktree_has_its_own_last_operation(play: Playground, tmp_path: Path) -> None:
    play.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Playground(tmp_path / "side")
    play.commit("x", "x", "on main")
    side.commit("y", "y", "on side")
    before = side.state()["files"]
    found = play.undo()
    assert "on main" in found.plan.happened
    assert side.state()["files"] == before
    found = side.undo()
    assert "on side" in found.plan.happened
    with pytest.raises(NotFound):
        records.get(records.ours(play.repo, records.load_all(play.repo)), records.load_all(side.repo)[0].meta.number)
    side.redo()
    assert side.git("log", "-1", "--format=%s") == "on side"
    assert play.git("log", "-1", "--format=%s") == "commit 3"


def test_a_rebase_that_undo_aborted_goes_on_after_redo(play: Playground) -> None:
    play.conflict()
    play.git("rebase", "-q", "other", check=False)
    play.write("file1", "resolved\n")
    play.undo()
    assert not (play.git_dir() / "rebase-merge").exists()
    play.redo()
    assert play.read("file1") == "resolved\n"
    play.git("add", "file1")
    play.git("-c", "core.editor=true", "rebase", "--continue")
    assert play.git("log", "-2", "--format=%s").splitlines() == ["ours", "theirs"]


def test_what_a_reset_threw_away_comes_back_where_it_was_saved(play: Playground) -> None:
    play.write("file1", "not committed\n")
    play.write("staged", "staged\n")
    play.git("add", "staged")
    before = play.state()
    save(play)
    play.git("reset", "-q", "--hard", "HEAD")
    play.undo()
    assert play.state() == before
    play.git("reset", "-q", "--hard", "HEAD~1")
    play.undo()


def test_what_a_reset_threw_away_without_a_save_is_said_to_be_gone(play: Playground) -> None:
    play.write("file1", "not committed\n")
    play.git("reset", "-q", "--hard")
    before = play.state()
    with pytest.raises(CannotUndo, match="kept no trace") as caught:
        play.undo()
    assert "mlsh rescue" in caught.value.hint
    assert play.state() == before
    assert "commit 3" in play.plan(skip=1).plan.happened or play.plan(skip=1).operation.kind == "checkout"


def test_git_gc_keeps_what_a_record_has(play: Playground) -> None:
    play.write("new", "untracked\n")
    play.write("file1", "staged\n")
    play.git("add", "file1")
    play.git("tag", "-a", "-m", "t", "v1")
    play.commit("file1", "staged\n", "lost")
    play.write("file2", "staged too\n")
    play.git("add", "file2")
    before = play.state()
    record = save(play, "all of it")
    play.git("reset", "-q", "--hard", "HEAD~2")
    play.git("clean", "-qfd")
    play.git("branch", "-q", "-D", "topic")
    play.git("reflog", "expire", "--expire=now", "--all")
    play.git("gc", "-q", "--prune=now")
    repo = play.repo
    with repo.changing():
        restore.in_place(repo, record, True)
    assert play.state() == before
    assert "dangling" not in play.git("fsck")


def test_records_are_bounded_and_named_ones_stay(play: Playground) -> None:
    named = save(play, "keep me")
    for _ in range(5):
        save(play)
    repo = play.repo
    with repo.changing():
        every = records.load_all(repo)
        later_ns = every[0].meta.time_ns + 91 * 86400 * 10**9
        assert records.prune(repo, every, later_ns) == 5
    assert [record.meta.number for record in records.load_all(repo)] == [named.meta.number]


def test_a_save_put_back_overwrites_nothing_that_no_commit_has(play: Playground) -> None:
    play.write("file1", "saved\n")
    record = save(play)
    play.write("file1", "made since\n")
    play.write("new", "made since\n")
    before = play.state()
    repo = play.repo
    with pytest.raises(MlshError, match="file1"), repo.changing():
        restore.in_place(repo, record, False)
    assert play.state() == before
    play.git("checkout", "-q", "--", "file1")
    with repo.changing():
        restore.in_place(repo, record, False)
    assert (play.read("file1"), play.read("new")) == ("saved\n", "made since\n")


# The command line


def test_a_hostile_subject_reaches_no_terminal(play: Playground) -> None:
    evil = "evil \x1b]52;c;cm0=\x07\x1b[2J\u202e end"
    play.commit("x", "x", evil)
    for words in (("undo", "--dry-run"), ("undo", "-y"), ("redo", "-y"), ("save", "--list"), ("undo", "-y")):
        done = mlsh(play, *words)
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout + done.stderr
        assert "\u202e".encode() not in done.stdout + done.stderr
    play.git("stash", "-q")
    play.git("stash", "drop", "-q")
    listed = mlsh(play, "rescue")
    assert listed.returncode == 0, listed.stderr
    assert b"evil" in listed.stdout
    assert b"\x1b" not in listed.stdout


def test_dry_run_changes_nothing_and_shows_the_commands(play: Playground) -> None:
    play.git("merge", "-q", "--no-edit", "topic")
    before = play.state(), play.git("for-each-ref")
    done = mlsh(play, "undo", "--dry-run")
    assert b"$ git reset -q --keep" in done.stderr
    assert (play.state(), play.git("for-each-ref")) == before


def test_without_a_terminal_it_asks_for_y(play: Playground) -> None:
    play.commit("x", "x", "x")
    done = mlsh(play, "undo")
    assert done.returncode == 2
    assert b"mlsh undo -y" in done.stderr
    assert play.git("log", "-1", "--format=%s") == "x"


def test_a_person_is_asked_and_may_say_no(laptop: Laptop) -> None:
    folder = laptop.project({"a": "a"})
    laptop.command("git", "commit", "-q", "--allow-empty", "-m", "second", cwd=folder)
    line = f"exec {sys.executable} -m mlsh undo"
    said = laptop.command("script", "-qec", line, "/dev/null", input="n\n", cwd=folder, check=False)
    assert "Undo it? [Y/n]" in said.stdout
    assert laptop.command("git", "log", "-1", "--format=%s", cwd=folder).stdout == "second\n"
    laptop.command("script", "-qec", line, "/dev/null", input="y\n", cwd=folder)
    assert laptop.command("git", "log", "-1", "--format=%s", cwd=folder).stdout == "first\n"


@pytest.mark.root
def test_a_repository_that_can_not_be_written_is_named(play: Playground) -> None:
    """On a mount that is read-only: to root no mode is."""
    play.commit("x", "x", "x")
    git_dir = shlex.quote(str(play.git_dir()))
    mounts = f"mount --bind {git_dir} {git_dir} && mount -o remount,ro,bind {git_dir}"

    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        line = f"{mounts} && exec {shlex.join([sys.executable, '-m', 'mlsh', *words])}"
        argv = ["unshare", "-m", "sh", "-c", line]
        return subprocess.run(argv, cwd=play.top, capture_output=True, check=False, stdin=subprocess.DEVNULL)

    done = run("undo", "-y")
    assert done.returncode == 65, done.stderr
    assert b"can't be written" in done.stderr
    assert run("undo", "--dry-run").returncode == 0
    assert run("rescue").returncode == 0
    assert play.git("log", "-1", "--format=%s") == "x"


def test_an_undo_of_a_small_repository_is_quick(play: Playground) -> None:
    """Counted in git's processes, which is what it costs: a clock would measure the machine's other guests."""
    play.commit("x", "x", "x")
    repo = play.repo
    calls = 0
    plain = repository.process.start

    def counted(*args: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        return plain(*args, **more)  # type: ignore[arg-type]

    repository.process.start = counted  # type: ignore[assignment]
    try:
        with repo.changing():
            act.undo(repo, act.find(repo))
    finally:
        repository.process.start = plain
    assert calls <= 30


def test_a_file_of_the_same_size_written_in_the_same_second_is_not_taken_for_unchanged(play: Playground) -> None:
    for text in ("b\n", "c\n", "d\n"):
        play.write("file1", text)
        before = play.state()
        play.git("stash", "-q")
        after = play.state()
        for _ in range(2):
            play.undo()
            assert play.state() == before
            play.redo()
            assert play.state() == after


def test_a_bisect_that_runs_is_left_as_git_would_leave_it(play: Playground) -> None:
    before = play.state()
    play.git("bisect", "start")
    play.git("bisect", "bad", "HEAD")
    play.git("bisect", "good", "HEAD~2")
    after = play.state()
    assert play.undo().operation.verb == "bisect"
    assert play.state() == before
    play.redo()
    assert play.state() == after
    play.git("bisect", "good")
