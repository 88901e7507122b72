"""Read a job's log as it is now."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from mlsh.box import process
from mlsh.errors import BoxError, Unreachable
from mlsh.jobs.onbox import OnBox

_CHUNK = 1 << 20
_REPLY = b"mlsh-reply 1\n"
_ERROR = b"mlsh-error "


def read_log(  # noqa: PLR0912 - each way in which a stream can end
    on_box: OnBox, job_id: str, start: str = "from", count: int = 0, sink: int | None = None, *, tasks: bool = False
) -> Iterator[bytes]:
    """The log's bytes from `count` on, or its last `count` lines (`start` is `tail`); memory stays flat.

    With `tasks`, those of all tasks of an array, each below a line that says whose it is. With a `sink`, only the
    first are given, and the others go straight to that descriptor. Raises NotFound, and Unreachable where the
    connection breaks: what came until then has been given.
    """
    stream = on_box.stream("tasklogs" if tasks else "logs", job_id, start, str(count))
    if stream.stdout is None or stream.stderr is None:
        raise AssertionError("streams are piped")
    try:
        descriptor = stream.stdout.fileno()
        _widen(descriptor)
        before = b""
        while _REPLY not in before and (data := os.read(descriptor, _CHUNK)):
            before += data
        noise, found, log = before.partition(_REPLY)
        # It may be the script's complaint, and a log may begin with the same words: the exit code tells.
        while found and log.startswith(_ERROR[: len(log)]) and len(log) < _CHUNK:
            if not (data := os.read(descriptor, _CHUNK)):
                break
            log += data
        else:
            yield log
            log = b""
            if sink is not None:
                _pour(descriptor, sink)
            while data := os.read(descriptor, _CHUNK):
                yield data
        said = stream.stderr.read()
        code = stream.wait()
    finally:
        process.stop(stream, grace_s=0.1)
        stream.stdout.close()
        stream.stderr.close()
    if code == 0 and found:
        yield log
    elif code == 97 and not found:
        on_box.install()
        yield from read_log(on_box, job_id, start, count, sink, tasks=tasks)
    elif code == 96:
        raise on_box.error(log)
    else:
        ran = process.Ran(("ssh",), code, noise, said)
        if isinstance(failure := on_box.box.explain_failure(ran), BoxError):
            raise failure
        if not found:
            raise on_box.silent(code, said or noise)
        raise Unreachable(on_box.box.name, f"the log of {job_id} came only in part", f"again: mlsh logs {job_id}")


def _widen(pipe: int) -> None:
    """Let a pipe hold 1 MiB where the system lets us: fewer turns between ssh and us."""
    import fcntl

    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _CHUNK)


def _pour(pipe: int, sink: int) -> None:
    """Move what comes out of a pipe to a descriptor without looking at it, to its end or until that can't be done."""
    if not hasattr(os, "splice"):
        return
    with contextlib.suppress(OSError):
        # Not into a terminal or a file that is appended to. A closed pipe is found again by whoever writes next.
        while os.splice(pipe, sink, _CHUNK):
            pass
