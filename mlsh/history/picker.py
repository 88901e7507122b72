"""Choose a command from the history with a few keys: what is typed, what is found, which one is meant. Pure.

The terminal is in `picking.py`; this is what each key does, and what the screen looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mlsh.history.search import Hit
from mlsh.shell.table import clip, width
from mlsh.shell.visible import printable

INSERT, RUN, ALIAS, RECIPE = "insert", "run", "alias", "recipe"
_ACTIONS = {"enter": INSERT, "ctrl-o": RUN, "alt-a": ALIAS, "alt-r": RECIPE}
_HELP = "enter: take it   ctrl-o: run on a box   alt-a: alias   alt-r: recipe   esc: leave"
_SHORT_HELP = "enter take  ^O on a box  M-a alias  M-r recipe  esc leave"
_LEAVE = {"esc", "ctrl-c", "ctrl-g", "ctrl-d"}
PROMPT = "history> "


class Choice(NamedTuple):
    """How it ended: a command and what to do with it, or None where the person left."""

    action: str
    hit: Hit | None


class State(NamedTuple):
    """What was typed, where the cursor stands in it, what was found for it, and which of these is meant."""

    text: str = ""
    cursor: int = 0
    hits: tuple[Hit, ...] = ()
    selected: int = 0
    top: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """What is looked for."""
        return tuple(self.text.split())

    def found(self, hits: Sequence[Hit]) -> State:
        """The same with what was found for the text."""
        return self._replace(hits=tuple(hits), selected=0, top=0)


def press(state: State, key: str, page: int = 10) -> State | Choice:
    """What a key makes of the state; `page` is how many hits are on the screen."""
    if key in _LEAVE:
        return Choice(INSERT, None)
    if key in _ACTIONS:
        return Choice(_ACTIONS[key], state.hits[state.selected]) if state.hits else state
    steps = {"up": -1, "ctrl-p": -1, "down": 1, "ctrl-n": 1, "ctrl-r": 1, "tab": 1, "ctrl-s": -1,
             "pageup": -page, "pagedown": page}  # fmt: skip
    if key in steps:
        return _moved(state, steps[key], page)
    return _edited(state, key)


def _moved(state: State, by: int, page: int) -> State:
    selected = min(max(0, state.selected + by), max(0, len(state.hits) - 1))
    top = min(max(state.top, selected - page + 1), selected)
    return state._replace(selected=selected, top=top)


def _edited(state: State, key: str) -> State:
    text, at = state.text, state.cursor
    if key in {"left", "ctrl-b"}:
        return state._replace(cursor=max(0, at - 1))
    if key in {"right", "ctrl-f"}:
        return state._replace(cursor=min(len(text), at + 1))
    if key in {"home", "ctrl-a"}:
        return state._replace(cursor=0)
    if key in {"end", "ctrl-e"}:
        return state._replace(cursor=len(text))
    if key == "backspace":
        return state._replace(text=text[: max(0, at - 1)] + text[at:], cursor=max(0, at - 1))
    if key == "delete":
        return state._replace(text=text[:at] + text[at + 1 :])
    if key == "ctrl-u":
        return state._replace(text=text[at:], cursor=0)
    if key == "ctrl-k":
        return state._replace(text=text[:at])
    if key == "ctrl-w":
        kept = text[:at].rstrip()
        kept = kept[: kept.rfind(" ") + 1]
        return state._replace(text=kept + text[at:], cursor=len(kept))
    if len(key) == 1 and key.isprintable():
        return state._replace(text=text[:at] + key + text[at:], cursor=at + 1)
    return state


def draw(state: State, rows: Sequence[Sequence[str]], columns: int, lines: int, *, colour: bool) -> list[str]:
    """The screen as lines of at most `columns` cells, at most `lines` of them; `rows` are the cells of the hits.

    What was typed is on the first line, what is known of the selected one and the keys on the last two.
    """
    page = page_of(lines)
    top = min(max(state.top, state.selected - page + 1), state.selected)  # the screen may be smaller than it was
    shown = [clip(PROMPT + _end_of(printable(state.text), columns - len(PROMPT) - 1), columns)]
    cells = [list(row) for row in rows[top : top + page]]
    widths = [max((width(row[at]) for row in cells), default=0) for at in range(3)]
    for number, row in enumerate(cells, top):
        lead = "  ".join(" " * (widths[at] - width(row[at])) + row[at] for at in range(3) if widths[at])
        line = clip(f"{'>' if number == state.selected else ' '} {lead}{'  ' if lead else ''}{row[3]}", columns)
        shown.append(f"\x1b[7m{line}\x1b[0m" if colour and number == state.selected else line)
    shown += [""] * (page + 1 - len(shown))
    if lines > 4:
        shown.append(clip(about(state), columns))
        shown.append(clip(_HELP if columns > len(_HELP) else _SHORT_HELP, columns))
    return shown[:lines]


def _end_of(text: str, cells: int) -> str:
    while text and width(text) > max(1, cells):
        text = text[max(1, (width(text) - cells) // 2) :]
    return text


def page_of(lines: int) -> int:
    """How many hits fit on a screen of so many lines."""
    return max(1, lines - 3) if lines > 4 else max(1, lines - 1)


def about(state: State) -> str:
    """What is known of the selected command beside what its line says."""
    if not state.hits:
        return "nothing found" if state.text else "the history is empty"
    hit = state.hits[state.selected]
    parts = [f"{hit.uses} times" if hit.uses > 1 else "once"]
    parts += [f"in {printable(hit.run.folder)}"] if hit.run.folder else []
    parts += [f"on {printable(hit.run.host)}"] if hit.run.host and hit.run.host != hit.run.box else []
    if (count := hit.command.count("\n") + 1) > 1:
        parts.append(f"{count} lines")
    return f"{state.selected + 1}/{len(state.hits)}: {', '.join(parts)}"
