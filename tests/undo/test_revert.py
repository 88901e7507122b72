"""What a revert makes: the right commits, with the right message, and nothing of the person's own touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlsh.undo import revert
from mlsh.undo.revert import Wish
from mlsh.undo.revert_plan import Refused
from mlsh.undo.revert_trial import editable_install
from tests.undo.playground import Playground
from tests.undo.reverting import do, everything, left_behind


@pytest.fixture(autouse=True)
def _own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def test_a_commit_is_taken_back_on_the_branch_with_gits_message_and_the_reason(play: Playground) -> None:
    bad = play.git("rev-parse", "HEAD~1")
    made = do(play, "HEAD~1", text="it doubled the loss")
    assert play.git("rev-parse", "main") == made.commits[-1]
    expected = f'Revert "commit 2"\n\nThis reverts commit {bad}.\n\nit doubled the loss'
    assert play.git("log", "-1", "--format=%B") == expected
    assert not (play.top / "file2").exists()
    assert play.git("status", "--porcelain") == ""
    assert play.git("reflog", "-1", "--format=%gs") == 'revert: Revert "commit 2"'
    assert left_behind(play) == []


def test_the_result_is_what_git_revert_makes(play: Playground, tmp_path: Path) -> None:
    play.write("file1", "1\nmore\n")
    play.git("mv", "file2", "moved")
    play.git("commit", "-qam", "a change and a rename")
    play.commit("moved", "2\nlater\n", "later")
    play.git("clone", "-q", ".", str(tmp_path / "clone"))
    git = Playground(tmp_path / "clone")
    git.git("revert", "--no-edit", "HEAD~2", "HEAD~1")
    do(play, "HEAD~2", "HEAD~1")
    # The same two commits taken back; the order is ours, since git takes the order in which they are typed.
    assert play.git("log", "-2", "--format=%s").splitlines() == [
        'Revert "commit 3"',
        'Revert "a change and a rename"',
    ]
    assert play.git("rev-parse", "HEAD^{tree}") == git.git("rev-parse", "HEAD^{tree}")


def test_several_that_stand_on_each_other_are_taken_back_newest_first(play: Playground) -> None:
    first = play.commit("file1", "1\na\n", "a")
    second = play.commit("file1", "1\nb\n", "b")
    third = play.commit("file1", "1\nc\n", "c")
    do(play, first, third, second, first[:10])
    assert play.read("file1") == "1\n"
    assert play.git("log", "-3", "--format=%s").splitlines() == ['Revert "a"', 'Revert "b"', 'Revert "c"']


def test_undo_takes_a_revert_back_and_redo_makes_it_again(play: Playground) -> None:
    play.write("file1", "dirty\n")
    play.write("file3", "staged\n")
    play.git("add", "file3")
    before = play.state()
    do(play, "HEAD~1")
    after = play.state()
    assert play.undo().operation.verb == "revert"
    assert play.state() == before
    play.redo()
    assert play.state() == after


def test_undo_takes_back_all_of_several_at_once_and_a_new_branch_too(play: Playground) -> None:
    before = play.state()
    do(play, "HEAD", "HEAD~1")
    play.undo()
    assert play.state() == before
    do(play, "HEAD", branch="without-3")
    play.undo()
    assert play.state() == before


def test_changes_beside_it_stay_staged_or_not_as_they_were(play: Playground) -> None:
    play.write("file1", "dirty\n")
    play.write("file3", "staged\n")
    play.git("add", "file3")
    play.write("file3", "staged and dirty\n")
    play.write("new", "untracked\n")
    play.write("intended", "later\n")
    play.git("add", "-N", "intended")
    play.write(".git/info/exclude", "ignored\n")
    play.write("ignored", "precious\n")
    status, staged = play.git("status", "--porcelain"), play.git("diff", "--cached")
    do(play, "HEAD~1")
    assert play.git("status", "--porcelain") == status
    assert play.git("diff", "--cached") == staged
    assert play.read("file3") == "staged and dirty\n"
    assert play.read("ignored") == "precious\n"


def test_a_new_branch_leaves_index_and_files_alone_however_dirty(play: Playground) -> None:
    play.write("file2", "dirty, and what the revert would delete\n")
    play.write("file3", "staged\n")
    play.git("add", "file3")
    index, files, head = (play.git_dir() / "index").read_bytes(), play.state()["files"], play.git("rev-parse", "HEAD")
    made = do(play, "HEAD~1", branch="without-2")
    assert (play.git_dir() / "index").read_bytes() == index
    assert play.state()["files"] == files
    assert play.git("rev-parse", "HEAD") == head
    assert play.git("rev-parse", "without-2") == made.commits[-1]
    assert "file2" not in play.git("ls-tree", "--name-only", "without-2")


def test_a_branch_that_is_there_is_not_written_over(play: Playground) -> None:
    before = everything(play)
    with pytest.raises(Exception, match="there is a branch topic"):
        do(play, "HEAD", branch="topic")
    with pytest.raises(Exception, match="no branch of the name"):
        do(play, "HEAD", branch="-f")
    assert everything(play) == before


def test_the_branchs_own_side_of_a_merge_stays(play: Playground) -> None:
    play.commit("m", "m", "on main")
    ours = play.git("rev-parse", "HEAD")
    play.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    merge = play.git("rev-parse", "HEAD")
    play.commit("after", "x", "after")
    plan, _ = revert.plan(play.repo, Wish(revisions=(merge,)))
    [step] = plan.steps
    assert step.mainline == 1
    assert any("parent 1" in note for note in step.notes)
    assert any("topic again will not bring its changes back" in note for note in step.notes)
    do(play, merge)
    assert (play.top / "m").exists()
    assert (play.top / "after").exists()
    assert not (play.top / "topic").exists()
    reversing = f"This reverts commit {merge}, reversing\nchanges made to {ours}."
    assert reversing in play.git("log", "-1", "--format=%B")


def test_a_merge_of_main_into_a_topic_is_taken_back_to_the_side_that_this_branch_had(play: Playground) -> None:
    play.commit("m", "m", "on main")
    play.git("switch", "-q", "topic")
    play.git("merge", "-q", "--no-edit", "main")
    merge = play.git("rev-parse", "HEAD")
    play.git("switch", "-q", "main")
    play.commit("m2", "m2", "on main again")
    play.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    plan, _ = revert.plan(play.repo, Wish(revisions=(merge,)))
    assert plan.steps[0].mainline == 2
    do(play, merge)
    assert (play.top / "m").exists()
    assert not (play.top / "topic").exists()


def test_where_no_parent_is_this_branchs_own_the_person_says_which(play: Playground) -> None:
    play.git("switch", "-q", "-c", "deep", "topic")
    play.commit("d", "d", "deep")
    play.git("switch", "-q", "topic")
    play.commit("t", "t", "topic 2")
    play.git("merge", "-q", "--no-edit", "deep")
    merge = play.git("rev-parse", "HEAD")
    play.git("switch", "-q", "main")
    play.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    before = everything(play)
    with pytest.raises(Refused, match="not clear") as refused:
        do(play, merge)
    assert "--mainline" in refused.value.hint
    assert everything(play) == before
    do(play, merge, mainline=1)
    assert (play.top / "t").exists()
    assert not (play.top / "d").exists()


def test_an_octopus_and_a_wrong_mainline(play: Playground) -> None:
    for name in ("a", "b"):
        play.git("switch", "-q", "-c", name, "main~1")
        play.commit(name, name, name)
    play.git("switch", "-q", "main")
    play.git("merge", "-q", "--no-edit", "a", "b")
    with pytest.raises(Exception, match="has 3 parents, and no parent 4"):
        do(play, "HEAD", mainline=4)
    with pytest.raises(Exception, match="is no merge"):
        do(play, "HEAD^1", mainline=1)
    do(play, "HEAD")
    assert not (play.top / "a").exists()
    assert not (play.top / "b").exists()


def test_a_revert_taken_back_is_called_reapply_and_says_what_comes_back(play: Playground) -> None:
    do(play, "HEAD~1")
    plan, _ = revert.plan(play.repo, Wish(revisions=("HEAD",)))
    assert '"commit 2"' in plan.steps[0].brings_back
    do(play, "HEAD")
    assert play.git("log", "-1", "--format=%s") == 'Reapply "commit 2"'
    assert play.read("file2") == "2\n"
    do(play, "HEAD")
    assert play.git("log", "-1", "--format=%s") == 'Revert "Reapply "commit 2""'
    assert not (play.top / "file2").exists()


def test_a_merge_that_was_reverted_comes_back_by_reverting_the_revert(play: Playground) -> None:
    play.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    do(play, "HEAD")
    play.git("merge", "topic")
    assert not (play.top / "topic").exists()  # what the warning is about
    do(play, "HEAD")
    assert play.read("topic") == "topic\n"


def test_the_first_commit_can_be_taken_back(play: Playground) -> None:
    do(play, "HEAD~2")
    assert not (play.top / "file1").exists()
    assert play.read("file3") == "3\n"


def test_a_subject_of_any_bytes_and_a_latin1_commit_are_kept(play: Playground) -> None:
    play.write("x", "x")
    play.git("add", "x")
    message = "größer \x1b[31m".encode("latin-1")
    subprocess.run(
        ["git", "-c", "i18n.commitEncoding=latin1", "commit", "-q", "-F", "-"], cwd=play.top, input=message, check=True
    )
    play.git("config", "i18n.commitEncoding", "latin1")
    do(play, "HEAD")
    shown = play.git("log", "-1", "--format=%s", "--encoding=UTF-8")
    assert shown == 'Revert "größer \x1b[31m"'


def test_the_check_sees_the_reverted_code_and_not_the_persons_folder(play: Playground) -> None:
    play.write("untracked", "x")
    play.write("sub/file", "x")
    play.git("add", "sub")
    play.git("commit", "-qm", "sub")
    script = "test ! -e file2 && test -e file3 && test ! -e untracked && test -e file && touch left && echo x > file"
    made = do(play, "HEAD~2", check=("sh", "-c", script.replace("file2", "../file2").replace("file3", "../file3")
              .replace("-e untracked", "-e ../untracked")), subdir=Path("sub"))  # fmt: skip
    assert made.checked is not None
    assert made.checked.exit_code == 0
    assert play.read("sub/file") == "x"
    assert play.git("status", "--porcelain") == "?? untracked"
    assert left_behind(play) == []


def test_a_check_that_commits_and_moves_its_head_changes_nothing_of_the_result(play: Playground) -> None:
    script = "git reset -q --hard HEAD~1; git -c user.name=x -c user.email=x commit -q --allow-empty -m x; sleep 300 &"
    do(play, "HEAD~1", check=("sh", "-c", script))
    assert play.git("log", "-1", "--format=%s") == 'Revert "commit 2"'
    assert play.read("file3") == "3\n"
    assert left_behind(play) == []


def test_the_message_says_nothing_of_the_checks_command(play: Playground) -> None:
    typed = "hunter2-very-secret"
    made = do(play, "HEAD~1", check=("sh", "-c", "true", typed))
    everywhere = play.git("log", "--all", "-p", "--format=%B%n%s") + play.git("reflog") + repr(made)
    assert typed not in everywhere


def test_signed_where_the_person_signs(play: Playground, tmp_path: Path) -> None:
    """The signing program is a stand-in: a real key ring needs an agent, and git only sees what it prints."""
    program = tmp_path / "sign"
    program.write_text(
        "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\n"
        "printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nsigned\\n-----END PGP SIGNATURE-----\\n'\n"
    )
    program.chmod(0o755)
    play.git("config", "commit.gpgSign", "true")
    play.git("config", "gpg.program", str(program))
    do(play, "HEAD~1")
    assert "gpgsig -----BEGIN" in play.git("cat-file", "commit", "HEAD")
    program.write_text("#!/bin/sh\nexit 2\n")
    before = everything(play)
    with pytest.raises(Exception, match="could not be signed"):
        do(play, "HEAD~1")
    assert everything(play) == before


def test_no_hook_of_the_persons_runs(play: Playground, tmp_path: Path) -> None:
    for name in ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit", "post-checkout", "post-merge",
                 "reference-transaction", "post-index-change"):  # fmt: skip
        hook = play.git_dir() / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/ran\n")
        hook.chmod(0o755)
    do(play, "HEAD~1", check=("true",))
    assert not (tmp_path / "ran").exists()


def test_the_persons_identity_from_the_environment_counts(play: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Bot")
    do(play, "HEAD~1")
    assert play.git("log", "-1", "--format=%an %cn") == "Grace Bot"


def test_a_submodule_goes_back_and_the_person_is_told_to_update_it(play: Playground, tmp_path: Path) -> None:
    library = Playground.make(tmp_path / "library")
    play.git("submodule", "--quiet", "add", str(library.top), "lib")
    play.git("commit", "-qm", "lib")
    old = play.git("rev-parse", "HEAD:lib")
    inside = Playground(play.top / "lib")
    inside.git("switch", "-q", "--detach", "HEAD~1")
    play.git("commit", "-qam", "older lib")
    made = do(play, "HEAD")
    assert play.git("rev-parse", "HEAD:lib") == old
    assert made.submodules == (b"lib",)
    assert inside.git("rev-parse", "HEAD") != old
    inside.git("switch", "-q", "main")
    made = do(inside, "HEAD")
    assert inside.git("rev-parse", "main") == made.commits[0]
    assert not (inside.top / "file3").exists()
    assert left_behind(inside) == []


def test_a_sparse_checkout_stays_sparse(play: Playground) -> None:
    play.commit("in/file", "x", "in")
    play.commit("out/file", "x", "out")
    play.commit("out/file", "y", "out again")
    play.git("sparse-checkout", "set", "--cone", "in")
    do(play, "HEAD")
    assert not (play.top / "out").exists()
    assert play.git("show", "HEAD:out/file") == "x"
    assert play.git("status", "--porcelain") == ""


def test_a_partial_clone_fetches_what_it_needs(play: Playground, tmp_path: Path) -> None:
    play.git("config", "uploadpack.allowFilter", "true")
    text = play.commit("file2", "changed", "changed")
    play.git("clone", "-q", "--filter=blob:none", f"file://{play.top}", str(tmp_path / "partial"))
    partial = Playground(tmp_path / "partial")
    do(partial, text)
    assert partial.read("file2") == "2\n"


def test_a_python_that_imports_the_persons_own_folder_is_noticed(
    play: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = play.top / ".venv/lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    monkeypatch.setenv("VIRTUAL_ENV", str(play.top / ".venv"))
    (packages / "other.pth").write_text(f"{play.top}/.venv/lib\nimport x\n")
    assert editable_install(play.top) is None
    (packages / "mine.pth").write_text(f"{play.top}/src\n")
    assert editable_install(play.top) == play.top / ".venv"


def test_in_a_linked_work_tree_it_is_that_trees_branch(play: Playground, tmp_path: Path) -> None:
    play.git("worktree", "add", "-q", str(tmp_path / "linked"), "topic")
    linked = Playground(tmp_path / "linked")
    main = play.git("rev-parse", "main")
    do(linked, "HEAD")
    assert play.git("rev-parse", "main") == main
    assert not (linked.top / "topic").exists()
    assert left_behind(linked) == []


def test_a_bare_repository_takes_one_on_a_new_branch(play: Playground, tmp_path: Path) -> None:
    play.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    bare = Playground(tmp_path / "bare.git")
    with pytest.raises(Refused, match="no working tree"):
        do(bare, "HEAD")
    made = do(bare, "HEAD~1", branch="without-2")
    assert bare.git("rev-parse", "without-2") == made.commits[0]


def test_a_folder_of_many_files_is_not_written_out_without_a_check(play: Playground, tmp_path: Path) -> None:
    for number in range(50):
        play.write(f"data/{number}", f"{number}\n")
    play.git("add", "data")
    play.git("commit", "-qm", "data")
    play.write(".gitattributes", "data/* filter=slow\n")
    play.git("config", "filter.slow.smudge", f"sh -c 'echo x >> {tmp_path}/smudged; cat'")
    play.git("add", ".gitattributes")
    play.git("commit", "-qm", "attributes")
    do(play, "HEAD~3")
    assert not (tmp_path / "smudged").exists()


def test_file_and_folder_that_change_places_come_back(play: Playground) -> None:
    play.git("rm", "-q", "file1")
    play.write("file1/inner", "x")
    play.git("add", "file1")
    play.git("commit", "-qm", "a folder now")
    before = play.state()
    do(play, "HEAD")
    assert play.read("file1") == "1\n"
    play.undo()
    assert play.state() == before
    play.write(".git/info/exclude", "*.pyc\n")
    play.write("file1/cache.pyc", "precious")
    with pytest.raises(Refused, match=r"cache\.pyc"):
        do(play, "HEAD")
    os.unlink(play.top / "file1/cache.pyc")
    do(play, "HEAD")
