"""What the tests of bootstrap share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bed import Laptop
from tests.bootstrap.fake_wheels import make_pins


@pytest.fixture
def pins(laptop: Laptop) -> Path:
    """A list of fake wheels, named in the laptop's settings; returns the folder that has them."""
    return make_pins(laptop)
