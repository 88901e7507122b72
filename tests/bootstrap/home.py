"""The scripts of bootstrap on a home in a temporary folder: as a box has them, without ssh."""

from __future__ import annotations

import io
import os
import select
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlsh.bootstrap.changes import Change, Parcel, Wheel
from mlsh.bootstrap.facts import script
from mlsh.digest import sha256

BEGIN = b"\n" * 16 + b"mlsh-begin\n"
TREE = {"pkg/__init__.py": (0o644, b"x = 1\n"), "pkg/lib.so": (0o644, b"\x7fELF\0\n")}
# What changes something: a kill before each of these is a kill at every step.
CHANGING = ("mkdir", "mv", "cp", "rm", "rmdir", "chmod", "ln", "tar")
_WRAPPER = """#!/bin/sh
read -r count <"$COUNT"
count=$((count + 1))
echo "$count" >"$COUNT"
[ "$count" -ne "$KILL_AT" ] || kill -9 0
exec {} "$@"
"""


class Home:
    """A home folder, and the scripts run in it by `shell`."""

    def __init__(self, directory: Path, shell: Sequence[str] = ("sh",)) -> None:
        self.path = directory / "home"
        self.path.mkdir()
        self._shell = shell
        self._count = directory / "count"
        self._wrappers = directory / "wrappers"
        self._wrappers.mkdir()
        self.fakes = directory / "fakes"
        self.fakes.mkdir()
        for name in CHANGING:
            real = next(f"{at}/{name}" for at in ("/usr/bin", "/bin") if os.path.exists(f"{at}/{name}"))
            (self._wrappers / name).write_text(_WRAPPER.format(real))
            (self._wrappers / name).chmod(0o755)

    def install(self, name: str, text: str) -> None:
        """A program before all others of that name; `$FAKE` is a folder that it may use."""
        (self.fakes / name).write_text(f"#!/bin/sh\n{text}")
        (self.fakes / name).chmod(0o755)

    @property
    def calls(self) -> int:
        """How many changing commands the last script ran."""
        return int(self._count.read_text())

    def _start(self, name: str, *words: str, kill_at: int = 0) -> subprocess.Popen[bytes]:
        self._count.write_text("0\n")
        env = {
            "HOME": str(self.path),
            "PATH": f"{self._wrappers}:/usr/bin:/bin" if kill_at else f"{self.fakes}:/usr/bin:/bin",
            "FAKE": str(self.fakes),
            "COUNT": str(self._count),
            "KILL_AT": str(kill_at),
        }
        argv = [*self._shell, "-c", script(name), "mlsh", "~/.mlsh", *words]
        return subprocess.Popen(
            argv, env=env, stdin=-1, stdout=-1, stderr=-1, cwd=self.path, start_new_session=True, bufsize=0
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """The lock, as `work.held` has it."""
        holder = self._start("hold", "a test")
        assert holder.stdout
        assert holder.stdin
        said = b""
        deadline = time.monotonic() + 20
        while b"held\n" not in said:
            assert select.select([holder.stdout], [], [], deadline - time.monotonic())[0], said
            data = os.read(holder.stdout.fileno(), 4096)
            assert data, (said, holder.communicate())
            said += data
        yield
        holder.communicate(timeout=20)

    def apply(self, changes: Sequence[Change], kill_at: int = 0) -> str:
        """Make changes as the step `test`; what the script said."""
        file = io.BytesIO()
        Parcel(changes, str(self.path), lambda _: TREE).write(file)
        started = self._start("apply", "test", "5", kill_at=kill_at)
        return self._end(started, BEGIN + file.getvalue())

    def remove(self, *steps: str, kill_at: int = 0, drop: str = "-") -> str:
        """Take back; what the script said."""
        return self._end(self._start("remove", drop, *steps, kill_at=kill_at), b"")

    def _end(self, started: subprocess.Popen[bytes], given: bytes) -> str:
        try:
            out, err = started.communicate(given, timeout=30)
        except BrokenPipeError:
            out, err = started.communicate()
        assert started.returncode in {0, 96, -signal.SIGKILL}, (out, err)
        return out.decode()

    def state(self, path: str) -> str:
        """How a path stands, in the words of the scripts."""
        at = self.path / path.removeprefix("~/")
        if at.is_symlink():
            return f"link {os.readlink(at)}"
        if at.is_file():
            return f"file {at.stat().st_mode & 0o7777:o} {sha256(at.read_bytes()).hexdigest()}"
        return "dir" if at.is_dir() else "absent"

    def tree(self, without: str = "") -> dict[str, tuple[int, int, bytes]]:
        """Everything in the home: mode, owner, and content or target."""
        found = {}
        for at in sorted(self.path.rglob("*")):
            name = str(at.relative_to(self.path))
            if without and (name == without or name.startswith(f"{without}/")):
                continue
            about = at.lstat()
            data = os.readlink(at).encode() if at.is_symlink() else b"" if at.is_dir() else at.read_bytes()
            found[name] = (stat.S_IFMT(about.st_mode) | stat.S_IMODE(about.st_mode), about.st_uid, data)
        return found


WHEEL = Wheel(project="p", version="1", url="", sha256="0" * 64, size=1)
