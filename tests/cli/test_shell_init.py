"""What a shell reads at its start: without mlsh where that can be, and never a stale or half file."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from mlsh.errors import ExitCode
from tests.bed import Laptop

SHELLS = ("bash", "zsh", "fish")
RC = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}
START = {"bash": ["bash", "-i", "-c"], "zsh": ["zsh", "-i", "-c"], "fish": ["fish", "-i", "-c"]}


@pytest.fixture
def home(laptop: Laptop) -> Laptop:
    """A laptop with a real `mlsh` on its PATH that counts its starts, and an alias."""
    binary = laptop.home / "bin"
    binary.mkdir()
    command = binary / "mlsh"
    count = laptop.home / "starts"
    command.write_text(f'#!/bin/sh\necho "$*" >>{count}\nexec {shlex.quote(sys.executable)} -m mlsh "$@"\n')
    command.chmod(0o755)
    laptop.env["PATH"] = f"{binary}:{laptop.env['PATH']}"
    aliases = laptop.home / ".config/mlsh/aliases.toml"
    aliases.parent.mkdir(parents=True)
    aliases.write_text("[mine]\nqhi = 'echo hello'\nqfn = 'echo in-{1}'\n")
    (laptop.home / ".config/fish").mkdir()
    return laptop


def starts(laptop: Laptop) -> list[str]:
    """The calls of mlsh since the last time."""
    path = laptop.home / "starts"
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    path.unlink()
    return lines


def put_line(laptop: Laptop, shell: str) -> None:
    line = laptop.run("shell", "init", shell, "--line").stdout
    assert line.count("\n") == 1
    (laptop.home / RC[shell]).write_text(line)


def ask(laptop: Laptop, shell: str, command: str) -> str:
    # Aliases come to be while the line of -c is read already: eval reads it when they are there.
    ran = laptop.command(*START[shell], f"eval {shlex.quote(command)}" if shell != "fish" else command, check=False)
    noise = ("cannot set terminal process group", "no job control")
    said = [line for line in ran.stderr.splitlines() if not any(word in line for word in noise)]
    assert said == []
    return str(ran.stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_after_the_first_start_no_shell_starts_mlsh_until_something_changed(home: Laptop, shell: str) -> None:
    put_line(home, shell)
    assert ask(home, shell, "qhi you; qfn x") == "hello you\nin-x\n"
    assert starts(home) == [f"shell init {shell}"]
    assert ask(home, shell, "qhi you") == "hello you\n"
    assert starts(home) == []
    # A change by mlsh makes the text anew; one by hand is noticed by the next shell.
    home.run("alias", "add", "qnew", "echo new")
    assert ask(home, shell, "qnew") == "new\n"
    assert starts(home) == []
    aliases = home.home / ".config/mlsh/aliases.toml"
    aliases.write_text("[mine]\nqhand = 'echo hand'\n")
    later = (home.home / f".cache/mlsh/init.{shell}").stat().st_mtime + 100
    os.utime(aliases, (later, later))
    assert ask(home, shell, "qhand") == "hand\n"
    assert starts(home) == [f"shell init {shell}"]
    assert ask(home, shell, "qhand") == "hand\n"
    assert starts(home) == []
    aliases.unlink()
    ask(home, shell, "true")
    assert starts(home) == [f"shell init {shell}"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_plain_line_works_too(home: Laptop, shell: str) -> None:
    line = "mlsh shell init fish | source" if shell == "fish" else f'eval "$(mlsh shell init {shell})"'
    (home.home / RC[shell]).write_text(line + "\n")
    assert ask(home, shell, "qhi you; qfn x") == "hello you\nin-x\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_is_open_has_the_new_alias_at_once(home: Laptop, shell: str) -> None:
    put_line(home, shell)
    ask(home, shell, "true")
    ends = "echo $status" if shell == "fish" else "echo $?"
    again = "mlsh alias remove qhi 2>/dev/null"
    command = f"mlsh alias add qnew echo new 2>/dev/null\n{again}\neval qnew\n{again}\n{ends}"
    assert ask(home, shell, command) == f"new\n{int(ExitCode.NOT_FOUND)}\n"
    assert "qhi" not in ask(home, shell, "alias; functions" if shell == "fish" else "alias")


@pytest.mark.parametrize("shell", SHELLS)
def test_without_mlsh_on_this_machine_the_line_is_silent(home: Laptop, shell: str) -> None:
    put_line(home, shell)
    (home.home / "bin/mlsh").unlink()
    home.env["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    assert ask(home, shell, "echo on") == "on\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_that_is_wrong_is_told_and_the_last_aliases_stay(home: Laptop, shell: str) -> None:
    assert "qhi" in home.run("shell", "init", shell).stdout
    (home.home / ".config/mlsh/aliases.toml").write_text("[broken\n")
    ran = home.run("shell", "init", shell, check=False)
    assert ran.returncode == ExitCode.CONFIG
    assert "the aliases are those from before" in ran.stderr
    assert "mlsh alias edit" in ran.stderr
    assert "qhi" in ran.stdout
    assert "mlsh: cached" not in ran.stdout
    (home.home / f".cache/mlsh/init.{shell}").unlink()
    ran = home.run("shell", "init", shell, check=False)
    assert "this shell has no aliases" in ran.stderr
    assert "_mlsh_completion" in ran.stdout
    assert not (home.home / f".cache/mlsh/init.{shell}").exists()


def test_where_nothing_can_be_kept_the_shell_has_its_text_and_the_person_is_told(home: Laptop) -> None:
    (home.home / ".cache").write_text("no folder")
    ran = home.run("shell", "init", "bash")
    assert "qhi" in ran.stdout
    assert "could not be kept" in ran.stderr
    quiet = home.run("shell", "init", "bash", "--no-cache")
    assert (quiet.stderr, "qhi" in quiet.stdout) == ("", True)


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_of_mlsh_comes_with_it(home: Laptop, shell: str) -> None:
    put_line(home, shell)
    if shell == "fish":
        assert "logs" in ask(home, shell, "complete -C 'mlsh lo'")
    elif shell == "bash":
        command = "COMP_WORDS=(mlsh lo); COMP_CWORD=1; _mlsh_completion mlsh lo; echo ${COMPREPLY[*]}; complete -p mlsh"
        assert ask(home, shell, command).startswith("logs\ncomplete -o nosort -F _mlsh_completion mlsh")
    else:
        rc = home.home / RC[shell]
        line = rc.read_text()
        seen = "print ${_comps[mlsh]}"
        rc.write_text("autoload -Uz compinit && compinit -u\n" + line)
        assert ask(home, shell, seen) == "_mlsh_completion\n"
        # Where compinit comes after the line, the first prompt sees to it.
        rc.write_text(line + "autoload -Uz compinit && compinit -u\n")
        assert ask(home, shell, f"for hook in $precmd_functions; do $hook; done; {seen}") == "_mlsh_completion\n"


def test_tab_behind_an_alias_completes_its_program_in_bash_and_fish(home: Laptop) -> None:
    home.run("alias", "add", "qm", "mlsh box")
    home.run("alias", "add", "qmm", "qm show")
    put_line(home, "bash")
    put_line(home, "fish")
    asked = (
        "COMP_WORDS=({words}); COMP_CWORD={at}; COMP_LINE='{words}'; COMP_POINT={point}; "
        "_mlsh_complete_alias {words}; echo ${{COMPREPLY[*]}}"
    )
    assert ask(home, "bash", asked.format(words="qm sho", at=1, point=6)) == "show\n"
    assert "local" in ask(home, "bash", asked.format(words="qmm loc", at=1, point=7))
    assert "_mlsh_complete_alias qm" in ask(home, "bash", "complete -p qm")
    assert ask(home, "fish", "complete -C 'qm sho'").startswith("show")


def test_a_home_with_blanks_and_quotes_in_its_name_works(home: Laptop) -> None:
    odd = home.home / "it's a\"home"
    odd.mkdir()
    cache = {"XDG_CACHE_HOME": str(odd)}
    home.env.update(cache)
    for shell in SHELLS:
        put_line(home, shell)
        assert ask(home, shell, "qhi x") == "hello x\n"
        starts(home)
        assert ask(home, shell, "qhi x") == "hello x\n"
        assert starts(home) == []


def test_nothing_of_a_kept_file_is_for_others_to_write(home: Laptop) -> None:
    home.run("shell", "init", "bash")
    kept = home.home / ".cache/mlsh/init.bash"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert Path(home.env["XDG_CACHE_HOME"]) / "mlsh/init.bash" == kept


@pytest.mark.parametrize("shell", SHELLS)
def test_the_picker_and_the_notes_of_the_history_come_where_they_are_asked_for(home: Laptop, shell: str) -> None:
    plain = home.run("shell", "init", shell).stdout
    asked = home.run("shell", "init", shell, "--ctrl-r", "--record").stdout
    assert "__mlsh_pick" not in plain
    assert "__mlsh_note" not in plain
    line = home.run("shell", "init", shell, "--ctrl-r", "--record", "--line").stdout
    assert line.count(f"mlsh shell init {shell} --ctrl-r --record") == 1
    (home.home / RC[shell]).write_text(line)
    seen = {"bash": "bind -X", "zsh": "bindkey '^R'", "fish": r"bind \cr"}[shell]
    # On a terminal, since a shell without one has no keys to bind.
    inner = home.directory / "inner"
    inner.write_text(f"exec {shell} -i -c {shlex.quote(seen)}\n")
    ran = home.command("script", "-qec", f"sh {inner}", "/dev/null", input="")
    assert "__mlsh_pick" in ran.stdout
    assert (home.home / f".cache/mlsh/init.ctrl-r.record.{shell}").exists()
    # A change of the aliases makes each that is in use anew.
    home.run("alias", "add", "qnew", "echo new")
    assert "qnew" in (home.home / f".cache/mlsh/init.ctrl-r.record.{shell}").read_text()
    assert "__mlsh_note" in asked


@pytest.mark.parametrize(
    ("shell", "before"),
    [
        ("bash", "set -eu; shopt -s failglob extglob; alias mlsh='command mlsh' qfn='echo theirs' qhi=:"),
        ("bash", "set -o posix"),
        ("zsh", "setopt nounset extended_glob null_glob ksh_arrays sh_word_split rc_quotes"),
        ("zsh", "setopt interactive_comments csh_null_glob; alias mlsh='command mlsh' qfn='echo theirs' qhi=:"),
        ("zsh", "emulate sh"),
        ("fish", "alias qfn 'echo theirs'; abbr -a qhi 'echo theirs'"),
    ],
)
def test_whatever_the_person_has_set_before_the_line_is_read(home: Laptop, shell: str, before: str) -> None:
    line = home.run("shell", "init", shell, "--line").stdout
    (home.home / RC[shell]).write_text(f"{before}\n{line}")
    for _ in range(2):
        assert ask(home, shell, "qhi you; qfn x") == "hello you\nin-x\n"


def test_a_start_of_a_shell_starts_no_other_program(home: Laptop) -> None:
    """The figure is 5 ms; what would cost that is a process, and there is none."""
    put_line(home, "bash")
    ask(home, "bash", "true")
    # bash notes in this table each program that it looked up to run.
    ran = home.command("bash", "--norc", "-c", "set -x; . ~/.bashrc; set +x; hash", check=False)
    assert "qhi" in ran.stderr
    assert ran.stdout in {"hash: hash table empty\n", ""}
