"""A box for who is not root: an sshd of this user on 127.0.0.1, behind a proxy that plays the network.

Its home is a directory, its PATH a directory of links; its processes are those with that HOME. Keys only: an
sshd that isn't root can't check passwords. A blackhole here still accepts connections, and then says nothing.
"""

import contextlib
import fnmatch
import functools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from .base_layer import KEY_EXCHANGE
from .box import Box, Process, ScriptError
from .chaos_proxy import ChaosProxy
from .requirements import SYSTEM_PATH, need
from .waiting import wait_for

TIMEOUT_S = 10
CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host_key
PidFile none
{key_exchange}
AuthorizedKeysFile {home}/.ssh/authorized_keys
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
PermitRootLogin yes
Subsystem sftp internal-sftp
SetEnv HOME={home} TMUX_TMPDIR={directory}/tmp PATH={directory}/bin
ForceCommand exec {directory}/session
"""
SESSION = """\
#!/bin/bash
cd "$HOME" || exit
read -r SHELL <{directory}/shell
export SHELL
case ${{SSH_ORIGINAL_COMMAND-}} in
  internal-sftp) exec /usr/lib/openssh/sftp-server ;;
  ?*) exec "$SHELL" -c "$SSH_ORIGINAL_COMMAND" ;;
  *) exec "$SHELL" -l ;;
esac
"""


class UserBox(Box):
    """A box in a directory, with the subset of faults that needs no root."""

    password = ""
    root = Path("/")

    def __init__(self, directory: Path, name: str, why: str) -> None:
        self.name = name
        self.kind = f"an ordinary user's sshd, because {why}"
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.directory = directory / name
        self.home = str(self.directory / "home")
        self._options: dict[str, str] = {}
        self._sshd: subprocess.Popen[bytes] | None = None
        self._on = False
        self._still: set[str] = set()
        for path in (directory, self.directory, Path(self.home), self.directory / "tmp"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._bin = self.directory / "bin"
        self._bin.symlink_to(_system_commands(directory))
        self._sshd_port = _free_port()
        session = self.directory / "session"
        session.write_text(SESSION.format(directory=self.directory))
        session.chmod(0o700)
        self.login_shell("/bin/bash")
        self._make_host_key()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._proxy = ChaosProxy("127.0.0.1", self._sshd_port)
        self.host, self.port = self._proxy.host, self._proxy.port

    # -- its life

    def boot(self) -> None:
        self._on = True
        self.start_sshd()

    def halt(self, *, power_cut: bool = False) -> None:
        if power_cut:
            self._cannot("a power cut")
        self.stop_sshd()
        self._end_processes()
        self._on = False

    def rm(self) -> None:
        self.halt()
        self._proxy.close()
        shutil.rmtree(self.directory)

    def clean(self) -> None:
        self._end_processes()
        shutil.rmtree(self.home)
        Path(self.home).mkdir(mode=0o700)

    def _end_processes(self) -> None:
        self.kill_sessions()
        for process in self.processes():
            _kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not self.processes(), TIMEOUT_S, f"the end of {self.name}'s processes")

    @property
    def alive(self) -> bool:
        return self._on

    # -- looking and touching, without ssh

    def path(self, path: str) -> Path:
        return Path(self.home + path[1:] if path == "~" or path.startswith("~/") else path)

    def sh(
        self, script: str, user: str | None = None, *, check: bool = True, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        if user == "root" and self.user != "root":
            self._cannot("a script as root")
        done = subprocess.run(
            ["/bin/bash", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=self.home,
            env={
                "PATH": str(self.directory / "bin"),
                "HOME": self.home,
                "USER": self.user,
                "LOGNAME": self.user,
                "LANG": "C.UTF-8",
                "SHELL": "/bin/bash",
                "TMUX_TMPDIR": str(self.directory / "tmp"),
            },
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise ScriptError(f"on {self.name}: {script}\n-> {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        target = self.path(path)
        if not target.is_relative_to(self.home):
            self._cannot(f"writing {path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        return target

    def processes(self, pattern: str = "") -> list[Process]:
        mark = f"HOME={self.home}\0".encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if mark not in Path(f"/proc/{pid}/environ").read_bytes():
                    continue
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            cmdline = b" ".join(words).decode(errors="replace").strip()
            if cmdline and re.search(pattern, cmdline):
                found.append(Process(int(pid), cmdline))
        return found

    def environ(self, pid: int) -> dict[str, str]:
        text = Path(f"/proc/{pid}/environ").read_text(errors="replace")
        return dict(item.split("=", 1) for item in text.split("\0") if "=" in item)

    def boot_id(self) -> str:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    # -- what is installed

    def login_shell(self, shell: str) -> None:
        need(Path(shell).name)
        (self.directory / "shell").write_text(f"{shell}\n")

    def hide(self, *patterns: str) -> None:
        self._own_commands()
        names = [link for link in self._bin.iterdir() if any(fnmatch.fnmatchcase(link.name, it) for it in patterns)]
        if not names:
            raise ValueError(f"no command on {self.name} matches {', '.join(patterns)}")
        for link in names:
            link.unlink()

    def unhide(self, *patterns: str) -> None:
        self._own_commands()
        _link_commands(self._bin, *patterns)

    def install(self, name: str, script: str) -> None:
        self._own_commands()
        command = self._bin / name
        command.unlink(missing_ok=True)
        command.write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)

    def _own_commands(self) -> None:
        """Give this box a PATH of its own, which may be changed."""
        if self._bin.is_symlink():
            self._bin.unlink()
            self._bin.mkdir(mode=0o700)
            _link_commands(self._bin, "*")

    # -- its sshd

    def start_sshd(self) -> None:
        if self._sshd is None:
            self._write_config()
            sshd = shutil.which("sshd", path=SYSTEM_PATH) or "/usr/sbin/sshd"
            starts = self._starts()
            self._sshd = subprocess.Popen(
                [sshd, "-D", "-f", str(self.directory / "config"), "-E", str(self.directory / "log")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": SYSTEM_PATH},
                start_new_session=True,
            )
            wait_for(lambda: self._starts() > starts, TIMEOUT_S, f"sshd of {self.name}: {self._log()[-500:]}")
        self._proxy.accept()

    def stop_sshd(self) -> None:
        self._proxy.refuse()
        if self._sshd is not None:
            self._sshd.terminate()
            self._sshd.wait(TIMEOUT_S)
            self._sshd = None

    def sshd_option(self, line: str) -> None:
        self._options[line.split(maxsplit=1)[0].lower()] = line
        self._reload()

    def reset_sshd_options(self) -> None:
        self._options.clear()
        self._reload()

    def host_key(self) -> str:
        return " ".join((self.directory / "host_key.pub").read_text().split()[:2])

    def new_host_key(self) -> None:
        self._make_host_key()
        self._reload()

    def kill_sessions(self) -> int:
        # By name: a session outlives the listener that it came from. The proxy's far ends tell whose it is.
        ours = self._session_pids()
        for pid in ours:
            _kill(pid, signal.SIGKILL)
        wait_for(lambda: not self._session_pids(), TIMEOUT_S, f"the end of {self.name}'s sessions")
        return len(ours)

    def _session_pids(self) -> list[int]:
        """The sshd processes that hold a socket on this box's port, without the listener."""
        listener = self._sshd.pid if self._sshd else 0
        inodes = _sockets_on_port(self._sshd_port)
        return [pid for pid in _pids_of_sockets(inodes) if pid not in (listener, os.getpid())]

    def _make_host_key(self) -> None:
        key = self.directory / "host_key"
        key.unlink(missing_ok=True)
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)

    def _write_config(self) -> None:
        own = CONFIG.format(port=self._sshd_port, directory=self.directory, home=self.home, key_exchange=KEY_EXCHANGE)
        (self.directory / "config").write_text("\n".join([*self._options.values(), own]))

    def _reload(self) -> None:
        self._write_config()
        if self._sshd is not None:
            starts = self._starts()
            self._sshd.send_signal(signal.SIGHUP)
            wait_for(
                lambda: self._starts() > starts,
                TIMEOUT_S,
                f"sshd of {self.name} to reload: {self._log()[-500:]}",
            )

    def _log(self) -> str:
        log = self.directory / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _starts(self) -> int:
        return self._log().count("Server listening on 127.0.0.1")

    # -- its network

    def reset_connections(self) -> None:
        self._proxy.reset()

    def blackhole(self, on: bool) -> None:
        self._silence("blackhole", on)

    def link(self, up: bool) -> None:
        self._silence("link", not up)

    def latency(self, ms: float, *, jitter_ms: float = 0, loss_percent: float = 0) -> None:
        if jitter_ms or loss_percent:
            self._cannot("jitter or loss")
        self._proxy.latency(ms)

    def _silence(self, reason: str, on: bool) -> None:
        if on:
            self._still.add(reason)
            self._proxy.hang()
        else:
            self._still.discard(reason)
            if not self._still:
                self._proxy.resume()


@functools.cache
def _system_commands(directory: Path) -> Path:
    """The PATH of all boxes in `directory` of which nothing is hidden: thousands of links take a second."""
    commands = directory / "every command"
    commands.mkdir(mode=0o700)
    _link_commands(commands, "*")
    return commands


def _link_commands(to: Path, *patterns: str) -> None:
    """Make links to this machine's commands that match one of the patterns, unless something has the name."""
    for directory in SYSTEM_PATH.split(":"):
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns) and not os.path.lexists(to / name):
                (to / name).symlink_to(Path(directory) / name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _sockets_on_port(port: int) -> set[str]:
    """The inodes of the TCP sockets whose own end is this port."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[9] != "0"}


def _pids_of_sockets(inodes: set[str]) -> list[int]:
    """The processes of this user that hold one of these sockets."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
            links = [os.readlink(f"/proc/{pid}/fd/{descriptor}") for descriptor in descriptors]
        except OSError:
            continue
        if wanted.intersection(links):
            found.append(int(pid))
    return found
