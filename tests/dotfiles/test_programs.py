"""mlsh's own files in the programs that read them: zsh, fish, tmux, git, vim, readline, ssh."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bed import wait_for
from tests.bed.requirements import need
from tests.dotfiles.shells import as_nobody, complains_of_fork, environment, repository, settle, typed, without_colour

ZSH = ["zsh", "-i"]


@pytest.fixture(scope="module")
def pushed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which everything was pushed."""
    made = tmp_path_factory.mktemp("pushed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(made))
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        settle(made)
    return made


@pytest.fixture
def settled(home: Path, pushed_home: Path) -> Path:
    shutil.copytree(pushed_home, home, dirs_exist_ok=True)
    return home


def ran(home: Path, *argv: str, **env: str) -> str:
    """What a program says, on either stream."""
    need(argv[0])
    done = subprocess.run(
        argv, capture_output=True, text=True, env=environment(home, env), cwd=home, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout + done.stderr


# zsh


def test_zsh_loses_no_line_and_one_s_own_settings_win(settled: Path) -> None:
    need("zsh")
    with (settled / ".zshrc").open("a") as file:
        file.write("HISTSIZE=77\n")
    for number in range(3):
        typed(ZSH, settled, f"echo {number}\n")
    assert [f"echo {number}" in (settled / ".zsh_history").read_text() for number in range(3)] == [True] * 3
    assert typed(ZSH, settled, "echo $HISTSIZE $SAVEHIST\n").stdout.splitlines()[-1] == "77 10000000"


def test_zsh_s_prompt_tells_and_runs_nothing(settled: Path) -> None:
    need("zsh")
    folder = repository(settled / "r")
    evil = repository(settled / "evil", "ref: refs/heads/$(touch${IFS}pwned)%D`id`\x1b]0;x\x07\n")
    said = typed(ZSH, settled, f"cd {folder}\n(exit 7)\ncd {evil}\necho\n")
    shown = without_colour(said.stderr)
    assert "7 ada@" in shown or re.search(r"7 \S+@", shown)
    assert "(main)" in shown
    assert "$(touch${IFS}pwned)%D`id`" in shown
    assert "\x1b]0;x" not in said.stderr
    assert not (evil / "pwned").exists()
    assert not (settled / "pwned").exists()


def test_reading_zshrc_again_changes_nothing(settled: Path) -> None:
    need("zsh")
    folder = repository(settled / "r")
    lines = f". ~/.zshrc\n. ~/.zshrc\necho\necho ${{#precmd_functions}}\ncd {folder}\necho\n"
    said = typed(ZSH, settled, lines)
    assert said.stdout.split()[0] == "2"
    assert "(main)" in without_colour(said.stderr)


def test_zsh_s_own_prompt_stays(settled: Path) -> None:
    need("zsh")
    with (settled / ".zshrc").open("a") as file:
        file.write("PROMPT='mine> '\n")
    assert "mine> " in typed(ZSH, settled, "echo\n").stderr


def test_zsh_s_prompt_starts_no_process(settled: Path) -> None:
    need("zsh")
    with as_nobody(settled) as (home, become):
        folder = repository(home / "r")
        (home / ".mlsh/jobs").mkdir(parents=True)
        (home / ".cache/mlsh").mkdir(parents=True)
        (home / f".cache/mlsh/prompt.{os.uname().nodename}").write_text(f"{int(time.time()) + 100} 2/8 3\n")
        said = typed([*become, *ZSH], home, f"ulimit -u 0\ncd {folder}\nfalse\ntrue\necho --done--\n")
        assert "--done--" in said.stdout
        assert "fork" not in said.stderr
        assert "[gpu 2/8 jobs 3]" in without_colour(said.stderr)
        assert complains_of_fork([*become, *ZSH], home, "ulimit -u 0\n/bin/true\n")


def test_fish_s_prompt_starts_no_process(settled: Path) -> None:
    need("fish")
    with as_nobody(settled) as (home, become):
        repository(home / "r")
        said = ran(home, *become, "fish", "-ic", "cd ~/r; ulimit -u 0; false; fish_prompt; echo; echo --done--")
        assert re.search(r"1 \S+@\S+:~/r \(main\)> \n--done--\n$", without_colour(said)), said


# fish


def test_fish_reads_ours_and_one_s_own_wins(settled: Path) -> None:
    need("fish")
    repository(settled / "r")
    (settled / ".config/mlsh/aliases.fish").write_text("alias hi 'echo hello'\n")
    (settled / ".config/mlsh/env.sh").write_text("# caches\nexport HF_HOME='/scratch/hf'\n")
    said = ran(settled, "fish", "-ic", "hi; echo $HF_HOME; cd ~/r; false; fish_prompt")
    assert without_colour(said).splitlines()[:2] == ["hello", "/scratch/hf"]
    assert re.search(r"1 \S+@\S+:~/r \(main\)> $", without_colour(said))
    (settled / ".config/fish/config.fish").write_text("function fish_prompt; echo 'mine> '; end\n")
    assert ran(settled, "fish", "-ic", "fish_prompt").endswith("mine> \n")
    assert ran(settled, "fish", "-c", "echo $HF_HOME") == "/scratch/hf\n", "scripts have the variables too"


# tmux


@pytest.fixture
def tmux(settled: Path) -> Iterator[str]:
    socket = str(settled / "s")
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False)


def started(home: Path, socket: str) -> None:
    # `show-messages` in a config's own session tells of errors in it; a pane in view mode would too.
    assert (
        ran(home, "tmux", "-S", socket, "-f", str(home / ".tmux.conf"), "new-session", "-d", "-x80", "-y24", "cat")
        == ""
    )


def test_tmux_takes_every_line_and_has_mouse_scrollback_and_clipboard(settled: Path, tmux: str) -> None:
    started(settled, tmux)
    show = ran(settled, "tmux", "-S", tmux, "show-options", "-g")
    assert "mouse on" in show
    assert "history-limit 100000" in show
    assert ran(settled, "tmux", "-S", tmux, "show-options", "-s", "set-clipboard") == "set-clipboard on\n"
    # An error in a config is shown in the first window, in a mode of its own.
    assert ran(settled, "tmux", "-S", tmux, "display-message", "-p", "#{pane_in_mode}") == "0\n"
    wrong = ran(settled, "tmux", "-S", tmux, "source-file", str(settled / ".config/mlsh/tmux.conf"))
    assert wrong == ""


def test_tmux_s_own_settings_win(settled: Path, tmux: str) -> None:
    with (settled / ".tmux.conf").open("a") as file:
        file.write("set -g mouse off\nset -g default-terminal screen\n")
    started(settled, tmux)
    said = wait_for(lambda: ran(settled, "tmux", "-S", tmux, "show-options", "-g", "mouse"), 20, "tmux")
    assert said == "mouse off\n"
    assert "screen\n" in ran(settled, "tmux", "-S", tmux, "show-options", "-s", "default-terminal")


def test_tmux_of_any_age_passes_over_what_it_does_not_know(settled: Path) -> None:
    """Only what tmux 3.0 knows stands without -q."""
    known = {"mouse", "history-limit", "set-clipboard", "terminal-overrides", "default-terminal", "escape-time"}
    known |= {"base-index", "focus-events", "pane-base-index", "renumber-windows", "aggressive-resize", "display-time"}
    known |= {"status-left-length", "status-right-length", "status-right"}
    for line in (settled / ".config/mlsh/tmux.conf").read_text().splitlines():
        if match := re.match(r"set[w]? (-\w+) (\S+)", line):
            assert match[2] in known or "q" in match[1], line


# git


def test_git_takes_ours_and_one_s_own_wins(settled: Path) -> None:
    assert ran(settled, "git", "config", "--get", "pull.ff") == "only\n"
    ran(settled, "git", "config", "--global", "pull.ff", "true")
    ran(settled, "git", "config", "--global", "user.name", "Ada")
    assert ran(settled, "git", "config", "--get", "pull.ff") == "true\n"
    assert "Ada" in (settled / ".gitconfig").read_text()
    ran(settled, "git", "init", "-q", "r")
    assert "main" in ran(settled, "git", "-C", "r", "st")


# vim


def test_vim_reads_ours_without_an_error_and_one_s_own_wins(settled: Path) -> None:
    need("vim")
    vim = ("vim", "-es", "-N")
    assert ran(settled, *vim, "-S", ".config/mlsh/vimrc", "-c", "verbose messages", "-c", "q").strip() == ""
    (settled / ".vimrc").write_text((settled / ".vimrc").read_text() + "set nonumber\n")
    out = settled / "out"
    ran(settled, *vim, "-u", ".vimrc", "-c", f"redir > {out} | set number? expandtab? | redir END", "-c", "q")
    assert out.read_text().split() == ["nonumber", "expandtab"]


# readline


def test_readline_takes_every_line(settled: Path) -> None:
    said = typed(
        ["bash", "-i"], settled, "bind -v | grep -E 'ignore-case|if-ambiguous'\nbind -p | grep 'search-backward'\n"
    )
    assert "set completion-ignore-case on" in said.stdout
    assert "set show-all-if-ambiguous on" in said.stdout
    assert '"\\e[A": history-search-backward' in said.stdout
    assert "inputrc" not in said.stderr


# ssh


def test_ssh_takes_ours_for_what_is_set_nowhere_else(settled: Path) -> None:
    (settled / ".ssh/config").write_text("Host a\n    ServerAliveInterval 7\n" + (settled / ".ssh/config").read_text())
    config = settled / ".ssh/config"
    # ssh finds the home in the list of users, not in HOME: the path is spelled out here.
    config.write_text(config.read_text().replace("~/", f"{settled}/"))
    for host, wanted in (("a", "7"), ("b", "30")):
        said = ran(settled, "ssh", "-F", str(config), "-G", "--", host)
        assert f"serveraliveinterval {wanted}\n" in said
        assert "forwardagent no\n" in said


# chezmoi


def test_the_folder_is_what_chezmoi_would_put_there(settled: Path) -> None:
    """By chezmoi's rules for names, which layouts.py follows: `dot_config/mlsh/x` is `~/.config/mlsh/x`."""
    folder = Path(__file__).parents[2] / "dotfiles"
    for path in (folder / "dot_config/mlsh").iterdir():
        assert (settled / ".config/mlsh" / path.name).read_bytes() == path.read_bytes()
    assert {path.name for path in folder.iterdir()} == {"README.md", ".chezmoiignore", "dot_config"}
