"""A box made of namespaces: its own network, processes, host name, mounts, boot id, and a small disk."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from .base_layer import PASSWORD, TOOLS, UID, USER
from .box import Box, Process, ScriptError
from .namespace_network import NetworkFaults
from .namespace_sshd import SshdControl
from .namespace_userland import Userland
from .private_lan import root_command
from .requirements import SYSTEM_PATH
from .waiting import wait_for

BOOT_TIMEOUT_S = 20
UNSHARE = ("unshare", "-muinpf", "--kill-child", "--propagation", "private")
OWN_MOUNTS = ("tmp", "run", "dev", "proc", "sys")
USER_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"


class NamespaceBox(NetworkFaults, SshdControl, Userland, Box):
    """A box that only root can make."""

    kind = "a namespace box"

    def __init__(
        self, directory: Path, base: Path, name: str, octet: int, *, size_mib: int = 256, sudo: str = "no"
    ) -> None:
        """Lay out the disk, without starting anything. `sudo` is "no", "password" or "nopass"."""
        self.name = name
        self.octet = octet
        self.host = f"10.77.0.{octet}"
        self.port = 22
        self.user = USER
        self.password = PASSWORD
        self.home = f"/home/{USER}"
        self.size_mib = size_mib
        self.directory = directory / name
        self.root = self.directory / "root"
        self._base = base
        self._outer: subprocess.Popen[bytes] | None = None
        self._init = 0
        self._lifeline = -1
        self._make_disk(sudo)

    # -- its life

    def _make_disk(self, sudo: str) -> None:
        self.directory.mkdir(parents=True)
        size = f"size={self.size_mib}m,mode=755"
        root_command("mount", "-t", "tmpfs", "-o", size, f"box-{self.name}", str(self.directory))
        upper, work = self.directory / "upper", self.directory / "work"
        for path in (upper, work, self.root):
            path.mkdir()
        upper.chmod(0o755)
        layers = f"lowerdir={self._base}:/,upperdir={upper},workdir={work}"
        root_command("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost {self.name}\n")
        self._make_host_key()
        if sudo == "nopass":
            self.write("/etc/sudoers.d/bed", f"{USER} ALL=(ALL) NOPASSWD:ALL\n", 0o440)
        elif sudo == "password":
            root_command("chroot", str(self.root), "usermod", "-aG", "sudo", USER)

    def boot(self) -> None:
        self.begin_boot()
        self.end_boot()

    def begin_boot(self) -> None:
        """Start the box without waiting for its sshd, so that many boxes boot side by side."""
        if self.alive:
            return
        self._power_off()
        theirs, self._lifeline = os.pipe()
        script = Path(__file__).with_name("boxboot.sh")
        with (self.directory / "console").open("wb") as console:
            self._outer = subprocess.Popen(
                [*UNSHARE, "/bin/bash", str(script), str(self.root), self.name, self.host],
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=console,
                env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        os.close(theirs)
        assert self._outer.stdout
        with self._outer.stdout as told:
            self._init = int(told.readline() or 0)
        if not self._init:
            raise RuntimeError(f"{self.name} did not start: {self._console()}")
        self._plug_in()
        os.write(self._lifeline, b"go\n")

    def end_boot(self) -> None:
        """Wait for the sshd of a box that `begin_boot` started."""
        is_up = False
        try:
            wait_for(lambda: self._listening() or not self.alive, BOOT_TIMEOUT_S, f"sshd on {self.name}")
            is_up = self.alive
        finally:
            if not is_up:
                print(f"console of {self.name}: {self._console()}")
        if not is_up:
            raise RuntimeError(f"{self.name} ended while it booted: {self._console()}")
        self._restore_network_faults()

    def halt(self, *, power_cut: bool = False) -> None:
        if power_cut and self.alive:
            self._unplug()
        self._power_off()

    def reboot(self, *, power_cut: bool = False) -> None:
        self.halt(power_cut=power_cut)
        self.boot()

    def rm(self) -> None:
        self._power_off()
        if self.directory.is_dir():
            root_command("umount", "-l", str(self.root), check=False)
            root_command("umount", "-l", str(self.directory), check=False)
            self.directory.rmdir()

    def _power_off(self) -> None:
        if self._outer is None:
            return
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, 9)  # process 1 of a pid namespace: the kernel ends all the others with it
        self._outer.wait(10)
        os.close(self._lifeline)
        self._outer, self._init, self._lifeline = None, 0, -1
        self._forget_cable()

    def clean(self) -> None:
        if self.alive:
            wait_for(self._no_user_process, 10, f"the end of {USER}'s processes on {self.name}")
            self.sh("rm -rf /tmp/* /tmp/.[!.]*", user="root")
        home = self.path("~")
        for entry in home.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        skeleton = self.root / "etc/skel"
        for entry in skeleton.iterdir():
            if entry.is_file():
                shutil.copy2(entry, home / entry.name)
                os.chown(home / entry.name, UID, UID)

    @property
    def alive(self) -> bool:
        return self._outer is not None and self._outer.poll() is None

    def _console(self) -> str:
        return (self.directory / "console").read_text(errors="replace").strip() or "(silent)"

    # -- looking and touching, without ssh

    def path(self, path: str) -> Path:
        absolute = self.home + path[1:] if path == "~" or path.startswith("~/") else path
        inside = absolute.lstrip("/")
        if inside.split("/")[0] in OWN_MOUNTS and self.alive:
            return Path(f"/proc/{self._init}/root") / inside
        return self.root / inside

    def _enter(self, *which: str) -> list[str]:
        """The argv before a command that runs on the box, in all of its namespaces or in those named."""
        if not self.alive:
            raise RuntimeError(f"{self.name} is off")
        every = ("-m", "-u", "-i", "-p", "-n", "-r", "-w")
        return ["nsenter", "-t", str(self._init), *(which or every)]

    def sh(
        self, script: str, user: str | None = None, *, check: bool = True, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        user = user or self.user
        home, ids = ("/root", []) if user == "root" else (self.home, ["-S", str(UID), "-G", str(UID)])
        path = SYSTEM_PATH if user == "root" else USER_PATH
        done = subprocess.run(
            [*self._enter(), *ids, f"{TOOLS}/bash", "-c", f"cd {shlex.quote(home)}\n{script}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={
                "PATH": path,
                "HOME": home,
                "USER": user,
                "LOGNAME": user,
                "LANG": "C.UTF-8",
                "SHELL": "/bin/bash",
            },
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise ScriptError(f"on {self.name} as {user}: {script}\n-> {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        target = self.path(path)
        owned = target.is_relative_to(self.path("~"))
        missing = [parent for parent in target.parents if not parent.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        if owned:
            for made in (target, *missing):
                os.chown(made, UID, UID)
        return target

    def processes(self, pattern: str = "") -> list[Process]:
        found = []
        for pid in self._pids():
            try:
                words = (self.path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            cmdline = b" ".join(words).decode(errors="replace").strip()
            if cmdline and re.search(pattern, cmdline):
                found.append(Process(pid, cmdline))
        return found

    def environ(self, pid: int) -> dict[str, str]:
        text = (self.path("/proc") / str(pid) / "environ").read_text(errors="replace")
        return dict(item.split("=", 1) for item in text.split("\0") if "=" in item)

    def boot_id(self) -> str:
        return self.path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def _pids(self) -> list[int]:
        return sorted(int(entry) for entry in os.listdir(self.path("/proc")) if entry.isdigit()) if self.alive else []

    def _user_processes(self) -> list[int]:
        mine = []
        for pid in self._pids():
            try:
                if (self.path("/proc") / str(pid)).stat().st_uid == UID:
                    mine.append(pid)
            except OSError:
                continue
        return mine

    def _no_user_process(self) -> bool:
        """Kill what runs as the user; true when nothing was there, so that what forks meanwhile is caught too."""
        pids = self._user_processes()
        if pids:
            self.sh(f"kill -9 {' '.join(map(str, pids))}", user="root", check=False)
        return not pids
