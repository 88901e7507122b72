"""`mlsh session list`, `kill` and `save`."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bed import Box, Laptop, Sit, wait_for
from tests.sessions.life import FILE, clear, sessions, shows, tmux, windows


@pytest.fixture(autouse=True)
def _known(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    clear(gpu1)
    gpu1.sh("mkdir -p code/sub")


def listed(laptop: Laptop, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in laptop.run("session", "list", "--json", *words).stdout.splitlines()]


def test_sessions_of_all_boxes_are_listed_those_made_by_hand_too(laptop: Laptop, gpu1: Box, gpu2: Box) -> None:
    laptop.add(gpu2)
    gpu1.sh("tmux new-session -d -s 'by hand'; tmux new-window -t 'by hand'")
    laptop.run("session", "up", "-d", "--on", "gpu2", "-n", "two")
    assert [one["name"] for one in listed(laptop)] == ["two"]  # gpu1 was never named
    laptop.run("session", "list", "--on", "gpu1")
    found = {one["box"]: one for one in listed(laptop, "--on", "gpu1", "--on", "gpu2", "--on", "local")}
    assert set(found) == {"gpu1", "gpu2"}
    by_hand = found["gpu1"]
    assert (by_hand["name"], by_hand["windows"], by_hand["attached"]) == ("by hand", 2, 0)
    assert time.time() - 120 < by_hand["created"] <= by_hand["activity"] <= time.time() + 5
    text = laptop.run("session", "list", "--on", "gpu1").stdout
    assert text.splitlines()[0].split() == ["NAME", "BOX", "WINDOWS", "ATTACHED", "CREATED", "ACTIVE"]


def test_a_box_without_a_server_is_no_error_and_one_that_is_silent_is(
    laptop: Laptop, gpu1: Box, fresh_box: Box
) -> None:
    laptop.add(fresh_box)
    empty = laptop.run("session", "list", "--on", "gpu1")
    assert (empty.stdout, "no sessions on gpu1" in empty.stderr) == ("", True)
    gpu1.sh("tmux new-session -d -s here")
    fresh_box.stop_sshd()
    both = laptop.run("session", "list", "--on", "fresh", "--on", "gpu1", check=False)
    assert both.returncode == 69
    assert "here" in both.stdout
    assert "fresh: nothing listens for ssh there" in both.stderr
    assert "no sessions" not in both.stderr


def test_what_a_program_writes_into_its_title_hides_no_session(laptop: Laptop, gpu1: Box) -> None:
    gpu1.sh(
        r"tmux new-session -d -s titled; tmux send-keys -t titled \"printf '\\\\033]2;a␞b c\\\\033\\\\\\\\'\" Enter"
    )
    gpu1.sh("tmux -u select-pane -t titled -T 'a␞b c'")
    assert [one["name"] for one in listed(laptop, "--on", "gpu1")] == ["titled"]


def test_kill_means_the_whole_name_and_asks(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    gpu1.sh("tmux new-session -d -s train; tmux new-session -d -s train2")
    missing = laptop.run("session", "kill", "-y", "--on", "gpu1", "trai", check=False)
    assert (missing.returncode, sessions(gpu1)) == (66, ["train", "train2"])
    assert laptop.run("session", "kill", "--on", "gpu1", "train", check=False).returncode == 2
    here = sit_down("session", "kill", "--on", "gpu1", "train")
    here.shows("End train on gpu1 (1 window)")
    here.type("n\r")
    assert here.ends() == 1
    assert sessions(gpu1) == ["train", "train2"]
    again = sit_down("session", "kill", "--on", "gpu1", "train")
    again.shows("End train on gpu1")
    again.type("y\r")
    assert again.ends() == 0
    assert sessions(gpu1) == ["train2"]


def test_a_session_with_a_name_from_hell_can_be_ended(laptop: Laptop, gpu1: Box) -> None:
    gpu1.sh("tmux new-session -d -s '$(id)'; tmux new-session -d -s '=x'; tmux new-session -d -s x")
    for name in ("$(id)", "=x"):
        laptop.run("session", "kill", "-y", "--on", "gpu1", name)
    assert sessions(gpu1) == ["x"]


def test_a_name_on_two_boxes_asks_which(laptop: Laptop, gpu1: Box, gpu2: Box) -> None:
    laptop.add(gpu2)
    clear(gpu2)
    for box in ("gpu1", "gpu2"):
        laptop.run("session", "up", "-d", "--on", box, "-n", "same")
    ran = laptop.run("session", "kill", "-y", "same", check=False)
    assert (ran.returncode, "say which: --on gpu1" in ran.stderr) == (2, True)
    laptop.run("session", "kill", "-y", "same", "--on", "gpu2")
    laptop.run("session", "kill", "-y", "same")
    assert sessions(gpu1) == sessions(gpu2) == []


# Save


def made(laptop: Laptop, gpu1: Box) -> Path:
    file = laptop.home / "nlp.yaml"
    file.write_text(FILE.replace("$HOME-is", "HOME-is").replace("- blank", "- tail -f 'a b' /dev/null"))
    laptop.run("session", "up", "-d", "--on", "gpu1", str(file))
    wait_for(lambda: gpu1.processes("^tail -f"), 10, "the command")
    shows(gpu1, "=nlp:edit.0", "two")
    return file


SHAPE = (
    "#{window_name} #{window_active} #{window_layout} "
    "#{pane_index} #{pane_active} #{pane_current_path} #{pane_current_command}"
)


def test_what_is_saved_can_be_made_again(laptop: Laptop, gpu1: Box) -> None:
    made(laptop, gpu1)
    before = tmux(gpu1, f"list-panes -s -t =nlp -F '{SHAPE}'")
    saved = laptop.home / "saved.yaml"
    laptop.run("session", "save", "nlp", "--on", "gpu1", "-o", str(saved))
    assert "s3cr3t" not in saved.read_text()
    laptop.run("session", "kill", "-y", "nlp", "--on", "gpu1")
    laptop.run("session", "up", "-d", "--on", "gpu1", str(saved))
    wait_for(lambda: gpu1.processes("^tail -f a b") and gpu1.processes("^sleep 4321"), 10, "the commands")

    def shape() -> list[str]:
        # The checksum at the start of a layout goes by the panes' ids.
        lines = tmux(gpu1, f"list-panes -s -t =nlp -F '{SHAPE}'")
        return [line for line in lines if line]

    def plain(lines: list[str]) -> list[str]:
        return [re.sub(r"\b[0-9a-f]{4},|,\d+(?=[,\]}])", "", line) for line in lines]

    wait_for(lambda: plain(shape()) == plain(before), 10, "the same session")
    assert windows(gpu1, "nlp") == ["edit 3 0", "logs 1 1"]


def test_tmuxp_loads_what_is_saved(laptop: Laptop, gpu1: Box) -> None:
    from tmuxp.workspace import loader, validation

    made(laptop, gpu1)
    text = laptop.run("session", "save", "nlp", "--on", "gpu1").stdout
    found = yaml.safe_load(text)
    assert validation.validate_schema(found)
    whole = loader.trickle(loader.expand(found))
    assert [[pane["shell_command"] for pane in window["panes"]] for window in whole["windows"]] == [
        [[], [], [{"cmd": "tail -f 'a b' /dev/null"}]],
        [[{"cmd": "sleep 4321"}]],
    ]
    # And for real, on the laptop: its folders are not there, so in its home.
    file = laptop.home / "t.yaml"
    file.write_text(text.replace(gpu1.home, str(laptop.home)))
    (laptop.home / "code/sub").mkdir(parents=True)
    laptop.command("tmuxp", "load", "-d", "-y", str(file))
    shape = laptop.command("tmux", "list-panes", "-s", "-t", "=nlp", "-F", "#{window_name} #{pane_current_path}").stdout
    code = laptop.home / "code"
    assert shape.splitlines() == [f"edit {code}", f"edit {code}/sub", f"edit {code}", f"logs {code}"]


def test_a_file_that_is_there_is_kept(laptop: Laptop, gpu1: Box) -> None:
    gpu1.sh("tmux new-session -d -s one")
    file = laptop.home / "kept.yaml"
    file.write_text("mine")
    ran = laptop.run("session", "save", "one", "--on", "gpu1", "-o", str(file), check=False)
    assert (ran.returncode, file.read_text()) == (65, "mine")
    laptop.run("session", "save", "one", "--on", "gpu1", "-o", str(file), "--force")
    assert "session_name: one" in file.read_text()
