"""Who listens on a port of this machine, as far as the kernel tells."""

from __future__ import annotations

import os
from pathlib import Path


def who_listens(port: int) -> str:
    """In words: `python3 (process 1234)`, `a process of another user`; empty where it can't be told."""
    inodes, uids = set(), set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 9 and words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
                uids.add(int(words[7]))
    if not inodes:
        return ""
    for process in filter(str.isdigit, os.listdir("/proc")):
        if name := _holder(Path("/proc") / process, inodes):
            return f"{name} (process {process})"
    return "" if os.getuid() in uids else "a process of another user"


def _holder(process: Path, inodes: set[str]) -> str:
    try:
        for descriptor in os.listdir(process / "fd"):
            if os.readlink(process / "fd" / descriptor) in inodes:
                return (process / "comm").read_text().strip() or "a program"
    except OSError:
        pass  # another user's, or gone meanwhile
    return ""
