"""Copy single files to and from a remote box: whole or not at all, with flat memory."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import IO

from mlsh.box import Box, process
from mlsh.box.pump import Stalled, pump
from mlsh.errors import BoxError, Unreachable

_BEGIN = b"\n" * 16 + b"mlsh-begin\n"
_REPLY = b"mlsh-reply 1\n"
_HEAD = re.compile(rb"mlsh-reply 1\nsize (\d+) mode ([0-7]+)\n")
_LONGEST_HEAD = 1 << 20


def put(box: Box, source: Path, target: str) -> None:
    """Copy a file of this machine to the path `target` on the box (`~/` is the home there), its mode too.

    Raises BoxError where it can't be read or written, Unreachable where the connection breaks: then the
    target is as it was, or whole.
    """
    try:
        file = open(source, "rb")  # noqa: SIM115
    except OSError as error:
        raise BoxError(box.name, f"{source} was not copied: {error.strerror}") from error
    with file:
        about = os.fstat(file.fileno())
        argv = _argv("put.sh", target, str(about.st_size), f"{about.st_mode & 0o777:o}")
        command = box.stream(argv, stdin=True, reads=f"the file {source}")
        try:
            # A slow disk may take a while to take the last of it.
            ran = pump(command, _AtMost(file, about.st_size), before=_BEGIN, answer_s=300)
        except Stalled as stalled:
            box.drop_connection()
            raise Unreachable(box.name, f"{target} was not copied: {stalled}", "try again") from None
    _check(box, ran, ran.stdout, target)


def get(box: Box, source: str, target: Path) -> None:
    """Copy the file `source` of the box to a path here, its mode too; `target` is replaced when all is here.

    Raises BoxError where it can't be read or written, and Unreachable where the connection breaks.
    """
    try:
        descriptor, aside = tempfile.mkstemp(dir=target.parent, prefix=".mlsh-")
    except OSError as error:
        raise BoxError(box.name, f"{source} was not copied to {target}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            incoming = _Incoming(file)
            command = box.stream(_argv("get.sh", source))
            try:
                ran = pump(command, take=incoming.take)
            except Stalled as stalled:
                box.drop_connection()
                raise Unreachable(box.name, f"{source} was not copied: {stalled}", "try again") from None
        _check(box, ran, incoming.before, source)
        if incoming.missing != 0:
            raise Unreachable(box.name, f"{source} came only in part", "try again")
        os.chmod(aside, incoming.mode)
        os.replace(aside, target)
    except OSError as error:
        raise BoxError(box.name, f"{source} was not copied to {target}: {error.strerror}") from error
    finally:
        Path(aside).unlink(missing_ok=True)


class _AtMost:
    """The first bytes of a file: one that grows meanwhile goes as it was at first."""

    def __init__(self, file: IO[bytes], count: int) -> None:
        self._file, self._left = file, count

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class _Incoming:
    """What arrives: the head, then so many bytes of the file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.before = b""
        self.mode = 0
        self.missing = -1
        """Bytes that have not come yet; -1 until the size is known."""

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        if self.missing < 0:
            self.before = (self.before + data)[-_LONGEST_HEAD:]
            head = _HEAD.search(self.before)
            if head is None:
                return
            self.missing, self.mode = int(head[1]), int(head[2], 8)
            self.before, data = b"", self.before[head.end() :]
        self._file.write(data)
        self.missing -= len(data)


def _argv(script: str, *words: str) -> list[str]:
    text = Path(__file__).with_name(script).read_text()
    return ["sh", "-c", text, "mlsh", *words]


def _check(box: Box, ran: process.Ran, answer: bytes, path: str) -> None:
    if ran.returncode == 0:
        return
    _, replied, said = answer.partition(_REPLY)
    if replied and ran.returncode == 96:
        why = said.decode(errors="replace").partition("mlsh-error ")[2].strip()
    elif failure := box.explain_failure(ran):
        raise failure
    else:
        why = (ran.stderr or answer).decode(errors="replace").strip().rpartition("\n")[2]
    shown = "".join(char for char in why if char.isprintable())[:200]
    raise BoxError(box.name, f"{path} was not copied: {shown or 'no reason given'}")
