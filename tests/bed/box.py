"""What a test can ask of a box, whatever the box is made of.

Two kinds implement it: `NamespaceBox` (as root, everything) and `UserBox` (as an ordinary user, what can be
done). What a kind can't do skips the test outside CI and fails it in CI.
"""

import subprocess
from pathlib import Path
from typing import NamedTuple, NoReturn

from .requirements import not_possible_here


class Process(NamedTuple):
    """A process on a box: its pid there, and its command line with spaces between the arguments."""

    pid: int
    cmdline: str


class ScriptError(AssertionError):
    """A script that a test ran on a box ended with another exit code than 0."""


class Box:
    """A machine with a real sshd that a test may break.

    `name` is its host name and the laptop's alias for it; `host` and `port` are where sshd listens; `user`,
    `password` and `home` are those of the account on it; `root` is its root file system as this machine sees
    it.
    """

    name: str
    host: str
    port: int
    user: str
    password: str
    home: str
    root: Path
    kind = "this kind of box"

    # -- its life

    def boot(self) -> None:
        """Start the box and return when its sshd listens."""
        self._cannot("starting a box")

    def halt(self, *, power_cut: bool = False) -> None:
        """Stop the box at once. With `power_cut`, its connections don't even get a FIN."""
        self._cannot("stopping a box")

    def reboot(self, *, power_cut: bool = False) -> None:
        """Stop and start the box: a new boot id, no process left, /tmp and /run empty, the disk as it was."""
        self._cannot("rebooting a box")

    def rm(self) -> None:
        """Stop the box and throw its disk away."""
        self._cannot("removing a box")

    def clean(self) -> None:
        """End the user's processes and make the home what it was when the account was made."""
        self._cannot("cleaning a box")

    @property
    def alive(self) -> bool:
        """Whether the box is running."""
        self._cannot("looking at a box")

    # -- looking and touching, without ssh

    def path(self, path: str) -> Path:
        """The path on this machine of a path on the box; `~` is the user's home.

        A symlink with an absolute target leads to this machine's files, not to the box's: read such a link
        with `sh`.
        """
        self._cannot("looking at a box's files")

    def sh(
        self, script: str, user: str | None = None, *, check: bool = True, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run a bash script on the box, in the user's home, without ssh.

        Raises ScriptError, with its output, when it fails and `check` is true.
        """
        self._cannot("running a script beside ssh")

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        """Write a file and the directories above it, the user's below the home. Returns its path here."""
        self._cannot("writing a file")

    def processes(self, pattern: str = "") -> list[Process]:
        """The box's processes whose command line matches a regular expression; zombies don't count."""
        self._cannot("listing a box's processes")

    def environ(self, pid: int) -> dict[str, str]:
        """The environment that the process with this pid on the box was started with."""
        self._cannot("reading a process's environment")

    def boot_id(self) -> str:
        """What /proc/sys/kernel/random/boot_id says on the box."""
        self._cannot("reading the boot id")

    # -- what is installed

    def login_shell(self, shell: str) -> None:
        """Make this the user's login shell, e.g. "/usr/bin/fish"."""
        self._cannot("changing the login shell")

    def hide(self, *patterns: str) -> None:
        """Remove commands from the box's PATH by name or glob, e.g. "tmux" or "python3*"."""
        self._cannot("hiding a command")

    def unhide(self, *patterns: str) -> None:
        """Put back what `hide` or `busybox_userland` took away."""
        self._cannot("unhiding a command")

    def install(self, name: str, script: str) -> None:
        """Put a command on the PATH, before any other of that name; a text without `#!` gets `#!/bin/sh`."""
        self._cannot("installing a command")

    def busybox_userland(self) -> None:
        """Replace coreutils, findutils, grep, sed, awk, ps and sh by busybox; keep tmux, git, flock, setsid."""
        self._cannot("a busybox userland")

    # -- its disk

    def fill_disk(self, leave_kib: int = 0) -> None:
        """Leave only this much room on the disk: past it, every write fails with ENOSPC."""
        self._cannot("filling the disk")

    def free_disk(self) -> None:
        """Undo `fill_disk`."""
        self._cannot("filling the disk")

    def read_only_home(self) -> None:
        """Every write below the home fails with EROFS, until `writable_home` or a reboot."""
        self._cannot("a read-only home")

    def writable_home(self) -> None:
        """Undo `read_only_home`."""
        self._cannot("a read-only home")

    # -- its sshd

    def stop_sshd(self) -> None:
        """End the listener: new connections are refused, open sessions live on."""
        self._cannot("stopping sshd")

    def start_sshd(self) -> None:
        """Start the listener again."""
        self._cannot("starting sshd")

    def restart_sshd(self) -> None:
        """Stop and start the listener; open sessions live on."""
        self.stop_sshd()
        self.start_sshd()

    def sshd_option(self, line: str) -> None:
        """Set an option for new connections, e.g. "MaxSessions 2"; the same keyword again replaces it."""
        self._cannot("changing sshd's options")

    def reset_sshd_options(self) -> None:
        """Take back every `sshd_option`."""
        self._cannot("changing sshd's options")

    def host_key(self) -> str:
        """The public host key, as a known_hosts line has it: "ssh-ed25519 AAAA..."."""
        self._cannot("reading the host key")

    def new_host_key(self) -> None:
        """Give the box another host key, as a reinstallation or a man in the middle would."""
        self._cannot("changing the host key")

    def kill_sessions(self) -> int:
        """Kill the sshd processes of the user's connections, not the listener; returns how many."""
        self._cannot("killing sessions")

    # -- its network

    def reset_connections(self) -> None:
        """Reset every open TCP connection to the box's sshd: both ends get a RST."""
        self._cannot("resetting connections")

    def blackhole(self, on: bool) -> None:
        """Drop every packet from and to the box, without a word to either side; also over a reboot."""
        self._cannot("a blackhole")

    def link(self, up: bool) -> None:
        """Pull the network cable, or put it back; also over a reboot."""
        self._cannot("pulling the cable")

    def latency(self, ms: float, *, jitter_ms: float = 0, loss_percent: float = 0) -> None:
        """Delay every packet by `ms` each way, twice that a round trip; 0 puts the plain cable back."""
        self._cannot("latency")

    def _cannot(self, what: str) -> NoReturn:
        not_possible_here(what, f"the box is {self.kind}")
