"""The machine that a person sits at: a home, an ssh configuration, a key, and mlsh as a real process."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Literal, overload

from .box import Box
from .chaos_proxy import ChaosProxy
from .requirements import SYSTEM_PATH
from .waiting import DeadlineError, wait_for

RUN_TIMEOUT_S = 60
SSH_CONFIG_END = """\
Host *
  IdentityFile {key}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""
GITCONFIG = """\
[user]
  name = Ada
  email = ada@example.org
[init]
  defaultBranch = main
"""


class CommandError(AssertionError):
    """A command on the laptop ended with another exit code than 0, or not in time."""


class Laptop:
    """A client in a directory of its own; nothing of the developer's own environment reaches it.

    `home`, `runtime_dir`, `ssh_config`, `known_hosts` and `key` (private; the public one beside it) are
    paths, `env` is the whole environment of what it runs.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.runtime_dir = directory / "run"
        self.ssh_config = self.home / ".ssh/config"
        self.known_hosts = self.home / ".ssh/known_hosts"
        self.key = self.home / ".ssh/id_ed25519"
        self._hosts: dict[str, str] = {}
        tmux = directory / "tmux"
        for path in (directory, self.home, self.home / ".ssh", self.runtime_dir, tmux):
            path.mkdir(mode=0o700)
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "USER": "ada",
            "LOGNAME": "ada",
            "SHELL": "/bin/bash",
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "XDG_DATA_HOME": str(self.home / ".local/share"),
            "XDG_RUNTIME_DIR": str(self.runtime_dir),
            "TMUX_TMPDIR": str(tmux),
            "MLSH_SSH_CONFIG": str(self.ssh_config),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        (self.home / ".gitconfig").write_text(GITCONFIG)
        self.known_hosts.touch(0o600)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@laptop", "-f", str(self.key)]
        subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
        self._write_ssh_config()

    # -- what it knows

    def add(
        self,
        box: Box,
        *,
        alias: str | None = None,
        via: ChaosProxy | None = None,
        options: Iterable[str] = (),
        authorize: bool = True,
        known: bool = True,
    ) -> str:
        """Put a `Host` block for the box into the ssh configuration; returns the alias.

        With `via`, the way leads through the proxy. `options` are more lines, e.g. "ProxyJump gpu1".
        `authorize` puts the key on the box, `known` the host key into known_hosts.
        """
        alias = alias or box.name
        host, port = (via.host, via.port) if via else (box.host, box.port)
        lines = [
            f"Host {alias}",
            *options,  # before the rest: ssh takes the first value that it reads
            f"HostName {host}",
            f"Port {port}",
            f"User {box.user}",
            f"IdentityFile {self.key}",
            f"UserKnownHostsFile {self.known_hosts}",
            "IdentitiesOnly yes",
            "StrictHostKeyChecking yes",
        ]
        self._hosts[alias] = "\n  ".join(lines) + "\n"
        self._write_ssh_config()
        if authorize:
            self.authorize(box)
        if known:
            self.learn_host_key(box, via)
        return alias

    def remove(self, alias: str) -> None:
        """Take a box out of the ssh configuration."""
        del self._hosts[alias]
        self._write_ssh_config()

    def authorize(self, box: Box) -> None:
        """Put this laptop's public key on the box."""
        public = self.key.with_suffix(".pub").read_text()
        file = box.path("~/.ssh/authorized_keys")
        known = file.read_text() if file.exists() else ""
        if public not in known:
            box.write("~/.ssh/authorized_keys", known + public, 0o600)

    def learn_host_key(self, box: Box, via: ChaosProxy | None = None) -> None:
        """Write the host key that the box has now into known_hosts, instead of an older one."""
        host, port = (via.host, via.port) if via else (box.host, box.port)
        name = host if port == 22 else f"[{host}]:{port}"
        others = [line for line in self.known_hosts.read_text().splitlines() if not line.startswith(f"{name} ")]
        self.known_hosts.write_text("\n".join([*others, f"{name} {box.host_key()}"]) + "\n")

    def _write_ssh_config(self) -> None:
        end = SSH_CONFIG_END.format(key=self.key, known_hosts=self.known_hosts)
        self.ssh_config.write_text("\n".join([*self._hosts.values(), end]))
        self.ssh_config.chmod(0o600)

    # -- what it runs

    @overload
    def run(
        self,
        *args: str,
        check: bool = ...,
        input: str | None = ...,
        cwd: Path | None = ...,
        env: Mapping[str, str | None] | None = ...,
        timeout: float = ...,
        text: Literal[True] = ...,
    ) -> subprocess.CompletedProcess[str]: ...
    @overload
    def run(
        self,
        *args: str,
        check: bool = ...,
        input: bytes | None = ...,
        cwd: Path | None = ...,
        env: Mapping[str, str | None] | None = ...,
        timeout: float = ...,
        text: Literal[False],
    ) -> subprocess.CompletedProcess[bytes]: ...

    def run(
        self,
        *args: str,
        check: bool = True,
        input: str | bytes | None = None,  # noqa: A002  (as subprocess.run has it)
        cwd: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        timeout: float = RUN_TIMEOUT_S,
        text: bool = True,
    ) -> subprocess.CompletedProcess[Any]:
        """Run `mlsh ARGS` to its end; stdout and stderr are in the result.

        `env` adds to the environment, or takes away where a value is None; `cwd` is the home by default;
        `text=False` gives bytes. Raises CommandError, with all it said, on a timeout, and on failure if
        `check`.
        """
        argv = [sys.executable, "-m", "mlsh", *args]
        return self.command(*argv, check=check, input=input, cwd=cwd, env=env, timeout=timeout, text=text)

    def command(
        self,
        *argv: str,
        check: bool = True,
        input: str | bytes | None = None,  # noqa: A002
        cwd: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        timeout: float = RUN_TIMEOUT_S,
        text: bool = True,
    ) -> subprocess.CompletedProcess[Any]:
        """Like `run`, for any command."""
        process = self._start(
            argv, cwd, env, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        sent = input.encode() if isinstance(input, str) else input
        try:
            stdout, stderr = process.communicate(sent, timeout)
        except subprocess.TimeoutExpired as late:
            raise CommandError(self._timeout_report(process, argv, timeout, late)) from None
        if check and process.returncode != 0:
            raise CommandError(_report(argv, f"ended with {process.returncode}", stdout, stderr))
        if text:
            return subprocess.CompletedProcess(argv, process.returncode, _text(stdout), _text(stderr))
        return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)

    def spawn(
        self,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        stdin: int | IO[Any] = subprocess.PIPE,
        stdout: int | IO[Any] = subprocess.PIPE,
        stderr: int | IO[Any] = subprocess.PIPE,
    ) -> "subprocess.Popen[bytes]":
        """Start `mlsh ARGS`, in a session of its own, and return at once; it ends with the laptop at the latest."""
        argv = [sys.executable, "-m", "mlsh", *args]
        return self._start(argv, cwd, env, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True)

    def ssh(
        self, alias: str, command: str, *options: str, check: bool = True, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a box by plain ssh, with a connection of its own."""
        return self.command(*self.ssh_argv(alias, command, *options), check=check, timeout=timeout)

    def ssh_argv(self, alias: str, command: str, *options: str) -> list[str]:
        """The argv of plain ssh, with `options` such as "-oConnectTimeout=5" before the host."""
        return ["ssh", "-F", str(self.ssh_config), "-oBatchMode=yes", *options, "--", alias, command]

    def spawn_ssh(self, alias: str, command: str, *options: str) -> "subprocess.Popen[bytes]":
        """Start plain ssh and return at once; stdout and stderr are pipes."""
        return self._start(
            self.ssh_argv(alias, command, *options), None, None,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def project(self, files: Mapping[str, str] | None = None, name: str = "project") -> Path:
        """Make a git repository with one commit of these files, by default a `train.py`; returns its path."""
        directory = self.home / name
        directory.mkdir(parents=True)
        for path, text in (files or {"train.py": "print('trained')\n"}).items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text)
        for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "first"]):
            self.command("git", *argv, cwd=directory)
        return directory

    def _start(
        self, argv: Iterable[str], cwd: Path | None, env: Mapping[str, str | None] | None, **how: Any
    ) -> "subprocess.Popen[bytes]":
        merged: dict[str, str | None] = {**self.env, **(env or {})}
        given = {name: value for name, value in merged.items() if value is not None}
        return subprocess.Popen([*argv], cwd=cwd or self.home, env=given, **how)

    def _timeout_report(
        self,
        process: "subprocess.Popen[bytes]",
        argv: Iterable[str],
        timeout: float,
        late: subprocess.TimeoutExpired,
    ) -> str:
        ended = process.poll()
        what = f"was not done in {timeout:g} s"
        if ended is not None:
            what = f"ended with {ended}, but after {timeout:g} s something it left running still held its output"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return _report(argv, what, late.stdout or b"", late.stderr or b"")

    # -- its end

    def processes(self) -> list[int]:
        """The pids of what this laptop has started and is still there: ssh masters, tmux, jobs of `local`."""
        # An ssh master writes its title over its environment, but the title names the socket.
        home, socket = f"HOME={self.home}\0".encode(), f"{self.directory}/".encode()
        found = []
        # What runs on boxes and for other workers sees other mounts: to ask that first costs a sixth.
        mounts = os.readlink("/proc/self/ns/mnt")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            process = Path("/proc") / pid
            try:
                if os.readlink(f"/proc/{pid}/ns/mnt") != mounts:
                    continue
                if home in (process / "environ").read_bytes() or socket in (process / "cmdline").read_bytes():
                    found.append(int(pid))
            except OSError:
                continue
        return found

    def close(self) -> None:
        """End what it started: politely, so that masters and tmux servers tidy up, then for sure."""
        for number, patience_s in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0)):
            for pid in self.processes():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            try:
                wait_for(lambda: not self.processes(), patience_s, "the end of the laptop's processes")
            except DeadlineError:
                if number == signal.SIGKILL:
                    raise
            else:
                return


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _report(argv: Iterable[str], what: str, stdout: bytes, stderr: bytes) -> str:
    parts = [f"{shlex.join(argv)} {what}", "--- stdout", _text(stdout), "--- stderr", _text(stderr)]
    return "\n".join(parts)
