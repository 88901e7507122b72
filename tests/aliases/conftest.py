"""Shells for the tests of aliases."""

from pathlib import Path

import pytest

from tests.aliases.shells import Shells


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Shells:
    folder: Path = tmp_path_factory.mktemp("shells")
    return Shells(folder)
