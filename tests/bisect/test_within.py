"""`mlsh bisect within` as it is typed: the lines that broke it are named, and nothing of the person's is touched."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.bisect.working import fingerprint, git, history

BROKEN = ("twenty", "forty")
TEXT = [str(number) for number in range(1, 61)]


def broken(laptop: Laptop, **more: str) -> tuple[Path, list[str]]:
    """A repository whose second commit changes ten places of a file, of which two together break it."""
    new = {5: "five", 10: "ten", 15: "", 20: "twenty", 25: "x", 30: "y", 40: "forty", 45: "z", 50: "w", 55: "v"}
    changed = [new.get(at, line) for at, line in enumerate(TEXT, 1)]
    one = {"f": "\n".join(TEXT) + "\n", "other": "o\n"}
    two = {"f": "\n".join(changed) + "\n", "other": "O\n", "new": "n\n", **more}
    return history(laptop, [one, two])


TEST = "! { grep -q twenty f && grep -q forty f; }"


def within(laptop: Laptop, top: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The verdict of `mlsh bisect within --json ...`."""
    ran = laptop.run("bisect", "within", "--json", *words, cwd=top, check=False)
    assert ran.returncode == code, ran.stderr + ran.stdout
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert found["event"] == "verdict"
    return found


def objects(top: Path) -> set[str]:
    return {path for path in fingerprint(top) if path.startswith(".git/objects")}


def test_the_lines_are_named_as_a_patch_that_applies_and_nothing_else_is_touched(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    (top / "f").write_text("dirty")
    git(top, "stash", "push", "-q")
    (top / "other").write_text("staged")
    git(top, "add", "other")
    (top / "untracked").write_text("new")
    before = fingerprint(top)
    known = objects(top)
    ran = laptop.run("bisect", "within", "HEAD", "-j", "2", "--", "sh", "-c", TEST, cwd=top)
    assert "2 of 12 pieces" in ran.stdout
    assert "line 20" in ran.stdout
    assert "line 40" in ran.stdout
    assert "10 of" not in ran.stdout
    after = {path: digest for path, digest in fingerprint(top).items() if path in before or path not in objects(top)}
    assert after == before
    assert known <= objects(top)
    assert git(top, "for-each-ref", "refs/mlsh") == ""
    assert git(top, "worktree", "list").count("\n") == 0
    assert not (top / ".git/mlsh/within").exists()
    copy = top.parent / "copy"
    git(top, "worktree", "add", "-q", "--detach", str(copy), commits[0])
    (laptop.home / "patch").write_text(ran.stdout)
    git(copy, "apply", str(laptop.home / "patch"))
    changed = [line for line in (copy / "f").read_text().splitlines() if not line.isdigit()]
    assert changed == ["twenty", "forty"]


def test_the_verdict_as_json_says_where_and_how_many_runs(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    found = within(laptop, top, commits[1], "--", "sh", "-c", TEST)
    assert (found["good"], found["bad"], found["total"]) == (commits[0], commits[1], 12)
    assert [(piece["path"], piece["new_start"], piece["without"]) for piece in found["pieces"]] == [
        ("f", 20, "good"),
        ("f", 40, "good"),
    ]
    assert found["minimal"] is True
    assert found["controls"] == 2
    assert found["runs"] <= 40
    assert "+twenty\n" in found["patch"]


def test_what_can_not_be_tested_is_told_and_stays(laptop: Laptop) -> None:
    top, _ = broken(laptop)
    unless_both = "grep -q ten f; a=$?; grep -q twenty f; [ $a -eq $? ] || exit 125; ! grep -q twenty f"
    found = within(laptop, top, "HEAD", "--", "sh", "-c", unless_both)
    assert [(piece["new_start"], piece["without"]) for piece in found["pieces"]] == [(10, "unknown"), (20, "unknown")]


def test_ends_that_answer_otherwise_end_it_before_anything_is_narrowed(laptop: Laptop) -> None:
    top, _ = broken(laptop)
    assert within(laptop, top, "HEAD", "--", "true", code=4)["reason"] == "the bad end passes"
    assert within(laptop, top, "HEAD", "--", "false", code=4)["reason"] == "a good end fails"
    assert within(laptop, top, "HEAD", "--", "sh", "-c", "exit 125", code=4)["reason"] == "an end can't be tested"
    ran = laptop.run("bisect", "within", "HEAD", "--", "true", cwd=top, check=False)
    assert "bad end" in ran.stdout
    assert "--flaky" in ran.stdout


def test_a_command_that_is_not_there_is_said_to_be_missing(laptop: Laptop) -> None:
    top, _ = broken(laptop)
    ran = laptop.run("bisect", "within", "HEAD", "-j", "2", "--", "./no-such-test", cwd=top, check=False)
    assert ran.returncode == 70
    assert "was not found" in ran.stderr


def test_a_number_with_a_rule_beside_the_good_end_counts(laptop: Laptop) -> None:
    top, _ = broken(laptop)
    measure = "if grep -q ten f; then echo loss=0.5; else echo loss=0.3; fi"
    found = within(laptop, top, "HEAD", "--metric", "loss", "--bad-if", "loss > good + 5%", "--", "sh", "-c", measure)
    assert [piece["new_start"] for piece in found["pieces"]] == [10]
    ran = laptop.run("bisect", "within", "HEAD", "--metric", "loss", "--", "true", cwd=top, check=False)
    assert ran.returncode == 2
    assert "--bad-if" in ran.stderr


def test_a_test_that_fails_at_times_still_finds_the_lines(laptop: Laptop) -> None:
    lines = "".join(f"{line}\n" for line in TEXT)
    changed = lines.replace("\n20\n", "\ntwenty\n").replace("\n40\n", "\nforty\n").replace("\n60\n", "\nsixty\n")
    top, _ = history(laptop, [{"f": lines}, {"f": changed}])
    count = laptop.home / "count"
    count.write_text("0")
    script = laptop.home / "flaky.sh"
    # Every ninth run answers falsely.
    script.write_text(
        f"n=$(($(cat {count}) + 1)); echo $n >{count}; {TEST}; c=$?; [ $((n % 9)) -ne 0 ] || c=$((1 - c)); exit $c"
    )
    found = within(laptop, top, "HEAD", "--flaky", "--", "sh", str(script))
    assert [piece["new_start"] for piece in found["pieces"]] == [20, 40], found
    assert 0.9 < found["confidence"] < 1
    assert found["controls"] >= 16


def test_when_the_runs_are_used_up_the_smallest_so_far_is_told(laptop: Laptop) -> None:
    top, _ = broken(laptop)
    found = within(laptop, top, "HEAD", "--max-runs", "3", "--", "sh", "-c", TEST, code=1)
    assert found["minimal"] is False
    assert found["runs"] == 3


def test_hostile_names_and_lines_reach_no_terminal_as_they_are(laptop: Laptop) -> None:
    top, _ = history(laptop, [{"-a": "x\n"}, {"-a": "\x1b]0;owned\x07y\n", 'na\x1b[2Jme\n"': "z\n", "plain": "p\n"}])
    ran = laptop.run("bisect", "within", "HEAD", "--", "sh", "-c", "! ls | grep -q me", cwd=top)
    assert "1 of 3 pieces" in ran.stdout
    table, _, patch = ran.stdout.partition("diff --git")
    assert "\\x1b[2J" in table
    assert "\x1b" not in table
    assert "\\033" in patch  # git quotes names


def test_a_root_commit_and_what_is_mistyped_are_explained(laptop: Laptop) -> None:
    top, commits = broken(laptop)
    for words, said in {
        (commits[0], "--", "true"): "--good",
        ("HEAD",): "run what?",
        ("--", "true"): "which commit",
        ("HEAD", "--bad", "HEAD", "--", "true"): "which commit",
        ("no-such", "--", "true"): "no-such",
        ("HEAD", "--good", "HEAD", "--", "true"): "same files",
    }.items():
        ran = laptop.run("bisect", "within", *words, cwd=top, check=False)
        assert ran.returncode in {2, 66}, ran.stderr
        assert said in ran.stderr
    assert not (top / ".git/mlsh").exists() or os.listdir(top / ".git/mlsh") in ([], ["worktrees.lock"])


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_one_that_was_ended_in_the_middle_leaves_nothing_or_is_cleared_up_by_the_next(
    laptop: Laptop, kind: signal.Signals
) -> None:
    top, _ = broken(laptop)
    before = git(top, "status", "--porcelain"), git(top, "for-each-ref")
    going = laptop.spawn(
        "bisect", "within", "HEAD", "--", "sh", "-c", f"{TEST} || exit 1; ! grep -q ten f || sleep 50", cwd=top
    )
    wait_for(lambda: git(top, "for-each-ref", "refs/mlsh/within"), 60, "a commit of some of the pieces")
    os.killpg(going.pid, kind)
    going.wait(30)
    if kind == signal.SIGKILL:
        assert git(top, "for-each-ref", "refs/mlsh/within")
        found = within(laptop, top, "HEAD", "--", "sh", "-c", TEST)
        assert len(found["pieces"]) == 2
    assert (git(top, "status", "--porcelain"), git(top, "for-each-ref")) == before
    assert git(top, "worktree", "list").count("\n") == 0
    shutil.rmtree(top)


def test_on_a_box_the_pieces_are_sent_as_they_are_made(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    top, _ = broken(laptop)
    known = objects(top)
    found = within(laptop, top, "HEAD", "--on", "gpu1", "-j", "2", "--", "sh", "-c", TEST)
    assert [piece["new_start"] for piece in found["pieces"]] == [20, 40]
    assert known <= objects(top)
    assert gpu1.sh("ls .mlsh/trees").stdout == ""
    laptop.run("prune", "-y", "--on", "gpu1")
    gpu1.sh("git -C .mlsh/repos/project.git fsck --full --strict")
