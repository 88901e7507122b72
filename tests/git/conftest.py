"""A person of their own for each test, and a small repository."""

from pathlib import Path

import pytest

from tests.git.folders import git_in


@pytest.fixture(autouse=True)
def _own_home(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git = git_in(folder)
    git("init", "-q")
    (folder / "a.txt").write_text("one\n")
    (folder / "src").mkdir()
    (folder / "src/b.py").write_text("two\n")
    git("add", "-A")
    git("commit", "-qm", "first")
    return folder
