"""`mlsh logs -f` over connections that break: the log, byte for byte, once; and the job's own exit code."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from mlsh.jobs.launch import launch
from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.jobs.in_process import NO_VALUES, on, sit_at, spec_of

# Numbered lines, random bytes with NUL, CR and broken UTF-8, bursts of megabytes and pauses, until told.
NOISY = """
import os, random, sys, time
dice, out, number = random.Random(7), sys.stdout.buffer, 0
while not os.path.exists(sys.argv[1]):
    number += 1
    out.write(b"line %d\\n" % number)
    kind = dice.random()
    if kind < 0.3 or number == 3:
        out.write(dice.randbytes(dice.choice([1, 300, 5000])) + b"\\0\\r\\xff\\n")
    if number == 5 or (kind > 0.98 and number < 1000):
        out.write(b"".join(b"burst %d %d\\n" % (number, k) for k in range(150_000)))
    out.flush()
    time.sleep(dice.choice([0, 0.01, 0.05]))
out.write(b"the last line, without an end")
out.flush()
sys.exit(7)
"""


class Follow(NamedTuple):
    """A follower under way, its job, and where its output goes."""

    client: "subprocess.Popen[bytes]"
    laptop: Laptop
    box: Box
    proxy: ChaosProxy
    job_id: str
    out: Path
    err: Path

    def log(self) -> bytes:
        return self.box.path(f"~/.mlsh/jobs/{self.job_id}/log").read_bytes()

    def end_the_job(self) -> None:
        self.box.path(f"~/enough-{self.job_id}").touch()

    def catches_up(self) -> None:
        """Wait until what the log has by now has been given."""
        size = len(self.log())
        wait_for(lambda: self.out.stat().st_size >= size, 60, f"byte {size} of the log; {self.said()}")

    def said(self) -> str:
        return self.err.read_text()


@pytest.fixture(autouse=True)
def _here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at(laptop, monkeypatch)


@pytest.fixture
def follow(laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy], tmp_path: Path) -> Iterator[Follow]:
    with following(laptop, gpu1, proxy_to(gpu1), tmp_path) as started:
        yield started


@contextlib.contextmanager
def following(laptop: Laptop, box: Box, proxy: ChaosProxy, tmp_path: Path) -> Iterator[Follow]:
    """A noisy job, and a follower that has seen its first burst."""
    laptop.add(box, via=proxy)
    box.write("~/noisy.py", NOISY)
    spec = spec_of(box.name, "python3", "noisy.py", "enough-{id}")
    launch(on(box.name), spec, NO_VALUES, None)
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        client = laptop.spawn("logs", "-f", spec.id, stdout=stdout, stderr=stderr)
    started = Follow(client, laptop, box, proxy, spec.id, out, err)
    try:
        wait_for(lambda: out.stat().st_size > 100_000, 20, f"the first bytes; {started.said()}")
        yield started
    finally:
        if box.alive:
            started.end_the_job()
        client.kill()
        client.communicate()


def lasting(seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > until, seconds + 1, "the time to pass")


def masters(laptop: Laptop) -> list[int]:
    found = []
    for pid in laptop.processes():
        with contextlib.suppress(OSError):
            if b"\0-M\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def session_killed(follow: Follow) -> None:
    follow.box.kill_sessions()


def connection_reset(follow: Follow) -> None:
    follow.proxy.reset()


def both_ends_reset(follow: Follow) -> None:
    follow.box.reset_connections()


def cut_within_a_packet(follow: Follow) -> None:
    follow.proxy.cut_after(12_345, "down")
    wait_for(lambda: follow.proxy.accepted > 1, 20, "the cut")


def blackhole(follow: Follow) -> None:
    follow.box.blackhole(True)
    lasting(20)
    follow.box.blackhole(False)


def link_flap(follow: Follow) -> None:
    follow.box.link(False)
    lasting(2)
    follow.box.link(True)


def sshd_restarted(follow: Follow) -> None:
    follow.box.stop_sshd()
    follow.box.kill_sessions()
    wait_for(lambda: "goes on" in follow.said(), 20, "a word about it")
    follow.box.start_sshd()


def laptop_asleep(follow: Follow) -> None:
    asleep = follow.laptop.processes()
    signal_all(asleep, signal.SIGSTOP)
    lasting(4)
    signal_all(asleep, signal.SIGCONT)


def master_killed(follow: Follow) -> None:
    assert masters(follow.laptop)
    signal_all(masters(follow.laptop), signal.SIGKILL)


def master_stopped(follow: Follow) -> None:
    stopped = masters(follow.laptop)
    signal_all(stopped, signal.SIGSTOP)
    wait_for(lambda: "connected again" in follow.said(), 40, f"a new connection; {follow.said()}")
    signal_all(stopped, signal.SIGCONT)


def socket_deleted(follow: Follow) -> None:
    for path in (follow.laptop.runtime_dir / "mlsh").iterdir():
        path.unlink()
    follow.proxy.reset()


FAULTS = [
    session_killed,
    connection_reset,
    both_ends_reset,
    cut_within_a_packet,
    blackhole,
    link_flap,
    sshd_restarted,
    laptop_asleep,
    master_killed,
    master_stopped,
    socket_deleted,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.timeout(180)
def test_every_byte_arrives_once_through(fault: Callable[[Follow], None], follow: Follow) -> None:
    fault(follow)
    follow.catches_up()
    follow.end_the_job()
    assert follow.client.wait(30) == 7, follow.said()
    log = follow.log()
    assert follow.out.read_bytes() == log
    assert log.endswith(b"the last line, without an end")
    lines = follow.said().splitlines()
    lost = [line for line in lines if "goes on" in line]
    back = [line for line in lines if "connected again" in line]
    assert len(lost) == len(back) <= 2, lines
    wait_for(lambda: not follow.box.processes(r"/follow\.sh |tail .*log"), 20, "no helper left on the box")


def test_a_reboot_is_told_as_what_it_was(
    laptop: Laptop, fresh_box: Box, proxy_to: Callable[[Box], ChaosProxy], tmp_path: Path
) -> None:
    with following(laptop, fresh_box, proxy_to(fresh_box), tmp_path) as follow:
        follow.box.reboot(power_cut=True)
        assert follow.client.wait(60) == 72, follow.said()
        assert "LOST: the box rebooted" in follow.said()
        assert follow.out.read_bytes() == follow.log()


def test_the_end_is_told_at_once_and_with_the_jobs_code(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    took = []
    for _ in range(3):
        spec = spec_of("gpu1", "sh", "-c", "while [ ! -e go-{id} ]; do sleep 0.02; done; exit 9")
        launch(on("gpu1"), spec, NO_VALUES, None)
        client = laptop.spawn("logs", "-f", spec.id)
        wait_for(lambda: gpu1.processes(rf"follow\.sh {spec.id}"), 10, "the follower")  # noqa: B023
        gpu1.path(f"~/go-{spec.id}").touch()
        state = gpu1.path(f"~/.mlsh/jobs/{spec.id}/state.json")
        wait_for(lambda: '"FAILED"' in state.read_text(), 10, "the job's end")  # noqa: B023
        ended = time.monotonic()
        assert client.wait(10) == 9
        took.append(time.monotonic() - ended)
        client.communicate()
    assert min(took) < 1, took


def test_the_last_lines_are_not_told_again_after_a_break(
    laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy], tmp_path: Path
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, via=proxy)
    script = "seq 1 100; while [ ! -e go-{id} ]; do sleep 0.02; done; echo last"
    spec = spec_of("gpu1", "sh", "-c", script)
    launch(on("gpu1"), spec, NO_VALUES, None)
    log = gpu1.path(f"~/.mlsh/jobs/{spec.id}/log")
    wait_for(lambda: log.read_bytes().endswith(b"100\r\n"), 10, "the lines")
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        client = laptop.spawn("logs", "-f", "--tail", "3", spec.id, stdout=stdout, stderr=stderr)
    wait_for(lambda: out.read_bytes() == b"98\r\n99\r\n100\r\n", 10, "the last lines")
    proxy.reset()
    wait_for(lambda: "connected again" in err.read_text(), 20, "a new connection")
    gpu1.path(f"~/go-{spec.id}").touch()
    assert client.wait(10) == 0
    assert out.read_bytes() == b"98\r\n99\r\n100\r\nlast\r\n"
    client.communicate()
    whole = log.read_bytes()
    assert laptop.run("logs", "-f", "--from", "5", spec.id, text=False).stdout == whole[5:]
    assert laptop.run("logs", "--from", "5", spec.id, text=False).stdout == whole[5:]
    assert laptop.run("logs", "--tail", "2", spec.id, text=False).stdout == b"100\r\nlast\r\n"
    assert laptop.run("logs", "-f", "--from", str(len(whole) + 99), spec.id, text=False).stdout == b""


def test_a_job_that_nobody_will_ever_start_is_not_waited_for_for_ever(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    spec = spec_of("fresh", "true")
    launch(on("fresh"), spec, NO_VALUES, None)
    job = fresh_box.path(f"~/.mlsh/jobs/{spec.id}")
    laptop.run("wait", spec.id)
    # As it lies there when the box lost power between the launch's last rename and tmux.
    state = (
        f'{{"state":"PENDING","id":"{spec.id}","phase":"launch","reason":"","code":null,"node":"fresh",'
        '"boot":"another","runner":null,"started":null,"ended":null}'
    )
    fresh_box.sh(f"cd .mlsh/jobs/{spec.id} && rm -f log.end started && touch log.wait unstarted")
    fresh_box.write(f"~/.mlsh/jobs/{spec.id}/state.json", f"{state}\n")
    ran = laptop.run("logs", "-f", spec.id, check=False, timeout=30)
    assert ran.returncode == 72, ran.stderr
    assert "LOST: the box rebooted" in ran.stderr
    assert job.joinpath("state.json").read_text().count("LOST") == 1


def test_a_small_userland_follows_to_the_last_byte(
    laptop: Laptop, fresh_box: Box, proxy_to: Callable[[Box], ChaosProxy], tmp_path: Path
) -> None:
    python = fresh_box.sh("command -v python3").stdout.strip()
    assert python
    fresh_box.busybox_userland()
    with following(laptop, fresh_box, proxy_to(fresh_box), tmp_path) as follow:
        follow.proxy.reset()
        follow.catches_up()
        follow.end_the_job()
        assert follow.client.wait(30) == 7, follow.said()
        assert follow.out.read_bytes() == follow.log()
        wait_for(lambda: not follow.box.processes(r"/follow\.sh |tail .*log"), 20, "no helper left on the box")


def test_ctrl_c_lets_go_of_the_job_and_says_so(follow: Follow) -> None:
    follow.client.send_signal(signal.SIGINT)
    assert follow.client.wait(10) == 130
    assert f"{follow.job_id} goes on" in follow.said()
    assert f"mlsh logs -f {follow.job_id}" in follow.said()
    given = follow.out.read_bytes()
    assert given == follow.log()[: len(given)]
    wait_for(lambda: not follow.box.processes(rf"/follow\.sh {follow.job_id}"), 10, "no helper left on the box")
    follow.end_the_job()
    ended = follow.laptop.run("wait", follow.job_id, check=False)
    assert ended.returncode == 7


def test_clients_that_die_leave_nothing_on_the_box_and_take_no_sessions(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.sshd_option("MaxSessions 3")
    spec = spec_of("fresh", "sh", "-c", "while [ ! -e go ]; do sleep 0.05; done")
    launch(on("fresh"), spec, NO_VALUES, None)
    for number in range(8):
        client = laptop.spawn(*(["wait", spec.id] if number % 2 else ["logs", "-f", spec.id]))
        wait_for(lambda: fresh_box.processes(rf"/follow\.sh {spec.id}"), 10, "the follower")
        client.kill()
        client.communicate()
        wait_for(lambda: not fresh_box.processes(r"/follow\.sh "), 10, "the end of its helper")
    assert len(fresh_box.processes("^sshd: alice@")) == 1
    fresh_box.path("~/go").touch()
    assert laptop.run("wait", spec.id).returncode == 0


def test_a_job_is_followed_from_before_it_starts(laptop: Laptop, fresh_box: Box, tmp_path: Path) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bash_profile", "while [ ! -e ~/go ]; do sleep 0.05; done\n")
    spec = msgspec.structs.replace(spec_of("fresh", "sh", "-c", "echo out; exit 4"), shell="login")  # noqa: S604
    launch(on("fresh"), spec, NO_VALUES, None)
    client = laptop.spawn("logs", "-f", spec.id)
    wait_for(lambda: fresh_box.processes(rf"/follow\.sh {spec.id}"), 10, "the follower")
    assert '"PENDING"' in fresh_box.path(f"~/.mlsh/jobs/{spec.id}/state.json").read_text()
    fresh_box.path("~/go").touch()
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out) == (4, b"out\r\n"), err


@contextlib.contextmanager
def at_a_terminal(laptop: Laptop, *args: str) -> Iterator[tuple["subprocess.Popen[bytes]", int, Callable[[], str]]]:
    """`mlsh ARGS` on a terminal of its own; yields it, the terminal, and what the terminal has shown."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    shown = b""

    def screen() -> str:
        nonlocal shown
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(ours, 65536):
                shown += data
        return shown.decode(errors="replace")

    argv = ["setsid", "-c", sys.executable, "-m", "mlsh", *args]
    client = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=laptop.env, cwd=laptop.home)
    os.close(theirs)
    try:
        yield client, ours, screen
    finally:
        client.kill()
        client.wait()
        os.close(ours)


@pytest.mark.parametrize("answer", ["y\n", "n\n"])
def test_a_second_ctrl_c_asks_before_it_cancels(laptop: Laptop, gpu1: Box, answer: str) -> None:
    laptop.add(gpu1)
    spec = spec_of("gpu1", "sh", "-c", "echo started; while [ ! -e go-{id} ]; do sleep 0.05; done")
    launch(on("gpu1"), spec, NO_VALUES, None)
    with at_a_terminal(laptop, "logs", "-f", spec.id) as (client, keys, screen):
        wait_for(lambda: "started" in screen(), 10, "the log")
        os.write(keys, b"\x03")
        wait_for(lambda: "once more to cancel" in screen(), 10, "the offer")
        os.write(keys, b"\x03")
        wait_for(lambda: f"Cancel {spec.id}?" in screen(), 10, "the question")
        os.write(keys, answer.encode())
        assert wait_for(lambda: client.poll() is not None, 20, "its end")
        screen()
        assert client.returncode == 130
    gpu1.path(f"~/go-{spec.id}").touch()
    code = laptop.run("wait", spec.id, check=False).returncode
    assert code == (130 if answer == "y\n" else 0)


def test_a_terminal_shows_the_connections_state_in_one_line_that_goes_away(
    laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy]
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, via=proxy)
    spec = spec_of("gpu1", "sh", "-c", "echo started; while [ ! -e go-{id} ]; do sleep 0.05; done; echo done")
    launch(on("gpu1"), spec, NO_VALUES, None)
    with at_a_terminal(laptop, "logs", "-f", spec.id) as (client, _, screen):
        wait_for(lambda: "started" in screen(), 10, "the log")
        proxy.refuse()
        proxy.reset()
        wait_for(lambda: "no connection for" in screen(), 20, "the status line")
        proxy.accept()
        wait_for(lambda: "connected again" in screen(), 30, "the end of it")
        gpu1.path(f"~/go-{spec.id}").touch()
        wait_for(lambda: client.poll() is not None, 20, "its end")
        after = screen().split("no connection for")[-1]
        assert "\r\x1b[K" in after
        assert client.returncode == 0


def test_a_job_of_this_machine_is_followed_the_same_way(laptop: Laptop) -> None:
    script = "seq 1 2000; while [ ! -e go ]; do sleep 0.02; done; printf end; exit 5"
    job_id = laptop.run("run", "--no-code", "-d", "--", "sh", "-c", script).stdout.strip()
    client = laptop.spawn("logs", "-f", job_id)
    laptop.home.joinpath("go").touch()
    out, err = client.communicate(timeout=20)
    assert client.returncode == 5, err
    assert out == b"".join(b"%d\r\n" % number for number in range(1, 2001)) + b"end"
