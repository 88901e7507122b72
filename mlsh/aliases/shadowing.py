"""Which aliases hide a real program, here or on a box."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsh.aliases.scanning import command_words
from mlsh.aliases.shape import Alias

if TYPE_CHECKING:
    from mlsh.box import Box

# Builtins that a person may well want under another meaning, and should know of.
_BUILTINS = frozenset({"caller", "compgen", "help", "r", "suspend", "which"})


def is_itself(alias: Alias) -> bool:
    """Whether it is the program of its name with options of its own, as `ls = "ls -h"`: that hides nothing."""
    return command_words(alias.run)[:1] == [alias.name] and not alias.is_function


def hidden_here(alias: Alias) -> str:
    """The path of the program that the alias hides on this machine, `a builtin`, or ""."""
    if is_itself(alias):
        return ""
    if alias.name in _BUILTINS:
        return "a builtin of the shell"
    return shutil.which(alias.name) or ""


def hidden_on(box: Box, aliases: Sequence[Alias]) -> dict[str, str]:
    """What each alias hides on a box: name to path. Raises BoxError."""
    asked = {alias.name for alias in aliases if not is_itself(alias)}
    script = (Path(__file__).parent / "box" / "taken.sh").read_bytes()
    ran = box.run(["sh", "-s", "--", *sorted(asked)], stdin=script, reads="mlsh's taken.sh")
    if failure := box.explain_failure(ran):
        raise failure
    _, begun, said = ran.stdout.decode(errors="replace").partition("taken-1\n")
    if not begun:
        from mlsh.errors import BoxUnfit

        raise BoxUnfit(box.name, "no-reply", "it did not run a script", "mlsh box doctor " + box.name)
    pairs = (line.partition(" ")[::2] for line in said.splitlines())
    return {name: path for name, path in pairs if name in asked}
