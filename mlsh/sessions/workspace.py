"""A workspace as a tmuxp file describes it: read, checked, and nothing in it passed over in silence.

Values go down as in tmuxp: a window takes the session's start_directory, a pane its window's; commands of
`shell_command_before` come first. What tmuxp would work out on the laptop (`~`, `$HOME` in a folder, variables
in a command) is left to the box. See docs/how-to/sessions.md for what is understood.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from mlsh.errors import NotFound, RefusedInput
from mlsh.sessions import names

LARGEST = 1 << 20
_LONGEST_COMMAND = 8000
_MOST = 100
_LONGEST_SLEEP_S = 60
_NAMED_LAYOUTS = {
    "even-horizontal",
    "even-vertical",
    "main-horizontal",
    "main-horizontal-mirrored",
    "main-vertical",
    "main-vertical-mirrored",
    "tiled",
}
# As tmux prints them: a checksum, then sizes and places.
_LAYOUT = re.compile(r"[0-9a-fA-F]{4},[0-9x,\[\]{}<>-]+")
_OPTION = re.compile(r"[@a-z][A-Za-z0-9@_-]*(\[\d+\])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_EMPTY = {None, "", "blank", "pane", "null"}

_WHY_NOT = {
    "before_script": "it would run on this machine, not on the box; run it first, by hand",
    "global_options": "it would change every session of yours there; put it into ~/.tmux.conf",
    "plugins": "it would run Python code from the file",
    "workspace_builder": "it would run Python code from the file",
    "workspace_builder_paths": "it would run Python code from the file",
    "socket_name": "sessions are on your own server, the one that `tmux attach` finds",
    "config": "sessions are on your own server, which reads ~/.tmux.conf",
}


class Keys(msgspec.Struct, frozen=True):
    """A line to type into a pane; the pauses around it are seconds."""

    text: str
    enter: bool = True
    before_s: float = 0
    after_s: float = 0


class Pane(msgspec.Struct, frozen=True):
    """A pane. `shell` runs instead of the login shell, and the pane ends with it. `directory` "" is the default."""

    keys: tuple[Keys, ...] = ()
    directory: str = ""
    shell: str = ""
    environment: dict[str, str] = {}
    focus: bool = False


class Window(msgspec.Struct, frozen=True):
    """A window, with at least one pane. `layout` "" leaves the panes as they were split."""

    panes: tuple[Pane, ...]
    name: str = ""
    index: int | None = None
    layout: str = ""
    options: dict[str, str] = {}
    options_after: dict[str, str] = {}
    focus: bool = False


class Workspace(msgspec.Struct, frozen=True):
    """A session as it is to be made. `name` "" is left to the caller."""

    windows: tuple[Window, ...]
    name: str = ""
    directory: str = ""
    environment: dict[str, str] = {}
    options: dict[str, str] = {}


def load(path: Path) -> Workspace:
    """Read a tmuxp file, YAML or JSON. Raises NotFound, and RefusedInput for what is not understood."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise NotFound(
            f"{path}: {error.strerror}", "a file that tmuxp can load, or none for the usual layout"
        ) from None
    if len(text) > LARGEST:
        raise RefusedInput(f"{path} is larger than {LARGEST >> 20} MiB: is it a tmuxp file?")
    return parse(text, str(path), os.environ)


def usual() -> Workspace:
    """The layout where no file is given: shell, editor, the newest job's log beside the GPUs."""
    path = Path(__file__).with_name("default.yaml")
    return parse(path.read_bytes(), path.name, {})


def parse(text: bytes, where: str, variables: Mapping[str, str]) -> Workspace:
    """Understand a tmuxp file; `variables` are what `$NAME` in a value of `environment` stands for.

    Raises RefusedInput, which names the place.
    """
    import yaml

    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (both are safe)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise RefusedInput(f"{where}{line}: this is not YAML: {getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise RefusedInput(f"{where}: it is nested too deeply") from None
    return _Reader(where, variables).workspace(found)


class _Reader:
    """Takes a tmuxp file apart, and says where in it something is wrong."""

    def __init__(self, where: str, variables: Mapping[str, str]) -> None:
        self._where = where
        self._variables = variables

    def _refuse(self, place: str, what: str) -> NoReturn:
        raise RefusedInput(
            f"{self._where}: {place}: {what}" if place else f"{self._where}: {what}",
            "what a file may say: docs/how-to/sessions.md",
        )

    # The three levels

    def workspace(self, found: Any) -> Workspace:
        known = {"session_name", "windows", "start_directory", "environment", "options", *_DOWN}
        table = self._table(found, "", known)
        windows = self._list(table, "windows", "")
        if not windows:
            self._refuse("windows", "there must be at least one")
        name = self._text(table, "session_name", "")
        directory = self._directory(table, "", "")
        down = self._down(table, "", _Down())
        return Workspace(
            name=names.check_name(name) if name else "",
            directory=directory,
            environment=self._environment(table, ""),
            options=self._options(table, "options", ""),
            windows=tuple(
                self._window(window, f"window {number}", directory, down) for number, window in enumerate(windows, 1)
            ),
        )

    def _window(self, found: Any, place: str, directory: str, down: _Down) -> Window:
        known = {"window_name", "window_index", "panes", "layout", "start_directory", "environment", "options",
                 "options_after", "window_shell", "focus", *_DOWN}  # fmt: skip
        table = self._table(found, place, known)
        layout = self._text(table, "layout", place)
        if layout and layout not in _NAMED_LAYOUTS and not _LAYOUT.fullmatch(layout):
            self._refuse(
                f"{place}: layout", f"{layout[:60]!r} is none that tmux has; the usual ones: main-vertical, tiled"
            )
        index = table.get("window_index")
        if index is not None and (isinstance(index, bool) or not str(index).isdigit() or int(index) >= 9000):
            self._refuse(f"{place}: window_index", "it must be a number below 9000")
        directory = self._directory(table, place, directory)
        shell = self._text(table, "window_shell", place)
        environment = self._environment(table, place)
        down = self._down(table, place, down)
        panes = self._list(table, "panes", place) if table.get("panes") is not None else [None]
        return Window(
            name=self._line(table, "window_name", place),
            index=None if index is None else int(index),
            layout=layout,
            options=self._options(table, "options", place),
            options_after=self._options(table, "options_after", place),
            focus=self._flag(table, "focus", place, False),
            panes=tuple(
                self._pane(pane, f"{place}, pane {number}", Pane((), directory, shell, environment), down)
                for number, pane in enumerate(panes or [None], 1)
            ),
        )

    def _pane(self, found: Any, place: str, window: Pane, down: _Down) -> Pane:
        if not isinstance(found, dict):
            found = {"shell_command": found}
        known = {"shell_command", "start_directory", "environment", "shell", "focus", "enter",
                 "sleep_before", "sleep_after", *_DOWN}  # fmt: skip
        table = self._table(found, place, known)
        down = self._down(table, place, down)
        pace = Keys(
            "",
            self._flag(table, "enter", place, True),
            self._pause(table, "sleep_before", place, 0),
            self._pause(table, "sleep_after", place, 0),
        )
        lines = (*down.before, *self._commands(table.get("shell_command"), place, pace))
        hidden = " " if down.hides else ""
        return Pane(
            # A space keeps a line out of the shell's history where that is set up (HISTCONTROL=ignorespace).
            keys=tuple(msgspec.structs.replace(line, text=hidden + line.text) for line in lines),
            directory=self._directory(table, place, window.directory),
            shell=self._text(table, "shell", place) or window.shell,
            environment={**window.environment, **self._environment(table, place)},
            focus=self._flag(table, "focus", place, False),
        )

    # Their parts

    def _down(self, table: dict[str, Any], place: str, above: _Down) -> _Down:
        before = table.get("shell_command_before")
        if isinstance(before, dict) and "shell_command" in before:
            before = before["shell_command"]
        return _Down(
            (*above.before, *self._commands(before, f"{place}: shell_command_before", Keys(""))),
            self._flag(table, "suppress_history", place, above.hides),
        )

    def _commands(self, found: Any, place: str, pace: Keys) -> list[Keys]:
        commands = found if isinstance(found, list) else [found]
        if len(commands) > _MOST:
            self._refuse(place, f"more than {_MOST} commands")
        if len(commands) == 1 and not isinstance(commands[0], dict) and commands[0] in _EMPTY:
            return []
        lines = []
        for command in commands:
            table = command if isinstance(command, dict) else {"cmd": command}
            self._table(table, place, {"cmd", "enter", "sleep_before", "sleep_after"})
            text = self._text(table, "cmd", place)
            if len(text.encode(errors="replace")) > _LONGEST_COMMAND:
                self._refuse(place, f"a command is longer than {_LONGEST_COMMAND} bytes: put it into a script")
            lines.append(
                Keys(
                    text.rstrip("\n"),
                    self._flag(table, "enter", place, pace.enter),
                    self._pause(table, "sleep_before", place, pace.before_s),
                    self._pause(table, "sleep_after", place, pace.after_s),
                )
            )
        return lines

    def _directory(self, table: dict[str, Any], place: str, above: str) -> str:
        given = self._line(table, "start_directory", place)
        if not given:
            return above
        given = re.sub(r"^\$(?:HOME\b|\{HOME\})(?=/|$)", "~", given)
        if "$" in given:
            self._refuse(
                f"{place}: start_directory".lstrip(": "), "of variables only $HOME is understood, at its start"
            )
        if given.startswith("~") and given != "~" and not given.startswith("~/"):
            self._refuse(f"{place}: start_directory".lstrip(": "), "another person's home folder is not understood")
        if given.startswith(("/", "~")) or not above:
            return given
        return os.path.normpath(f"{above}/{given}")

    def _environment(self, table: dict[str, Any], place: str) -> dict[str, str]:
        found = table.get("environment")
        place = f"{place}: environment".lstrip(": ")
        if found is None:
            return {}
        if not isinstance(found, dict):
            self._refuse(place, "it must be a table of names and values")
        values = {}
        for name in found:
            if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
                self._refuse(place, f"{str(name)[:60]!r} can't be the name of a variable")
            values[name] = self._expanded(self._text(found, name, place), f"{place}: {name}")
        return values

    def _expanded(self, value: str, place: str) -> str:
        def of(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name not in self._variables:
                self._refuse(place, f"the variable {name} is not set here")
            return self._variables[name]

        return _REFERENCE.sub(of, value)

    def _options(self, table: dict[str, Any], key: str, place: str) -> dict[str, str]:
        found = table.get(key)
        place = f"{place}: {key}".lstrip(": ")
        if found is None:
            return {}
        if not isinstance(found, dict):
            self._refuse(place, "it must be a table of options and values")
        values = {}
        for name, value in found.items():
            if not isinstance(name, str) or not _OPTION.fullmatch(name):
                self._refuse(place, f"{str(name)[:60]!r} is no option of tmux")
            values[name] = ("on" if value else "off") if isinstance(value, bool) else self._text(found, name, place)
        return values

    # Values

    def _table(self, found: Any, place: str, known: set[str]) -> dict[str, Any]:
        if not isinstance(found, dict):
            self._refuse(place, f"it must be a table, with some of: {', '.join(sorted(known))}")
        for key in found:
            if key not in known:
                why = _WHY_NOT.get(key, "mlsh does not know it") if isinstance(key, str) else "it must be a word"
                self._refuse(place, f"`{str(key)[:60]}` can't be used: {why}")
        return found

    def _list(self, table: dict[str, Any], key: str, place: str) -> list[Any]:
        found = table.get(key)
        if not isinstance(found, list):
            self._refuse(f"{place}: {key}".lstrip(": "), "it must be a list")
        if len(found) > _MOST:
            self._refuse(f"{place}: {key}".lstrip(": "), f"more than {_MOST}")
        return found

    def _text(self, table: dict[str, Any], key: str, place: str) -> str:
        value = table.get(key)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self._refuse(f"{place}: {key}".lstrip(": "), "it must be text; put quotes around it")
        text = str(value)
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            self._refuse(f"{place}: {key}".lstrip(": "), "it holds a character that can't be sent")
        return text

    def _line(self, table: dict[str, Any], key: str, place: str) -> str:
        text = self._text(table, key, place)
        if any(not char.isprintable() for char in text):
            self._refuse(f"{place}: {key}".lstrip(": "), "it holds a line break or another control character")
        return text

    def _flag(self, table: dict[str, Any], key: str, place: str, default: bool) -> bool:
        value = table.get(key, default)
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if not isinstance(value, bool):
            self._refuse(f"{place}: {key}".lstrip(": "), "it must be true or false")
        return value

    def _pause(self, table: dict[str, Any], key: str, place: str, default: float) -> float:
        value = table.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST_SLEEP_S:
            self._refuse(f"{place}: {key}".lstrip(": "), f"it must be seconds, up to {_LONGEST_SLEEP_S}")
        return float(value)


class _Down(msgspec.Struct, frozen=True):
    """What goes down from a session to its windows and panes."""

    before: tuple[Keys, ...] = ()
    hides: bool = True


_DOWN = {"shell_command_before", "suppress_history"}
