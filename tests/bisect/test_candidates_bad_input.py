"""What can't be searched is refused with what is wrong and what to type; odd states of a repository are no obstacle."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsh.bisect.candidates import CutOff, NoCandidates, SameCommit, Swapped, candidates
from mlsh.bisect.repository import GitRefused, NoRepository, NotACommit, Repository, UnknownRevision
from mlsh.errors import MlshError, UsageError
from tests.bisect.histories import History


@pytest.fixture
def line(history: History) -> History:
    history.line("a", "b", "c", "d")
    return history


def names(history: History, good: str = "", bad: str = "main") -> list[str]:
    return history.named(candidates(Repository(history.folder), [good or history.sha["a"]], bad).commits)


def test_no_repository_says_so(own_home: Path, tmp_path: Path) -> None:
    with pytest.raises(NoRepository, match="no git repository here") as caught:
        Repository(tmp_path)
    assert caught.value.hint
    with pytest.raises(NoRepository, match="no such folder"):
        Repository(tmp_path / "gone")


def test_a_bare_repository_is_searched(line: History, tmp_path: Path) -> None:
    line.git("clone", "-q", "--bare", str(line.folder), str(tmp_path / "bare.git"))
    repository = Repository(tmp_path / "bare.git")
    assert repository.is_bare
    assert repository.top is None
    assert line.named(candidates(repository, [line.sha["a"]], "main").commits) == ["b", "c", "d"]


def detached(history: History) -> None:
    history.git("checkout", "-q", "--detach", history.sha["b"])


def dirty(history: History) -> None:
    (history.folder / "f-a").write_text("changed")
    (history.folder / "new").write_text("new")
    history.git("add", "-A")
    (history.folder / "f-b").unlink()


def mid_rebase(history: History) -> None:
    history.git("checkout", "-q", "-b", "mine", history.sha["b"])
    (history.folder / "f-c").write_text("mine")
    history.git("add", "-A")
    history.git("commit", "-qm", "mine")
    assert "CONFLICT" in history.git("rebase", "main", check=False)


def index_locked(history: History) -> None:
    (history.folder / ".git/index.lock").write_text("")


def in_a_linked_worktree(history: History) -> None:
    history.git("worktree", "add", "-q", "--detach", str(history.folder.parent / "linked"))
    history.folder = history.folder.parent / "linked"


def inside_git_folder(history: History) -> None:
    history.folder /= ".git"


STATES = [detached, dirty, mid_rebase, index_locked, in_a_linked_worktree, inside_git_folder]


@pytest.mark.parametrize("state", STATES)
def test_any_state_of_the_work_tree_will_do(line: History, state: Callable[[History], None]) -> None:
    common = line.folder / ".git"
    state(line)
    assert names(line) == ["b", "c", "d"]
    assert Repository(line.folder).common == common


def test_an_unknown_revision_names_one_that_is_near(line: History) -> None:
    line.git("tag", "v1.2.0", line.sha["b"])
    with pytest.raises(UnknownRevision, match=r"knows no revision v1\.2\.O~1") as caught:
        names(line, good="v1.2.O~1")
    assert caught.value.hint == "did you mean v1.2.0~1?"
    with pytest.raises(UnknownRevision) as caught:
        names(line, good="zzzzzzzzzzz")
    assert "git log" in caught.value.hint


def test_what_is_no_revision_is_refused_and_never_taken_for_an_option(line: History) -> None:
    repository = Repository(line.folder)
    for revision in ["", "  ", "a\nb", "x\0y", "-q", "--all", "main..main", "^main", "refs/heads/a b", "@{u"]:
        with pytest.raises(UnknownRevision):
            candidates(repository, [revision], "main")


def test_a_name_that_escapes_is_shown_harmless(line: History) -> None:
    with pytest.raises(UnknownRevision) as caught:
        names(line, good="x\x1b]0;owned\x07")
    assert "\x1b" not in caught.value.what + caught.value.hint


def test_every_way_to_name_a_commit_is_understood(line: History) -> None:
    line.git("update-ref", "refs/heads/-old", line.sha["a"])
    line.git("tag", "-a", "-m", "x", "annotated", line.sha["a"])
    revisions = ["-old", "HEAD~3", ":/^a$", "main@{0}~3", "annotated", line.sha["a"][:9], "main^{/a}"]
    assert Repository(line.folder).resolve(revisions) == [line.sha["a"]] * len(revisions)


def test_a_tree_or_a_file_is_no_commit(line: History) -> None:
    line.git("tag", "-a", "-m", "x", "tree-tag", "HEAD^{tree}")
    for revision, what in [("HEAD^{tree}", "folder"), ("HEAD:f-a", "file"), ("tree-tag", "tag")]:
        with pytest.raises(NotACommit, match=what):
            names(line, good=revision)


def test_the_start_of_several_names_is_refused(line: History) -> None:
    starts: dict[str, str] = {}
    for number in range(100_000):
        text = str(number)
        start = hashlib.sha1(f"blob {len(text)}\0{text}".encode(), usedforsecurity=False).hexdigest()[:4]
        if start in starts:
            break
        starts[start] = text
    for one in (starts[start], text):
        line.git("hash-object", "-w", "--stdin", stdin=one)
    with pytest.raises(UnknownRevision, match="start of several names"):
        names(line, good=start)


def test_good_equal_to_bad_is_refused(line: History) -> None:
    line.git("tag", "v1")
    with pytest.raises(SameCommit, match="same commit"):
        names(line, good="v1")


def test_swapped_ends_carry_what_a_front_end_needs_to_offer_the_swap(line: History) -> None:
    with pytest.raises(Swapped) as caught:
        names(line, good="main", bad="main~2")
    error = caught.value
    assert (error.good, error.bad, error.commits) == ("main", "main~2", 2)
    assert (error.good_commit, error.bad_commit) == (line.sha["d"], line.sha["b"])
    assert names(line, good=error.bad, bad=error.good) == ["c", "d"]


def test_no_good_at_all_is_refused(line: History) -> None:
    with pytest.raises(UsageError, match="no good commit"):
        candidates(Repository(line.folder), [], "main")


def test_paths_that_nothing_touched_are_named(line: History) -> None:
    with pytest.raises(NoCandidates, match="touches nowhere"):
        candidates(Repository(line.folder), [line.sha["a"]], "main", pathspecs=["nowhere"])


def test_a_path_inside_a_submodule_is_explained(line: History, tmp_path: Path) -> None:
    inner = History(tmp_path / "inner")
    inner.line("i")
    line.git("submodule", "--quiet", "add", str(inner.folder), "libs/inner")
    line.git("commit", "-qm", "submodule")
    with pytest.raises(NoCandidates, match=r"submodule libs/inner"):
        candidates(Repository(line.folder), [line.sha["a"]], "main", pathspecs=["libs/inner/f-i"])
    found = candidates(Repository(line.folder), [line.sha["a"]], "main", pathspecs=["libs/inner"])
    assert len(found.commits) == 1


def test_a_shallow_clone_without_the_good_says_how_to_get_it(line: History, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    line.git("clone", "-q", "--depth=2", f"file://{line.folder}", str(shallow))
    with pytest.raises(UnknownRevision, match="shallow") as caught:
        candidates(Repository(shallow), [line.sha["a"]], "main")
    assert "git fetch --unshallow" in caught.value.hint
    assert len(candidates(Repository(shallow), ["main~1"], "main").commits) == 1


def test_a_shallow_clone_that_ends_within_the_range_is_refused(line: History, tmp_path: Path) -> None:
    line.git("tag", "v1", line.sha["a"])
    shallow = History(tmp_path / "shallow")
    shallow.git("fetch", "-q", "--depth=2", f"file://{line.folder}", "main:theirs")
    shallow.git("fetch", "-q", "--depth=1", f"file://{line.folder}", "refs/tags/v1:refs/tags/v1")
    with pytest.raises(CutOff) as caught:
        candidates(Repository(shallow.folder), ["v1"], "theirs")
    assert caught.value.edges == (line.sha["c"],)
    assert "--unshallow" in caught.value.hint


def test_a_partial_clone_is_searched_and_a_fetch_that_fails_is_named(line: History, tmp_path: Path) -> None:
    line.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    line.git("clone", "-q", "--bare", "--filter=tree:0", f"file://{line.folder}", str(partial))
    found = candidates(Repository(partial), [line.sha["a"]], "main", pathspecs=["f-c"])
    assert line.named(found.commits) == ["c"]
    again = tmp_path / "partial again"
    line.git("clone", "-q", "--bare", "--filter=tree:0", f"file://{line.folder}", str(again))
    line.folder.rename(tmp_path / "unplugged")
    with pytest.raises(GitRefused, match="partial") as caught:
        candidates(Repository(again), [line.sha["a"]], "main", pathspecs=["f-c"])
    assert "git fetch" in caught.value.hint


def test_a_damaged_history_is_an_error_in_gits_words(line: History) -> None:
    line.git("commit", "-q", "--allow-empty", "-m", "e")
    lost = line.git("rev-parse", "HEAD")
    line.git("commit", "-q", "--allow-empty", "-m", "f")
    (line.folder / f".git/objects/{lost[:2]}/{lost[2:]}").unlink()
    with pytest.raises(MlshError, match=lost[:8]):
        names(line)


def test_nothing_of_the_persons_runs_and_nothing_is_written(line: History, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    line.git("config", "core.fsmonitor", str(trap))
    line.git("config", "core.pager", str(trap))
    line.git("config", "gpg.program", str(trap))
    line.git("config", "log.showSignature", "true")
    before = {path: path.stat().st_mtime_ns for path in line.folder.rglob("*")}
    repository = Repository(line.folder)
    found = candidates(repository, [line.sha["a"]], "main", pathspecs=["f-b"])
    repository.details(found.commits)
    assert {path: path.stat().st_mtime_ns for path in line.folder.rglob("*")} == before
    assert not (tmp_path / "sprung").exists()
