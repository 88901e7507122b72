"""Each fault of the bed really happens, as a client sees it, and can be taken back.

Part of the suite runs as an ordinary user too; what needs root is marked.
"""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.bed.requirements import need

QUICK = ("-oConnectTimeout=2",)
LOOP = "while :; do date +%s.%N; sleep 0.1; done"
WATCHFUL = ("-oServerAliveInterval=1", "-oServerAliveCountMax=1", "-oConnectTimeout=2")


@pytest.fixture
def box(fresh_box: Box, laptop: Laptop) -> Box:
    """A box that this test may break, reachable as "fresh"."""
    laptop.add(fresh_box)
    return fresh_box


def following(laptop: Laptop, *options: str, command: str = LOOP) -> "subprocess.Popen[bytes]":
    """A session that prints a line every 0.1 s, after its first line has come."""
    process = laptop.spawn_ssh("fresh", command, *options)
    assert process.stdout
    assert process.stdout.readline()
    return process


def reachable(laptop: Laptop, alias: str = "fresh") -> bool:
    return laptop.ssh(alias, "true", *QUICK, check=False).returncode == 0


# -- its life


def test_a_laptop_reaches_a_box(gpu1: Box, laptop: Laptop) -> None:
    laptop.add(gpu1)
    said = laptop.ssh("gpu1", "whoami; pwd; cat; hostname", check=True).stdout.split()
    assert said[:2] == [gpu1.user, gpu1.home]


@pytest.mark.root
def test_a_box_is_a_machine_of_its_own(gpu1: Box, gpu2: Box) -> None:
    assert gpu1.sh("hostname").stdout == "gpu1\n"
    assert gpu1.boot_id() != gpu2.boot_id()
    assert gpu1.host_key() != gpu2.host_key()
    assert gpu1.sh("ls /home").stdout == "alice\n"
    assert gpu1.sh("ls -A /root /tmp /mnt", user="root").stdout.split() == ["/mnt:", "/root:", "/tmp:"]
    assert "pytest" not in "".join(process.cmdline for process in gpu1.processes())
    assert gpu1.sh(f"ls {__file__}", check=False).returncode != 0


@pytest.mark.root
def test_a_password_opens_a_box(gpu1: Box, laptop: Laptop) -> None:
    need("sshpass")
    laptop.add(gpu1, authorize=False)
    argv = ["ssh", "-F", str(laptop.ssh_config), "-oPubkeyAuthentication=no", "gpu1", "echo in"]
    assert laptop.command("sshpass", "-p", gpu1.password, *argv).stdout == "in\n"
    assert laptop.command("sshpass", "-p", "wrong", *argv, check=False).returncode != 0


@pytest.mark.root
def test_a_reboot_ends_processes_and_changes_the_boot_id(box: Box, laptop: Laptop) -> None:
    before = laptop.ssh("fresh", "tmux new -d -s job sleep 999; echo kept >file; cat /proc/sys/kernel/random/boot_id")
    # tmux answers once it has forked; the shell that it forked may not be `sleep` yet.
    wait_for(lambda: box.processes("^sleep 999"), 5, "the job")
    box.reboot()
    after = laptop.ssh("fresh", "cat /proc/sys/kernel/random/boot_id")
    assert before.stdout != after.stdout
    assert after.stdout.strip() == box.boot_id()
    assert not box.processes("^sleep 999")
    assert box.path("~/file").read_text() == "kept\n"
    assert laptop.ssh("fresh", "tmux ls", check=False).returncode == 1


@pytest.mark.root
def test_a_halted_box_is_away_until_it_boots(box: Box, laptop: Laptop) -> None:
    session = following(laptop)
    box.halt()
    assert session.wait(5) == 255
    assert not box.alive
    assert not reachable(laptop)
    box.boot()
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")


@pytest.mark.root
def test_a_power_cut_says_nothing_to_a_session(box: Box, laptop: Laptop) -> None:
    session = following(laptop)
    box.halt(power_cut=True)
    with pytest.raises(subprocess.TimeoutExpired):
        session.wait(1.5)


def test_orphans_on_a_box_are_reaped(box: Box) -> None:
    box.sh("(sleep 0.01 & sleep 0.01 &) ; true")
    wait_for(lambda: not box.processes("^sleep 0.01"), 5, "the end of the orphans")
    zombies = "for s in /proc/[0-9]*/stat; do read -r _ name state _ <$s && echo $name $state; done 2>/dev/null"
    wait_for(lambda: "(sleep) Z" not in box.sh(zombies).stdout, 5, "the reaping of the orphans")


def test_clean_takes_away_what_a_test_left(box: Box, laptop: Laptop) -> None:
    laptop.ssh("fresh", "mkdir -p .mlsh/jobs; tmux new -d sleep 999; echo x >.bashrc")
    box.clean()
    assert not box.processes("sleep 999")
    assert not box.path("~/.mlsh").exists()
    assert not reachable(laptop)  # the key is gone with the home
    laptop.authorize(box)
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")


def test_many_boxes_are_up_together(many_boxes: Callable[[int], list[Box]], laptop: Laptop) -> None:
    boxes = many_boxes(4)
    for box in boxes:
        laptop.add(box)
    assert all(reachable(laptop, box.name) for box in boxes)


# -- looking and touching


def test_files_and_processes_of_a_box_can_be_seen(box: Box, laptop: Laptop) -> None:
    box.write("~/deep/er/file", "text\n", 0o600)
    assert laptop.ssh("fresh", "cat deep/er/file && echo more >>deep/er/file && touch deep/new").stdout == "text\n"
    assert box.path("~/deep/er/file").read_text() == "text\nmore\n"
    session = laptop.spawn_ssh("fresh", "MARK=1 exec sleep 998")
    (process,) = wait_for(lambda: box.processes("^sleep 998"), 10, "the process")
    assert box.environ(process.pid)["MARK"] == "1"
    session.kill()


def test_the_login_shell_runs_what_ssh_sends(box: Box, laptop: Laptop) -> None:
    box.login_shell("/usr/bin/fish")
    assert laptop.ssh("fresh", "echo $FISH_VERSION").stdout.strip()
    box.login_shell("/bin/bash")
    assert laptop.ssh("fresh", "echo $BASH_VERSION").stdout.strip()


def test_a_hidden_command_is_not_found(box: Box, laptop: Laptop) -> None:
    box.hide("tmux", "python3*")
    assert laptop.ssh("fresh", "command -v tmux python3 python3.11", check=False).stdout == ""
    box.unhide("tmux")
    assert laptop.ssh("fresh", "tmux -V").stdout.startswith("tmux ")


def test_an_installed_command_comes_before_the_real_one(box: Box, laptop: Laptop) -> None:
    box.install("tmux", "echo tmux 2.9")
    assert laptop.ssh("fresh", "tmux -V").stdout == "tmux 2.9\n"


@pytest.mark.root
def test_a_busybox_userland_knows_no_gnu_options(box: Box, laptop: Laptop) -> None:
    box.busybox_userland()
    assert laptop.ssh("fresh", "stat --version", check=False).returncode != 0
    assert "busybox" in laptop.ssh("fresh", "readlink -f /bin/sh; readlink -f $(command -v sed)").stdout
    kept = "tmux -V && git --version && flock --version && setsid --version && tmux new -d sleep 997"
    assert "util-linux" in laptop.ssh("fresh", kept).stdout
    box.reboot()
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")


# -- disk


@pytest.mark.root
def test_a_full_disk_refuses_writes(box: Box, laptop: Laptop) -> None:
    box.fill_disk()
    full = laptop.ssh("fresh", "echo x >file", check=False)
    assert "No space left" in full.stderr
    box.free_disk()
    laptop.ssh("fresh", "head -c 1000000 /dev/zero >file")
    box.fill_disk(leave_kib=64)
    laptop.ssh("fresh", "head -c 30000 /dev/zero >some")
    assert "No space left" in laptop.ssh("fresh", "head -c 200000 /dev/zero >more", check=False).stderr


@pytest.mark.root
def test_a_read_only_home_refuses_writes(box: Box, laptop: Laptop) -> None:
    box.read_only_home()
    assert "Read-only file system" in laptop.ssh("fresh", "echo x >file", check=False).stderr
    box.writable_home()
    laptop.ssh("fresh", "echo x >file")


# -- sshd


def test_a_stopped_sshd_refuses_while_sessions_live_on(box: Box, laptop: Laptop) -> None:
    session = following(laptop)
    box.stop_sshd()
    refused = laptop.ssh("fresh", "true", *QUICK, check=False)
    assert refused.returncode == 255
    assert "refused" in refused.stderr
    assert session.stdout
    assert session.stdout.readline()
    box.start_sshd()
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")
    box.restart_sshd()
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")
    assert session.poll() is None


def test_a_new_host_key_stops_ssh(box: Box, laptop: Laptop) -> None:
    box.new_host_key()
    changed = laptop.ssh("fresh", "true", check=False)
    assert changed.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in changed.stderr
    laptop.learn_host_key(box)
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")


def test_an_sshd_option_holds_for_new_connections(box: Box, laptop: Laptop) -> None:
    box.sshd_option("MaxSessions 1")
    socket = f"-oControlPath={laptop.runtime_dir}/master"
    first = following(laptop, "-oControlMaster=yes", socket)
    second = laptop.ssh("fresh", "true", socket, "-oProxyCommand=false", check=False)
    assert second.returncode == 255
    box.reset_sshd_options()
    first.kill()
    first = following(laptop, "-oControlMaster=yes", f"{socket}2")
    laptop.ssh("fresh", "true", f"{socket}2", "-oProxyCommand=false")


def test_killed_sessions_end_at_once_and_the_listener_stays(box: Box, laptop: Laptop) -> None:
    session = following(laptop)
    assert box.kill_sessions() >= 1
    assert session.wait(5) == 255
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")


# -- network


def test_reset_connections_end_at_once(box: Box, laptop: Laptop) -> None:
    session = following(laptop)
    box.reset_connections()
    assert session.wait(5) == 255
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")


def test_a_blackhole_is_silent(box: Box, laptop: Laptop) -> None:
    session = following(laptop, *WATCHFUL)
    patient = following(laptop)
    box.blackhole(True)
    assert not reachable(laptop)
    assert session.wait(8) == 255  # it asked, and nobody answered
    assert patient.poll() is None
    box.blackhole(False)
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")
    assert patient.poll() is None


@pytest.mark.root
def test_a_blackhole_outlasts_a_reboot(box: Box, laptop: Laptop) -> None:
    box.blackhole(True)
    box.reboot()
    assert not reachable(laptop)
    box.blackhole(False)
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")


def test_a_session_survives_a_short_loss_of_the_link(box: Box, laptop: Laptop) -> None:
    session = following(laptop, command="for i in $(seq 20); do echo $i; sleep 0.05; done")
    box.link(False)
    assert not reachable(laptop)
    box.link(True)
    assert session.wait(20) == 0
    assert session.stdout
    assert [int(line) for line in session.stdout] == [*range(2, 21)]


def test_latency_slows_each_round_trip(box: Box, laptop: Laptop) -> None:
    socket = f"-oControlPath={laptop.runtime_dir}/master"
    session = following(laptop, "-oControlMaster=yes", socket)

    def warm_s() -> float:
        started = time.monotonic()
        laptop.ssh("fresh", "true", socket, "-oProxyCommand=false")
        return time.monotonic() - started

    box.latency(100)
    assert warm_s() > 0.2
    box.latency(0)
    assert min(warm_s() for _ in range(5)) < 0.2
    assert session.poll() is None  # the change of cable broke nothing


@pytest.mark.root
def test_a_lossy_cable_loses_packets(box: Box, laptop: Laptop) -> None:
    receive = "from socket import *; u = socket(AF_INET, SOCK_DGRAM); u.bind(('', 9))\nwhile u.recv(9): print(1)"
    box.write("/opt/receiver.py", receive)
    box.sh("setsid python3 -u /opt/receiver.py >/opt/got 2>&1 </dev/null &", user="root")
    wait_for(lambda: box.sh("ss -Hlun 'sport = :9'").stdout, 10, "the receiver")
    box.latency(5, jitter_ms=2, loss_percent=30)
    sent = 0

    def received_after_more() -> int:
        """Send some more: while the box's address is asked for, over the same cable, nothing arrives."""
        nonlocal sent
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect((box.host, 9))
            for number in range(200):
                with contextlib.suppress(OSError):
                    sender.send(b"%d" % number)
                time.sleep(0.002)
        sent += 200
        got = len(box.path("/opt/got").read_text().split())
        return got if got > 100 else 0

    received = wait_for(received_after_more, 30, "a hundred of the packets")
    assert received < 0.975 * sent
    box.reboot()
    assert box.alive


# -- proxy


@pytest.fixture
def proxy(fresh_box: Box, laptop: Laptop, proxy_to: Callable[[Box], ChaosProxy]) -> ChaosProxy:
    """A proxy through which "fresh" is reached."""
    proxy = proxy_to(fresh_box)
    laptop.add(fresh_box, via=proxy)
    return proxy


def test_a_proxy_cuts_a_download_in_the_middle(proxy: ChaosProxy, laptop: Laptop) -> None:
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")
    wait_for(lambda: not proxy.connections, 5, "the end of the first connection")
    before = proxy.bytes_down
    proxy.cut_after(200_000)
    cut = laptop.command(*laptop.ssh_argv("fresh", "head -c 1000000 /dev/zero"), check=False, text=False)
    assert cut.returncode == 255
    assert proxy.bytes_down - before == 200_000
    assert len(cut.stdout) < 200_000  # less: the handshake counts too, and a reset may overtake the client
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")


def test_a_proxy_cuts_an_upload_in_the_middle(proxy: ChaosProxy, laptop: Laptop, fresh_box: Box) -> None:
    proxy.cut_after(200_000, "up")
    argv = laptop.ssh_argv("fresh", "cat >file")
    assert laptop.command(*argv, check=False, input=b"x" * 1_000_000).returncode == 255
    file = fresh_box.path("~/file")
    assert not file.exists() or file.stat().st_size < 200_000


def test_a_hanging_proxy_goes_on_where_it_stopped(proxy: ChaosProxy, laptop: Laptop) -> None:
    session = following(laptop, command="echo start; for i in $(seq 50); do echo $i; sleep 0.01; done")
    proxy.hang()
    with pytest.raises(subprocess.TimeoutExpired):
        session.wait(1.5)
    proxy.resume()
    assert session.wait(10) == 0
    assert session.stdout
    assert [int(line) for line in session.stdout] == [*range(1, 51)]


def test_a_proxy_refuses_and_accepts_again(proxy: ChaosProxy, laptop: Laptop) -> None:
    session = following(laptop)
    proxy.refuse()
    assert "refused" in laptop.ssh("fresh", "true", check=False).stderr
    assert session.poll() is None
    proxy.accept()
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")
    proxy.reset()
    assert session.wait(5) == 255


def test_a_slow_proxy_takes_its_time(proxy: ChaosProxy, laptop: Laptop) -> None:
    proxy.rate(100_000)
    started = time.monotonic()
    laptop.ssh("fresh", "head -c 100000 /dev/urandom")
    assert time.monotonic() - started > 1
    proxy.rate(0)
    proxy.latency(50)
    started = time.monotonic()
    wait_for(lambda: reachable(laptop), 20, "a box that can be reached")
    assert time.monotonic() - started > 0.5
