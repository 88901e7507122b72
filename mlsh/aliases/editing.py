"""Edit a copy of the file of aliases in the person's editor."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from mlsh.box import process
from mlsh.errors import ConfigError, MlshError, UsageError


def begin(text: str) -> Path:
    """A private file with `text`, to be edited."""
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix="mlsh-aliases-", suffix=".toml")
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)


def open_editor(path: Path) -> None:
    """Have the person edit a file; raises MlshError where the editor fails."""
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        argv = shlex.split(named)
    except ValueError as error:
        raise UsageError(f"$EDITOR can't be understood: {named}: {error}") from error
    if not argv:
        raise UsageError("$EDITOR is blank", "export EDITOR=vim")
    code = process.interact([*argv, str(path)])
    if code != 0:
        raise MlshError(f"the editor ({named}) ended with {code}, so nothing was changed; what you wrote is in {path}")


def read(path: Path) -> str:
    """What the person wrote; raises ConfigError where it is no text."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
