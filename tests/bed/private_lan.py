"""A network and a set of mounts that belong to this pytest process alone.

The process moves itself into new network and mount namespaces, so every `ssh` and every `mlsh` that a test
starts reaches the boxes at 10.77.0.N, workers of pytest-xdist never meet, and the kernel takes it all away
when pytest ends. There is no way out to the internet from in there.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from .requirements import SYSTEM_PATH

BRIDGE = "br0"
GATEWAY = "10.77.0.1"
# A fixed name, so that at most one empty directory is ever left behind; what is in it only this process sees.
DIRECTORY = Path("/tmp/mlsh-bed")

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000


class NamespaceError(OSError):
    """This process may not make namespaces: not root, or a container without the right to mount."""


def enter() -> Path:
    """Move this process into namespaces of its own; returns the directory that only it and its children see."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise NamespaceError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "unshare")
    root_command("mount", "--make-rprivate", "/")
    DIRECTORY.mkdir(mode=0o755, exist_ok=True)
    if DIRECTORY.is_symlink() or DIRECTORY.stat().st_uid != 0:
        raise NamespaceError(f"{DIRECTORY} belongs to somebody else: remove it")
    root_command("mount", "-t", "tmpfs", "-o", "mode=755", "mlsh-bed", str(DIRECTORY))
    ip(
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"addr add {GATEWAY}/24 dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )
    return DIRECTORY


def start_warden(directory: Path | None) -> None:
    """Start the process that ends all others of the bed when this one is gone.

    `directory` is what marks the bed's processes where there is no mount namespace to know them by.
    """
    theirs, _ours = os.pipe()  # ours stays open, unnamed, until the kernel closes it at the very end of pytest
    argv = [sys.executable, "-ISE", str(Path(__file__).with_name("warden.py"))]
    subprocess.Popen(
        [*argv, str(os.getpid()), str(directory or "")],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    os.close(theirs)


def ip(*lines: str) -> None:
    """Run `ip` commands, all in one process."""
    root_command("ip", "-batch", "-", stdin="\n".join(lines) + "\n")


def root_command(*argv: str, stdin: str | None = None, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run a system command of the bed itself; what it says on stderr is in the error when it fails."""
    done = subprocess.run(
        argv,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"},
        timeout=30,
        check=False,
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} failed with {done.returncode}: {done.stderr.strip() or done.stdout}")
    return done
