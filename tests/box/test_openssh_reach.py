"""The way to a box as the person's own ssh configuration has it."""

import os
import socket

import pytest

from mlsh.box import open_box
from mlsh.config import load
from tests.bed import Box, Laptop, wait_for
from tests.box.reaching import fetch, reach, serving
from tests.jobs.in_process import sit_at
from tests.jobs.test_follow import at_a_terminal


@pytest.fixture(autouse=True)
def _here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at(laptop, monkeypatch)


def test_the_exit_code_255_of_a_command_is_its_own(laptop: Laptop, gpu1: Box) -> None:
    reached = reach(laptop, gpu1)
    ran = reached.run(["sh", "-c", "echo ran >>times; echo 'Connection closed by remote host' >&2; echo out; exit 255"])
    assert ran.returncode == 255
    assert gpu1.path("~/times").read_text() == "ran\n"


@pytest.mark.parametrize("shared", ["yes", "no"])
@pytest.mark.parametrize(
    "options",
    [
        ["RemoteCommand echo hijacked"],
        ["RequestTTY force"],
        ["LocalForward {taken} localhost:1", "ExitOnForwardFailure yes"],
        ["ControlMaster auto", "ControlPath {dir}/own-%C", "ControlPersist 60"],
        ["ControlMaster auto", "ControlPath {dir}/own-%C", "RemoteCommand cat", "RequestTTY yes"],
        ["PermitLocalCommand yes", "LocalCommand echo local"],
        ["LogLevel DEBUG"],
        ["Compression yes", "ForwardAgent yes", "SendEnv LANG"],
    ],
    ids=lambda options: options[0].split(maxsplit=1)[0],
)
def test_a_persons_own_settings_do_no_harm(
    laptop: Laptop, gpu1: Box, options: list[str], shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSH_MULTIPLEX", shared)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        lines = [line.format(taken=port, dir=laptop.directory) for line in options]
        laptop.add(gpu1, options=lines)
        argv = ("run", "--on", "gpu1", "--no-code", "--", "sh", "-c", "echo out; exit 3")
        ran = laptop.run(*argv, check=False)
        assert (ran.returncode, ran.stdout) == (3, "out\r\n"), ran.stderr
        reached = open_box("gpu1", load())
        laptop.home.joinpath("file").write_bytes(b"\0\r\n\xff")
        reached.copy_to(laptop.home / "file", "~/copied")
        assert gpu1.path("~/copied").read_bytes() == b"\0\r\n\xff"
        with serving(gpu1) as remote_port, reached.forward(remote_port) as local_port:
            assert fetch(local_port) == b"hello\n"


def test_a_box_behind_another_is_reached_through_it(laptop: Laptop, gpu1: Box, gpu2: Box) -> None:
    laptop.add(gpu1)
    laptop.add(gpu2, options=["ProxyJump gpu1"])
    ran = laptop.run(
        "run", "--on", "gpu2", "--no-code", "--", "sh", "-c", "cat /proc/sys/kernel/hostname; exit 3", check=False
    )
    assert (ran.returncode, ran.stdout) == (3, "gpu2\r\n"), ran.stderr


@pytest.mark.parametrize("shared", ["yes", "no"])
def test_a_key_with_a_passphrase_is_asked_for_at_the_terminal(laptop: Laptop, gpu1: Box, shared: str) -> None:
    laptop.add(gpu1)
    laptop.command("ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(laptop.key))
    laptop.env["MLSH_MULTIPLEX"] = shared
    argv = ("run", "--on", "gpu1", "--no-code", "--", "sh", "-c", "echo out; exit 3")
    with at_a_terminal(laptop, *argv) as (client, keys, screen):
        answered = 0

        def ended() -> bool:
            nonlocal answered
            if screen().count("Enter passphrase") > answered:
                answered += 1
                os.write(keys, b"open sesame\n")
            return client.poll() is not None

        wait_for(ended, 30, "its end")
        assert client.returncode == 3, screen()
        assert "out" in screen()
        assert answered == 1 if shared == "yes" else answered > 1
