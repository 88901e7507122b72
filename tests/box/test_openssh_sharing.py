"""One connection for many calls: shared, waited for, given up, and done without."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from mlsh.box import open_box, process
from mlsh.config import load
from mlsh.errors import Unreachable
from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.box.reaching import masters, reach, says
from tests.jobs.in_process import sit_at


@pytest.fixture(autouse=True)
def _here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at(laptop, monkeypatch)


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(process.log, "warner", said.append)
    return said


def test_calls_share_one_connection(laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy]) -> None:
    proxy = proxy_to(gpu1)
    reached = reach(laptop, gpu1, via=proxy)
    for number in range(5):
        assert says(reached, "echo", str(number)) == f"{number}\n"
    assert proxy.accepted == 1


def test_more_calls_at_once_than_the_box_allows_sessions_all_succeed(laptop: Laptop, fresh_box: Box) -> None:
    fresh_box.sshd_option("MaxSessions 2")
    reached = reach(laptop, fresh_box)
    streams = [reached.stream(["sh", "-c", f"echo {number}; sleep 600"]) for number in range(4)]
    try:
        for number, stream in enumerate(streams):
            assert stream.stdout is not None
            assert stream.stdout.readline() == b"%d\n" % number
        answers: list[str] = []
        calls = [threading.Thread(target=lambda: answers.append(says(reached, "echo", "here"))) for _ in range(6)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        assert answers == ["here\n"] * 6
    finally:
        for stream in streams:
            process.stop(stream)


def test_a_box_that_limits_new_connections_is_waited_for(laptop: Laptop, fresh_box: Box) -> None:
    fresh_box.sshd_option("MaxStartups 1:100:1")
    laptop.add(fresh_box)
    # A login that was begun and not finished takes the one place.
    with socket.create_connection((fresh_box.host, fresh_box.port)) as idle:
        idle.recv(100)
        answers: list[str] = []
        call = threading.Thread(target=lambda: answers.append(says(open_box("fresh", load()), "echo", "here")))
        call.start()
        wait_for(lambda: "MaxStartups" in fresh_box.sshd_log(), 10, "a refused login")
    call.join(30)
    assert answers == ["here\n"]


def test_a_stopped_master_costs_seconds_and_not_the_command(laptop: Laptop, gpu1: Box) -> None:
    reached = reach(laptop, gpu1)
    says(reached, "true")
    [master] = masters(laptop)
    os.kill(master, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Unreachable):
            reached.run(["true"], timeout_s=1)
        assert says(reached, "echo", "back") == "back\n"
        assert time.monotonic() - began < 12
    finally:
        os.kill(master, signal.SIGCONT)
    # The old one wakes up and ends; the new one's socket stays.
    os.kill(master, signal.SIGTERM)
    wait_for(lambda: master not in masters(laptop), 10, "the old master's end")
    before = masters(laptop)
    assert says(reached, "echo", "still") == "still\n"
    assert masters(laptop) == before


def test_one_slow_command_does_not_cut_the_others_off(laptop: Laptop, gpu1: Box) -> None:
    reached = reach(laptop, gpu1)
    other = reached.stream(["sh", "-c", "echo on; read -r line; echo $line"], stdin=True)
    try:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"on\n"
        with pytest.raises(Unreachable, match="no answer within 1 s"):
            reached.run(["sleep", "30"], timeout_s=1)
        other.stdin.write(b"unharmed\n")
        assert other.stdout.readline() == b"unharmed\n"
    finally:
        process.stop(other)


def test_an_mlsh_that_was_stopped_while_it_connected_does_not_block_the_others(
    laptop: Laptop, gpu1: Box, monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    import fcntl

    from mlsh.box import sharing

    monkeypatch.setattr(sharing, "_LOCK_TIMEOUT_S", 1)
    reached = reach(laptop, gpu1)
    with open(f"{reached.socket}.lock", "wb") as held:  # type: ignore[attr-defined]
        fcntl.flock(held, fcntl.LOCK_EX)
        assert says(reached, "echo", "here") == "here\n"
    assert len(warned) == 1


def test_a_folder_that_takes_no_sockets_means_slower_and_is_said_once(
    laptop: Laptop, gpu1: Box, monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    # A stand-in: no file system of this kernel refuses sockets, as 9p and some NFS do.
    def refuse(_self: socket.socket, _path: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("socket.socket.bind", refuse)
    reached = reach(laptop, gpu1)
    assert says(reached, "echo", "one") == "one\n"
    assert says(reached, "echo", "two") == "two\n"
    assert says(open_box("gpu1", load()), "echo", "three") == "three\n"
    stream = reached.stream(["echo", "four"])
    assert stream.communicate()[0] == b"four\n"
    [said] = warned
    assert "Operation not supported" in said
    assert not masters(laptop)


@pytest.mark.parametrize("how", ["no", "long"])
def test_a_whole_job_works_without_a_shared_connection(laptop: Laptop, gpu1: Box, how: str) -> None:
    laptop.add(gpu1)
    env = {"MLSH_MULTIPLEX": "no"}
    if how == "long":
        folder = laptop.directory / ("x" * 60) / ("y" * 40)
        folder.mkdir(parents=True, mode=0o700)
        env = {"XDG_RUNTIME_DIR": str(folder)}
    ran = laptop.run("run", "--on", "gpu1", "--no-code", "--", "sh", "-c", "echo out; exit 3", env=env, check=False)
    assert (ran.returncode, ran.stdout) == (3, "out\r\n"), ran.stderr
