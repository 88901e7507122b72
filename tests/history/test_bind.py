"""Ctrl-R in real shells: the chosen line is put on the command line, and never runs by itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import mlsh
from tests.bed import Laptop
from tests.bed.waiting import wait_for
from tests.history.shells import shell

BIND = Path(mlsh.__file__).parent / "history"


def start(laptop: Laptop, name: str, part: str = "bind") -> list[str]:
    """The words that start a shell with our file and a plain prompt."""
    file = BIND / f"{part}.{name}"
    if name == "bash":
        (laptop.home / "rc").write_text(f"PS1='ready> '\nsource {file}\n")
        return ["bash", "--noprofile", "--rcfile", "rc", "-i"]
    if name == "zsh":
        (laptop.home / ".zshrc").write_text(f"PS1='ready> '\nunsetopt zle_bracketed_paste\nbindkey -e\nsource {file}\n")
        return ["zsh", "-i"]
    (laptop.home / "rc").write_text(
        f"function fish_prompt; echo -n 'ready> '; end\nset -g fish_greeting\nsource {file}\n"
    )
    return ["fish", "--no-config", "-i", "-C", f"source {laptop.home}/rc"]


def remember(laptop: Laptop, *commands: str) -> None:
    now = int(time.time())
    text = "".join(f"#{now - 1000 + n}\n{command}\n" for n, command in enumerate(commands))
    (laptop.home / ".bash_history").write_text(text)
    laptop.run("history")
    # A shell with no history of its own: what it offers comes from mlsh.
    (laptop.home / ".bash_history").write_text("")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_ctrl_r_puts_the_line_there_and_does_not_run_it(laptop: Laptop, name: str) -> None:
    remember(laptop, "touch ran-it; echo 'quoted $HOME'", "ls")
    with shell(laptop, *start(laptop, name), env={"MLSH_NO_FZF": "1"}) as at:
        at.shows("ready>")
        at.type("quoted\x12")
        at.shows("history> ")
        at.shows("touch ran-it")
        at.type("\r")
        at.shows("touch ran-it; echo", 2)
        assert not (laptop.home / "ran-it").exists()
        at.type("\x05 >out\r")
        wait_for(lambda: (laptop.home / "out").exists() and (laptop.home / "ran-it").exists(), 30, "the line to run")
        wait_for(lambda: (laptop.home / "out").read_text() == "quoted $HOME\n", 30, "its output")


def test_leaving_keeps_what_was_typed(laptop: Laptop) -> None:
    remember(laptop, "ls")
    with shell(laptop, *start(laptop, "bash"), env={"MLSH_NO_FZF": "1"}) as at:
        at.shows("ready>")
        at.type("echo kept >out\x12")
        at.shows("history> ")
        at.type("\x1b")
        at.shows("\x1b[?1049l")
        at.type("\r")
        wait_for((laptop.home / "out").exists, 30, "the line to run")


def test_fzf_is_used_where_it_is(laptop: Laptop) -> None:
    remember(laptop, "echo one \x1b]0;owned\x07 >out", "touch two")
    with shell(laptop, "mlsh", "history", "--pick", "tw") as at:
        at.shows("ctrl-o: run on a box")
        at.shows("touch ")
        at.type("\r")
        assert at.ends() == 0
        at.shows("touch two")
        assert b"\x1b]0;owned" not in at.seen


def test_a_key_makes_the_line_that_does_it(laptop: Laptop) -> None:
    remember(laptop, "echo 'it is'")
    for key, line in (
        ("\x0f", "mlsh run --on BOX -- bash -c "),
        ("\x1ba", "mlsh alias add NAME -- "),
        ("\x1br", "mlsh recipe add NAME -- "),
    ):
        with shell(laptop, "mlsh", "history", "--pick", "--no-fzf") as at:
            at.shows("history> ")
            at.shows("echo 'it is'")
            at.type(key)
            at.shows(line + "'echo '\"'\"'it is'\"'\"''")
            assert at.ends() == 0


def test_the_terminal_is_as_it_was_after_a_kill(laptop: Laptop) -> None:
    remember(laptop, "ls")
    with shell(laptop, "bash", "-c", "mlsh history --pick --no-fzf & wait $!; stty -a") as at:
        at.shows("history> ")
        at.type("\x03")
        at.shows("icanon")
        assert b"-icanon" not in at.seen
        assert b"\x1b[?1049l" in at.seen


def test_without_a_terminal_it_says_so(laptop: Laptop) -> None:
    remember(laptop, "ls")
    said = laptop.run("history", "--pick", "--no-fzf", check=False)
    assert said.returncode == 2
    assert "terminal" in said.stderr
    dumb = laptop.run("history", "--pick", "--no-fzf", check=False, env={"TERM": "dumb"})
    assert dumb.returncode == 2
