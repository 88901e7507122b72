"""Run mlsh's own shell scripts on a box, and understand what they answer.

The scripts (`mlsh/jobs/box/*.sh`) lie on the box in `~/.mlsh/lib/<hash>/`, put there the first time that
they are missing. A call is one ssh exec. What it is given to read begins with padding and a line
`mlsh-begin`, and its answer with `mlsh-reply`: start-up files of the login shell that read or print do no
harm, or are named.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from mlsh.box import CALL_TIMEOUT_S, Box, process
from mlsh.digest import sha256
from mlsh.errors import BoxError, BoxUnfit, MlshError, NotFound, Unreachable

_HERE = Path(__file__).with_name("box")
# One set of scripts a box, so that each can use the others; those of a bisection's workers are beside that.
_FOLDERS = (_HERE, Path(__file__).parents[1] / "bisect" / "box")
_NOT_INSTALLED = 97
_FAILED = 96
_REPLY = b"mlsh-reply 1\n"
Progress = Callable[[int, int], None]
"""Called with (bytes sent, bytes in all) while a file is on its way."""

# Where on a disk nothing could be written is no help to a person: it is mlsh's folder that has no room.
_INSIDE = r"/(?:jobs|jobs/\.\w+\.\d+|repos|repos/\S+\.git)(?= is full| is on a read-only| can't be written)"

BEGIN = b"\n" * 16 + b"mlsh-begin\n"

HINTS = {
    "no-tmux": "install it there (Debian, Ubuntu: sudo apt-get install tmux), or ask whoever runs the box",
    "old-tmux": "a newer one without root: conda install -c conda-forge tmux, or build it into ~/.local",
    "no-git": "install git there, or run without code: mlsh run --no-code ...",
    "no-flock": "install util-linux there",
    "disk-full": "look at it: ssh {box} df -h; then make room, perhaps with: mlsh prune --on {box}",
    "read-only": 'choose another folder for mlsh in config.toml: [boxes.{box}] home = "/scratch/you/.mlsh"',
    "no-write": 'choose another folder for mlsh in config.toml: [boxes.{box}] home = "/scratch/you/.mlsh"',
    "input-eaten": "make the start-up files stop early for commands; first line of ~/.bashrc: "
    "case $- in *i*) ;; *) return ;; esac",
    "not-dead": "a process that waits for a device or a network disk can't be ended; look: ssh {box} ps aux",
    "other-node": "",
    "no-start": "see: mlsh box doctor {box}",
    "drained": "later: jobs that stand in line (--gpus, --slots) may be launched, and wait; open it again: "
    "mlsh drain {box} --off",
    "never-runs": "see what it has: mlsh box gpus {box}",
    "cut": "try again",
    "not-begun": "so it has no log yet; what it waits for: mlsh ps",
    "no-task": "its tasks: mlsh ps JOB",
}


@functools.cache
def scripts() -> dict[str, bytes]:
    """The scripts' names and texts, without the two that travel in the command itself."""
    paths = [path for folder in _FOLDERS for path in sorted(folder.iterdir()) if path.suffix in {".sh", ".conf"}]
    return {path.name: path.read_bytes() for path in paths if path.name not in {"entry.sh", "install.sh"}}


@functools.cache
def version() -> str:
    """A name for this version of the scripts: the hash of their texts."""
    digest = sha256()
    for name, text in scripts().items():
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return str(digest.hexdigest()[:12])


@functools.cache
def _text(name: str) -> str:
    return (_HERE / name).read_text().strip()


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Files as the box's `read_files` unpacks them: each text ends with a newline, none holds a NUL."""
    parts, size = [BEGIN], 0
    for name, text in files.items():
        whole = text if text.endswith(b"\n") else text + b"\n"
        if b"\0" in whole:
            raise MlshError(f"the file {name} for the box holds a NUL byte")
        parts.append(f"file {name} {whole.count(10)}\n".encode() + whole)
        size += len(whole)
    parts.append(f"end {size}\n".encode())
    return b"".join(parts)


class OnBox:
    """mlsh's scripts on one box."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.home = box.settings.home(box.name) or "~/.mlsh"

    def argv(self, script: str, *words: str) -> list[str]:
        """The command that runs a script on the box."""
        return ["sh", "-c", _text("entry.sh"), "mlsh", self.home, version(), script, *words]

    def call(
        self,
        script: str,
        *words: str,
        stdin: bytes = b"",
        timeout_s: float = CALL_TIMEOUT_S,
        reads: str = "",
    ) -> bytes:
        """Run a script to its end and return what it printed. Raises what `_answer` does."""
        argv = self.argv(script, *words)
        ran = self.box.run(argv, stdin=stdin, timeout_s=timeout_s, reads=reads)
        if ran.returncode == _NOT_INSTALLED and _REPLY not in ran.stdout:
            self.install()
            ran = self.box.run(argv, stdin=stdin, timeout_s=timeout_s, reads=reads)
        return self._answer(ran)

    def ask(self, script: str, *words: str) -> bytes:
        """Like `call`, for a script that does no harm when it runs twice."""
        ran = self.box.ask(self.argv(script, *words))
        if ran.returncode == _NOT_INSTALLED and _REPLY not in ran.stdout:
            return self.call(script, *words)
        return self._answer(ran)

    def send(self, script: str, *words: str, file: IO[bytes], size: int, progress: Progress | None = None) -> bytes:
        """Like `call`, with a file of `size` bytes for the script to read; memory stays flat.

        Raises Unreachable too where no byte gets through for a minute.
        """
        from mlsh.box.pump import Stalled, pump

        def sent(count: int) -> None:
            if progress is not None:
                progress(count, size)

        for _ in range(2):
            file.seek(0)
            sent(0)
            command = self.box.stream(self.argv(script, *words), stdin=True, reads=f"{size} bytes")
            try:
                ran = pump(command, file, before=BEGIN, sent=sent, answer_s=60 + size / 50_000)
            except Stalled as stalled:
                self.box.drop_connection()
                raise Unreachable(self.box.name, str(stalled), "try again") from None
            if ran.returncode != _NOT_INSTALLED or _REPLY in ran.stdout:
                break
            self.install()
        return self._answer(ran)

    def install(self) -> None:
        """Put this version's scripts on the box. Whole or not at all, and harmless a second time."""
        argv = ["sh", "-c", _text("install.sh"), "mlsh", self.home, version()]
        files = pack_files(scripts())
        self._answer(self.box.run(argv, stdin=files, reads="mlsh's scripts for the box"))

    def _answer(self, ran: process.Ran) -> bytes:
        """What came after the reply line.

        Raises Unreachable and LoginRefused for what ssh says, BoxUnfit and NotFound for what the script
        says, and BoxUnfit too where the script never had a chance to speak.
        """
        before, found, answer = ran.stdout.partition(_REPLY)
        if not found:
            if failure := self.box.explain_failure(ran):
                raise failure
            raise self.silent(ran.returncode, ran.stderr or before)
        if ran.returncode == _FAILED:
            raise self.error(answer)
        if ran.returncode != 0:
            if ran.returncode == 255 and (failure := self.box.explain_failure(ran)):
                raise failure
            said = (ran.stderr or answer).decode(errors="replace").strip().splitlines()
            raise BoxError(self.box.name, f"unexpected end ({ran.returncode}): {said[-1] if said else ''}"[:300])
        return answer

    def error(self, answer: bytes) -> MlshError:
        """The error in a script's last line, `mlsh-error KIND TEXT`."""
        for line in reversed(answer.decode(errors="replace").splitlines()):
            word, _, rest = line.partition(" ")
            kind, _, text = rest.partition(" ")
            if word == "mlsh-error":
                if kind in {"no-job", "ended", "no-task", "not-begun"}:
                    return NotFound(f"{self.box.name}: {text}", HINTS.get(kind, "see what there is: mlsh ps -a"))
                if kind == "cut":
                    return Unreachable(self.box.name, f"the connection broke off: {text}", "try again")
                hint = HINTS.get(kind, f"see: mlsh box doctor {self.box.name}").format(box=self.box.name)
                return BoxUnfit(self.box.name, kind, re.sub(_INSIDE, "", text), hint)
        return BoxError(self.box.name, "the script ended without a word")

    def silent(self, code: int, said: bytes) -> BoxUnfit:
        """The error for a login shell that never came to our command."""
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        text = "".join(char for char in last[0] if char.isprintable())[:200]
        return BoxUnfit(
            self.box.name,
            "no-reply",
            f"the login shell ended with {code} before mlsh's command ran; it said: {text}",
            f"try: ssh {self.box.name} true; a start-up file (.bashrc) that exits or starts another shell "
            "must not do so for commands: case $- in *i*) ;; *) return ;; esac",
        )

    def stream(self, script: str, *words: str, stdin: bool = False) -> process.Started:
        """Start a script and leave its pipes to the caller."""
        return self.box.stream(self.argv(script, *words), stdin=stdin)

    def terminal(self, script: str, *words: str) -> int:
        """Run a script on the person's terminal."""
        code = self.box.terminal(self.argv(script, *words))
        if code == _NOT_INSTALLED:
            self.install()
            code = self.box.terminal(self.argv(script, *words))
        return code
