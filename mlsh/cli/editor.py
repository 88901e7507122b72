"""The person's editor, on files of this machine."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from mlsh.errors import NotFound

_TAKE_A_LINE = {"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "micro", "kak", "joe", "mcedit", "view", "gvim"}


def words() -> list[str]:
    """The command of $VISUAL or $EDITOR, else of an editor that is here. Raises NotFound."""
    for name in ("VISUAL", "EDITOR"):
        if value := os.environ.get(name, "").strip():
            try:
                return shlex.split(value)
            except ValueError:
                return [value]
    for editor in ("sensible-editor", "nano", "vim", "vi"):
        if shutil.which(editor):
            return [editor]
    raise NotFound("there is no editor: neither $VISUAL nor $EDITOR is set", "export EDITOR=nano")


def edit(path: Path, line: int = 0) -> int:
    """Open a file, at a line where the editor can; returns its exit code when it is closed."""
    from mlsh.box import process

    command = words()
    if line > 1 and Path(command[0]).name in _TAKE_A_LINE:
        command.append(f"+{line}")
    # The path is absolute: it can't be taken for an option.
    return process.interact([*command, str(path.absolute())])
