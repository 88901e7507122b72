"""What the test bed needs on this machine, and which Debian package brings it."""

import os
import shutil
from typing import NoReturn

import pytest

PACKAGES = {
    "busybox": "busybox",
    "fish": "fish",
    "git": "git",
    "ip": "iproute2",
    "iptables": "iptables",
    "mosh": "mosh",
    "mount": "mount",
    "nsenter": "util-linux",
    "ss": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "setpriv": "util-linux",
    "sshpass": "sshpass",
    "tmux": "tmux",
    "unshare": "util-linux",
    "useradd": "passwd",
    "zsh": "zsh",
}

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def need(*commands: str) -> None:
    """Fail the test with one sentence that names the Debian package of each command that is missing."""
    missing = [command for command in commands if not shutil.which(command, path=SYSTEM_PATH)]
    if missing:
        packages = " ".join(sorted({PACKAGES.get(command, command) for command in missing}))
        names = ", ".join(f"`{command}`" for command in missing)
        pytest.fail(f"The test bed needs {names}: type `apt-get install {packages}`.", pytrace=False)


def not_possible_here(what: str, why: str) -> NoReturn:
    """Skip the test, or fail it in CI: nothing may be skipped there, or nobody would notice."""
    message = f"{what} is not possible here: {why}."
    if os.environ.get("CI"):
        pytest.fail(f"{message} In CI nothing is skipped: run the tests as root.", pytrace=False)
    pytest.skip(message)
