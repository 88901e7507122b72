"""Sit down at a session: over ssh or mosh, and from within a tmux too."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlsh.box import LOCAL, Box, process, remote_words
from mlsh.errors import BoxUnfit, MlshError, Unreachable, UsageError
from mlsh.sessions.names import target
from mlsh.sessions.tmux import Tmux, argv, own_environment

if TYPE_CHECKING:
    from mlsh.sessions.tmux import Session

_TMUX_TIMEOUT_S = 5.0
_INSTALL = "Debian, Ubuntu: sudo apt-get install mosh; Fedora: sudo dnf install mosh; macOS: brew install mosh"


def attach(box: Box, name: str, session_id: str, mosh: bool, say: Callable[[str], None]) -> int:
    """Put the person at a session of this name; returns the exit code of what ran on the terminal.

    In a pane of the very server that the session is on, the pane's client is switched to it instead.
    """
    place = target(name, session_id)
    if box.name == LOCAL and mosh:
        raise UsageError("mosh is for other machines; this session is on this one", f"mlsh session attach {name}")
    outer = os.environ.get("TMUX", "").split(",", maxsplit=1)[0]
    if outer:
        if box.name == LOCAL and _is_ours(box, outer):
            return process.interact(["tmux", "-u", "-S", outer, "switch-client", "-t", place])
        say(_note(outer))
    words = argv("attach", place)
    if mosh:
        return process.interact(_mosh(box, words))
    if box.name == LOCAL:
        return process.interact(words, env=own_environment())
    return box.terminal(words)


def _is_ours(box: Box, outer: str) -> bool:
    """Whether the tmux around us is the server that sessions are on."""
    with Tmux(box) as tmux:
        ours = tmux.do(["display-message", "-p", "#{socket_path}"])
    return bool(ours) and os.path.realpath(ours[0]) == os.path.realpath(outer)


def _note(outer: str) -> str:
    try:
        ran = process.run(["tmux", "-u", "-S", outer, "show-options", "-gv", "prefix"], timeout_s=_TMUX_TIMEOUT_S)
        prefix = ran.stdout.decode(errors="replace").strip() or "C-b"
    except (process.TimedOut, MlshError):
        prefix = "C-b"
    prefix = prefix.replace("C-", "Ctrl-")
    return f"this is a tmux within your tmux: press {prefix} twice for the inner one; {prefix} {prefix} d lets go of it"


def _mosh(box: Box, words: list[str]) -> list[str]:
    """The command that opens the session through mosh. Raises BoxUnfit where an end has none."""
    if shutil.which("mosh") is None:
        raise BoxUnfit(LOCAL, "no-mosh", "there is no mosh on this machine", f"{_INSTALL}; or leave --mosh out")
    if box.run(["sh", "-c", "command -v mosh-server"]).returncode != 0:
        raise BoxUnfit(
            box.name, "no-mosh", "there is no mosh-server on this box", f"there: {_INSTALL}; or leave --mosh out"
        )
    ssh = ["ssh", "-F", box.settings.ssh_config] if box.settings.ssh_config else ["ssh"]
    # mosh puts each word into single quotes, as every login shell understands them; `exec` is for a shell only.
    plain = shlex.split(remote_words(words))[1:]
    return ["mosh", f"--ssh={shlex.join(ssh)}", "--", box.name, *plain]


def how_to_return(session: Session | None, box: str, name: str) -> str:
    """What to say after the person has let go of a session, or it has ended."""
    if session is None:
        return f"{name} has ended"
    on = "" if box == LOCAL else f" --on {box}"
    return f"{name} goes on: mlsh session attach {shlex.quote(name)}{on}"


def broken_off(box: str, name: str) -> Unreachable:
    """The error where the connection broke off under an attached session."""
    return Unreachable(
        box,
        "the connection broke off; the session goes on there",
        f"mlsh session attach {shlex.quote(name)} --on {box}",
    )
