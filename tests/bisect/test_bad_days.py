"""`mlsh bisect` on bad days: input that can't work, commands that misbehave, and ends that say nothing."""

import json
import math
import signal
from pathlib import Path

import pytest

from mlsh.bisect.oracle import NoPlace, check_place
from mlsh.bisect.probing import ProbeResult
from mlsh.bisect.search.range import Options, Purpose, Range, Seen
from mlsh.bisect.search.search import Search
from mlsh.bisect.search.verdict import Culprit, EndsWrong, EndTrouble
from tests.bed import Laptop, wait_for
from tests.bisect.working import fingerprint, git, history

BREAKS = 4


def broken(laptop: Laptop, count: int = 7, name: str = "project") -> tuple[Path, list[str]]:
    """A repository whose file `state` says `bad`, and `loss` 0.5, from commit number BREAKS on."""
    versions = [
        {"state": "bad" if at >= BREAKS else "good", "loss": "0.5" if at >= BREAKS else "0.3", "n": str(at)}
        for at in range(count)
    ]
    return history(laptop, versions, name)


@pytest.mark.parametrize("controls", [2, 3, 4, 8])
def test_a_number_that_is_the_same_each_time_leads_to_its_commit_by_any_number_of_runs_at_the_ends(
    controls: int,
) -> None:
    """With fixed seeds there is no spread to measure by: few runs at the ends once said that no commit did it."""
    names = tuple(f"c{at}" for at in range(12))
    parents = ((), *((at,) for at in range(11)))
    search = Search(
        Range(names, parents, (("good",), *[()] * 11), names[-1], ("good",)), Options(values=True, controls=controls)
    )
    while (verdict := search.verdict()) is None:
        (ask,) = search.ask(1)
        is_bad = ask.commit != "good" and int(ask.commit[1:]) >= 7
        search.tell(Seen(ask.commit, ask.purpose, None, 0.5 if is_bad else 0.3))
    assert isinstance(verdict, Culprit)
    assert verdict.commit == "c7"


def test_an_end_that_gives_no_number_ends_it_after_a_few_runs_and_not_after_all_of_them() -> None:
    search = Search(Range(("c0",), ((),), (("good",),), "c0", ("good",)), Options(values=True, controls=8))
    while (verdict := search.verdict()) is None:
        (ask,) = search.ask(1)
        search.tell(Seen(ask.commit, ask.purpose, "unknown"))
    assert isinstance(verdict, EndsWrong)
    assert verdict.trouble == EndTrouble.UNTESTABLE
    assert len(search.seen) == 4
    assert {seen.purpose for seen in search.seen} == {Purpose.BAD_END}


def test_what_an_end_printed_is_shown_where_it_does_not_answer_as_it_should(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    script = "printf '\\033[31mno module named torch\\033[2J\\n'; kill -11 $$"
    ran = laptop.run("bisect", "run", "--good", commits[0], "--", "sh", "-c", script, cwd=top, check=False)
    assert ran.returncode == 4
    assert "    | no module named torch\n" in ran.stdout
    assert "killed by signal 11" in ran.stdout
    assert "|| exit 1" in ran.stdout
    assert "\x1b" not in ran.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--metric", "acc", "--bad-if", "loss > 0.4"], "--bad-if speaks of loss, and --metric reads acc"),
        (["--overlay", "."], "the whole repository"),
        (["--overlay", ".git/config"], "git's own"),
        (["--overlay", "../x"], "must lie in the repository's folder"),
        (["--overlay", "gone"], "there is no such file"),
        (["--timeout", "3q"], "not a length of time"),
        (["--metric-file", "x"], "which one?"),
        (["--path", "nowhere"], "touches nowhere"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_runs(
    laptop: Laptop, words: list[str], says: str
) -> None:
    top, commits = broken(laptop, count=2)
    before = fingerprint(top)
    ran = laptop.run("bisect", "run", "--good", commits[0], *words, "--", "true", cwd=top, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert says in ran.stderr
    assert fingerprint(top) == before
    assert not (top / ".git/mlsh").exists()


def test_a_repository_whose_path_has_a_line_break_is_refused_with_the_reason(laptop: Laptop) -> None:
    top, commits = broken(laptop, count=2, name="new\nline")
    ran = laptop.run("bisect", "run", "--good", commits[0], "--", "true", cwd=top, check=False)
    assert ran.returncode == 2
    assert "line break" in ran.stderr


@pytest.mark.parametrize("name", ["with space", "quo'te\"", "dollar$HOME;x", "-dash"])
def test_any_other_path_will_do(laptop: Laptop, name: str) -> None:
    top, commits = broken(laptop, name=name)
    ran = laptop.run("bisect", "run", "--good", commits[0], "--", "grep", "-q", "good", "state", cwd=top)
    assert f"{commits[BREAKS]} is the first bad commit" in ran.stdout


def test_told_to_end_in_a_pipe_it_leaves_no_worktree_and_goes_on_later(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    begun = laptop.home / "begun"
    script = f"echo >>{begun}; sleep 0.3; grep -q good state"
    started = laptop.spawn("bisect", "run", "--good", commits[0], "--", "sh", "-c", script, cwd=top)
    wait_for(begun.exists, 60, "a first run")
    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=60)
    assert started.returncode == 128 + signal.SIGTERM
    assert git(top, "worktree", "list").count("\n") == 0
    ran = laptop.run("bisect", "resume", "--json", cwd=top)
    assert json.loads(ran.stdout.splitlines()[-1])["commits"] == [commits[BREAKS]]


@pytest.mark.parametrize(
    "mischief",
    [
        'rm -rf "$PWD"',
        "rm -f .git",
        "git checkout -q HEAD~1",
        "git gc -q --prune=now",
        "echo good >state; mkdir d; touch d/x; chmod 000 d",
        "sleep 777 & setsid sleep 778 &",
        "cat; head -c 3000000 /dev/zero; printf '\\377\\033[2J'",
    ],
)
def test_whatever_a_command_does_to_its_folder_the_next_run_has_a_right_one(laptop: Laptop, mischief: str) -> None:
    top, commits = broken(laptop)
    script = f"grep -q good state; said=$?; {mischief}\nexit $said"
    ran = laptop.run("bisect", "run", "--good", commits[0], "--", "sh", "-c", script, cwd=top)
    assert f"{commits[BREAKS]} is the first bad commit" in ran.stdout
    assert git(top, "worktree", "list").count("\n") == 0
    assert git(top, "status", "--porcelain") == ""


def test_a_slip_by_hand_that_contradicts_what_was_said_is_refused_and_not_believed(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    laptop.run("bisect", "start", "--good", commits[0], cwd=top)
    laptop.run("bisect", "bad", commits[5], cwd=top)
    for words in (("good", commits[6]), ("bad", commits[0])):
        ran = laptop.run("bisect", *words, cwd=top, check=False)
        assert ran.returncode == 2
        assert "mlsh bisect undo" in ran.stderr
    standing = json.loads(laptop.run("bisect", "status", "--json", cwd=top).stdout)
    assert (standing["noisy"], standing["left"]) == (False, 5)


@pytest.mark.parametrize("damage", ["", '{"event":"beg', "garbage\ngarbage\n"])
def test_a_journal_that_is_of_no_use_says_so_and_can_be_reset(laptop: Laptop, damage: str) -> None:
    top, commits = broken(laptop)
    laptop.run("bisect", "start", "--good", commits[0], cwd=top)
    (journal,) = (top / ".git/mlsh/bisect").glob("*/journal.jsonl")
    journal.write_text(damage)
    for words in (("status",), ("next",), ("visualize",)):
        ran = laptop.run("bisect", *words, cwd=top, check=False)
        assert ran.returncode != 0
        assert "fault in mlsh" not in ran.stderr
    laptop.run("bisect", "reset", cwd=top)
    assert git(top, "worktree", "list").count("\n") == 0
    assert not journal.exists()


def test_a_repository_that_is_moved_while_it_runs_costs_no_commit_its_answer(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    begun = laptop.home / "begun"
    script = f"echo >>{begun}; sleep 0.5; grep -q good state"
    started = laptop.spawn("bisect", "run", "--good", commits[0], "--", "sh", "-c", script, cwd=top)
    wait_for(begun.exists, 60, "a first run")
    moved = top.rename(top.with_name("moved"))
    _, said = started.communicate(timeout=60)
    assert started.returncode == 70
    assert b"Traceback" not in said
    ran = laptop.run("bisect", "resume", "--json", cwd=moved)
    assert json.loads(ran.stdout.splitlines()[-1])["commits"] == [commits[BREAKS]]
    assert git(moved, "worktree", "list").count("\n") == 0


def test_a_full_disk_stops_it_and_says_nothing_of_a_commit() -> None:
    result = ProbeResult(1, "c", "gpu1", "checkout-failed", 0.0, reason="the disk is full")
    with pytest.raises(NoPlace, match="gpu1: the disk is full") as caught:
        check_place(result)
    assert "mlsh bisect resume" in (caught.value.hint or "")
    check_place(ProbeResult(1, "c", "gpu1", "checkout-failed", 0.0, reason="invalid path 'aux'"))


def test_a_run_that_keeps_to_its_time_limit_is_not_ended_before(laptop: Laptop) -> None:
    """The limit is looked at once a second: one that began late in a second had less."""
    top, commits = broken(laptop)
    words = ("--timeout", "1s", "--", "sh", "-c", "sleep 0.8; grep -q good state")
    ran = laptop.run("bisect", "run", "--good", commits[0], *words, cwd=top)
    assert f"{commits[BREAKS]} is the first bad commit" in ran.stdout
    assert "took longer" not in ran.stderr


def test_runs_that_were_used_up_can_be_given_more_later(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    words = ("--max-runs", "1", "--", "grep", "-q", "good", "state")
    ran = laptop.run("bisect", "run", "--good", commits[0], *words, cwd=top, check=False)
    assert ran.returncode == 1
    assert "mlsh bisect resume --max-runs" in ran.stdout
    ran = laptop.run("bisect", "resume", "--max-runs", "9", "--json", cwd=top)
    assert json.loads(ran.stdout.splitlines()[-1])["commits"] == [commits[BREAKS]]


@pytest.mark.parametrize("controls", [4, 8])
def test_a_number_that_became_nan_leads_to_its_commit_without_a_rule(controls: int) -> None:
    """No value tells the two apart: once nothing was worth a run, and all commits were named."""
    names = tuple(f"c{at}" for at in range(40))
    parents = ((), *((at,) for at in range(39)))
    search = Search(
        Range(names, parents, (("good",), *[()] * 39), names[-1], ("good",)), Options(values=True, controls=controls)
    )
    while (verdict := search.verdict()) is None:
        (ask,) = search.ask(1)
        is_bad = ask.commit != "good" and int(ask.commit[1:]) >= 17
        value = math.nan if is_bad else 0.3 + 0.01 * (len(search.seen) % 3)
        search.tell(Seen(ask.commit, ask.purpose, "bad" if is_bad else None, value))
    assert isinstance(verdict, Culprit)
    assert verdict.commit == "c17"


def test_ctrl_c_twice_in_a_row_leaves_no_worktree(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    begun = laptop.home / "begun"
    script = f"echo >>{begun}; sleep 20"
    started = laptop.spawn("bisect", "run", "-j", "3", "--good", commits[0], "--", "sh", "-c", script, cwd=top)
    wait_for(begun.exists, 60, "a first run")
    started.send_signal(signal.SIGINT)
    assert started.stderr is not None
    for line in started.stderr:
        if b"stopped" in line:
            started.send_signal(signal.SIGINT)
            break
    started.communicate(timeout=60)
    assert started.returncode == 130
    assert git(top, "worktree", "list").count("\n") == 0
