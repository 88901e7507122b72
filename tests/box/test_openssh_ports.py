"""A port of a box, on this machine."""

import socket

import pytest

from mlsh.errors import BoxError
from tests.bed import Box, Laptop
from tests.box.reaching import fetch, reach, serving
from tests.jobs.in_process import sit_at


@pytest.fixture(autouse=True)
def _here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at(laptop, monkeypatch)


@pytest.mark.parametrize("shared", ["yes", "no"])
def test_a_port_of_the_box_is_reachable_for_as_long_as_it_is_asked_for(
    laptop: Laptop, gpu1: Box, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSH_MULTIPLEX", shared)
    reached = reach(laptop, gpu1)
    with serving(gpu1) as remote:
        with reached.forward(remote) as port:
            assert fetch(port) == b"hello\n"
            assert fetch(port) == b"hello\n"
        with pytest.raises(OSError, match="refused"):
            fetch(port)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = taken.getsockname()[1]
            with pytest.raises(BoxError, match=f"port {number} can't be forwarded"), reached.forward(remote, number):
                pytest.fail("it was forwarded")
