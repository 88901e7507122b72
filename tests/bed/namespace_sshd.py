"""The sshd of a namespace box: its keys, options, listener and sessions."""

import re
from pathlib import Path

from .box import Box
from .private_lan import root_command
from .waiting import wait_for

LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp
SESSION = re.compile(r"^sshd(-session)?: (?!.*\[listener\])")
KEY = "etc/ssh/ssh_host_ed25519_key"
TIMEOUT_S = 10


class SshdControl(Box):
    """What can be done to the sshd of a box of which we are root."""

    _init: int

    def host_key(self) -> str:
        return " ".join((self.root / f"{KEY}.pub").read_text().split()[:2])

    def new_host_key(self) -> None:
        self._make_host_key()
        self._reload()

    def _make_host_key(self) -> None:
        key = self.root / KEY
        key.unlink(missing_ok=True)
        root_command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key))

    def sshd_option(self, line: str) -> None:
        self._option_file(line.split(maxsplit=1)[0]).write_text(f"{line}\n")
        self._reload()

    def reset_sshd_options(self) -> None:
        for file in self._option_file("*").parent.glob("bed-*.conf"):
            file.unlink()
        self._reload()

    def _option_file(self, keyword: str) -> Path:
        return self.root / f"etc/ssh/sshd_config.d/bed-{keyword.lower()}.conf"

    def stop_sshd(self) -> None:
        self.sh(f"kill {self._listener()}", user="root")
        wait_for(lambda: not self._listening(), TIMEOUT_S, f"the end of {self.name}'s sshd")

    def start_sshd(self) -> None:
        if not self._listening():
            self.sh("/usr/sbin/sshd -E /run/sshd.log", user="root")
            wait_for(self._listening, TIMEOUT_S, f"sshd on {self.name}")

    def sshd_log(self) -> str:
        """What this boot's sshd has logged."""
        return self.path("/run/sshd.log").read_text(errors="replace")

    def kill_sessions(self) -> int:
        before = {process.pid for process in self.processes() if SESSION.match(process.cmdline)}
        if before:
            self.sh(f"kill -9 {' '.join(map(str, before))} 2>/dev/null; true", user="root")
            wait_for(lambda: not before & {process.pid for process in self.processes()}, TIMEOUT_S, "dead sessions")
        return len(before)

    def _listener(self) -> int:
        return int(self.path("/run/sshd.pid").read_text())

    def _listening(self) -> bool:
        """Whether something listens on sshd's port, without opening a connection that sshd would count."""
        # The log first: the kernel's table takes 5 ms to read.
        if not self.alive or not self._starts():
            return False
        suffix = f":{self.port:04X}"
        for family in ("tcp", "tcp6"):
            try:
                rows = Path(f"/proc/{self._init}/net/{family}").read_text().splitlines()[1:]
            except OSError:
                continue
            if any(row.split()[1].endswith(suffix) and row.split()[3] == LISTENING for row in rows):
                return True
        return False

    def _reload(self) -> None:
        """Make the listener read its configuration again; returns when it listens again."""
        if not self.alive or not self._listening():
            return
        checked = self.sh("/usr/sbin/sshd -t", user="root", check=False)
        if checked.returncode != 0:
            raise ValueError(f"sshd refuses that option: {checked.stderr.strip()}")
        starts = self._starts()
        self.sh(f"kill -HUP {self._listener()}", user="root")
        wait_for(lambda: self._starts() > starts and self._listening(), TIMEOUT_S, f"{self.name}'s sshd to reload")

    def _starts(self) -> int:
        try:
            return self.sshd_log().count("Server listening on 0.0.0.0")
        except OSError:
            return 0  # it has not begun
