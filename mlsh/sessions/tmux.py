"""A box's tmux as a libtmux Server.

libtmux starts a program for each call, `tmux_bin`. Here that is a small script which hands its words to a
thread of this process; the thread has them run on the box the way everything of mlsh's is run: over the shared
connection, with a time limit, and with a line for `--explain`. So libtmux never knows where its tmux is, and
what goes wrong on the way is an error of ours, not an empty listing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from mlsh import config
from mlsh.box import CALL_TIMEOUT_S, LOCAL, Box, process
from mlsh.errors import BoxError, BoxUnfit, Unreachable

if TYPE_CHECKING:
    from libtmux.common import tmux_cmd
    from libtmux.server import Server

OLDEST = "3.2"
_HERE = Path(__file__).with_name("box")
_IMPORTING = threading.Lock()
_REPLY = b"mlsh-reply 1\n"
_NO_TMUX = 96
_NO_SERVER = re.compile(rb"no server running|error connecting to .*No such file or directory|server exited")
# tmux takes no more than 16 KiB in one message.
LONGEST_CALL = 12_000
# A job's: what belongs to a job is found by it, and ended with the job.
_NOT_PASSED = {"TMUX", "TMUX_PANE", "MLSH_JOB_ID", "MLSH_JOB_NAME", "MLSH_JOB_DIR"}


@functools.cache
def script(name: str) -> str:
    """The one line of a script for the box: it travels in the command itself, and can be pasted."""
    lines = (_HERE / f"{name}.sh").read_text().splitlines()
    return " ".join(line.removesuffix("\\").strip() for line in lines if not line.startswith("#"))


def argv(name: str, *words: str) -> list[str]:
    """The command that runs a script on a box."""
    return ["sh", "-c", script(name), "mlsh", *words]


def own_environment() -> dict[str, str]:
    """What a tmux on this machine is started with: the person's environment, as if they had typed it themselves."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}


def run(box: Box, name: str, *words: str, stdin: bytes = b"", reads: str = "") -> process.Ran:
    """Run a script on a box; what start-up files printed is gone from its output.

    Raises Unreachable, LoginRefused, and BoxUnfit where the login shell never came to the script.
    """
    if box.name == LOCAL:
        try:
            ran = process.run(
                argv(name, *words), stdin=stdin, timeout_s=CALL_TIMEOUT_S, env=own_environment(), reads=reads
            )
        except process.TimedOut as error:
            raise Unreachable(LOCAL, str(error), "does tmux hang? look: ps x | grep tmux") from None
    else:
        ran = box.run(argv(name, *words), stdin=stdin, reads=reads)
    before, found, answer = ran.stdout.partition(_REPLY)
    if not found:
        if failure := box.explain_failure(ran):
            raise failure
        from mlsh.jobs.onbox import OnBox

        raise OnBox(box).silent(ran.returncode, ran.stderr or before)
    if ran.returncode == 255 and (failure := box.explain_failure(ran)):
        raise failure
    said = ran.stderr.rpartition(_REPLY)[2]
    if ran.returncode == _NO_TMUX:
        from mlsh.jobs.onbox import HINTS

        raise BoxUnfit(box.name, "no-tmux", "there is no tmux on this box", HINTS["no-tmux"])
    return process.Ran(ran.argv, ran.returncode, answer, said)


class Session(msgspec.Struct, frozen=True):
    """A session as it stands. `attached` counts clients; times are seconds since the epoch by the box's clock."""

    name: str
    box: str
    id: str
    windows: int
    attached: int
    created: int
    activity: int


_FIELDS = ("session_id", "session_windows", "session_attached", "session_created", "session_activity", "session_name")


class Tmux:
    """A box's tmux, the person's own server. A context; leaving it leaves the server alone.

    (`with libtmux.Server()` would kill it.)
    """

    def __init__(self, box: Box) -> None:
        self.box = box
        self._failure: BaseException | None = None
        self._last: process.Ran | None = None
        self._folder = Path()
        self._server: Server | None = None

    def __enter__(self) -> Self:
        """Have the script ready that libtmux starts."""
        self._folder = Path(tempfile.mkdtemp(prefix="tmux-", dir=_folder_for_programs()))
        for name in ("ask", "reply"):
            os.mkfifo(self._folder / name, 0o600)
        courier = self._folder / "tmux"
        courier.write_bytes(_HERE.with_name("courier.sh").read_bytes())
        courier.chmod(0o700)
        # Open at both ends: neither we nor the script ever waits for the other to open one.
        self._ask = os.open(self._folder / "ask", os.O_RDWR | os.O_CLOEXEC)
        self._reply = os.open(self._folder / "reply", os.O_RDWR | os.O_CLOEXEC)
        threading.Thread(target=self._carry, name=f"tmux-{self.box.name}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the script away again."""
        os.write(self._ask, b"end\n")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _carry(self) -> None:
        """Run what is asked for, until the end is asked for."""
        with open(self._ask, "rb", buffering=0) as asked:
            while (who := asked.readline().strip().decode()) != "end":
                code = 70
                try:
                    words = (self._folder / f"words.{who}").read_bytes().split(b"\0")[:-1]
                    ran = run(self.box, "tmux", *map(os.fsdecode, words))
                    self._last, code = ran, ran.returncode
                    out, err = ran.stdout, ran.stderr
                except BaseException as error:  # noqa: BLE001  (raised again where the answer is looked at)
                    self._failure, out, err = error, b"", str(error).encode(errors="replace")
                with contextlib.suppress(OSError):
                    (self._folder / f"out.{who}").write_bytes(out)
                    (self._folder / f"err.{who}").write_bytes(err)
                    os.write(self._reply, f"{who} {code}\n".encode())
        os.close(self._reply)

    @property
    def server(self) -> Server:
        """libtmux's Server. What it returns may hide a failure: call `check` before you believe it.

        Raises BoxUnfit for a tmux that is missing or too old, and what keeps the box from answering.
        """
        if self._server is None:
            # libtmux's modules import each other in a circle: two threads, one a box, that begin it at once would each
            # see the other's half.
            with _IMPORTING:
                from libtmux.common import has_gte_version
                from libtmux.exc import LibTmuxException
                from libtmux.server import Server

            path = str(self._folder / "tmux")
            try:
                is_fit = has_gte_version(OLDEST, tmux_bin=path)
            except (LibTmuxException, IndexError):
                is_fit = False
            self.check()
            if not is_fit:
                from mlsh.jobs.onbox import HINTS

                said = self._last.stdout.decode(errors="replace").strip() if self._last else ""
                raise BoxUnfit(
                    self.box.name, "old-tmux", f"{said or 'tmux'} is too old: mlsh needs {OLDEST}", HINTS["old-tmux"]
                )
            self._server = Server(tmux_bin=path)
        return self._server

    def check(self, *allowed: int) -> None:
        """Raise what the last call hid: a failure on the way, or tmux's own word. `allowed` are fine exit codes."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._last is not None and self._last.returncode not in {0, *allowed}:
            said = self._last.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise TmuxRefused(self.box.name, said[-1][:300])

    def rows(self, command: Sequence[str], fields: Sequence[str]) -> list[list[str]]:
        """What a listing command says of each object; none where no server runs. The last field may hold spaces.

        libtmux's own listings ask for every field that there is, titles of panes among them, and raise where such
        a text holds their separator. So only what is needed is asked for, the one free text last.
        """
        form = " ".join(f"#{{{field}}}" for field in fields)
        answer: tmux_cmd = self.server.cmd(command[0], *command[1:], "-F", form)
        if self._failure is None and self._last is not None and _NO_SERVER.search(self._last.stderr):
            return []
        self.check()
        split = [line.split(" ", len(fields) - 1) for line in answer.stdout]
        return [row for row in split if len(row) == len(fields)]

    def sessions(self) -> list[Session]:
        """All sessions, in the order of their names; none where no server runs."""
        found = [
            Session(name, self.box.name, session_id, int(windows), int(attached), int(created), int(activity))
            for session_id, windows, attached, created, activity, name in self.rows(["list-sessions"], _FIELDS)
        ]
        return sorted(found, key=lambda session: session.name)

    def find(self, name: str) -> Session | None:
        """The session of exactly this name."""
        return next((one for one in self.sessions() if one.name == name), None)

    def do(self, *commands: Sequence[str]) -> list[str]:
        """Have the server do these commands one after the other; returns the lines that they printed.

        Raises TmuxRefused where one fails; those after it are not done.
        """
        words: list[str] = []
        for command in commands:
            words += [*([";"] if words else []), *(_no_separator(word) for word in command)]
        answer: tmux_cmd = self.server.cmd(words[0], *words[1:])
        self.check()
        return list(answer.stdout)

    def set_environment(self, session_id: str, values: dict[str, str | None]) -> None:
        """Set variables of a session, or take away those whose value is None; values are in no argument list."""
        lines = [
            f"set-environment -u -t {quoted(session_id)} {quoted(name)}\n"
            if value is None
            else f"set-environment -t {quoted(session_id)} {quoted(name)} {quoted(value)}\n"
            for name, value in values.items()
        ]
        # Start-up files of the login shell may read a line or two. The last line tells that all of it arrived.
        text = "\n" * 16 + "".join(lines) + "display-message -p 'mlsh-environment-set'\n"
        names = ", ".join(values)
        ran = run(self.box, "tmux", "source-file", "-", stdin=text.encode(), reads=f"set-environment for {names}")
        if ran.returncode != 0:
            # tmux quotes the line that it could not read: the value may be in it.
            raise TmuxRefused(self.box.name, f"the variables {names} could not be set")
        if b"mlsh-environment-set" not in ran.stdout:
            raise BoxUnfit(
                self.box.name,
                "input-eaten",
                "the start-up files of the login shell read what was meant for tmux",
                "make the start-up files stop early for commands; first line of ~/.bashrc: "
                "case $- in *i*) ;; *) return ;; esac",
            )


class TmuxRefused(BoxError):
    """tmux itself said no; its words are in `what`."""


def quoted(word: str) -> str:
    """A word as tmux's own parser reads it back: nothing is special between single quotes."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _no_separator(word: str) -> str:
    # A `;` at the end of a word separates commands.
    return f"{word[:-1]}\\;" if word.endswith(";") else word


def _folder_for_programs() -> Path:
    """A private folder in which a script may be started."""
    folder = config.runtime_dir()
    # macOS does not tell.
    if not os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        return folder
    folder = config.cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    return folder
