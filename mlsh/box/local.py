"""The box `local`: this machine, with no ssh in between."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsh.box import CALL_TIMEOUT_S, LOCAL, process
from mlsh.box.process import Ran
from mlsh.config import Settings
from mlsh.errors import BoxError, Unreachable

if TYPE_CHECKING:
    from mlsh.box.tunnel import Tunnel

# Nothing of the caller's environment may reach the tmux server, which keeps it for all later jobs: what
# a job needs of it travels in the job's own file.
_PASSED = ("HOME", "USER", "LOGNAME", "PATH", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMUX_TMPDIR")


class LocalBox:
    """This machine behind the same interface as a remote one."""

    name = LOCAL

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in _PASSED if key in os.environ}
        return {"HOME": os.path.expanduser("~"), "TERM": os.environ.get("TERM", "dumb"), **kept}

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = CALL_TIMEOUT_S, reads: str = ""
    ) -> Ran:
        """Run a command here."""
        try:
            return process.run(argv, stdin=stdin, timeout_s=timeout_s, env=self._environment(), reads=reads)
        except process.TimedOut as error:
            raise Unreachable(LOCAL, str(error), "is the disk or the home folder hanging?") from None

    def ask(self, argv: Sequence[str], *, timeout_s: float = CALL_TIMEOUT_S) -> Ran:
        """Run a command here."""
        return self.run(argv, timeout_s=timeout_s)

    def stream(self, argv: Sequence[str], *, stdin: bool = False, reads: str = "") -> subprocess.Popen[bytes]:
        """Start a command here."""
        return process.start(
            argv,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            env=self._environment(),
            reads=reads,
        )

    def terminal(self, argv: Sequence[str]) -> int:
        """Run a command on this terminal."""
        return process.interact(argv, env=self._environment())

    def copy_to(self, source: Path, target: str) -> None:
        """Copy a file."""
        self._copy(source, _expand(target))

    def copy_from(self, source: str, target: Path) -> None:
        """Copy a file."""
        self._copy(_expand(source), target)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        import shutil  # few commands copy: start-up is a budget
        import tempfile

        aside = None
        try:
            if target.is_dir():
                raise BoxError(LOCAL, f"{target} was not copied: there is a folder of that name")
            descriptor, aside = tempfile.mkstemp(dir=target.parent, prefix=".mlsh-")
            os.close(descriptor)
            shutil.copy2(source, aside)
            os.replace(aside, target)
        except OSError as error:
            raise BoxError(LOCAL, f"{source} was not copied to {target}: {error.strerror}") from error
        finally:
            if aside is not None:
                Path(aside).unlink(missing_ok=True)

    def tunnel(self, argv: Sequence[str], shared: bool = False) -> Tunnel:
        """Run a command; the ports are here already."""
        del shared
        from mlsh.box.tunnel import LocalTunnel

        return LocalTunnel(self.stream(argv, stdin=True))

    @contextlib.contextmanager
    def forward(self, remote_port: int, local_port: int = 0) -> Iterator[int]:
        """The port is here already."""
        if local_port not in {0, remote_port}:
            raise Unreachable(LOCAL, f"port {remote_port} is on this machine already; it can't be {local_port}")
        yield remote_port

    def explain_failure(self, ran: Ran) -> Exception | None:
        """Nothing lies on the way to this machine."""
        del ran
        return None

    def is_connected(self) -> bool:
        """It needs none."""
        return True

    def drop_connection(self) -> None:
        """There is none."""


def _expand(path: str) -> Path:
    """`~/` is the home folder, as on other boxes; `~user` is a name like any other."""
    return Path(os.path.expanduser("~"), path[2:]) if path.startswith("~/") else Path(path)
