"""A person of their own for each test, and a small repository."""

import os
from pathlib import Path

import pytest

from tests.git.folders import git_in


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    config = "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    config += '[protocol "file"]\n\tallow = always\n'
    (home / ".gitconfig").write_text(config)


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
