"""Make a session from a workspace.

It is built under a name that nobody asks for, and renamed when it is whole: what is cut off half-way never
passes for the session. One that has the name already is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from mlsh.box import Box
from mlsh.errors import BoxError, MlshError, NotFound
from mlsh.sessions import names
from mlsh.sessions.tmux import LONGEST_CALL, Tmux, TmuxRefused, run
from mlsh.sessions.workspace import Pane, Window, Workspace, usual

UNFINISHED = "mlsh-unfinished-"
# Where the window that a new session comes with is kept until there are others.
_ASIDE = 9999
_READY_S = 2.0
_IDS = "#{window_id} #{pane_id}"

Command = Sequence[str]


class Size(NamedTuple):
    """Cells of the terminal that the session will be seen on."""

    columns: int = 200
    lines: int = 50


class Made(NamedTuple):
    """A session that is up; `is_new` unless it was there already."""

    name: str
    id: str
    is_new: bool


def up(box: Box, name: str, workspace: Workspace, size: Size, base: str = "") -> Made:
    """Have a session of this name on a box: the one that is there, or else a new one.

    Folders that are not whole names begin at `base`; without it, at the home folder.

    Raises NotFound for a start_directory that is not there, and BoxError where tmux refuses something; then
    nothing is left behind, as far as the box can still be reached.
    """
    with Tmux(box) as tmux:
        if there := tmux.find(name):
            return Made(name, there.id, False)
        workspace = with_real_directories(box, workspace, base)
        aside = UNFINISHED + secrets.token_hex(4)
        try:
            session_id = _build(tmux, aside, workspace, size)
            tmux.do(["rename-session", "-t", session_id, "--", names.literal(name)])
        except BaseException as error:
            with contextlib.suppress(MlshError):
                tmux.do(["kill-session", "-t", f"={aside}"])
            if isinstance(error, TmuxRefused) and "duplicate session" in error.what and (there := tmux.find(name)):
                # Somebody else made it meanwhile.
                return Made(name, there.id, False)
            raise
        return Made(name, session_id, True)


def with_real_directories(box: Box, workspace: Workspace, base: str) -> Workspace:
    """The workspace with whole names of folders. Raises NotFound where one is not there."""
    asked = {workspace.directory}
    asked |= {pane.directory for window in workspace.windows for pane in window.panes}
    order = sorted(asked)
    lines = (
        run(box, "directories", *(_from(base, folder) for folder in order))
        .stdout.decode(errors="surrogateescape")
        .splitlines()
    )
    if len(lines) != len(order):
        raise BoxError(box.name, "its folders could not be looked at", f"see: mlsh box doctor {box.name}")
    real = {}
    for folder, line in zip(order, lines, strict=True):
        answer, _, whole = line.partition(" ")
        if answer != "yes":
            raise NotFound(f"{box.name}: start_directory {whole}: there is no such folder", "make it there first")
        real[folder] = whole
    default = real[workspace.directory]

    def moved(pane: Pane) -> Pane:
        return msgspec.structs.replace(pane, directory=real[pane.directory] if pane.directory else default)

    windows = tuple(
        msgspec.structs.replace(window, panes=tuple(map(moved, window.panes))) for window in workspace.windows
    )
    return msgspec.structs.replace(workspace, directory=default, windows=windows)


def _from(base: str, folder: str) -> str:
    if folder.startswith(("/", "~")):
        return folder
    return os.path.normpath(os.path.join(base or "~", folder))


def _build(tmux: Tmux, aside: str, workspace: Workspace, size: Size) -> str:
    """Build the session under the name `aside`; returns its id."""
    where = ["-c", names.literal(workspace.directory), "-x", str(size.columns), "-y", str(size.lines)]
    (session_id,) = tmux.do(["new-session", "-d", "-P", "-F", "#{session_id}", "-s", aside, *where, "sleep 3600"])
    options = [["set-option", "-t", session_id, name, value] for name, value in workspace.options.items()]
    tmux.do(["move-window", "-s", f"{session_id}:", "-t", f"{session_id}:{_ASIDE}"], *options)
    if workspace.environment:
        tmux.set_environment(session_id, dict(workspace.environment))
    built = [_build_window(tmux, session_id, window, workspace.environment) for window in workspace.windows]
    tmux.do(["kill-window", "-t", f"{session_id}:{_ASIDE}"], *focusing(session_id, workspace, built))
    _type(tmux, session_id, workspace, [pane for panes in built for _, pane in panes])
    return session_id


def _build_window(tmux: Tmux, session_id: str, window: Window, below: dict[str, str]) -> list[tuple[str, str]]:
    """Make one window; returns the ids of window and pane for each pane."""
    ids: list[tuple[str, str]] = []
    for variables, commands in window_steps(session_id, window):
        # `new-window -e` would show the values to everybody who looks at the process list.
        if variables:
            tmux.set_environment(session_id, dict(variables))
        ids += [(line.split()[0], line.split()[1]) for line in tmux.do(*commands) if line.startswith("@")]
        if variables:
            tmux.set_environment(session_id, {name: below.get(name) for name in variables})
    return ids


class Step(NamedTuple):
    """Commands, and the variables that the session must have while they run."""

    variables: dict[str, str]
    commands: list[Command]


def window_steps(session_id: str, window: Window) -> list[Step]:
    """How a window is made: as few calls as its panes' variables allow. The window becomes the current one."""
    here = f"{session_id}:"
    first = window.panes[0]
    place = here if window.index is None else f"{here}{window.index}"
    name = ["-n", names.literal(window.name)] if window.name else []
    new: Command = [
        "new-window",
        "-P",
        "-F",
        _IDS,
        "-t",
        place,
        "-c",
        names.literal(first.directory),
        *name,
        *_shell(first),
    ]
    steps = [Step(first.environment, [new, *_options(here, window.options)])]
    for pane in window.panes[1:]:
        split = ["split-window", "-P", "-F", _IDS, "-t", here, "-c", names.literal(pane.directory), *_shell(pane)]
        # Each new pane halves the last: without this there is soon no room for another.
        commands: list[Command] = [split, ["select-layout", "-t", here, "tiled"]]
        if pane.environment == steps[-1].variables and _length([*steps[-1].commands, *commands]) < LONGEST_CALL:
            steps[-1].commands.extend(commands)
        else:
            steps.append(Step(pane.environment, commands))
    last = [["select-layout", "-t", here, window.layout or "tiled"]] if len(window.panes) > 1 else []
    if not window.layout and len(window.panes) == 2:
        last = [["select-layout", "-t", here, "even-vertical"]]
    steps[-1].commands.extend([*last, *_options(here, window.options_after)])
    return steps


def _shell(pane: Pane) -> list[str]:
    return ["--", pane.shell] if pane.shell else []


def _options(place: str, options: dict[str, str]) -> list[Command]:
    return [["set-option", "-w", "-t", place, name, value] for name, value in options.items()]


def focusing(session_id: str, workspace: Workspace, built: Sequence[Sequence[tuple[str, str]]]) -> list[Command]:
    """Select the panes and the window that the workspace asks for; else the first of each."""
    commands: list[Command] = []
    chosen = built[0][0][0]
    for window, ids in zip(workspace.windows, built, strict=True):
        number = next((number for number, pane in enumerate(window.panes) if pane.focus), 0)
        commands.append(["select-pane", "-t", ids[number][1]])
        if window.focus:
            chosen = ids[0][0]
    return [*commands, ["select-window", "-t", f"{session_id}:{chosen}"]]


def _type(tmux: Tmux, session_id: str, workspace: Workspace, pane_ids: Sequence[str]) -> None:
    """Type the panes' commands, once their shells have come to a prompt."""
    panes = [pane for window in workspace.windows for pane in window.panes]
    typed = [(pane_id, pane) for pane_id, pane in zip(pane_ids, panes, strict=True) if pane.keys]
    if not typed:
        return
    _await_prompts(tmux, session_id, {pane_id for pane_id, pane in typed if not pane.shell})
    for commands, pause_s in typing(typed):
        if commands:
            tmux.do(*commands)
        time.sleep(pause_s)


def typing(typed: Iterable[tuple[str, Pane]]) -> list[tuple[list[Command], float]]:
    """Commands that type the panes' lines, and the seconds to wait after them, in as few calls as there can be."""
    calls: list[tuple[list[Command], float]] = [([], 0.0)]
    for pane_id, pane in typed:
        for keys in pane.keys:
            if keys.before_s:
                calls.append(([], keys.before_s))
            # `-l`: a command that is called like a key (`Home`) is a command.
            commands = [["send-keys", "-l", "-t", pane_id, "--", keys.text]] if keys.text.strip() else []
            if keys.enter:
                commands.append(["send-keys", "-t", pane_id, "Enter"])
            if calls[-1][1] or _length([*calls[-1][0], *commands]) > LONGEST_CALL:
                calls.append(([], 0.0))
            calls[-1][0].extend(commands)
            if keys.after_s:
                calls.append(([], keys.after_s))
    return calls


def _length(commands: Iterable[Command]) -> int:
    return sum(len(word.encode(errors="surrogateescape")) + 1 for command in commands for word in command)


def _await_prompts(tmux: Tmux, session_id: str, pane_ids: set[str]) -> None:
    """Wait until each shell has printed something. One that never does gets its commands all the same.

    What is typed earlier is not lost, but stands there twice.
    """
    deadline = time.monotonic() + _READY_S
    while pane_ids and time.monotonic() < deadline:
        lines = tmux.do(["list-panes", "-s", "-t", session_id, "-F", "#{pane_id} #{cursor_x},#{cursor_y}"])
        still = {line.split()[0] for line in lines if line.endswith(" 0,0")}
        pane_ids &= still
        if pane_ids:
            time.sleep(0.1)


def usual_on(box: Box) -> Workspace:
    """The layout where no file is given, told where mlsh's folder on this box is."""
    wanted = usual()
    if (home := box.settings.home(box.name)) is None:
        return wanted
    whole = run(box, "directories", home).stdout.decode(errors="surrogateescape").partition(" ")[2].rstrip("\n")
    return msgspec.structs.replace(wanted, environment={"MLSH_HOME": whole})
