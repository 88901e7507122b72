"""The read-only layer between this machine's root file system and each box's own: made once per pytest
process.

It gives every box the user alice, an sshd configuration, /dev and an empty /root, and hides what belongs to
the machine that runs the tests: other people's homes, mounted media, and the checkout itself.
"""

import os
import shutil
import stat
from pathlib import Path

from .private_lan import root_command

USER = "alice"
UID = 4200
PASSWORD = "hunter2"  # noqa: S105  (of a box that only the tests reach)
TOOLS = "/.bed"  # what the bed itself needs on a box, so that hiding commands from alice never breaks a boot

# The key exchange that OpenSSH prefers takes 0.1 s of processor a login, more than half of it: this one a few ms.
KEY_EXCHANGE = "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org"  # the second name is paramiko's

SSHD_CONFIG = f"""\
Include /etc/ssh/sshd_config.d/*.conf
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
{KEY_EXCHANGE}
UsePAM yes
UseDNS no
PasswordAuthentication yes
PubkeyAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin no
AllowTcpForwarding yes
PrintMotd no
Subsystem sftp internal-sftp
PidFile /run/sshd.pid
"""

DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
SYSTEM_DIRECTORIES = {
    "bin",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "opt",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "var",
}


def make(directory: Path) -> Path:
    """Build the layer in `directory` and return the path to name as an overlay's lowerdir, above `/`."""
    layer, work, merged = directory / "layer", directory / "work", directory / "merged"
    for path in (layer, work, merged):
        path.mkdir(parents=True)
    layer.chmod(0o755)
    _hide_this_machine(layer)
    _add_devices(layer / "dev")
    tools = layer / TOOLS.lstrip("/")
    tools.mkdir()
    shutil.copy2("/bin/bash", tools / "bash")
    shutil.copy2(Path(__file__).with_name("boxinit.sh"), tools / "init")
    root_command("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={layer},workdir={work}", str(merged))
    _add_user(merged)
    _configure(merged)
    root_command("umount", str(merged))
    return layer


def _hide_this_machine(layer: Path) -> None:
    for name, mode in {
        "home": 0o755,
        "root": 0o700,
        "tmp": 0o1777,
        "run": 0o755,
        "mnt": 0o755,
        "media": 0o755,
    }.items():
        _empty(layer / name, mode)
    checkout = Path(__file__).resolve().parents[2]
    top = checkout.parts[1]
    if top not in SYSTEM_DIRECTORIES and not (layer / top).exists():
        os.mknod(layer / top, stat.S_IFCHR, os.makedev(0, 0))  # overlayfs's whiteout


def _empty(path: Path, mode: int) -> None:
    """Make a directory that shows nothing of the layer below it."""
    path.mkdir()
    path.chmod(mode)
    os.setxattr(path, "trusted.overlay.opaque", b"y")


def _add_devices(dev: Path) -> None:
    _empty(dev, 0o755)
    for name, number in DEVICES.items():
        os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(*number))
        (dev / name).chmod(0o666)
    for name, target in LINKS.items():
        (dev / name).symlink_to(target)
    for name in ("pts", "shm"):
        (dev / name).mkdir()


def _add_user(root: Path) -> None:
    for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"):
        file = root / "etc" / name
        if file.exists():
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join(line for line in lines if not line.startswith(f"{USER}:")))
    root_command("chroot", str(root), "useradd", "-m", "-u", str(UID), "-s", "/bin/bash", USER)
    root_command("chroot", str(root), "chpasswd", stdin=f"{USER}:{PASSWORD}\n")


def _configure(root: Path) -> None:
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    shutil.rmtree(root / "etc/ssh/sshd_config.d", ignore_errors=True)
    (root / "etc/ssh/sshd_config.d").mkdir(parents=True)
    (root / "etc/ssh/sshd_config").write_text(SSHD_CONFIG)
    (root / "etc/environment").write_text("")  # on a CI runner it is full of the runner's own variables
