"""On which boxes this person's sessions may be, and finding one by its name."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlsh import config
from mlsh.box import LOCAL, Box, open_box
from mlsh.box.fanout import side_by_side
from mlsh.config import Settings
from mlsh.errors import MlshError, NotFound, UsageError
from mlsh.jobs.find import known_boxes
from mlsh.sessions.tmux import Session, Tmux

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT_S = 30.0


class Found(NamedTuple):
    """A session and its box."""

    box: Box
    session: Session


def _path() -> Path:
    return config.state_dir() / "session-boxes"


def remember(box: str) -> None:
    """Note that there was a session on a box, so that later searches ask there too."""
    with contextlib.suppress(OSError):  # it only saves typing `--on`
        if box not in _remembered():
            _path().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(_path(), "a") as file:
                file.write(f"{box}\n")


def _remembered() -> list[str]:
    try:
        return _path().read_text(errors="replace").split()
    except OSError:
        return []


def boxes(settings: Settings) -> list[str]:
    """`local`, the boxes that jobs were launched on from here, and those that sessions were made on.

    A laptop without tmux has no sessions: it is left out.
    """
    known = dict.fromkeys([*known_boxes(settings), *_remembered()])
    return [name for name in known if name != LOCAL or shutil.which("tmux")] or [LOCAL]


def on_box(box: Box) -> list[Session]:
    """The sessions on a box, in the order of their names. Raises what keeps the box from telling."""
    with Tmux(box) as tmux:
        return tmux.sessions()


def everywhere(settings: Settings, names: Sequence[str]) -> Iterator[tuple[Box, list[Session] | MlshError]]:
    """Ask boxes side by side; yields each one's sessions, or its error, as it answers."""
    yield from side_by_side([open_box(name, settings) for name in names], on_box, _LIMIT_S)


def find(name: str, settings: Settings, on: str | None, say: Callable[[str], None]) -> Found:
    """The session of exactly this name on the box `on`, or else wherever there is one.

    `say` is told which boxes did not answer. Raises NotFound, and UsageError where several boxes have one.
    """
    if on is not None:
        box = open_box(on, settings)
        sessions = on_box(box)
        for session in sessions:
            if session.name == name:
                return Found(box, session)
        raise NotFound(f"{on}: there is no session {name}", _there_is(sessions, on))
    asked = boxes(settings)
    found: list[Found] = []
    silent: list[str] = []
    for box, answer in everywhere(settings, asked):
        if isinstance(answer, MlshError):
            silent.append(box.name)
        else:
            found += [Found(box, session) for session in answer if session.name == name]
    if len(found) > 1:
        where = sorted(one.box.name for one in found)
        raise UsageError(f"there is a session {name} on {' and on '.join(where)}", f"say which: --on {where[0]}")
    unasked = f" ({', '.join(silent)} did not answer)" if silent else ""
    if not found:
        raise NotFound(
            f"there is no session {name} on {', '.join(asked)}{unasked}",
            "see what there is: mlsh session list; another box: --on BOX",
        )
    if silent:
        say(f"{', '.join(silent)} did not answer; this is the session on {found[0].box.name}")
    return found[0]


def _there_is(sessions: Sequence[Session], box: str) -> str:
    if not sessions:
        return f"make it: mlsh session up --on {box}"
    return f"there is: {', '.join(session.name for session in sessions)}"
