"""`mlsh bisect` as it is typed, on real repositories."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.bed import Laptop, wait_for
from tests.bisect.working import fingerprint, git, history

BREAKS = 5


def broken_at(laptop: Laptop, breaks: int = BREAKS, count: int = 9, name: str = "project") -> tuple[Path, list[str]]:
    """A repository in which the file `state` says `bad` from commit number `breaks` on."""
    versions = [
        {"state": "bad" if at >= breaks else "good", "loss": "0.5" if at >= breaks else "0.3"} for at in range(count)
    ]
    return history(laptop, versions, name)


def verdict(laptop: Laptop, top: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The last event of `mlsh bisect run --json ...`."""
    ran = laptop.run("bisect", *words, cwd=top, check=False)
    assert ran.returncode == code, ran.stderr + ran.stdout
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_the_culprit_is_named_and_nothing_of_the_persons_is_touched(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    (top / "state").write_text("dirty")
    (top / "new").write_text("untracked")
    git(top, "stash", "push", "-q", "--", "state")
    (top / "loss").write_text("staged")
    git(top, "add", "loss")
    before = fingerprint(top)
    ran = laptop.run("bisect", "run", "--good", commits[0], "--", "grep", "-q", "good", "state", cwd=top)
    assert f"{commits[BREAKS]} is the first bad commit" in ran.stdout
    assert "version 5" in ran.stdout
    assert f"mlsh revert {commits[BREAKS][:12]} -- grep -q good state" in ran.stdout
    assert "exit 1" in ran.stderr
    assert fingerprint(top) == before
    assert git(top, "worktree", "list").count("\n") == 0


def test_in_a_folder_below_the_command_runs_there(laptop: Laptop) -> None:
    versions = [{"sub/state": "bad" if at >= 2 else "good"} for at in range(4)]
    top, commits = history(laptop, versions)
    found = verdict(laptop, top / "sub", "run", "--json", "--good", commits[0], "--", "grep", "-q", "good", "state")
    assert found["commits"] == [commits[2]]
    assert found["files"] == ["sub/state"]


def test_a_rule_beside_the_good_end_needs_no_number(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    command = ["sh", "-c", "echo step 1 loss=9; echo loss=$(cat loss)"]
    found = verdict(laptop, top, "run", "--json", "--good", commits[0], "--bad-if", "loss > good + 5%", "--", *command)
    assert (found["commits"], found["noisy"]) == ([commits[BREAKS]], False)


def test_a_metric_without_a_rule_is_learnt_at_both_ends(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    script = "awk -v v=$(cat loss) -v s=$$ 'BEGIN{srand(s); print \"loss=\" v + rand() / 50}'"
    words = ("--metric", "loss", "--controls", "4", "--", "sh", "-c", script)
    ran = laptop.run("bisect", "run", "--good", commits[0], *words, cwd=top)
    assert f"{commits[BREAKS]} is the first bad commit" in ran.stdout
    assert "higher by" in ran.stdout


def test_a_flaky_command_is_measured_first_and_the_answer_says_how_sure_it_is(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    words = ("--flaky", "--controls", "3", "-j", "2", "--", "grep", "-q", "good", "state")
    found = verdict(laptop, top, "run", "--json", "--good", commits[0], *words)
    assert found["commits"] == [commits[BREAKS]]
    assert found["noisy"]
    assert found["controls"] >= 6
    assert 0.95 <= found["confidence"] < 1


def test_todays_test_is_put_over_old_commits(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    (top / "check.sh").write_text("grep -q good state\n")
    words = ("--overlay", "check.sh", "--", "sh", "check.sh")
    assert verdict(laptop, top, "run", "--json", "--good", commits[0], *words)["commits"] == [commits[BREAKS]]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["true"], "the bad end is good"),
        (["false"], "the good end is bad"),
        (["grep", "-q", "bad", "state"], "swapped"),
        (["sh", "-c", "exit 125"], "can't be tested"),
    ],
)
def test_ends_that_do_not_answer_as_they_should_say_what_was_seen(
    laptop: Laptop, command: list[str], says: str
) -> None:
    top, commits = broken_at(laptop, count=6)
    ran = laptop.run("bisect", "run", "--good", commits[0], "--", *command, cwd=top, check=False)
    assert ran.returncode == 4
    assert says in ran.stdout.replace("\n", " ")


def test_a_command_that_is_nowhere_is_not_taken_for_a_bad_commit(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    ran = laptop.run("bisect", "run", "--good", commits[0], "--", "no-such-tool", cwd=top, check=False)
    assert ran.returncode == 70
    assert "was not found" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert git(top, "worktree", "list").count("\n") == 0


def test_commits_that_can_not_be_tested_are_named_together(laptop: Laptop) -> None:
    versions = [{"state": "bad" if at >= 5 else "good", "builds": "no" if 3 <= at <= 5 else "yes"} for at in range(9)]
    top, commits = history(laptop, versions)
    script = "grep -q yes builds || exit 125; grep -q good state"
    found = verdict(laptop, top, "run", "--json", "--good", commits[0], "--", "sh", "-c", script, code=1)
    assert (found["verdict"], set(found["commits"])) == ("set", {commits[at] for at in (3, 4, 5, 6)})


def test_good_and_bad_swapped_is_said_with_what_to_type(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    words = ("--good", "HEAD", "--bad", commits[0], "--", "true")
    ran = laptop.run("bisect", "run", *words, cwd=top, check=False)
    assert ran.returncode == 2
    assert f"--good {commits[0]} --bad HEAD" in ran.stderr


def test_killed_at_any_moment_it_goes_on_and_asks_nothing_twice(laptop: Laptop) -> None:
    top, commits = broken_at(laptop, breaks=11, count=20)
    ran_log = laptop.home / "ran"
    script = f"git rev-parse HEAD >>{ran_log}; grep -q good state"
    words = ("bisect", "run", "--good", commits[0], "--", "sh", "-c", script)
    started = laptop.spawn(*words, cwd=top)
    wait_for(lambda: ran_log.exists() and len(ran_log.read_text().split()) >= 3, 60, "three runs")
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    found = verdict(laptop, top, "resume", "--json")
    assert found["commits"] == [commits[11]]
    asked = ran_log.read_text().split()
    assert len(asked) == len(set(asked))
    assert git(top, "worktree", "list").count("\n") == 0


def test_a_repository_that_was_moved_meanwhile_goes_on_where_it_is_now(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    laptop.run("bisect", "start", "--good", commits[0], cwd=top)
    moved = top.with_name("moved")
    shutil.move(top, moved)
    laptop.run("bisect", "bad", commits[6], cwd=moved)
    ran = laptop.run("bisect", "status", "--json", cwd=moved)
    assert json.loads(ran.stdout)["left"] == 6


def test_by_hand_a_person_answers_and_may_take_it_back(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    before = fingerprint(top)
    ran = laptop.run("bisect", "start", "--good", commits[0], cwd=top)
    for _ in range(10):
        commit, where = ran.stdout.strip().split("\t")
        state = (Path(where) / "state").read_text()
        assert state == git(top, "show", f"{commit}:state")
        ran = laptop.run("bisect", state, cwd=top)
        if "is the first bad commit" in ran.stdout:
            break
    assert f"{commits[BREAKS]} is the first bad commit" in ran.stdout
    laptop.run("bisect", "undo", cwd=top)
    assert json.loads(laptop.run("bisect", "status", "--json", cwd=top).stdout)["verdict"] is None
    laptop.run("bisect", "reset", cwd=top)
    assert git(top, "worktree", "list").count("\n") == 0
    assert {name: sum_ for name, sum_ in fingerprint(top).items() if name not in before} == {}


def test_git_takes_over_from_us_and_we_from_git(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    laptop.run("bisect", "start", "--good", commits[0], cwd=top)
    laptop.run("bisect", "bad", commits[6], cwd=top)
    laptop.run("bisect", "good", commits[2], cwd=top)
    told = laptop.home / "told"
    told.write_text(laptop.run("bisect", "log", "--git", cwd=top).stdout)
    git(top, "bisect", "replay", str(told))
    assert git(top, "rev-parse", "HEAD") == commits[4]
    told.write_text(git(top, "bisect", "log") + "\n")
    git(top, "bisect", "reset")
    ran = laptop.run("bisect", "replay", str(told), cwd=top)
    assert ran.stdout.split("\t")[0] == commits[4]


def test_two_bisections_at_once_do_not_disturb_each_other(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    words = ("bisect", "run", "--json", "--good", commits[0], "--")
    first = laptop.spawn(*words, "grep", "-q", "good", "state", cwd=top)
    second = laptop.spawn(*words, "grep", "-q", "0.3", "loss", cwd=top)
    for one in (first, second):
        out, err = one.communicate(timeout=120)
        assert one.returncode == 0, err
        assert json.loads(out.splitlines()[-1])["commits"] == [commits[BREAKS]]


def test_a_merge_that_broke_it_is_the_culprit(laptop: Laptop) -> None:
    """Both sides work; only together they don't."""
    top, commits = history(laptop, [{"base": "x"}])
    git(top, "checkout", "-q", "-b", "side")
    (top / "a").write_text("a")
    git(top, "add", "a")
    git(top, "commit", "-q", "-m", "a")
    git(top, "checkout", "-q", "-")
    (top / "b").write_text("b")
    git(top, "add", "b")
    git(top, "commit", "-q", "-m", "b")
    git(top, "merge", "-q", "--no-ff", "-m", "Merge pull request #12 from ada/side", "side")
    merge = git(top, "rev-parse", "HEAD")
    (top / "c").write_text("c")
    git(top, "add", "c")
    git(top, "commit", "-q", "-m", "c")
    words = ("bisect", "run", "--good", commits[0], "--", "sh", "-c", "! { test -e a && test -e b; }")
    ran = laptop.run(*words, cwd=top)
    assert f"{merge} is the first bad commit" in ran.stdout
    assert "#12" in ran.stdout


def test_what_commits_and_commands_print_can_not_write_on_the_terminal(laptop: Laptop) -> None:
    top, commits = broken_at(laptop, count=3, breaks=1)
    git(top, "commit", "-q", "--allow-empty", "-m", "evil \x1b]52;c;Zm9v\x07\x1b[2J title")
    words = (
        "--metric",
        "loss",
        "--bad-if",
        "loss > 0.4",
        "--",
        "sh",
        "-c",
        "printf '\\033]0;x\\007loss=%s' $(cat loss)",
    )
    ran = laptop.run("bisect", "run", "--good", commits[0], *words, cwd=top)
    for text in (ran.stdout, ran.stderr, laptop.run("bisect", "visualize", cwd=top).stdout):
        assert "\x1b" not in text
        assert "\x07" not in text


def test_a_secret_reaches_the_command_and_no_record(laptop: Laptop) -> None:
    top, commits = broken_at(laptop, count=4, breaks=2)
    words = ("--secret", "TOKEN", "--", "sh", "-c", 'test "$TOKEN" = "$(echo hun)ter2" && grep -q good state')
    verdict_ = laptop.run("bisect", "run", "--json", "--good", commits[0], *words, cwd=top, env={"TOKEN": "hunter2"})
    assert json.loads(verdict_.stdout.splitlines()[-1])["commits"] == [commits[2]]
    for path in (top / ".git").rglob("*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path


def test_revert_names_the_command_that_found_the_culprit(laptop: Laptop) -> None:
    top, commits = history(laptop, [{"state": "bad" if at >= 2 else "good", f"other{at}": "x"} for at in range(4)])
    laptop.run("bisect", "run", "--good", commits[0], "--", "grep", "-q", "good", "state", cwd=top)
    ran = laptop.run("revert", commits[2], cwd=top, check=False)
    assert "what found it would be: -- grep -q good state" in ran.stderr
    assert "what found it" not in laptop.run("revert", "HEAD", cwd=top, check=False).stderr


def test_what_a_person_marks_counts_when_a_stopped_search_goes_on(laptop: Laptop) -> None:
    top, commits = broken_at(laptop)
    words = ("--max-runs", "1", "--", "grep", "-q", "good", "state")
    laptop.run("bisect", "run", "--good", commits[0], *words, cwd=top, check=False)
    assert "mlsh bisect resume" in laptop.run("bisect", "mark", "bad", commits[5], cwd=top).stderr
    laptop.run("bisect", "mark", "good", commits[4], cwd=top)
    found = verdict(laptop, top, "resume", "--json")
    assert found["commits"] == [commits[5]]


@pytest.mark.parametrize("words", [("--good", "HEAD@{99}"), ("--good", "HEAD~2", "--path", ":(foo)x")])
def test_what_git_does_not_understand_is_the_persons_to_mend(laptop: Laptop, words: tuple[str, ...]) -> None:
    top, _ = broken_at(laptop, count=4, breaks=2)
    ran = laptop.run("bisect", "run", *words, "--", "true", cwd=top, check=False)
    assert ran.returncode in {2, 66}
    assert "git does not understand" in ran.stderr


def test_where_the_number_is_a_time_only_one_runs_at_a_time_and_that_is_said(laptop: Laptop) -> None:
    top, commits = broken_at(laptop, count=4, breaks=2)
    words = (
        "--metric",
        "step_time",
        "--bad-if",
        "step_time > 0.4",
        "-j",
        "3",
        "--",
        "sh",
        "-c",
        "echo step_time=$(cat loss)",
    )
    ran = laptop.run("bisect", "run", "--json", "--good", commits[0], *words, cwd=top)
    assert "--share-box" in ran.stderr
    assert {json.loads(line).get("worker", "local") for line in ran.stdout.splitlines()} == {"local"}


@pytest.mark.parametrize("words", [("run", "--good"), ("within", "HEAD", "--good")])
def test_a_good_end_without_a_number_to_compare_with_ends_it(laptop: Laptop, words: tuple[str, ...]) -> None:
    """It would be run there again and again, for a number that never comes."""
    top, commits = broken_at(laptop, count=3, breaks=2)
    command = ("--bad-if", "loss > good + 5%", "--", "sh", "-c", "echo loss=nan")
    ran = laptop.run("bisect", *words, commits[0], *command, cwd=top, check=False, timeout=30)
    assert ran.returncode == 70
    assert "nan at the good commit" in ran.stderr
    assert git(top, "worktree", "list").count("\n") == 0
