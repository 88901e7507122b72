"""The person's editor, on files of this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from mlsh.errors import NotFound

# In the terminal they are all there is to see: when they end, they are closed. Also the options by which others wait.
_IN_THE_TERMINAL = {"vi", "vim", "nvim", "nano", "micro", "kak", "joe", "mcedit", "view", "hx", "helix", "ne", "ed"}
_WAITS = {"--wait", "-w", "--nofork", "-f"}
_AT_ONCE_S = 2.0
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


class Ended(NamedTuple):
    """How an editor ended. `at_once`: so soon that its window may still be open, as `code` without --wait does it."""

    code: int
    at_once: bool


def edit(path: Path, line: int = 0) -> Ended:
    """Open a file, at a line where the editor can; returns when the editor ends."""
    from mlsh.box import process

    command = words()
    if line > 1 and Path(command[0]).name in _TAKE_A_LINE:
        command.append(f"+{line}")
    # The path is absolute: it can't be taken for an option.
    begun_s = time.monotonic()
    code = process.interact([*command, str(path.absolute())])
    took_s = time.monotonic() - begun_s
    waits = Path(command[0]).name in _IN_THE_TERMINAL or not _WAITS.isdisjoint(command[1:])
    return Ended(code, took_s < _AT_ONCE_S and not waits)
