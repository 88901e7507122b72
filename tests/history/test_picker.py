"""The picker: what each key does, and a screen that fits and hides nothing."""

from __future__ import annotations

import time

import pytest

from mlsh.history.fuzzy import closest
from mlsh.history.keys import decode
from mlsh.history.picker import Choice, State, draw, page_of, press
from mlsh.history.search import Hit, Run
from mlsh.shell.table import width

HITS = [Hit(f"command {n}", n, Run(1.7e9, 0, None, "local", "/src", "", "bash")) for n in range(50)]
CELLS = [("3h", "gpu1", "", hit.command) for hit in HITS]


def after(state: State, *keys: str) -> State:
    for key in keys:
        pressed = press(state, key)
        assert isinstance(pressed, State)
        state = pressed
    return state


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"ab", ["a", "b"]),
        (b"\x1b[A\x1b[B\x1bOA\x1b[5~\x1b[H", ["up", "down", "up", "pageup", "home"]),
        (b"\x12\r\n\x7f\x17", ["ctrl-r", "enter", "enter", "backspace", "ctrl-w"]),
        (b"\x1ba\x1bR", ["alt-a", "alt-r"]),
        ("é語".encode(), ["é", "語"]),
        (b"\x1b[200~x\x1b[201~", ["x"]),
        (b"\x1b[1;5C", []),
    ],
)
def test_keys(data: bytes, keys: list[str]) -> None:
    assert decode(data) == (keys, b"")
    joined, rest = list[str](), b""
    for byte in data:
        part, rest = decode(rest + bytes([byte]))
        joined += part
    assert joined == keys


def test_a_lone_escape_is_one_only_when_nothing_follows() -> None:
    assert decode(b"\x1b") == ([], b"\x1b")
    assert decode(b"\x1b", is_all=True) == (["esc"], b"")


def test_typing_and_editing() -> None:
    state = after(State(), *"git push", "ctrl-w", *"pull", "home", "x", "delete", "end", "backspace")
    assert state.text == "xit pul"
    assert after(state, "ctrl-u").text == ""
    assert state.words == ("xit", "pul")
    assert after(State(), "ctrl-w", "backspace", "delete", "left", "\x1b", "tab").text == ""


def test_moving_stays_in_the_list_and_in_sight() -> None:
    state = State().found(HITS)
    assert after(state, "up").selected == 0
    state = after(state, *["ctrl-r"] * 99)
    assert (state.selected, state.top) == (49, 40)
    state = after(state, "pageup")
    assert (state.selected, state.top) == (39, 39)


def test_each_way_out() -> None:
    state = after(State().found(HITS), "down")
    assert press(state, "enter") == Choice("insert", HITS[1])
    assert press(state, "ctrl-o") == Choice("run", HITS[1])
    assert press(state, "alt-a") == Choice("alias", HITS[1])
    assert press(state, "alt-r") == Choice("recipe", HITS[1])
    for key in ("esc", "ctrl-c", "ctrl-g", "ctrl-d"):
        assert press(state, key) == Choice("insert", None)
    assert press(State(), "enter") == State()


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (100, 30), (40, 10), (20, 5), (9, 3), (80, 2)])
@pytest.mark.parametrize("colour", [True, False])
def test_the_screen_fits(columns: int, lines: int, colour: bool) -> None:
    hostile = Hit("echo \x1b]0;x\x07\u202eevil " + "w" * 300 + "\nsecond", 2, HITS[0].run._replace(folder="/a\x1b[2J"))
    state = after(State(text="語" * 60).found([hostile, *HITS]), *["down"] * 3)
    from mlsh.cli.history_pick import _cells

    shown = draw(state, _cells(state.hits), columns, lines, colour=colour)
    assert len(shown) <= lines
    for line in shown:
        bare = line.replace("\x1b[7m", "").replace("\x1b[0m", "")
        assert "\x1b" not in bare
        assert "\u202e" not in bare
        assert width(bare) <= columns
    assert any(line.startswith((">", "\x1b[7m>")) for line in shown)
    assert columns < 20 or "語" in shown[0]
    if not colour:
        assert not any("\x1b" in line for line in shown)


def test_every_hit_can_be_reached_on_a_small_screen() -> None:
    for lines in (2, 4, 5, 24):
        state = State().found(HITS)
        for n in range(50):
            shown = draw(state, CELLS, 80, lines, colour=False)
            assert any(line.startswith(">") and line.endswith(f"command {n}") for line in shown)
            pressed = press(state, "down", page_of(lines))
            assert isinstance(pressed, State)
            state = pressed


def test_letters_in_order_find_what_words_do_not() -> None:
    commands = [(1, "ls -la"), (2, "git push origin main"), (3, "grep -rn po"), (4, "[x] (y) a.b")]
    assert closest("gpo", commands, 9) == [2, 3]
    assert closest("gt", commands, 9) == [2]
    assert closest("[(.", commands, 9) == [4]
    assert closest("zz", commands, 9) == []


def test_letters_in_order_take_no_time_in_a_hostile_command() -> None:
    began = time.process_time()
    closest("aaaaaaaaaaaaab", [(n, "a" * 100_000) for n in range(50)], 9)
    assert time.process_time() - began < 5
