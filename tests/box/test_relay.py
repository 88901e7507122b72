"""The port on this machine behind which tunnels come and go: every byte, in both directions, or an error."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsh.box import relay
from mlsh.box.relay import Relay, Taken, listen
from tests.bed import wait_for
from tests.bed.requirements import not_possible_here


class Far:
    """What a tunnel leads to: sends back what it was sent, once it has all of it."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = self.server.getsockname()[:2]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(client,), daemon=True).start()

    @staticmethod
    def _echo(client: socket.socket) -> None:
        with client:
            data = b"".join(iter(lambda: client.recv(1 << 16), b""))
            client.sendall(data)


@pytest.fixture
def far() -> Iterator[Far]:
    made = Far()
    yield made
    made.server.close()


@pytest.fixture
def made() -> Iterator[Relay]:
    it = Relay(listen(0))
    yield it
    it.close()


def ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        sender.join()
        return answer


def test_every_byte_goes_both_ways_and_one_end_may_end_first(made: Relay, far: Far) -> None:
    made.lead_to(far.address)
    data = os.urandom(20_000_000)
    assert ask(made.port, data) == data
    assert ask(made.port, b"") == b""


def test_many_at_once_do_not_get_each_others_bytes(made: Relay, far: Far) -> None:
    made.lead_to(far.address)
    sent = [os.urandom(100_000) for _ in range(60)]
    got: list[bytes] = [b""] * len(sent)

    def one(number: int) -> None:
        got[number] = ask(made.port, sent[number])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(sent))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == sent
    wait_for(lambda: not made._open, 5, "the end of the connections")


def test_what_asks_between_two_tunnels_waits(made: Relay, far: Far) -> None:
    threading.Timer(0.5, made.lead_to, (far.address,)).start()
    assert ask(made.port, b"early") == b"early"


def test_what_asks_while_there_is_no_tunnel_is_not_kept_for_ever(made: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "HOLD_S", 0.3)
    assert ask(made.port, b"") == b""


def test_a_tunnel_that_breaks_resets_what_went_through_it(made: Relay, far: Far) -> None:
    made.lead_to(far.address)
    with socket.create_connection(("127.0.0.1", made.port), timeout=10) as client:
        client.sendall(b"x")
        wait_for(lambda: made._open, 5, "the connection")
        made.lead_to(None)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_an_end_that_is_a_break_is_no_end(made: Relay, far: Far) -> None:
    made.lead_to(far.address, lambda: False)
    with pytest.raises(ConnectionResetError):
        ask(made.port, b"x" * 1000)


def test_a_port_is_free_again_at_once_and_one_that_is_taken_is_said() -> None:
    first = Relay(listen(0))
    with pytest.raises(Taken):
        listen(first.port)
    first.close()
    wait_for(lambda: Relay(listen(first.port)).close() is None, 5, "the port")


def test_a_port_that_another_has_on_the_other_loopback_is_taken() -> None:
    try:
        six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        not_possible_here("A port on ::1", "this machine has no IPv6")
    with six, pytest.raises(Taken):
        listen(six.getsockname()[1])


def test_an_end_that_takes_nothing_is_noticed_and_others_are_not() -> None:
    refused: list[int] = []
    hanging_up = socket.create_server(("127.0.0.1", 0))
    it = Relay(listen(0), lambda: refused.append(1))
    it.lead_to(hanging_up.getsockname()[:2])
    try:
        for count, data in ((1, b""), (2, b"GET / HTTP/1.0\r\n\r\n")):
            with socket.create_connection(("127.0.0.1", it.port), timeout=10) as client:
                client.sendall(data)
                far, _ = hanging_up.accept()
                wait_for(lambda: it._open, 5, "the connection")
                far.close()
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
            wait_for(lambda count=count: len(refused) == count, 5, "the word")  # type: ignore[misc]
        with socket.create_connection(("127.0.0.1", it.port), timeout=10) as client:
            far, _ = hanging_up.accept()
            far.sendall(b"x")
            assert client.recv(1) == b"x"
            far.close()
        with socket.create_connection(("127.0.0.1", it.port), timeout=10):
            far, _ = hanging_up.accept()
        assert far.recv(1) == b""
        far.close()
        wait_for(lambda: not it._open, 5, "the end of the connections")
        assert len(refused) == 2
    finally:
        it.close()
        hanging_up.close()


def test_an_end_that_hangs_up_before_it_was_asked_is_noticed_each_time(tmp_path: Path) -> None:
    refused: list[int] = []
    hanging_up = socket.socket(socket.AF_UNIX)
    hanging_up.bind(str(tmp_path / "s"))
    hanging_up.listen()
    it = Relay(listen(0), lambda: refused.append(1))
    it.lead_to(str(tmp_path / "s"))
    try:
        for count in range(1, 51):
            with socket.create_connection(("127.0.0.1", it.port), timeout=10) as client:
                hanging_up.accept()[0].close()
                with contextlib.suppress(OSError):
                    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    assert client.recv(1) == b""
            wait_for(lambda count=count: len(refused) == count, 5, "the word")  # type: ignore[misc]
    finally:
        it.close()
        hanging_up.close()
