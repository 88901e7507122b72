"""Nothing that a test run started outlives it, even when it is killed with no chance to tidy up."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bed import Laptop, wait_for
from tests.bed.waiting import DeadlineError

ROOT = Path(__file__).resolve().parents[2]
# A run that starts everything there is to start, says what it has, and then waits to be killed.
BUSY_RUN = """
import json, os, subprocess, time
from pathlib import Path


def test_busy(bed, laptop, many_boxes, proxy_to):
    one, two = many_boxes(2)
    laptop.add(one)
    laptop.add(two, via=proxy_to(two))
    if bed.is_root:
        two.latency(5)
    nothing = subprocess.DEVNULL
    silent = dict(stdin=nothing, stdout=nothing, stderr=nothing, env=laptop.env, check=True)
    master = ("-oControlMaster=auto", f"-oControlPath={laptop.runtime_dir}/cm-%C", "-oControlPersist=yes")
    for name in ("box1", "box2"):
        subprocess.run(laptop.ssh_argv(name, "tmux new -d sleep 12345", *master), **silent)
    subprocess.run(["tmux", "-L", "mlsh", "new", "-d", "sleep", "12345"], **silent)
    assert len(laptop.processes()) >= 4
    names = []
    if bed.is_root:
        subprocess.run(["setsid", "-f", "env", "-i", "sleep", "12345"], **silent)
        names += [f"/proc/{os.getpid()}/ns/{kind}" for kind in ("mnt", "net")]
        for box in (one, two):
            names += [str(box.path(f"/proc/1/ns/{kind}")) for kind in ("mnt", "net", "pid", "uts", "ipc")]
    told = Path(os.environ["BED_TELLS"])
    told.with_suffix(".new").write_text(json.dumps({"namespaces": names, "directory": str(bed.directory)}))
    told.with_suffix(".new").rename(told)
    ENDING
"""


def users_of(namespaces: list[str]) -> dict[int, str]:
    """The processes that live in one of these namespaces, with their command lines."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in ("mnt", "net", "pid", "uts", "ipc"):
            try:
                if os.readlink(f"/proc/{pid}/ns/{kind}") in namespaces:
                    found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:
                continue
    return found


def mentioning(directory: str) -> list[str]:
    """The processes that have a directory in their environment or command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("environ", "cmdline"):
            try:
                if directory.encode() in Path(f"/proc/{pid}/{name}").read_bytes():
                    found.append(f"{pid} {Path(f'/proc/{pid}/cmdline').read_text()}")
            except OSError:
                continue
    return found


def start_busy_run(directory: Path, ending: str, *prefix: str) -> "tuple[subprocess.Popen[bytes], Path]":
    """Start a pytest process with the bed's fixtures; returns it, and the file that says what it made."""
    test = directory / "test_busy.py"
    test.write_text(BUSY_RUN.replace("ENDING", ending))
    told = directory / "told.json"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(
            [*prefix, *argv, "--rootdir", str(directory), "-c", os.devnull, str(test)],
            cwd=ROOT,
            env={**os.environ, "BED_TELLS": str(told)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    wait_for(lambda: told.exists() or process.poll() is not None, 60, "the busy run")
    assert told.exists(), (directory / "output").read_text()
    return process, told


@contextlib.contextmanager
def held(paths: list[str]) -> Iterator[list[str]]:
    """The names of these namespaces, held open: the kernel gives the number of one that is gone to the next.

    Without that, a box that another worker boots meanwhile could bear the name that is looked for.
    """
    files = [os.open(path, os.O_RDONLY) for path in paths]
    try:
        yield [os.readlink(f"/proc/self/fd/{file}") for file in files]
    finally:
        for file in files:
            os.close(file)


UNTIL_SEEN = "while told.exists(): time.sleep(0.01)"
# How the run ends once its namespaces are held, and the signal that ends it.
ENDINGS = {
    "killed": ("time.sleep(100)", signal.SIGKILL),
    "terminated": ("time.sleep(100)", signal.SIGTERM),
    "finished": (UNTIL_SEEN, None),
    "crashed": (f"{UNTIL_SEEN}\n    os.abort()", None),
}


@pytest.mark.root
@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_of_a_run(tmp_path: Path, laptop: Laptop, ending: str) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    last_line, number = ENDINGS[ending]
    process, told = start_busy_run(tmp_path, last_line)
    with held(json.loads(told.read_text())["namespaces"]) as namespaces:
        assert len(users_of(namespaces)) >= 20
        told.unlink()
        if number is not None:
            process.send_signal(number)
        process.wait(60)
        if ending == "finished":
            assert process.returncode == 0, (tmp_path / "output").read_text()
        with contextlib.suppress(DeadlineError):
            wait_for(lambda: not users_of(namespaces), 30, "the end of its processes")
        assert users_of(namespaces) == {}
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_nothing_is_left_of_a_killed_run_without_rights(tmp_path: Path) -> None:
    drop = ["setpriv", "--bounding-set=-sys_admin"] if os.geteuid() == 0 else []
    process, told = start_busy_run(tmp_path, "time.sleep(100)", *drop)
    directory = json.loads(told.read_text())["directory"]
    assert mentioning(directory)
    process.kill()
    process.wait(60)
    wait_for(lambda: not mentioning(directory), 10, "the end of its processes")
    wait_for(lambda: not Path(directory).exists(), 10, "the end of its directory")


def test_a_laptop_takes_its_processes_with_it(laptop: Laptop) -> None:
    laptop.command("tmux", "-L", "mlsh", "new", "-d", "sleep", "54321")
    deaf = "trap '' TERM; while :; do sleep 1; done"
    laptop.command("setsid", "-f", "bash", "-c", f"({deaf}) >/dev/null 2>&1 </dev/null &")
    assert laptop.processes()
    laptop.close()
    assert not laptop.processes()
