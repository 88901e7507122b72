"""An empty repository to put a history into."""

from pathlib import Path

import pytest

from tests.bisect.histories import History


@pytest.fixture
def history(own_home: Path, tmp_path: Path) -> History:
    return History(tmp_path / "repo")
