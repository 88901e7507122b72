"""A person of their own for each test, and a small repository to break."""

import os
from pathlib import Path

import pytest

from tests.undo.playground import Playground


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    config = "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    config += '[protocol "file"]\n\tallow = always\n'
    (home / ".gitconfig").write_text(config)


@pytest.fixture
def play(tmp_path: Path) -> Playground:
    """A repository with three commits on main and a branch `topic` with one of its own."""
    return Playground.make(tmp_path / "repo")
