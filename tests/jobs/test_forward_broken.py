"""`mlsh forward` over connections that break, hang or sleep: the port stays, and a browser is told the truth."""

import contextlib
import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable

import pytest

from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.jobs.forwards import SERVER, answers, forwarding, free_port, get, listed, local_port, tunnels, url
from tests.jobs.life import start


def test_a_killed_session_is_replaced_and_the_port_stays(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    port = free_port()
    start(laptop, "fresh", SERVER.format(port=port))
    with forwarding(laptop, "fresh", "-p", f"0:{port}") as (process, said):
        here = local_port(url(process, said))
        wait_for(lambda: answers(here), 10, "an answer")
        for turn in range(1, 3):
            fresh_box.kill_sessions()
            # Asked in the gap, and held until the tunnel is back.
            assert get(here) == fresh_box.path("/etc/hostname").read_bytes()
            wait_for(lambda turn=turn: said().count("connected again") >= turn, 10, "the word")  # type: ignore[misc]
        assert f"mlsh: fresh: the connection broke off; localhost:{here} stays" in said()
        fresh_box.stop_sshd()
        fresh_box.kill_sessions()
        wait_for(lambda: [record["state"] for record in listed(laptop)] == ["reconnecting"], 10, "reconnecting")
        fresh_box.start_sshd()
        wait_for(lambda: answers(here), 20, "an answer")
        assert process.poll() is None


def test_what_is_cut_in_the_middle_is_an_error_for_the_browser(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    port = free_port()
    fresh_box.sh("mkdir web; head -c 50000000 /dev/zero >web/large")
    start(laptop, "fresh", f"cd ~/web; python3 -u -m http.server --bind 127.0.0.1 {port}")
    with forwarding(laptop, "fresh", "-p", f"0:{port}") as (process, said):
        here = local_port(url(process, said))
        wait_for(lambda: answers_with(here, "/large"), 10, "an answer")
        assert len(get(here, "/large")) == 50_000_000
        with socket.create_connection(("127.0.0.1", here), timeout=20) as client:
            client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            assert client.recv(1000)
            fresh_box.kill_sessions()
            with pytest.raises(OSError, match="reset"):  # noqa: PT012
                while client.recv(1 << 20):
                    pass


def answers_with(port: int, path: str) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return bool(get(port, path, timeout=5))
    return False


@pytest.mark.slow
@pytest.mark.parametrize("what", ["ssh", "all"])
def test_a_laptop_that_slept_goes_on(laptop: Laptop, server: tuple[str, int], what: str) -> None:
    _, port = server
    record = json.loads(laptop.run("forward", "--background", "--json", "gpu1", "-p", f"0:{port}").stdout)
    here = record["ports"][0]["local"]
    asleep = [*tunnels(laptop), *([record["pid"]] if what == "all" else [])]
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2)
    for pid in asleep:
        os.kill(pid, signal.SIGCONT)
    assert answers(here)
    if what == "ssh":
        # An ssh that never wakes up is replaced.
        for pid in tunnels(laptop):
            os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: answers(here), 45, "an answer")
    assert [one["pid"] for one in listed(laptop)] == [record["pid"]]


@pytest.mark.slow
def test_a_connection_that_hangs_is_given_up_and_made_anew(
    laptop: Laptop, gpu1: Box, server: tuple[str, int], proxy_to: Callable[[Box], ChaosProxy]
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, alias="far", via=proxy)
    with forwarding(laptop, "far", "-p", f"0:{server[1]}") as (process, said):
        here = local_port(url(process, said))
        assert answers(here)
        proxy.hang()
        wait_for(lambda: "nothing heard for 12 s" in said(), 25, "the word")
        proxy.reset()
        proxy.resume()
        wait_for(lambda: answers(here), 30, "an answer")


@pytest.mark.root
def test_a_cable_that_is_pulled_and_put_back_and_no_shared_connection(laptop: Laptop, fresh_box: Box) -> None:
    laptop.env["MLSH_MULTIPLEX"] = "no"
    laptop.add(fresh_box)
    port = free_port()
    start(laptop, "fresh", SERVER.format(port=port))
    with forwarding(laptop, "fresh", "-p", f"0:{port}") as (process, said):
        here = local_port(url(process, said))
        wait_for(lambda: answers(here), 10, "an answer")
        fresh_box.link(False)
        wait_for(lambda: "nothing heard for 12 s" in said(), 25, "the word")
        fresh_box.link(True)
        wait_for(lambda: answers(here), 30, "an answer")
        wait_for(lambda: "fresh: connected again" in said(), 5, "the other word")
        process.terminate()
        assert process.wait(10) == 128 + signal.SIGTERM
    assert listed(laptop) == []
