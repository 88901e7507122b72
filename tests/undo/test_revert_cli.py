"""`mlsh revert` as it is typed: what it prints, its exit codes, a push, and what a Ctrl-C or a kill leaves."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.bed import wait_for
from tests.undo.playground import Playground
from tests.undo.reverting import do, everything, left_behind

MLSH = [sys.executable, "-m", "mlsh", "revert"]


@pytest.fixture(autouse=True)
def _own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)


def typed(play: Playground, *words: str, code: int = 0, cwd: Path | None = None) -> tuple[str, str]:
    """stdout and stderr."""
    ran = subprocess.run([*MLSH, *words], cwd=cwd or play.top, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stdout, ran.stderr


@pytest.fixture
def clone(play: Playground, tmp_path: Path) -> Playground:
    """A clone of a bare repository, on main."""
    play.git("clone", "-q", "--bare", ".", str(tmp_path / "remote.git"))
    play.git("clone", "-q", str(tmp_path / "remote.git"), str(tmp_path / "clone"))
    return Playground(tmp_path / "clone")


def test_the_new_commit_is_all_that_stdout_has(play: Playground) -> None:
    out, err = typed(play, "HEAD~1", "-m", "why", "--", "sh", "-c", "test ! -e file2", "--branch")
    assert out.split() == [play.git("rev-parse", "HEAD")]
    assert "the check passed" in err
    assert "mlsh undo" in err
    # Options after -- were the check's own.
    assert play.git("branch", "--format=%(refname:short)").split() == ["main", "topic"]


def test_the_check_runs_where_the_person_stands(play: Playground) -> None:
    play.commit("deep/er/file", "x", "deep")
    typed(play, "HEAD~1", "--", "sh", "-c", "test -e file && test ! -e ../../file3", cwd=play.top / "deep/er")


def test_a_dry_run_prints_plain_git_that_does_the_same(play: Playground, tmp_path: Path) -> None:
    play.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    before = everything(play)
    out, err = typed(play, "HEAD", "HEAD~1", "--dry-run", "--", "test", "!", "-e", "topic")
    assert everything(play) == before
    assert not (play.git_dir() / "mlsh").exists()
    assert "is a merge: taken back to parent 1" in err
    play.git("clone", "-q", ".", str(tmp_path / "twin"))
    twin = Playground(tmp_path / "twin")
    script = out.replace("git rev-parse HEAD  # COMMIT", "COMMIT=$(git rev-parse HEAD)").replace(
        "--ff-only COMMIT", "--ff-only $COMMIT"
    )
    subprocess.run(["sh", "-ec", script.replace(str(play.top), str(twin.top))], cwd=twin.top, check=True)
    do(play, "HEAD", "HEAD~1")
    assert twin.git("rev-parse", "HEAD^{tree}") == play.git("rev-parse", "HEAD^{tree}")


def test_json_of_each_end(play: Playground) -> None:
    commit = play.git("rev-parse", "HEAD~1")
    out, _ = typed(play, commit, "--json", "--", "true")
    made = json.loads(out)
    assert made["result"] == "reverted"
    assert made["commits"] == [play.git("rev-parse", "HEAD")]
    assert made["branch"] == "main"
    assert made["check"]["exit_code"] == 0
    assert (made["pushed"], made["skipped"]) == (False, [])
    assert made["reverted"][0]["commit"] == commit
    out, _ = typed(play, "HEAD", "--json", "--", "false", code=65)
    assert json.loads(out)["result"] == "check-failed"
    play.commit("file3", "later\n", "later")
    out, _ = typed(play, "HEAD~2", "--json", code=65)
    assert json.loads(out)["files"][0]["path"] == "file3"
    out, _ = typed(play, "HEAD", "--json", "--dry-run")
    assert json.loads(out)["result"] == "dry-run"


def test_explain_shows_the_commands(play: Playground) -> None:
    _, err = typed(play, "HEAD", "--explain")
    assert "worktree add" in err
    assert "revert --no-commit" in err
    assert "update-ref" in err


def test_mistakes_in_what_is_typed(play: Playground) -> None:
    assert "no command after --" in typed(play, "HEAD", "--", code=2)[1]
    assert "COMMIT" in typed(play, "--", "true", code=2)[1]
    assert "--mainline 2" in typed(play, "HEAD", "-m", "2", code=2)[1]
    assert "no git repository" in typed(play, "HEAD", code=66, cwd=play.top.parent)[1]


# --push


def test_nothing_is_pushed_unless_asked(clone: Playground) -> None:
    before = clone.git("ls-remote", "origin")
    typed(clone, "HEAD~1")
    assert clone.git("ls-remote", "origin") == before
    _, err = typed(clone, "HEAD", "--push")
    assert "1 earlier commit of yours" in err
    assert clone.git("rev-parse", "HEAD") in clone.git("ls-remote", "origin", "refs/heads/main")


def test_a_remote_that_went_on_is_not_forced(clone: Playground, play: Playground, tmp_path: Path) -> None:
    play.commit("theirs", "x", "theirs")
    play.git("push", "-q", str(tmp_path / "remote.git"), "main")
    before = clone.git("ls-remote", "origin")
    _, err = typed(clone, "HEAD~1", "--push", code=70)
    assert clone.git("ls-remote", "origin") == before
    assert "the revert is made, and was not pushed" in err
    assert "git pull --rebase" in err
    assert clone.git("log", "-1", "--format=%s") == 'Revert "commit 2"'


def test_a_new_branch_is_pushed_alone_and_the_pre_push_hook_is_heard(clone: Playground) -> None:
    hook = clone.git_dir() / "hooks/pre-push"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    main = clone.git("ls-remote", "origin", "refs/heads/main")
    typed(clone, "HEAD~1", "--branch", "back", "--push", code=70)
    assert clone.git("ls-remote", "origin", "refs/heads/back") == ""
    hook.unlink()
    typed(clone, "HEAD~1", "--branch", "back2", "--push")
    assert clone.git("rev-parse", "back2") in clone.git("ls-remote", "origin", "refs/heads/back2")
    assert clone.git("ls-remote", "origin", "refs/heads/main") == main


def test_where_a_push_would_go_is_clear_before_anything_is_done(play: Playground, clone: Playground) -> None:
    before = everything(play)
    assert "does not know where" in typed(play, "HEAD", "--push", code=2)[1]
    assert everything(play) == before
    clone.git("switch", "-q", "-c", "mine", "--track", "origin/main")
    before = everything(clone)
    assert "git push origin mine:main" in typed(clone, "HEAD", "--push", code=2)[1]
    assert everything(clone) == before


# Ends in the middle


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_check_leaves_nothing(play: Playground, tmp_path: Path, sign: signal.Signals) -> None:
    before = everything(play)
    script = f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; sleep 300"
    running = subprocess.Popen([*MLSH, "HEAD", "--", "sh", "-c", script], cwd=play.top, stderr=subprocess.PIPE)
    pid = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 30, "the check"))
    running.send_signal(sign)
    assert running.wait(30) == 130
    assert everything(play) == before
    assert left_behind(play) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_killed_one_left_is_removed_by_the_next_and_a_living_one_is_left_alone(
    play: Playground, tmp_path: Path
) -> None:
    play.write("untracked", "x")
    before = everything(play)
    script = f"touch {tmp_path}/up; while ! test -e {tmp_path}/go; do sleep 0.05; done"
    killed = subprocess.Popen([*MLSH, "HEAD", "--", "sh", "-c", script], cwd=play.top, stderr=subprocess.PIPE)
    wait_for((tmp_path / "up").exists, 30, "the check")
    os.unlink(tmp_path / "up")
    killed.kill()
    killed.wait()
    assert everything(play) == before
    assert left_behind(play) != []
    living = subprocess.Popen([*MLSH, "HEAD", "--branch", "one", "--", "sh", "-c", script], cwd=play.top,
                              stderr=subprocess.PIPE)  # fmt: skip
    wait_for((tmp_path / "up").exists, 30, "the check")
    assert len([name for name in left_behind(play) if name.endswith(".lock")]) == 1
    typed(play, "HEAD", "--branch", "two")
    (tmp_path / "go").touch()
    assert living.wait(30) == 0
    assert left_behind(play) == []
    assert play.git("rev-parse", "one^{tree}") == play.git("rev-parse", "two^{tree}")


@pytest.mark.root
def test_a_repository_that_can_not_be_written_is_named(play: Playground) -> None:
    """On a mount that is read-only: to root no mode is."""
    before = everything(play)
    git_dir = shlex.quote(str(play.git_dir()))
    line = f"mount --bind {git_dir} {git_dir} && mount -o remount,ro,bind {git_dir} && exec {shlex.join(MLSH)} HEAD"
    ran = subprocess.run(["unshare", "-m", "sh", "-c", line], cwd=play.top, capture_output=True, text=True, check=False)
    assert ran.returncode == 65, ran.stderr
    assert "Read-only file system" in ran.stderr
    assert everything(play) == before
