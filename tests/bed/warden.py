"""The process that outlives pytest by a moment: it ends whatever the tests left running.

Started as `python warden.py PYTEST_PID DIRECTORY`, with a pipe on its stdin whose other end only pytest
holds. However pytest ends (also by `kill -9`), the kernel closes that pipe; then every process of the bed
gets SIGKILL. A process is the bed's when it lives in the bed's mount namespace, or, where there is none, when
its environment or command line names the bed's directory. With the last process the namespaces and mounts go
too.
"""

import os
import shutil
import sys
import time
from pathlib import Path


def mount_namespace(pid: str) -> str:
    """The identity of the mount namespace of a process, or "" when it is gone or not ours to look at."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def mentions(pid: str, needle: bytes) -> bool:
    """Whether a process's environment or command line contains `needle`."""
    for name in ("environ", "cmdline"):
        try:
            if needle in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
        except OSError:
            continue
    return False


def bed_processes(spared: set[str], needle: bytes, namespace: str) -> list[int]:
    """The pids of the bed's processes, without the spared ones."""
    pids = [entry for entry in os.listdir("/proc") if entry.isdigit() and entry not in spared]
    if needle:
        return [int(pid) for pid in pids if mentions(pid, needle)]
    return [int(pid) for pid in pids if mount_namespace(pid) == namespace]


def main() -> None:
    """Wait for pytest's end, then end the rest."""
    pytest_pid, directory = sys.argv[1], sys.argv[2]
    sys.stdin.buffer.read()
    spared = {pytest_pid, str(os.getpid())}
    namespace = mount_namespace("self")
    while victims := bed_processes(spared, os.fsencode(directory), namespace):
        for pid in victims:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        time.sleep(0.02)
    if directory:
        shutil.rmtree(directory, ignore_errors=True)


main()
