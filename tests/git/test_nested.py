"""Repositories inside the folder go along as plain files."""

import shutil
from pathlib import Path

from mlsh.git.snapshot import take
from tests.git.folders import content, everything, git_in, nested, on_disk, yes


def test_repositories_in_the_folder_go_along_as_files(repo: Path, tmp_path: Path) -> None:
    git = git_in(repo)
    nested(repo, "clone")
    (repo / "clone/dirty").write_text("uncommitted")
    nested(repo, "clone/twice")
    nested(repo, "lib/twice")
    (repo / "empty").mkdir()
    git_in(repo / "empty")("init", "-q")
    origin = nested(tmp_path, "origin")
    git("submodule", "-q", "add", str(origin), "sub")
    git("submodule", "-q", "add", str(origin), "not here")
    git("submodule", "-q", "deinit", "-f", "not here")
    (repo / ".gitignore").write_text("hidden\n")
    git("submodule", "-q", "add", "-f", str(origin), "hidden")
    git("commit", "-qam", "submodules")
    (repo / "sub/inner.py").write_text("changed in the submodule")
    nested(repo, "ignored clone")
    (repo / ".mlshignore").write_text("ignored clone\nsub/x.dat\n*.tmp\n")
    (repo / "sub/x.dat").write_text("1")
    (repo / "clone/x.tmp").write_text("1")
    before = everything(repo)
    snapshot = take(repo, yes)
    assert everything(repo) == before
    wanted = {
        name: what
        for name, what in on_disk(repo).items()
        if not name.endswith((b".o", b".dat", b".tmp")) and not name.startswith(b"ignored clone/")
    }
    assert content(snapshot) == wanted
    assert [note for note in snapshot.notes if "not here" in note]
    assert len(snapshot.notes) == 1
    assert take(repo, yes).commit == snapshot.commit
    (repo / "clone/twice/inner.py").write_text("again")
    changed = take(repo, yes)
    assert content(changed) == {**wanted, b"clone/twice/inner.py": ("file", b"again")}
    shutil.rmtree(repo / "clone/.git")
    assert content(take(repo, yes))[b"clone/inner.py"] == ("file", b"clone")
