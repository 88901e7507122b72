"""What a parameter can be: the lines that its variable's command prints, told apart as navi tells them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence

from mlsh.box import process
from mlsh.errors import MlshError
from mlsh.recipes.cheat import Options, Variable
from mlsh.recipes.render import Value, fill, secret_variable

LIMIT_S = 20.0
MOST = 2000
NONE: Mapping[str, str] = {}


class NoChoices(MlshError):
    """The command that lists the values failed; a person may still type one."""


def shell() -> str:
    """The shell that recipes are for: bash, as in navi, or sh where there is none."""
    return shutil.which("bash") or "sh"


def listed(variable: Variable, values: Mapping[str, Value], secret: Mapping[str, str] = NONE) -> list[str]:
    """Run the variable's command and return its lines. Raises NoChoices.

    `<other>` in it becomes that one's value, quoted; `$other` finds it in the environment. `secret` has the values of
    secret parameters, which only go into the environment.
    """
    command = fill(variable.command, values, frozenset(), frozenset(secret))
    by_variable = {secret_variable(name): value for name, value in secret.items()}
    text = _run(command, values, b"", by_variable)
    return text.splitlines()[variable.options.header_lines :][:MOST]


def taken(line: str, options: Options, values: Mapping[str, Value]) -> str:
    """The value that a chosen line stands for: its column, then what `--map` makes of that."""
    value = column(line, options)
    return _run(options.map, values, value.encode(errors="surrogateescape")).rstrip("\n") if options.map else value


def column(line: str, options: Options) -> str:
    """A column of a line, counted from 1; the line where there is no such column."""
    if options.column is None or options.column == 0:
        return line
    try:
        cells = re.split(options.delimiter or r"\s\s+", line)
    except re.error:
        cells = line.split(options.delimiter)
    return cells[options.column - 1] if options.column <= len(cells) else line


def words(lines: Sequence[str], options: Options) -> Value:
    """Chosen values as one: words of their own with `--expand`, lines of one otherwise."""
    return list(lines) if options.expand else "\n".join(lines)


def _run(command: str, values: Mapping[str, Value], stdin: bytes, secret: Mapping[str, str] = NONE) -> str:
    given = {name: value if isinstance(value, str) else "\n".join(value) for name, value in values.items()}
    # PATH and its like stay what they are, whatever a recipe calls its parameters.
    named = {name: value for name, value in given.items() if re.fullmatch(r"[a-z_]\w*", name, re.ASCII)}
    try:
        ran = process.run(
            [shell(), "-c", command], stdin=stdin, timeout_s=LIMIT_S, env={**os.environ, **named, **secret}
        )
    except process.TimedOut:
        raise NoChoices(f"no answer in {LIMIT_S:g} s: {command}") from None
    if ran.returncode != 0 and not ran.stdout:
        said = ran.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise NoChoices(f"ended with {ran.returncode}: {command}" + (f": {said}" if said else ""))
    return ran.stdout.decode("utf-8", "replace")
