"""A person of their own for each test, and a small repository to break."""

from pathlib import Path

import pytest

from tests.undo.playground import Playground


@pytest.fixture(autouse=True)
def _own_home(own_home: Path) -> None:
    pass


@pytest.fixture
def play(tmp_path: Path) -> Playground:
    """A repository with three commits on main and a branch `topic` with one of its own."""
    return Playground.make(tmp_path / "repo")
