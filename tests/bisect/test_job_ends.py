"""Jobs as the ends of a bisection: what they ran counts, with what was never committed."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlsh.bisect.job_ends import REFS, candidates, commits_of, is_ours, let_go
from mlsh.bisect.repository import Repository, UnknownRevision
from tests.bed import Laptop
from tests.bisect.test_candidates import check_whole
from tests.bisect.working import fingerprint, git, history
from tests.jobs.in_process import sit_at

GOOD = ("grep", "-q", "good", "state")


def run_job(laptop: Laptop, top: Path, name: str, **dirty: str) -> str:
    """Run a job with uncommitted changes, and take them back; its id."""
    for path, text in dirty.items():
        (top / path).write_text(text)
    ran = laptop.run("run", "--on", "local", "--json", "-n", name, "--", "true", cwd=top)
    git(top, "checkout", "-q", ".")
    git(top, "clean", "-fdq")
    found: str = json.loads(ran.stdout.splitlines()[0])["id"]
    return found


def line(laptop: Laptop, *states: str) -> tuple[Path, list[str]]:
    return history(laptop, [{"state": state, "other": str(at)} for at, state in enumerate(states)])


def searched(laptop: Laptop, top: Path, good: str, bad: str, *words: str, code: int = 0) -> dict[str, Any]:
    ran = laptop.run("bisect", "run", "--json", "--good", good, "--bad", bad, *words, "--", *GOOD, cwd=top, check=False)
    assert ran.returncode == code, ran.stderr + ran.stdout
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def as_it_was(top: Path) -> dict[str, str]:
    """All of the repository but its objects, and mlsh's own folder there."""
    return {path: digest for path, digest in fingerprint(top).items() if not path.startswith(".git/objects/")}


def test_changes_of_the_bad_job_that_were_never_committed_are_the_culprit(laptop: Laptop) -> None:
    top, commits = line(laptop, "good", "good too", "still good")
    git(top, "checkout", "-q", commits[0])
    good = run_job(laptop, top, "first")
    git(top, "checkout", "-q", "-")
    bad = run_job(laptop, top, "second", state="broken", untracked="new")
    before = as_it_was(top)
    found = searched(laptop, top, good, bad)
    assert found["subject"] == f"uncommitted changes of {bad} (second)"
    assert sorted(found["files"]) == ["state", "untracked"]
    assert as_it_was(top) == before
    assert git(top, "for-each-ref", "refs/mlsh") == ""


def test_a_commit_between_two_jobs_is_found_and_a_job_may_be_named(laptop: Laptop) -> None:
    top, commits = line(laptop, "good", "good too", "bad", "bad too", "worse")
    git(top, "checkout", "-q", commits[0])
    run_job(laptop, top, "first", other="dirty")
    git(top, "checkout", "-q", "-")
    run_job(laptop, top, "second", other="dirty too")
    found = searched(laptop, top, "first", "second", "-j", "2")
    assert found["commits"] == [commits[2]]


def test_where_the_good_jobs_changes_made_it_work_to_lack_them_is_the_culprit(laptop: Laptop) -> None:
    top, commits = line(laptop, "bad", "bad too", "bad still")
    git(top, "checkout", "-q", commits[0])
    good = run_job(laptop, top, "first", state="good for once")
    git(top, "checkout", "-q", "-")
    found = searched(laptop, top, good, "HEAD")
    assert found["subject"] == f"without the uncommitted changes of {good} (first)"
    assert found["files"] == ["state"]
    assert searched(laptop, top, good, commits[0])["subject"] == found["subject"]
    assert git(top, "for-each-ref", "refs/mlsh") == ""


def test_two_jobs_on_one_commit_differ_by_what_was_not_committed(laptop: Laptop) -> None:
    top, _ = line(laptop, "good")
    good = run_job(laptop, top, "first", other="x")
    bad = run_job(laptop, top, "second", other="y", state="broken\n")
    found = searched(laptop, top, good, bad)
    assert found["subject"] == f"uncommitted changes of {bad} (second)"
    ran = laptop.run("bisect", "within", "--json", "--good", good, "--bad", bad, "--", *GOOD, cwd=top)
    pieces = json.loads(ran.stdout.splitlines()[-1])
    assert [(piece["path"], piece["kind"]) for piece in pieces["pieces"]] == [("state", "lines")]
    assert pieces["total"] == 2
    alone = laptop.run("bisect", "within", "--json", bad, "--", *GOOD, cwd=top)
    assert json.loads(alone.stdout.splitlines()[-1])["total"] == 2
    assert git(top, "for-each-ref", "refs/mlsh") == ""


def test_a_branch_named_as_a_job_is_meant_and_that_is_said(laptop: Laptop) -> None:
    top, commits = line(laptop, "good", "bad", "bad too")
    run_job(laptop, top, "release", state="bad")
    git(top, "branch", "release", commits[0])
    ran = laptop.run("bisect", "run", "--json", "--good", "release", "--", *GOOD, cwd=top)
    assert json.loads(ran.stdout.splitlines()[-1])["commits"] == [commits[1]]
    assert "git's is taken" in ran.stderr


def test_what_is_no_job_either_or_can_not_be_an_end_is_explained(laptop: Laptop, tmp_path: Path) -> None:
    top, _ = line(laptop, "good", "bad")
    plain = laptop.run("run", "--on", "local", "--no-code", "--json", "--", "true", cwd=top)
    no_code = json.loads(plain.stdout.splitlines()[0])["id"]
    dirty = run_job(laptop, top, "dirty", state="x")
    other, _ = history(laptop, [{"a": "a"}], "other")
    for folder, name, said, code in (
        (top, "no-such-thing", "no revision", 66),
        (top, no_code, "took no code", 2),
        (other, dirty, "not in this repository", 66),
    ):
        ran = laptop.run("bisect", "run", "--good", name, "--", "true", cwd=folder, check=False)
        assert (ran.returncode, said in ran.stderr) == (code, True), ran.stderr
    for shadow in laptop.home.glob(".cache/mlsh/snapshots/*.git/refs/mlsh/*"):
        shadow.unlink()
    ran = laptop.run("bisect", "run", "--good", dirty, "--", "true", cwd=top, check=False)
    assert "not on this machine any more" in ran.stderr


def test_only_what_the_repository_lacks_is_copied(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    top, commits = history(laptop, [{f"dir{at}/file": str(at) * 10 for at in range(20)}])
    job = run_job(laptop, top, "one", **{"dir3/file": "changed"})
    sit_at(laptop, monkeypatch)
    before = set(git(top, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split())
    repository = Repository(top)
    (commit,) = commits_of(repository, [job])
    after = set(git(top, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split())
    # A blob, its folder, the top, and the commit.
    assert len(after - before) == 4
    assert git(top, "rev-parse", f"{commit}^") == commits[0]
    assert commits_of(repository, [job]) == [commit]
    git(top, "gc", "-q", "--prune=now")
    assert git(top, "cat-file", "-t", commit) == "commit"
    assert is_ours(repository, commit)
    assert not is_ours(repository, commits[0])
    let_go(repository, [commit])
    assert git(top, "for-each-ref", REFS) == ""


def test_the_range_is_a_line_from_the_good_job_on_and_the_same_on_another_day(
    laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, commits = line(laptop, "good", "b", "c", "d")
    git(top, "checkout", "-q", commits[1])
    good = run_job(laptop, top, "first", state="x")
    git(top, "checkout", "-q", "-")
    bad = run_job(laptop, top, "second", state="y")
    sit_at(laptop, monkeypatch)
    repository = Repository(top)
    ends = commits_of(repository, [bad, good])
    found = candidates(repository, ends[1:], ends[0])
    check_whole(found)
    assert found.commits[1:] == (commits[2], commits[3], ends[0])
    assert found.parents == ((), (0,), (1,), (2,))
    assert found.outside_parents == ((ends[1],), (), (), ())
    assert git(top, "rev-parse", f"{found.commits[0]}^{{tree}}") == git(top, "rev-parse", f"{commits[1]}^{{tree}}")
    assert candidates(repository, found.goods, found.bad) == found
    with pytest.raises(UnknownRevision):
        commits_of(repository, ["zzzz"])
