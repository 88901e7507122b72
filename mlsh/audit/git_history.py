"""Look through the past of a repository: what each commit added, from the oldest on."""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from mlsh.audit.found import Found
from mlsh.audit.text import Where, look
from mlsh.box import LOCAL, process
from mlsh.errors import RefusedInput
from mlsh.git.plumbing import Git, environment

# Nothing of the person's settings or of the repository's may run or change the output. Files past the threshold count
# as binary: nobody wrote them by hand. Those of now are passed over too.
_QUIET = (
    *("-c", "core.fsmonitor=false", "-c", "core.quotePath=true", "-c", "log.follow=false"),
    *("-c", "core.bigFileThreshold=8m"),
)
_WORDS = (
    *(
        "log",
        "--exclude=refs/mlsh/*",
        "--all",
        "--reverse",
        "--full-history",
        "-p",
        "-U0",
        "--no-color",
        "--no-renames",
    ),
    *("--no-ext-diff", "--no-textconv", "--no-show-signature", "--no-notes", "--src-prefix=a/", "--dst-prefix=b/"),
    *("--diff-merges=off", "--submodule=short", "--ignore-submodules"),
)
_HUNK = re.compile(rb"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_QUOTED = re.compile(rb'\\(?:([0-7]{3})|(["\\abtnvfr]))')
_LETTERS = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


def of_history(top: Path) -> Iterator[Found]:
    """The secrets that commits of any branch, tag or stash added; each in its first commit. Raises RefusedInput."""
    mark = secrets.token_hex(16)
    words = [*Git(None, top).argv, *_QUIET, *_WORDS, f"--format={mark} %H %ct"]
    with tempfile.TemporaryFile() as said:
        # Blobs that a partial clone lacks are not fetched now.
        started = process.start(words, stderr=said, env=environment(GIT_NO_LAZY_FETCH="1"), cwd=top)
        assert started.stdout is not None  # noqa: S101
        try:
            # Unbuffered pipes are read a letter at a time by readline.
            with open(started.stdout.fileno(), "rb", buffering=1 << 20, closefd=False) as out:
                yield from parse(out, mark.encode())
            code = started.wait()
        finally:
            process.stop(started)
        if code != 0:
            said.seek(0)
            reason = said.read(4096).decode(errors="replace").strip()
            raise RefusedInput(f"{top}: git does not show its history: {reason[:300]}", "is it whole? git fsck")


def parse(out: IO[bytes], mark: bytes) -> Iterator[Found]:
    """Read what `git log -p -U0` prints. Content can't pose as anything else: its lines have a sign before them."""
    seen: set[str] = set()
    commit, when, place = "", 0, ""
    while line := out.readline():
        if line.startswith(mark):
            _, name, seconds = line.split()
            commit, when = name.decode(), int(seconds)
        elif line.startswith(b"diff --git "):
            place = ""
        elif line.startswith(b"+++ "):
            place = _path(line[4:].rstrip(b"\n"))
        elif hunk := _HUNK.match(line):
            count = int(hunk[2]) if hunk[2] is not None else 1
            added = _added(out, line, count)
            if not place or not added:
                continue
            text = b"\n".join(added).decode(errors="replace")
            for found in look(Where(LOCAL, "commit", place), text, int(hunk[1])):
                if found.fingerprint not in seen:
                    seen.add(found.fingerprint)
                    yield msgspec.structs.replace(found, commit=commit, when_s=when)


def _added(out: IO[bytes], header: bytes, count: int) -> list[bytes]:
    """The lines that a hunk adds; reads exactly the hunk."""
    taken = re.match(rb"@@ -\d+(?:,(\d+))? ", header)
    removed = int(taken[1]) if taken and taken[1] is not None else 1
    added: list[bytes] = []
    while removed > 0 or len(added) < count:
        line = out.readline()
        if not line:
            break
        if line[:1] == b"+":
            added.append(line[1:].rstrip(b"\n"))
        elif line[:1] == b"-":
            removed -= 1
    return added


def _path(name: bytes) -> str:
    """The path of a `+++` line, which git quotes where it is odd; "" for /dev/null."""
    name = name.removesuffix(b"\t")  # which ends a name with a blank in it
    if name.startswith(b'"') and name.endswith(b'"'):
        name = _QUOTED.sub(lambda m: bytes([int(m[1], 8)]) if m[1] else _LETTERS.get(m[2], m[2]), name[1:-1])
    return name.removeprefix(b"b/").decode(errors="surrogateescape") if name.startswith(b"b/") else ""
