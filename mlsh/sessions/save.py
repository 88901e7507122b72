"""Write a session down as a tmuxp file: windows, layout, where each pane stands, and what runs in it.

What a shell has done before is not there to be read: only what runs in front now. No variable is written, for
it may be a secret.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlsh.box import Box
from mlsh.errors import NotFound
from mlsh.sessions.tmux import Tmux, run


class _Window(NamedTuple):
    """Fields of `list-windows`."""

    window_id: str
    window_active: str
    window_layout: str
    window_name: str


class _Pane(NamedTuple):
    """Fields of `list-panes`."""

    window_id: str
    pane_pid: str
    pane_active: str
    pane_current_path: str


_SHELLS = {"sh", "bash", "dash", "ash", "zsh", "fish", "tcsh", "csh", "ksh", "mksh", "busybox", "nu", "xonsh"}


def describe(box: Box, name: str) -> dict[str, Any]:
    """The session as a tmuxp workspace. Raises NotFound."""
    with Tmux(box) as tmux:
        session = tmux.find(name)
        if session is None:
            raise NotFound(f"{box.name}: there is no session {name}", f"see: mlsh session list --on {box.name}")
        windows = [_Window(*row) for row in tmux.rows(["list-windows", "-t", session.id], _Window._fields)]
        panes = [_Pane(*row) for row in tmux.rows(["list-panes", "-s", "-t", session.id], _Pane._fields)]
    front = foreground(box, [pane.pane_pid for pane in panes])
    return {"session_name": name, "windows": [_window(window, panes, front) for window in windows]}


def _window(window: _Window, panes: Sequence[_Pane], front: Mapping[str, list[str]]) -> dict[str, Any]:
    inside = [pane for pane in panes if pane.window_id == window.window_id]
    folders = {pane.pane_current_path for pane in inside}
    common = folders.pop() if len(folders) == 1 else ""
    return {
        "window_name": window.window_name,
        **({"focus": True} if window.window_active == "1" else {}),
        **({"layout": window.window_layout} if len(inside) > 1 else {}),
        **({"start_directory": common} if common else {}),
        "panes": [_pane(pane, front.get(pane.pane_pid, []), len(inside) > 1, common) for pane in inside],
    }


def _pane(pane: _Pane, words: Sequence[str], has_others: bool, common: str) -> Any:
    fields: dict[str, Any] = {}
    if words:
        fields["shell_command"] = [shlex.join(words)]
    if pane.pane_current_path and not common:
        fields["start_directory"] = pane.pane_current_path
    if pane.pane_active == "1" and has_others:
        fields["focus"] = True
    return fields or "blank"


def to_yaml(workspace: dict[str, Any], box: str) -> str:
    """The text of a tmuxp file."""
    import yaml

    text = yaml.safe_dump(workspace, sort_keys=False, allow_unicode=True, width=120)
    name = shlex.quote(str(workspace["session_name"]))
    return f"# Session {name} on {box}. Make it again: mlsh session up FILE; or: tmuxp load FILE\n{text}"


def foreground(box: Box, pids: Sequence[str]) -> dict[str, list[str]]:
    """The words of what runs in front on each of these processes' terminals, by pid; [] for a waiting shell."""
    found = {}
    for line in run(box, "foreground", *pids).stdout.decode(errors="replace").splitlines():
        pid, front, *words = line.split(" ")
        raw = bytes.fromhex(words[0]) if words else b""
        found[pid] = command(raw.split(b"\0")[:-1], front == pid)
    return found


def command(words: Sequence[bytes], is_first: bool) -> list[str]:
    """What to type to have a process again; nothing for the pane's own shell (`is_first`) where it waits."""
    decoded = [os.fsdecode(word) for word in words]
    if not decoded:
        return []
    program = os.path.basename(decoded[0])
    if is_first and program.lstrip("-") in _SHELLS and all(word.startswith("-") for word in decoded[1:]):
        return []
    return decoded
