"""Run this package's scripts on a box: they travel in the command, and nothing is installed."""

from __future__ import annotations

from pathlib import Path

from mlsh.box import CALL_TIMEOUT_S, Box
from mlsh.box.process import Ran
from mlsh.errors import BoxError, BoxUnfit

BEGIN = b"\n" * 16 + b"mlsh-begin\n"
FAILED = 96
_REPLY = b"mlsh-reply 1\n"
_HERE = Path(__file__).with_name("box")


def argv(script: str, *words: str) -> list[str]:
    """The command that runs a script."""
    return ["sh", "-c", (_HERE / f"{script}.sh").read_text(), "mlsh", *words]


def call(
    box: Box, script: str, *words: str, stdin: bytes = b"", timeout_s: float = CALL_TIMEOUT_S, reads: str = ""
) -> tuple[Ran, bytes]:
    """Run a script to its end: what came of it, and what it printed after what start-up files print.

    Raises Unreachable, LoginRefused; BoxUnfit where the script did not begin.
    """
    given = BEGIN + stdin if stdin or reads else b""
    ran = box.run(argv(script, *words), stdin=given, timeout_s=timeout_s, reads=reads)
    _, found, answer = ran.stdout.partition(_REPLY)
    if failure := box.explain_failure(ran):
        raise failure
    if not found:
        said = ran.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise BoxUnfit(
            box.name, "no-reply", f"the login shell ended with {ran.returncode} before our command: {said[:200]}",
            f"see: mlsh box doctor {box.name}",
        )  # fmt: skip
    return ran, answer


def error_word(answer: bytes) -> tuple[str, str]:
    """The word, and the rest, of a script's last line `mlsh-error WORD REST`."""
    _, found, rest = answer.rpartition(b"mlsh-error ")
    word, _, more = rest.decode(errors="replace").strip().partition(" ")
    return (word, more) if found else ("", "")


def unexpected(box: Box, ran: Ran) -> BoxError:
    """The error for an end that nobody foresaw."""
    said = ran.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return BoxError(box.name, f"unexpected end ({ran.returncode}): {said[:200]}", f"see: mlsh box doctor {box.name}")
