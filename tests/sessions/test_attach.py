"""`mlsh session attach` and `up` on a real terminal: over ssh, over mosh, and within a tmux."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, Sit, wait_for
from tests.bed.requirements import need
from tests.sessions.life import clear, press, sessions, shows, tmux


@pytest.fixture(autouse=True)
def _known(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    clear(gpu1)


def test_up_sits_down_and_letting_go_leaves_the_session(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    here = sit_down("session", "up", "--on", "gpu1", "-n", "mine")
    wait_for(lambda: tmux(gpu1, "list-clients -F '#{session_name}'") == ["mine"], 15, "the client")
    assert tmux(gpu1, "display -p -t =mine: '#{window_width} #{window_height}'") == ["100 29"]
    here.type("echo $((40+2))\r")
    shows(gpu1, "=mine:shell", "42")
    press(here, "d")
    assert here.ends() == 0
    assert b"mine goes on: mlsh session attach mine --on gpu1" in here.seen
    again = sit_down("session", "attach", "mine")  # the box is found
    again.shows("42")
    gpu1.sh("tmux kill-session -t =mine")
    assert again.ends() == 0
    assert b"mine has ended" in again.seen


def test_the_laptop_that_dies_leaves_the_session(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    here = sit_down("session", "up", "--on", "gpu1", "-n", "mine")
    wait_for(lambda: tmux(gpu1, "list-clients -F '#{session_name}'") == ["mine"], 15, "the client")
    gpu1.kill_sessions()
    assert here.ends() == 69
    assert b"the session goes on there" in here.seen
    assert sessions(gpu1) == ["mine"]


def test_only_the_whole_name_is_attached(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    gpu1.sh("tmux new-session -d -s train2")
    here = sit_down("session", "attach", "train", "--on", "gpu1")
    assert here.ends() == 66
    assert b"there is: train2" in here.seen
    ran = laptop.run("session", "attach", "train2", "--on", "gpu1", check=False)
    assert (ran.returncode, "you need a terminal" in ran.stderr) == (2, True)


def test_attach_works_from_a_terminal_that_is_unknown_there(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    gpu1.sh("tmux new-session -d -s one 'echo here I am; exec cat'")
    here = sit_down("session", "attach", "one", "--on", "gpu1", env={"TERM": "xterm-fancy"})
    here.shows("here I am")
    press(here, "d")
    assert here.ends() == 0


def test_within_a_tmux_the_inner_prefix_is_told(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    gpu1.sh("tmux new-session -d -s one 'echo here I am; exec cat'")
    laptop.command("tmux", "-L", "outer", "new-session", "-d", "-s", "o")
    laptop.command("tmux", "-L", "outer", "set-option", "-g", "prefix", "C-a")
    socket = laptop.command("tmux", "-L", "outer", "display-message", "-p", "#{socket_path}").stdout.strip()
    here = sit_down("session", "attach", "one", "--on", "gpu1", env={"TMUX": f"{socket},1,0", "TMUX_PANE": "%0"})
    here.shows("press Ctrl-a twice for the inner one")
    here.shows("here I am")
    press(here, "d")
    assert here.ends() == 0


def test_within_the_same_server_the_client_is_switched(laptop: Laptop) -> None:
    laptop.run("session", "up", "-d", "-n", "other")
    script = Path(laptop.home / "go.sh")
    script.write_text(f"{sys.executable} -m mlsh session attach other --on local\n")
    # A client of the local server, on a terminal of its own, in a session in which mlsh is typed.
    laptop.command("tmux", "new-session", "-d", "-s", "one", "-x", "100", "-y", "30")
    client = laptop._start(
        ["script", "-qec", "tmux attach-session -t =one", "/dev/null"], None, None,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip

    def at() -> str:
        return laptop.command("tmux", "list-clients", "-F", "#{session_name}").stdout.strip()

    wait_for(lambda: at() == "one", 10, "the client")
    laptop.command("tmux", "send-keys", "-t", "=one:", f"sh {script}", "Enter")
    wait_for(lambda: at() == "other", 15, "the switch")
    client.kill()


def test_by_mosh(laptop: Laptop, gpu1: Box, sit_down: Sit) -> None:
    need("mosh", "mosh-server")
    gpu1.sh("tmux new-session -d -s one 'echo here I am; exec cat'")
    here = sit_down("session", "attach", "one", "--on", "gpu1", "--mosh")
    here.shows("here I am")
    assert gpu1.processes("^mosh-server")
    press(here, "d")
    assert here.ends() == 0
    assert b"one goes on" in here.seen


def test_where_there_is_no_mosh_it_is_said_what_installs_it(laptop: Laptop, fresh_box: Box, sit_down: Sit) -> None:
    need("mosh", "mosh-server")
    laptop.add(fresh_box)
    fresh_box.sh("tmux new-session -d -s one")
    fresh_box.hide("mosh-server")
    here = sit_down("session", "attach", "one", "--on", "fresh", "--mosh")
    assert here.ends() == 71
    assert b"fresh: there is no mosh-server on this box" in here.seen
    assert b"apt-get install mosh" in here.seen
    without = {"PATH": str(laptop.home / "bin")}
    (laptop.home / "bin").mkdir()
    for tool in ("ssh", "sh", "cat", "tmux"):
        (laptop.home / "bin" / tool).symlink_to(f"/usr/bin/{tool}")
    here = sit_down("session", "attach", "one", "--on", "fresh", "--mosh", env=without)
    assert here.ends() == 71
    assert b"there is no mosh on this machine" in here.seen
    assert sit_down("session", "up", "--mosh").ends() == 2
