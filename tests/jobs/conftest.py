"""Fixtures of the tests of forwards."""

from collections.abc import Iterator

import pytest

from tests.bed import Box, Laptop
from tests.jobs.forwards import SERVER, free_port
from tests.jobs.life import start, until_says


@pytest.fixture
def server(laptop: Laptop, gpu1: Box) -> Iterator[tuple[str, int]]:
    """A job with a web server on gpu1, and its port there."""
    laptop.add(gpu1)
    port = free_port()
    job = start(laptop, "gpu1", SERVER.format(port=port))
    until_says(gpu1, job, "Serving HTTP")
    yield job, port
    laptop.run("cancel", "--grace", "0", job, check=False)
