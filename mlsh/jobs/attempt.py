"""Whether a launch that failed may have started its job all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from mlsh.box import CALL_TIMEOUT_S
from mlsh.box.failures import never_began
from mlsh.errors import BoxError, BoxUnfit
from mlsh.jobs.onbox import OnBox, Progress


class Attempt(OnBox):
    """mlsh's scripts on one box, for one launch."""

    may_have_begun = False
    """Whether the launch was put to the box, as far as can be known from here."""

    def call(
        self, script: str, *words: str, stdin: bytes = b"", timeout_s: float = CALL_TIMEOUT_S, reads: str = ""
    ) -> bytes:
        """As `OnBox.call`; takes note of what becomes of a launch."""
        call = super().call
        return self._watch(script, lambda: call(script, *words, stdin=stdin, timeout_s=timeout_s, reads=reads))

    def send(self, script: str, *words: str, file: IO[bytes], size: int, progress: Progress | None = None) -> bytes:
        """As `OnBox.send`; takes note of what becomes of a launch."""
        send = super().send
        return self._watch(script, lambda: send(script, *words, file=file, size=size, progress=progress))

    def _watch(self, script: str, ask: Callable[[], bytes]) -> bytes:
        before = self.may_have_begun
        # From here on: a Ctrl-C comes at any time.
        self.may_have_begun = before or script == "launch"
        try:
            answer = ask()
        except BoxError as error:
            # A box that says itself why it can't has started nothing; `no-reply` may be an answer that was cut off.
            if never_began(error) or (isinstance(error, BoxUnfit) and error.kind != "no-reply"):
                self.may_have_begun = before
            raise
        if answer.startswith(b"need "):
            self.may_have_begun = before
        return answer
