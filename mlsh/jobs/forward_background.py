"""The process behind `mlsh forward --background`: keeps a forward after its terminal is gone.

It is given the listening sockets as descriptors and what to do on its standard input, for that may hold a token. Its
first line on standard output says how it went; then nobody listens any more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from types import FrameType

import msgspec

from mlsh import config
from mlsh.box import open_box, process
from mlsh.box.relay import Relay
from mlsh.errors import MlshError
from mlsh.jobs import forward_records
from mlsh.jobs.forward_records import Forward
from mlsh.jobs.forwarding import Ended, Forwarding, Linked, keep
from mlsh.jobs.onbox import OnBox
from mlsh.jobs.outcome import tell
from mlsh.jobs.reconnecting import Back, Lost
from mlsh.records import from_json, to_json
from mlsh.shell.visible import printable

_LARGEST_LOG = 1 << 18


class Order(msgspec.Struct, frozen=True):
    """What is to be kept; `listeners` are the descriptors of each port's listening sockets."""

    forward: Forward
    listeners: list[list[int]]


class Answer(msgspec.Struct, frozen=True):
    """How it went: the forward as it stands, or the error; and the commands that ran, for `--explain`."""

    forward: Forward | None = None
    commands: list[str] = []
    what: str = ""
    hint: str = ""
    exit_code: int = 0


def start(forward: Forward, listeners: list[list[socket.socket]]) -> Answer:
    """Hand a forward over to a process of its own; returns when it stands, or has failed.

    The sockets are this process's no more.
    """
    numbers = [[one.fileno() for one in group] for group in listeners]
    path = forward_records.folder() / "log"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as log:
        if log.tell() > _LARGEST_LOG:
            log.truncate(0)
        child = process.start(
            [sys.executable, "-P", "-m", "mlsh.jobs.forward_background"],
            stdin=process.PIPE,
            stdout=process.PIPE,
            stderr=log,
            cwd="/",
            pass_fds=[number for group in numbers for number in group],
            reads="what to forward",
        )
    if child.stdin is None or child.stdout is None:
        raise AssertionError("streams are piped")
    try:
        for group in listeners:
            for one in group:
                one.close()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(to_json(Order(forward, numbers)))
            child.stdin.close()
        said = child.stdout.readline()
    except BaseException:
        process.stop(child)
        raise
    child.stdout.close()
    try:
        return from_json(said, Answer)
    except msgspec.DecodeError:
        return Answer(what="the process for the background ended at once", hint=f"see: {path}", exit_code=70)


def main() -> None:
    """Do what the order on standard input says."""
    order = from_json(sys.stdin.buffer.read(), Order)
    forward = order.forward
    groups = [[socket.socket(fileno=number) for number in group] for group in order.listeners]
    relays = [(port.remote, Relay(group)) for port, group in zip(forward.ports, groups, strict=True)]
    on_box = OnBox(open_box(forward.box, config.load()))
    entry = forward_records.claim(forward)
    forwarding = Forwarding(on_box, relays, forward.job)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    answer = Answer(what="it was asked to stop", exit_code=130)
    commands: list[str] = []
    process.log.listen(commands.append)
    is_told = False
    try:
        for event in keep(forwarding, entry):
            if isinstance(event, Linked):
                _answer(Answer(entry.forward, commands))
                is_told = True
            if isinstance(event, Lost | Back | Linked | Ended):
                _note(entry.number, forward, event)
    except MlshError as error:
        answer = Answer(None, commands, error.what, error.hint, int(error.exit_code))
        _say(f"{entry.number} {forward.box}: {error.what}")
    finally:
        forwarding.close()
        entry.release()
        if not is_told:
            _answer(answer)


def _answer(answer: Answer) -> None:
    """Tell whoever started us, and let go of their pipe."""
    try:
        sys.stdout.buffer.write(to_json(answer) + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody knows of this forward: it was not wanted any more.
        raise SystemExit(0) from None
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _note(number: int, forward: Forward, event: Lost | Back | Linked | Ended) -> None:
    ports = ", ".join(f"localhost:{port.local} to port {port.remote}" for port in forward.ports)
    match event:
        case Lost():
            _say(f"{number} {forward.box}: {event.reason}; trying again")
        case Back():
            _say(f"{number} {forward.box}: connected again")
        case Linked():
            _say(f"{number} {forward.box}: connected, {ports}")
        case Ended():
            _say(f"{number} {forward.box}: {forward.job} {tell(event.state)}")


def _say(text: str) -> None:
    # Never a URL: it may hold a token.
    print(time.strftime("%Y-%m-%d %H:%M:%S"), printable(text), file=sys.stderr, flush=True)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
