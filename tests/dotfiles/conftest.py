"""A home of one's own on this machine, for what needs no ssh."""

from pathlib import Path

import pytest

from mlsh.box import Box as Reached
from mlsh.box import open_box
from mlsh.config import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, in which mlsh finds itself."""
    made = tmp_path / "home"
    made.mkdir()
    monkeypatch.setenv("HOME", str(made))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def local(home: Path) -> Reached:
    """This machine, with that home."""
    del home
    return open_box("local", Settings({}))
