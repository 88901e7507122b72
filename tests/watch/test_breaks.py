"""A watch outlives its connection: what changed meanwhile is seen once it is back, whatever broke it."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.jobs.life import start, until
from tests.watch.seen import Seen, watchers


class Broken:
    """A watch by way of a proxy, and a job that ends when it is told to."""

    def __init__(self, laptop: Laptop, box: Box, proxy: ChaosProxy, folder: Path) -> None:
        self.laptop, self.box, self.proxy = laptop, box, proxy
        laptop.add(box, alias="far", via=proxy)
        box.sh("rm -f ~/go")
        self.job = start(laptop, "far", "until [ -e ~/go ]; do sleep 0.05; done")
        self.gone = start(laptop, "far", "true")
        until(box, self.gone, "SUCCEEDED")
        self.seen = Seen(laptop, folder, "far")
        self.seen.until(self.job, "RUNNING")
        self.seen.until_event("watching")

    def change_all(self) -> str:
        """While nobody can see it, a job ends, one goes, and one comes; returns the new one."""
        self.box.write("~/go", "")
        until(self.box, self.job, "SUCCEEDED")
        self.box.sh(f"cd ~/.mlsh/jobs && rm -rf {self.gone}")
        self.box.sh(f"""cd ~/.mlsh/jobs && cp -r {self.job} .new && mv .new z2222222 && cd z2222222 &&
            sed -i s/{self.job}/z2222222/ spec.json state.json""")
        return "z2222222"

    def sees_all(self, new: str) -> None:
        self.seen.until(self.job, "SUCCEEDED", 45)
        self.seen.until(self.gone, "GONE", 10)
        self.seen.until(new, "SUCCEEDED", 10)
        assert self.seen.count("lost") == 1
        assert self.seen.of(self.job).count("SUCCEEDED") == 1

    def signal(self, number: int) -> None:
        for pid in self.laptop.processes():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"ssh" in command.split(b"\0")[0]:
                    os.kill(pid, number)


@pytest.fixture
def broken(laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy], tmp_path: Path) -> Iterator[Broken]:
    gpu1.sh("rm -rf ~/.mlsh/jobs/z2222222", check=False)
    one = Broken(laptop, gpu1, proxy_to(gpu1), tmp_path)
    yield one
    one.seen.end()


def test_a_killed_session(broken: Broken) -> None:
    broken.proxy.refuse()
    broken.box.kill_sessions()
    broken.seen.until_event("lost")
    new = broken.change_all()
    broken.proxy.accept()
    broken.sees_all(new)


def test_an_sshd_that_is_restarted(broken: Broken) -> None:
    broken.box.stop_sshd()
    broken.box.kill_sessions()
    broken.seen.until_event("lost")
    new = broken.change_all()
    broken.box.start_sshd()
    broken.sees_all(new)


def test_a_stopped_connection(broken: Broken) -> None:
    broken.signal(signal.SIGSTOP)
    new = broken.change_all()
    try:
        # Silence means something: there is a new connection.
        broken.sees_all(new)
    finally:
        broken.signal(signal.SIGCONT)


def test_a_line_that_is_silent(broken: Broken) -> None:
    broken.proxy.hang()
    new = broken.change_all()
    broken.seen.until_event("lost", within_s=30)
    broken.proxy.resume()
    broken.sees_all(new)


def test_a_reset_in_the_middle_of_a_line(broken: Broken) -> None:
    broken.proxy.cut_after(700)
    broken.box.write("~/go", "")
    broken.seen.until(broken.job, "SUCCEEDED", 30)


def test_a_reboot(laptop: Laptop, fresh_box: Box, tmp_path: Path) -> None:
    laptop.add(fresh_box)
    job = start(laptop, "fresh", "sleep 600")
    seen = Seen(laptop, tmp_path, "fresh")
    seen.until(job, "RUNNING")
    fresh_box.reboot()
    seen.until(job, "LOST", 60)
    after = start(laptop, "fresh", "true")
    assert seen.until(after, "SUCCEEDED") < 15
    assert seen.end() == 0


def test_a_box_that_refuses_the_key_ends_it_with_its_code(laptop: Laptop, gpu1: Box, tmp_path: Path) -> None:
    laptop.add(gpu1, alias="shut", options=("IdentityFile /dev/null", "PubkeyAuthentication no"))
    ran = laptop.run("ps", "-w", "--on", "shut", check=False, timeout=40)
    assert ran.returncode == 77
    assert "shut" in ran.stderr


@pytest.mark.parametrize("userland", ["coreutils", "busybox"])
def test_each_userland(laptop: Laptop, fresh_box: Box, tmp_path: Path, userland: str) -> None:
    if userland == "busybox":
        fresh_box.busybox_userland()
    laptop.add(fresh_box)
    seen = Seen(laptop, tmp_path, "fresh")
    seen.until_event("watching")
    job = start(laptop, "fresh", "until [ -e ~/go ]; do sleep 1; done")
    assert seen.until(job, "RUNNING") < 2.5
    fresh_box.write("~/go", "")
    until(fresh_box, job, "SUCCEEDED")
    # busybox looks at its file once a second.
    assert seen.until(job, "SUCCEEDED") < (1.5 if userland == "busybox" else 1)
    assert seen.end() == 0
    wait_for(lambda: not watchers(fresh_box), 10, "the end of the watch on the box")


def test_a_home_that_never_saw_a_job(laptop: Laptop, fresh_box: Box, tmp_path: Path) -> None:
    laptop.add(fresh_box)
    seen = Seen(laptop, tmp_path, "fresh")
    seen.until_event("watching")
    assert seen.until(start(laptop, "fresh", "true"), "SUCCEEDED") < 5
    seen.end()


def test_a_full_disk_hides_no_end(laptop: Laptop, fresh_box: Box, tmp_path: Path) -> None:
    laptop.add(fresh_box)
    job = start(laptop, "fresh", "until [ -e /tmp/go ]; do sleep 0.1; done")
    seen = Seen(laptop, tmp_path, "fresh")
    seen.until(job, "RUNNING")
    fresh_box.sh("touch /tmp/go.part")
    fresh_box.fill_disk()
    fresh_box.sh("mv /tmp/go.part /tmp/go")
    seen.until(job, "SUCCEEDED", 15)
    fresh_box.free_disk()
    seen.end()
