"""Choose among many lines with fzf, where it is."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence

import click

_NO_MATCH = 1


def is_here() -> bool:
    """Whether there is an fzf, and a terminal for it."""
    return os.isatty(2) and shutil.which("fzf") is not None


def choose(name: str, lines: Sequence[str], default: str | None, multi: bool) -> tuple[str, list[str]]:
    """What was typed, and the lines that were chosen: none where what was typed is meant.

    Raises click.Abort where the person left, MlshError where fzf fails.
    """
    from mlsh.box import process
    from mlsh.errors import MlshError
    from mlsh.shell.visible import printable

    # A number in front, which is not shown, says which line it was.
    shown = [f"{number}\t{printable(line)}" for number, line in enumerate(lines)]
    argv = ["fzf", "--print-query", "--delimiter=\t", "--with-nth=2..", "--height=60%", "--reverse",
            f"--prompt={printable(name)}> ", f"--header=enter: take it   esc: leave{'   tab: mark' if multi else ''}",
            "--multi" if multi else "--no-multi"]  # fmt: skip
    argv += [f"--query={default}"] if default in lines else []
    running = process.start(argv, stdin=process.PIPE, stderr=None, own_session=False, reads="the choices")
    assert running.stdin is not None  # noqa: S101
    assert running.stdout is not None  # noqa: S101
    try:
        with contextlib.suppress(BrokenPipeError):
            running.stdin.write(("\n".join(shown) + "\n").encode(errors="replace"))
        with contextlib.suppress(BrokenPipeError):
            running.stdin.close()
        said = running.stdout.read().decode(errors="replace").split("\n")
        code = running.wait()
    finally:
        process.stop(running)
    if code == 130:
        raise click.Abort
    if code not in {0, _NO_MATCH}:
        raise MlshError(f"fzf ended with {code}", "give the value on the command line: PARAMETER=VALUE")
    numbers = [line.partition("\t")[0] for line in said[1:] if line]
    return said[0], [lines[int(number)] for number in numbers if number.isdigit() and int(number) < len(lines)]
