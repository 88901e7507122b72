"""What is installed on a namespace box, and how full and how writable its disk is."""

import fnmatch
import os
import re
import shutil
import subprocess
from pathlib import Path

from .box import Box
from .private_lan import root_command
from .requirements import need

COMMAND_DIRECTORIES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "usr/games")
# Debian's busybox has no flock; the rest starts boxes and sessions, and busybox's own variants would change
# how.
NOT_BUSYBOX = {
    "flock",
    "setsid",
    "busybox",
    "bash",
    "ip",
    "login",
    "mount",
    "umount",
    "nologin",
    "passwd",
    "chpasswd",
    "su",
}
REPLACED_PACKAGES = (
    "coreutils",
    "findutils",
    "grep",
    "sed",
    "mawk",
    "gawk",
    "tar",
    "gzip",
    "diffutils",
    "procps",
    "hostname",
)


class Userland(Box):
    """What can be done to the file system of a box."""

    size_mib: int
    directory: Path

    # -- commands

    def login_shell(self, shell: str) -> None:
        need(Path(shell).name)
        passwd = self.root / "etc/passwd"
        aside = passwd.with_name("passwd.new")
        aside.write_text(re.sub(rf"(?m)^({self.user}:.*:)[^:]*$", rf"\g<1>{shell}", passwd.read_text()))
        aside.chmod(0o644)
        aside.rename(passwd)

    def hide(self, *patterns: str) -> None:
        directories = [self.root / name for name in COMMAND_DIRECTORIES] + [
            self.path("~/.local/bin"),
            self.path("~/bin"),
        ]
        hidden = 0
        for directory in directories:
            for name in os.listdir(directory) if directory.is_dir() else ():
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                    (directory / name).unlink()
                    hidden += 1
        if not hidden:
            raise ValueError(f"no command on {self.name} matches {', '.join(patterns)}")

    def unhide(self, *patterns: str) -> None:
        for directory in COMMAND_DIRECTORIES:
            source = Path("/") / directory
            for name in os.listdir(source) if source.is_dir() else ():
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                    target = self.root / directory / name
                    target.unlink(missing_ok=True)
                    shutil.copy2(source / name, target, follow_symlinks=False)

    def install(self, name: str, script: str) -> None:
        text = script if script.startswith("#!") else f"#!/bin/sh\n{script}"
        self.write(f"/usr/local/bin/{name}", text if text.endswith("\n") else f"{text}\n", 0o755)

    def busybox_userland(self) -> None:
        need("busybox")
        applets = set(subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split())
        replaced = (applets | _package_commands()) - NOT_BUSYBOX
        for directory in ("usr/sbin", "usr/bin"):
            for name in replaced & set(os.listdir(self.root / directory)):
                command = self.root / directory / name
                command.unlink()
                if name in applets:
                    command.symlink_to("/usr/bin/busybox")

    # -- disk

    def fill_disk(self, leave_kib: int = 0) -> None:
        # Shrinking the file system to what is used costs no memory, unlike a big file. The kernel refuses less than
        # what is used, and a box at work writes between our look and that.
        for last in (False, False, True):
            status = os.statvfs(self.directory)
            used_kib = (status.f_blocks - status.f_bfree) * status.f_frsize // 1024
            try:
                self._resize_disk(f"{used_kib + leave_kib}k")
            except RuntimeError:
                if last:
                    raise
            else:
                return

    def free_disk(self) -> None:
        self._resize_disk(f"{self.size_mib}m")

    def _resize_disk(self, size: str) -> None:
        root_command("mount", "-o", f"remount,size={size}", str(self.directory))

    def read_only_home(self) -> None:
        self.sh(f"mount --bind {self.home} {self.home} && mount -o remount,bind,ro {self.home}", user="root")

    def writable_home(self) -> None:
        self.sh(f"umount -l {self.home}", user="root")


def _package_commands() -> set[str]:
    """The commands of the packages that busybox replaces; those without an applet don't exist there."""
    found = set()
    for package in REPLACED_PACKAGES:
        listing = Path(f"/var/lib/dpkg/info/{package}.list")
        if listing.exists():
            paths = (Path(line) for line in listing.read_text().splitlines())
            found |= {path.name for path in paths if path.parent.name in {"bin", "sbin"}}
    return found
