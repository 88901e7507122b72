"""Questions over the socket of a shared connection: the same answer as ssh's, or none."""

import socket
import threading
from pathlib import Path

import pytest

from mlsh import config
from mlsh.box import open_box
from mlsh.box.master import Silent, ask
from mlsh.box.openssh import OpenSSHBox
from tests.bed import Box, Laptop

WORDS = ["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo no >&2; cat; exit 7"]


@pytest.fixture
def box(laptop: Laptop, gpu1: Box, monkeypatch: pytest.MonkeyPatch) -> OpenSSHBox:
    laptop.add(gpu1)
    for key, value in laptop.env.items():
        monkeypatch.setenv(key, value)
    opened = open_box("gpu1", config.load())
    assert isinstance(opened, OpenSSHBox)
    return opened


def test_a_question_gets_the_answer_that_ssh_brings(box: OpenSSHBox) -> None:
    ran = box.run(WORDS)
    asked = box.ask(WORDS)
    assert asked == ran
    assert (len(asked.stdout), asked.stderr, asked.returncode) == (300000, b"no\n", 7)


def test_a_question_opens_the_connection_that_it_lacks(box: OpenSSHBox) -> None:
    assert not box.socket.exists()
    assert box.ask(["echo", "here"]).stdout == b"here\n"
    assert box.socket.exists()


def test_whoever_else_listens_there_gives_no_answer(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    assert ask(path, "true", 1) is None
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def hang_up() -> None:
            client, _ = server.accept()
            client.sendall(b"\0\0\0\x08\0\0\0\x01\0\0\0\x05")
            client.recv(100)
            client.close()

        threading.Thread(target=hang_up, daemon=True).start()
        assert ask(path, "true", 5) is None
        with pytest.raises(Silent):
            ask(path, "true", 0.2)
