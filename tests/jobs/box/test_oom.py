"""Whose memory was at its end, by recorded files of cgroups and a recorded log of the kernel, under each `sh`.

The memory of cgroups of version 2 can't be had on a machine that has version 1, so its files are written here as the
kernel writes them. With the kernel's own files: tests/jobs/test_killed.py.
"""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "mlsh/jobs/box/oom.sh"
GIB = 1 << 30
# Of Linux 6.1, one for the cgroup of a job, one for a box of 64 GiB.
IN_CGROUP = """\
[{at}.180402] python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[{at}.181241] memory: usage 2097152kB, limit 2097152kB, failcnt 182
[{at}.181243] memory+swap: usage 2097152kB, limit 9007199254740988kB, failcnt 0
[{at}.181380] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/jobs/one,\
task_memcg=/jobs/one,task=python3,pid=28608,uid=1000
[{at}.181414] Memory cgroup out of memory: Killed process 28608 (python3) total-vm:319708kB, anon-rss:48128kB
"""
ON_BOX = """\
[{at}.410021] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
task_memcg=/jobs/one,task=python3,pid=28700,uid=1000
[{at}.410053] Out of memory: Killed process 28700 (python3) total-vm:71319708kB, anon-rss:64148128kB, file-rss:0kB
"""


class Cgroups:
    """Cgroups of version 2 below a folder. The job is in `/jobs/one`; its limit is 2 GiB, that of `/jobs` 1.5 GiB."""

    def __init__(self, folder: Path, sh: list[str]) -> None:
        self.folder = folder
        self.sh = sh
        (folder / "self").write_text("1:cpu,cpuacct:/elsewhere\n0::/jobs/one\n")
        (folder / "bin").mkdir()
        self.kernel_log("", "exit 1")
        self.write("jobs/one", kills=3, reached=1, limit=str(2 * GIB))
        self.write("jobs", kills=7, reached=2, limit=str(3 * GIB // 2))

    def write(self, name: str, *, kills: int, reached: int, limit: str = "max", old: bool = False) -> None:
        """A cgroup's files. Its own count of what reached the limit is in the `local` ones; `old` kernels have none."""
        at = self.folder / "cgroup" / name
        at.mkdir(parents=True, exist_ok=True)
        (at / "memory.max").write_text(f"{limit}\n")
        text = "low 0\nhigh 0\nmax 40\noom {}\noom_kill {}\noom_group_kill 0\n"
        (at / "memory.events").write_text(text.format(reached if old else reached + 100, kills))
        if not old:
            (at / "memory.events.local").write_text(text.format(reached, 0))

    def kernel_log(self, text: str, before: str = "") -> None:
        """What dmesg says."""
        (self.folder / "dmesg").write_text(text)
        tool = self.folder / "bin" / "dmesg"
        tool.write_text(f"#!/bin/sh\n{before}\ncat {self.folder}/dmesg\n")
        tool.chmod(0o755)

    def note(self) -> None:
        self._run("oom_note >oom-before")

    def why(self) -> str:
        """What is said of what happened since `note`, or ""."""
        return self._run('oom_why && printf "%s" "$oom"')

    def _run(self, script: str) -> str:
        names = f"CGROUPS={self.folder}/cgroup CGROUP_OF_SELF={self.folder}/self"
        env = os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        words = [*self.sh, "-c", f". {SCRIPT}\n{names}\n{script}"]
        return subprocess.run(words, cwd=self.folder, env=env, stdout=subprocess.PIPE, text=True, check=False).stdout


@pytest.fixture(params=(["dash"], ["bash", "--posix"], ["busybox", "sh"]), ids=lambda sh: sh[0])
def cgroups(request: pytest.FixtureRequest, tmp_path: Path) -> Cgroups:
    return Cgroups(tmp_path, request.param)


def up_s() -> int:
    return int(float(Path("/proc/uptime").read_text().split()[0]))


def test_a_kill_in_ones_own_cgroup_is_told_with_its_limit(cgroups: Cgroups) -> None:
    cgroups.note()
    assert cgroups.why() == ""
    cgroups.write("jobs/one", kills=4, reached=2, limit=str(2 * GIB))
    assert cgroups.why() == "out of memory: its cgroup may use 2 GiB"
    # The next attempt begins with these counts.
    cgroups.note()
    assert cgroups.why() == ""


def test_a_kernel_that_has_no_local_counts_tells_as_much_of_ones_own_cgroup(cgroups: Cgroups) -> None:
    for at in ("jobs/one", "jobs"):
        (cgroups.folder / "cgroup" / at / "memory.events.local").unlink()
    cgroups.note()
    cgroups.write("jobs/one", kills=4, reached=102, limit=str(2 * GIB), old=True)
    assert cgroups.why() == "out of memory: its cgroup may use 2 GiB"


def test_the_limit_that_was_reached_may_be_of_a_cgroup_further_up(cgroups: Cgroups) -> None:
    cgroups.note()
    cgroups.write("jobs/one", kills=4, reached=1, limit=str(2 * GIB))
    cgroups.write("jobs", kills=8, reached=3, limit=str(3 * GIB // 2))
    assert cgroups.why() == "out of memory: its cgroup may use 1536 MiB"


def test_where_no_limit_was_reached_the_box_had_no_more(cgroups: Cgroups) -> None:
    cgroups.note()
    cgroups.write("jobs/one", kills=4, reached=1, limit=str(2 * GIB))
    said = cgroups.why()
    assert said.startswith("out of memory: the box has ")
    assert said.endswith((" GiB", " MiB"))


def test_from_inside_a_container_nobody_can_tell_whose_memory_it_was(cgroups: Cgroups) -> None:
    """Its own cgroup is all that it sees, and a pod's or a slice's around it may have the limit."""
    (cgroups.folder / "self").write_text("0::/\n")
    cgroups.write(".", kills=0, reached=0)
    cgroups.note()
    cgroups.write(".", kills=1, reached=0)
    assert cgroups.why() == "out of memory: the box's, or that of its cgroup"
    cgroups.write(".", kills=1, reached=1, limit=str(64 * GIB))
    assert cgroups.why() == "out of memory: its cgroup may use 64 GiB"


def test_the_kernels_log_is_believed_where_it_may_be_read(cgroups: Cgroups) -> None:
    cgroups.note()
    cgroups.write("jobs/one", kills=4, reached=1)
    cgroups.kernel_log(ON_BOX.format(at=1) + IN_CGROUP.format(at=up_s() + 1))
    assert cgroups.why() == "out of memory: its cgroup may use 2 GiB"
    # Its own cgroup reached its limit as well, which killed nobody.
    cgroups.write("jobs/one", kills=4, reached=2, limit=str(2 * GIB))
    cgroups.kernel_log(ON_BOX.format(at=up_s() + 1))
    assert cgroups.why().startswith("out of memory: the box has ")
    # What is older than the attempt is about somebody else.
    cgroups.kernel_log(ON_BOX.format(at=1))
    assert cgroups.why() == "out of memory: its cgroup may use 2 GiB"


def test_what_a_full_disk_left_of_the_counts_says_nothing(cgroups: Cgroups) -> None:
    cgroups.write("jobs/one", kills=4, reached=2)
    (cgroups.folder / "oom-before").write_text("")
    assert cgroups.why() == ""
