"""A person of their own, and an empty repository to put a history into."""

import os
from pathlib import Path

import pytest

from tests.bisect.histories import History


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    config = "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    (home / ".gitconfig").write_text(config + '[protocol "file"]\n\tallow = always\n')
    return home


@pytest.fixture
def history(own_home: Path, tmp_path: Path) -> History:
    return History(tmp_path / "repo")
