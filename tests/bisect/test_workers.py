"""Workers on this machine: what a probe did is told rightly, and does not disturb the next one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlsh.bisect.probing import Probe
from mlsh.bisect.workers import WorkerBack, Workers, cleanup
from mlsh.errors import MlshError
from tests.bed import Laptop, wait_for
from tests.bisect.working import crew, fingerprint, git, history, plan
from tests.jobs.in_process import sit_at


@pytest.fixture(autouse=True)
def _here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at(laptop, monkeypatch)


def test_each_commit_runs_with_its_own_files_and_the_repository_is_as_before(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"code": str(number), "sub/x": "x"} for number in (0, 1, 7)])
    (top / "code").write_text("dirty")
    (top / "untracked").write_text("new")
    before = fingerprint(top)
    with crew(top, commits, plan(top, "cat code; exit $(cat code)")) as team:
        for number, (commit, code) in enumerate(zip(commits, (0, 1, 7), strict=True), 1):
            result = team.probe(number, commit)
            assert (result.ending, result.exit_code, result.output) == ("exited", code, str(code).encode()), result
            assert (result.worker, result.commit) == ("local", commit)
        assert git(top, "worktree", "list").count("\n") == 1
    assert fingerprint(top) == before


ENDINGS = {
    "true": ("exited", 0, None),
    "exit 1": ("exited", 1, None),
    "exit 125": ("exited", 125, None),
    "exit 126": ("exited", 126, None),
    "no-such-command": ("exited", 127, None),
    "exit 128": ("exited", 128, None),
    "exit 255": ("exited", 255, None),
    "kill -SEGV $$": ("signal", None, 11),
    "kill -KILL $$": ("signal", None, 9),
    "trap '' TERM; sleep 60": ("timeout", None, None),
}


def test_how_a_command_ended_is_told_as_it_was(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"script": script} for script in ENDINGS])
    with crew(top, commits, plan(top, "sh", "script", timeout_s=1)) as team:
        for number, (commit, wanted) in enumerate(zip(commits, ENDINGS.values(), strict=True), 1):
            result = team.probe(number, commit)
            assert (result.ending, result.exit_code, result.signal) == wanted, result
            assert (wanted[0] == "exited") == (result.reason == ""), result
    assert result.reason == "took longer than 1 s"
    assert result.duration_s >= 1


def test_a_program_that_is_missing_is_told_as_the_shell_does(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"a": "a"}])
    with crew(top, commits, plan(top, "./missing", "x")) as team:
        result = team.probe(1, commits[0])
        assert (result.ending, result.exit_code) == ("exited", 127)
        assert b"./missing" in result.output


def test_a_hundred_megabytes_of_output_are_kept_in_part(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"a": "a"}])
    script = "echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo loss=3; exit 4"
    with crew(top, commits, plan(top, script)) as team:
        result = team.probe(1, commits[0])
        assert result.exit_code == 4
        assert len(result.output) == 1 << 20
        assert result.output.endswith(b"xxx\nloss=3\n")
        kept = sum(path.stat().st_size for path in laptop.home.glob(".mlsh/jobs/*/probes/1.*"))
        assert kept < 6 << 20
        assert next(laptop.home.glob(".mlsh/jobs/*/probes/1.log")).read_bytes().startswith(b"first\nxxx")


def test_output_comes_byte_for_byte(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"every": "".join(map(chr, range(256)))}])
    with crew(top, commits, plan(top, "cat every; printf '\\n\\nended 1 x\\n'")) as team:
        told = (top / "every").read_bytes() + b"\n\nended 1 x\n"
        assert team.probe(1, commits[0]).output == told


LEAVE = """
sleep 98761 &
setsid sleep 98762 >/dev/null 2>&1 </dev/null &
env -i sleep 98763 &
(trap '' TERM; exec setsid sleep 98764) &
echo done
"""


def test_what_a_probe_leaves_running_is_ended(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"script": LEAVE}, {"script": "ps -ef | grep -c '[s]leep 9876'"}])
    with crew(top, commits, plan(top, "sh", "script")) as team:
        assert team.probe(1, commits[0]).output == b"done\n"
        assert team.probe(2, commits[1]).output == b"0\n"


def test_what_escapes_with_the_log_open_holds_up_nobody(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"script": "env -i setsid sleep 20 & echo done"}])
    with crew(top, commits, plan(top, "sh", "script")) as team:
        assert team.probe(1, commits[0], timeout_s=10).output == b"done\n"


SPOIL = {
    "writes": "echo x >code; echo y >new; mkdir -p a/b; echo z >a/b/c; rm sub/file",
    "moves HEAD": "git checkout -q HEAD~1",
    "empties HEAD": "rm $(git rev-parse --git-dir)/HEAD",
    "leaves the index locked": "touch $(git rev-parse --git-dir)/index.lock",
    "spoils the index": "echo x >$(git rev-parse --git-dir)/index",
    "makes folders read-only": "mkdir n; echo x >n/m; chmod 500 n sub",
    "loses .git": "rm .git",
    "makes a repository": "rm .git; git init -q; git add -A; git commit -qm x",
    "clones": "git clone -q . inner",
    "merges half-way": "git merge -q HEAD~1; echo x >$(git rev-parse --git-dir)/MERGE_HEAD",
    "makes a folder of a file": "rm code; mkdir code; touch code/x",
    "links away": "rm -r sub; mkdir ../away; ln -s ../away sub",
}


def test_nothing_that_a_probe_does_to_its_tree_reaches_the_next(laptop: Laptop) -> None:
    files = {"code": "c", "sub/file": "s", ".gitignore": "*.o\n"}
    versions = [{**files, "script": script} for script in SPOIL.values()]
    look = "find . -path ./.git -prune -o -type f -print | sort; cat code sub/file; git rev-parse HEAD; git status -s"
    top, commits = history(laptop, [{**files, "script": "true"}, *versions, {**files, "script": look}])
    before = fingerprint(top)
    with crew(top, commits, plan(top, "sh", "script")) as team:
        wanted = f"./.gitignore\n./code\n./script\n./sub/file\ncs{commits[-1]}\n".encode()
        for number, (name, commit) in enumerate(zip(SPOIL, commits[1:], strict=False)):
            assert team.probe(2 * number + 1, commit).ending == "exited"
            result = team.probe(2 * number + 2, commits[-1])
            assert (result.ending, result.output) == ("exited", wanted), (name, result)
    assert fingerprint(top) == before


def test_what_was_built_stays_for_the_next_probe_unless_it_is_to_be_clean(laptop: Laptop) -> None:
    files = {".gitignore": "*.o\n", "script": "cat made.o; echo made >made.o; echo x >code"}
    top, commits = history(laptop, [{**files, "code": "1"}, {**files, "code": "2"}])
    both = (plan(top, "sh", "script"), plan(top, "sh", "script", slot=2, clean=True))
    with crew(top, commits, *both) as team:
        team.probe(1, commits[0])
        team.probe(2, commits[0], "local#2")
        assert team.probe(3, commits[1]).output == b"made\n"
        assert b"made\n" not in team.probe(4, commits[1], "local#2").output


def test_the_setup_runs_when_the_lock_files_change(laptop: Laptop) -> None:
    versions = [{"uv.lock": lock, "n": str(n)} for n, lock in enumerate(["1", "1", "2", "bad", "2"])]
    top, commits = history(laptop, versions)
    (top / "count").write_text("")
    setup = f"cat uv.lock >>{laptop.home}/ran; ! grep bad uv.lock"
    with crew(top, commits, plan(top, "true", setup=setup)) as team:
        endings = [team.probe(number, commit).ending for number, commit in enumerate(commits, 1)]
    assert endings == ["exited", "exited", "exited", "setup-failed", "exited"]
    assert (laptop.home / "ran").read_text() == "12bad2"
    assert team.results[4].reason == "the setup ended with exit code 1"
    assert team.results[4].output == b"bad\n"


def test_todays_test_runs_at_old_commits(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"code": "1"}, {"code": "2", "tests/old": "old"}, {"code": "3", "test": "true"}])
    (top / "test").write_text("cat code tests/new tests/old\n")
    (top / "tests").mkdir(exist_ok=True)
    (top / "tests/new").write_text("new")
    before = fingerprint(top)
    with crew(top, commits, plan(top, "sh", "test", overlay=("test", "tests"))) as team:
        assert team.probe(1, commits[0]).output.startswith(b"1new")
        assert team.probe(2, commits[1]).output == b"2newold"
        assert team.probe(3, commits[2]).output.startswith(b"3new")
    assert fingerprint(top) == before


def test_metrics_are_those_of_this_probe(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"a": "1", ".gitignore": "out/\n"}, {"a": "2", ".gitignore": "out/\n"}])
    script = "mkdir -p out; [ $(cat a) = 2 ] || echo '{\"loss\": 3}' >out/m.json"
    with crew(top, commits, plan(top, script, metrics_file="out/m.json")) as team:
        assert team.probe(1, commits[0]).metrics == b'{"loss": 3}\n'
        assert team.probe(2, commits[1]).metrics == b""


def test_a_folder_that_is_not_there_yet_is_no_failure_of_the_command(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"a": "1"}, {"sub/a": "2"}])
    with crew(top, commits, plan(top, "cat a", subdir="sub")) as team:
        result = team.probe(1, commits[0])
        assert (result.ending, result.reason) == ("checkout-failed", "there is no folder sub at this commit")
        assert team.probe(2, commits[1]).output == b"2"
        assert team.probe(3, "1" * 40).ending == "checkout-failed"
        assert team.probe(4, commits[1]).output == b"2"


def test_a_probe_that_no_longer_matters_is_ended_and_its_worker_goes_on(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"script": "sleep 60"}, {"script": "echo fine"}])
    with crew(top, commits, plan(top, "sh", "script")) as team:
        team.workers.ask("local", Probe(1, commits[0]))
        team.workers.ask("local", Probe(2, commits[1]))
        team.workers.ask("local", Probe(3, commits[1]))
        team.started(1)
        team.workers.cancel(2)
        team.workers.cancel(1)
        assert [team.result(number).ending for number in (1, 2, 3)] == ["cancelled", "cancelled", "exited"]
        assert team.workers.under_way() == {}


def test_a_worker_that_is_killed_is_told_with_what_it_had_and_replaced(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"script": "sleep 60"}, {"script": "echo fine"}])
    before = fingerprint(top)
    with crew(top, commits, plan(top, "sh", "script")) as team:
        team.workers.ask("local", Probe(1, commits[0]))
        team.workers.ask("local", Probe(2, commits[1]))
        team.started(1)
        [own] = laptop.home.glob(".mlsh/jobs/*/probes/own")
        os.kill(int(own.read_text().split()[0]), signal.SIGKILL)
        assert team.lost().numbers == (1, 2)
        team.until(lambda: WorkerBack("local") in team.events, "the worker in its place")
        assert team.probe(3, commits[1]).output == b"fine\n"
    assert fingerprint(top) == before


def test_a_worker_whose_job_a_person_cancels_is_not_replaced(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"a": "a"}])
    with crew(top, commits, plan(top, "true")) as team:
        team.probe(1, commits[0])
        laptop.run("cancel", "bisect-one-1")
        assert team.lost().why == "its job was cancelled"
        assert team.workers.next_event(1) is None


def test_workers_and_bisections_run_side_by_side(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"a": str(number)} for number in range(8)])
    before = fingerprint(top)
    first = [plan(top, "cat a", slot=slot) for slot in (1, 2, 3)]
    with crew(top, commits, *first) as one, crew(top, commits, plan(top, "cat a", bisection="two")) as two:
        assert len(git(top, "worktree", "list").splitlines()) == 5
        for number, commit in enumerate(commits, 1):
            one.workers.ask(one.workers.names[number % 3], Probe(number, commit))
            two.workers.ask("local", Probe(number, commit))
        for number in range(1, 9):
            assert one.result(number).output == two.result(number).output == str(number - 1).encode()
    assert fingerprint(top) == before


def test_no_worker_that_starts_is_an_error_that_names_the_reason(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"a": "a"}])
    with pytest.raises(MlshError, match="nobox"):
        Workers("one", top / ".git", commits).start([plan(top, "true", box="nobox")])


LAPTOP = """
import sys, os
from pathlib import Path
from mlsh.bisect.probing import Probe
from mlsh.bisect.workers import Workers
from tests.bisect.working import plan
top, silence, *commits = sys.argv[1:]
workers = Workers("one", Path(top) / ".git", commits)
workers.start([plan(Path(top), "sh", "script", silence_s=int(silence))])
for number, commit in enumerate(commits, 1):
    workers.ask("local", Probe(number, commit))
while True:
    print(workers.next_event(), flush=True)
"""


def killed_laptop(laptop: Laptop, top: Path, commits: list[str], silence_s: int = 900) -> None:
    """A laptop that asked for all of the commits, and was killed when the second had begun."""
    root = str(Path(__file__).parents[2])
    argv = [sys.executable, "-c", LAPTOP, str(top), str(silence_s), *commits]
    with subprocess.Popen(argv, env={**laptop.env, "PYTHONPATH": root}, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            while b"Started(number=2" not in (line := process.stdout.readline()):
                assert line, "it ended before that"
        finally:
            process.kill()


def test_a_laptop_that_is_killed_loses_no_result_and_asks_nothing_twice(laptop: Laptop) -> None:
    go, count = laptop.home / "go", f"echo >>{laptop.home}/ran; "
    scripts = [count + "echo one", count + f"while [ ! -e {go} ]; do sleep 0.05; done; exit 3", count + "echo three"]
    top, commits = history(laptop, [{"script": script} for script in scripts])
    killed_laptop(laptop, top, commits)
    before = fingerprint(top)
    with crew(top, commits, plan(top, "sh", "script")) as team:
        assert [result.output for result in team.workers.collect([1, 2, 3])] == [b"one\n"]
        assert team.workers.under_way() == {2: "local"}
        go.touch()
        assert team.result(2).exit_code == 3
        # What was asked and had not begun is nobody's any more.
        assert team.probe(4, commits[2]).output == b"three\n"
        assert (laptop.home / "ran").read_text() == "\n" * 3
        assert [result.number for result in team.workers.collect([1, 2, 3, 4])] == [1, 2, 4]
    assert fingerprint(top) != before  # the worktree of the killed one is gone too
    assert len(git(top, "worktree", "list").splitlines()) == 1


def test_a_worker_that_nobody_listens_to_ends_after_its_probe(laptop: Laptop) -> None:
    # The second probe ends when the worker has given the laptop up, however long that takes.
    second = 'while [ ! -e "$MLSH_JOB_DIR/probes/over" ]; do sleep 0.05; done; echo two'
    top, commits = history(laptop, [{"script": "echo one"}, {"script": second}, {"script": "echo three"}])
    before = fingerprint(top)
    killed_laptop(laptop, top, commits, silence_s=8)
    [state] = laptop.home.glob(".mlsh/jobs/*/state.json")
    wait_for(lambda: '"SUCCEEDED"' in state.read_text(), 60, "the worker's end")
    workers = Workers("one", top / ".git", commits)
    assert [result.output for result in workers.collect([1, 2, 3])] == [b"one\n", b"two\n"]
    cleanup("one", top / ".git")
    assert fingerprint(top) == before


def test_a_repository_that_is_moved_is_named_as_the_reason_and_can_be_left_clean(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"a": "a"}])
    before = fingerprint(top)
    elsewhere = top.with_name("elsewhere")
    with crew(top, commits, plan(top, "true")) as team:
        team.probe(1, commits[0])
        top.rename(elsewhere)
        result = team.probe(2, commits[0])
        assert (result.ending, result.reason) == ("checkout-failed", "its repository is gone: was it moved?")
        elsewhere.rename(top)
        assert team.probe(3, commits[0]).ending == "exited"
        top.rename(elsewhere)
        cleanup("one", elsewhere / ".git")
    assert fingerprint(elsewhere) == before


def test_python_does_not_run_the_bytecode_of_another_commit(laptop: Laptop) -> None:
    versions = [{".gitignore": "__pycache__\n", "m.py": f"value = {at}\n"} for at in range(6)]
    top, commits = history(laptop, versions)
    with crew(top, commits, plan(top, sys.executable, "-c", "import m; raise SystemExit(m.value)")) as team:
        # A file of one size, and several commits a second.
        assert [team.probe(at, commit).exit_code for at, commit in enumerate(commits, 1)] == list(range(6))
