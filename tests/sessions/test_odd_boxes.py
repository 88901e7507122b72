"""Sessions on boxes as people have them: other shells, start-up files that talk, no tmux, an old one, no UTF-8."""

import json

import pytest

from tests.bed import Box, Laptop, Sit
from tests.sessions.life import press, screen, sessions, shows, tmux, windows

# Words that a shell in between could take apart.
TEXT = json.dumps(
    {
        "session_name": "odd wörk!",
        "environment": {"TOKEN": "a'b\"c\\d!e $ f"},
        "start_directory": "~/it's a \\dir!",
        "windows": [{"window_name": "it's!\\", "panes": ["echo 'one!'", "blank"]}, {"panes": ["blank"]}],
    }
)


@pytest.fixture
def box(laptop: Laptop, fresh_box: Box) -> Box:
    laptop.add(fresh_box)
    (laptop.home / "odd.json").write_text(TEXT)
    fresh_box.sh('mkdir -p "it\'s a \\\\dir!"')
    return fresh_box


def works(laptop: Laptop, box: Box, sit_down: Sit) -> None:
    """Make, list, save, attach and end a session."""
    laptop.run("session", "up", "-d", "--on", "fresh", "odd.json")
    assert sessions(box) == ["odd wörk!"]
    assert tmux(box, "list-windows -t '=odd wörk!' -F '#{window_name} #{window_panes}'")[0] == "it's!\\ 2"
    assert tmux(box, "show-environment -t '=odd wörk!' TOKEN") == ["TOKEN=a'b\"c\\d!e $ f"]
    folder = f"{box.home}/it's a \\dir!"
    assert set(tmux(box, "list-panes -s -t '=odd wörk!' -F '#{pane_current_path}'")) == {folder}
    shows(box, "=odd wörk!:0.0", "one!")
    listed = json.loads(laptop.run("session", "list", "--on", "fresh", "--json").stdout)
    assert (listed["name"], listed["windows"]) == ("odd wörk!", 2)
    saved = laptop.run("session", "save", "--on", "fresh", "odd wörk!").stdout
    assert "odd wörk!" in saved
    assert folder in saved
    here = sit_down("session", "attach", "--on", "fresh", "odd wörk!")
    here.shows("odd w")
    press(here, "d")
    assert here.ends() == 0, here.seen
    laptop.run("session", "kill", "-y", "--on", "fresh", "odd wörk!")
    assert sessions(box) == []


@pytest.mark.parametrize("shell", ["/usr/bin/fish", "/bin/tcsh", "/usr/bin/zsh", "/bin/dash"])
def test_any_login_shell_will_do(laptop: Laptop, box: Box, sit_down: Sit, shell: str) -> None:
    box.login_shell(shell)
    works(laptop, box, sit_down)


def test_busybox_will_do(laptop: Laptop, box: Box, sit_down: Sit) -> None:
    box.busybox_userland()
    works(laptop, box, sit_down)


def test_start_up_files_that_talk_and_read_do_no_harm(laptop: Laptop, box: Box, sit_down: Sit) -> None:
    box.write(
        "~/.bashrc",
        "echo hello; echo oops >&2; printf 'no newline'; printf oops >&2; [ -t 0 ] || { read -r a; read -r b; }\n",
    )
    works(laptop, box, sit_down)


def test_a_box_without_utf_8_shows_and_keeps_it(laptop: Laptop, box: Box, sit_down: Sit) -> None:
    box.write("~/.bashrc", "export LC_ALL=C LANG=C; unset LC_CTYPE\n")
    works(laptop, box, sit_down)


def test_the_persons_tmux_conf_applies(laptop: Laptop, box: Box) -> None:
    text = "set -g base-index 1\nset -g pane-base-index 1\nset -g renumber-windows on\nset -g prefix C-a\n"
    box.write("~/.tmux.conf", text)
    laptop.run("session", "up", "-d", "--on", "fresh", "-n", "one")
    assert windows(box, "one") == ["shell 1 1", "editor 1 0", "watch 2 0"]
    assert tmux(box, "list-windows -t =one -F '#{window_index}'") == ["1", "2", "3"]
    assert tmux(box, "show-options -gv prefix") == ["C-a"]


def test_a_box_without_tmux_is_told_what_to_install(laptop: Laptop, box: Box) -> None:
    box.hide("tmux")
    ran = laptop.run("session", "up", "-d", "--on", "fresh", check=False)
    assert (ran.returncode, "there is no tmux on this box" in ran.stderr) == (71, True)
    assert "apt-get install tmux" in ran.stderr
    listed = laptop.run("session", "list", "--on", "fresh", check=False)
    assert (listed.returncode, "no sessions" in listed.stderr) == (71, False)


@pytest.mark.parametrize("version", ["tmux 2.8", "tmux 3.1c"])
def test_an_old_tmux_is_told(laptop: Laptop, box: Box, version: str) -> None:
    """An old tmux can't be installed here: a command that says its version stands for it."""
    box.hide("tmux")
    box.install("tmux", f"echo {version}")
    ran = laptop.run("session", "up", "-d", "--on", "fresh", check=False)
    assert (ran.returncode, f"{version} is too old: mlsh needs 3.2" in ran.stderr) == (71, True), ran.stderr


def test_a_tmux_in_the_persons_own_folder_is_found(laptop: Laptop, box: Box) -> None:
    box.sh("mkdir -p .local/bin; cp $(command -v tmux) .local/bin/")
    box.sh("rm -f $(command -v tmux)", user="root", check=False)
    laptop.run("session", "up", "-d", "--on", "fresh", "-n", "one")
    assert "one" in laptop.run("session", "list", "--on", "fresh").stdout


def test_a_box_that_stops_answering_ends_no_patience(laptop: Laptop, box: Box) -> None:
    laptop.run("session", "up", "-d", "--on", "fresh", "-n", "one")
    box.blackhole(True)
    ran = laptop.run("session", "list", "--on", "fresh", check=False, timeout=50)
    assert ran.returncode == 69
    assert "no sessions" not in ran.stderr
    box.blackhole(False)
    assert screen(box, "=one:") is not None
    assert "one" in laptop.run("session", "list", "--on", "fresh").stdout
