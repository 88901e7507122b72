"""One look at a box: the facts of `facts.sh` in one call, and how the way there behaved."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import time

import msgspec

from mlsh.box import LOCAL, Box, facts, process
from mlsh.box.facts import Facts
from mlsh.box.failures import SESSION_REFUSED
from mlsh.box.process import Ran
from mlsh.errors import BoxUnfit, Unreachable

# Each thing that may hang has 5 s on the box, and no more than two of them stand in one line.
LIMIT_S = 12.0
_REPLY = b"mlsh-reply 1\n"
_LONGEST = 4 << 20


class Survey(msgspec.Struct, frozen=True):
    """The facts, and by the laptop's clock when they were asked for and told, in seconds since the epoch.

    `noise` is what the login shell's start-up files printed first. `call_s` is the time to the first word of
    an answer on an open connection: the network's round trip, and the start-up files.
    """

    facts: Facts
    asked_at: float
    answered_at: float
    noise: str = ""

    @property
    def call_s(self) -> float:
        """Seconds from the question to the first word of the answer."""
        return self.answered_at - self.asked_at


def look(box: Box, what: str = "all", limit_s: float = LIMIT_S) -> Survey:
    """Ask a box for its facts: `all`, or only those of its `gpus`. Nothing on the box is changed.

    What hangs there is in `facts.hung`, and does not keep the rest from coming. Raises Unreachable,
    LoginRefused, and BoxUnfit (`no-reply`) where the login shell never came to our command.
    """
    home = box.settings.home(box.name) or "~/.mlsh"
    argv = facts.argv(home, what)
    # Only an open connection tells something by its speed, and a new one may have to ask for a passphrase.
    if box.name != LOCAL:
        box.run(["true"])
    reading = _Reading(box.stream(argv, reads=""), limit_s)
    ran = reading.ran
    before, found, answer = ran.stdout.partition(_REPLY)
    if not found and SESSION_REFUSED.search(ran.stderr):
        reading.asked_at = time.time()
        ran = box.run(argv, timeout_s=limit_s)
        reading.replied_at = time.time()
        before, found, answer = ran.stdout.partition(_REPLY)
    if not found:
        raise _silent(box, ran, reading.is_late, limit_s)
    return Survey(
        facts=facts.parse(answer.decode(errors="replace")),
        asked_at=reading.asked_at,
        answered_at=reading.replied_at,
        noise=_first_words(before),
    )


def drained(box: Box, limit_s: float = LIMIT_S) -> str:
    """Why no job of this person begins on a box any more, or "". One call; nothing there is changed.

    Raises what `look` does.
    """
    home = box.settings.home(box.name) or "~/.mlsh"
    ran = box.ask(facts.argv(home, "drained"), timeout_s=limit_s)
    _, found, answer = ran.stdout.partition(_REPLY)
    if not found:
        raise _silent(box, ran, is_late=False, limit_s=limit_s)
    return facts.parse(answer.decode(errors="replace")).drained


class _Reading:
    """A started command, read to its end, to the line `end`, or to a time limit."""

    def __init__(self, started: subprocess.Popen[bytes], limit_s: float) -> None:
        self.asked_at = self.replied_at = time.time()
        self.is_late = False
        self._out, self._err = bytearray(), bytearray()
        deadline = time.monotonic() + limit_s
        try:
            with selectors.DefaultSelector() as selector:
                for pipe, into in ((started.stdout, self._out), (started.stderr, self._err)):
                    if pipe is not None:
                        selector.register(pipe, selectors.EVENT_READ, into)
                while selector.get_map() and not self._is_whole():
                    left = deadline - time.monotonic()
                    if left <= 0:
                        self.is_late = True
                        break
                    self._read(selector, left)
            if not self.is_late and not self._is_whole():
                started.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.is_late = True
        finally:
            process.stop(started)
            for pipe in (started.stdout, started.stderr):
                if pipe is not None:
                    pipe.close()
        self.ran = Ran(tuple(map(str, started.args)), started.returncode, bytes(self._out), bytes(self._err))  # type: ignore[arg-type]

    def _is_whole(self) -> bool:
        return self._out.endswith(b"\nend\n")

    def _read(self, selector: selectors.BaseSelector, left_s: float) -> None:
        for key, _ in selector.select(left_s):
            data = os.read(key.fd, 65536)
            into: bytearray = key.data
            if not data or len(into) > _LONGEST:
                selector.unregister(key.fileobj)
                continue
            had = _REPLY in self._out
            into += data
            if not had and _REPLY in self._out:
                self.replied_at = time.time()


def _first_words(data: bytes) -> str:
    lines = data.decode(errors="replace").strip().splitlines()
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]", "", lines[0])[:200] if lines else ""


def _silent(box: Box, ran: Ran, is_late: bool, limit_s: float) -> Exception:
    """The error where there is no answer at all."""
    if is_late:
        return Unreachable(
            box.name, f"no answer within {limit_s:g} s", f"do its start-up files hang? try: ssh {box.name} true"
        )
    if failure := box.explain_failure(ran):
        return failure
    said = _first_words(ran.stderr.strip().rpartition(b"\n")[2] or ran.stdout) or "nothing"
    return BoxUnfit(
        box.name,
        "no-reply",
        f"the login shell ended with {ran.returncode} before mlsh's command ran; it said: {said}",
        f"try: ssh {box.name} true; a start-up file (.bashrc) that exits or starts another shell "
        "must not do so for commands: case $- in *i*) ;; *) return ;; esac",
    )
