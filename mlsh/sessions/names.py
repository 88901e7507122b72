"""Names of sessions: which ones can be made, and how tmux is told which one is meant."""

from __future__ import annotations

import re

from mlsh.errors import RefusedInput

LONGEST = 100
# `=` `$` `@` `%` and so on mean something at the start of a target; `#` begins a format, and `#(...)` runs a command.
_PLAIN_START = re.compile(r"\w")
_FORBIDDEN = {
    ".": "tmux would make `_` of it",
    ":": "tmux would make `_` of it",
    "#": "in tmux it begins a format",
}


def check_name(name: str) -> str:
    """Return `name` if a session can be called so; raises RefusedInput for what tmux would take otherwise."""
    from mlsh.shell.visible import printable

    why = ""
    if not name:
        why = "it is empty"
    elif len(name) > LONGEST:
        why = f"it is longer than {LONGEST} characters"
    elif printable(name) != name or not name.isprintable():
        why = "it holds characters that can't be seen"
    elif found := next((char for char in name if char in _FORBIDDEN), ""):
        why = f"it holds `{found}`: {_FORBIDDEN[found]}"
    elif not _PLAIN_START.match(name):
        why = "it must begin with a letter, a digit or `_`"
    if why:
        raise RefusedInput(
            f"{printable(name[:80])!r} can't be the name of a session: {why}", f"perhaps: -n {suggest(name)}"
        )
    return name


def suggest(text: str) -> str:
    """A name that can be used, as near to `text` as can be; `main` where nothing is left of it."""
    plain = re.sub(r"[^\w+@-]+", "_", text).strip("_-+@")[:LONGEST]
    return plain or "main"


def target(name: str, session_id: str) -> str:
    """How tmux is told which session: exactly this name, never one that only begins so.

    For a name that a person gave by hand, and that means something else to tmux, it is the id.
    """
    return f"={name}" if _PLAIN_START.match(name) else session_id


def literal(text: str) -> str:
    """`text` for a place where tmux expands formats: `#` is doubled."""
    return text.replace("#", "##")
