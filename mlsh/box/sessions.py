"""How many commands may run at once over a box's shared connection: `MaxSessions` of its sshd, as it is felt."""

from __future__ import annotations

import os
import select
import subprocess
import time

from mlsh.box import Box, process
from mlsh.box.openssh import CHANNELS, OpenSSHBox

# As many as mlsh itself holds at once: calls, a follow and an attach.
SESSIONS = CHANNELS + 2
_LIMIT_S = 8.0
_ONLY_SHARED = ("-T", "-oProxyCommand=false", "-oBatchMode=yes", "-oLogLevel=ERROR", "-oRemoteCommand=none")


def is_shared(box: Box) -> bool:
    """Whether calls to a box that was just reached share a connection."""
    return isinstance(box, OpenSSHBox) and box.settings.multiplex(box.name) and box.socket.exists()


def count(box: Box) -> int:
    """Hold up to `SESSIONS` commands open at once over the shared connection; returns how many could be had."""
    if not isinstance(box, OpenSSHBox):
        return 0
    own = ["-F", box.settings.ssh_config] if box.settings.ssh_config else []
    # Through the shared connection or not at all: `Box.stream` would log in anew for those that are refused.
    argv = ["ssh", *own, "-S", str(box.socket), *_ONLY_SHARED, "--", box.name, "echo open; exec cat >/dev/null"]
    started: list[subprocess.Popen[bytes]] = []
    deadline = time.monotonic() + _LIMIT_S
    try:
        while len(started) < SESSIONS:
            started.append(process.start(argv, stdin=subprocess.PIPE))
        return sum(_opened(one, deadline) for one in started)
    finally:
        for one in started:
            if one.stdin is not None:
                one.stdin.close()
        for one in started:
            process.stop(one)
            for pipe in (one.stdout, one.stderr):
                if pipe is not None:
                    pipe.close()


def _opened(started: subprocess.Popen[bytes], deadline: float) -> bool:
    """Whether the command's own word came: a refused one ends without it."""
    if started.stdout is None:
        return False
    said = b""
    while b"open\n" not in said:
        ready, _, _ = select.select([started.stdout], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(started.stdout.fileno(), 4096) if ready else b""
        if not data:
            return False
        said += data
    return True
