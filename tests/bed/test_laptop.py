"""The laptop keeps the developer's own machine out of the tests, and says what went wrong."""

import sys

import pytest

from tests.bed import CommandError, Laptop


def test_nothing_of_the_developers_environment_leaks_in(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSH_HOME", "/elsewhere")
    seen = dict(line.split("=", 1) for line in laptop.command("env", env={"TERM": None}).stdout.splitlines())
    assert "MLSH_HOME" not in seen
    assert "TERM" not in seen
    assert seen["HOME"] == str(laptop.home)
    assert len(seen["XDG_RUNTIME_DIR"]) < 40  # with a socket's name it must stay below 108


def test_mlsh_runs_as_a_module_of_this_python(laptop: Laptop) -> None:
    done = laptop.run("--no-such-option", check=False)
    assert done.args[:3] == (sys.executable, "-m", "mlsh")
    with pytest.raises(CommandError, match="ended with"):
        laptop.run("--no-such-option")
    process = laptop.spawn("--no-such-option")
    assert process.communicate(timeout=20)
    assert process.returncode != 0


def test_a_project_is_a_repository_with_a_commit(laptop: Laptop) -> None:
    project = laptop.project({"src/train.py": "print(1)\n"})
    assert laptop.command("git", "log", "--format=%an %s", cwd=project).stdout == "Ada first\n"
    assert laptop.command("git", "status", "--porcelain", cwd=project).stdout == ""


def test_a_command_that_hangs_is_reported_with_what_it_said(laptop: Laptop) -> None:
    with pytest.raises(CommandError, match=r"(?s)not done in 0.5 s.*--- stdout\nhello"):
        laptop.command("sh", "-c", "echo hello; sleep 60", timeout=0.5)
    with pytest.raises(CommandError, match="left running still held its output"):
        laptop.command("sh", "-c", "sleep 60 & exit 0", timeout=0.5)


def test_bytes_go_in_and_come_out(laptop: Laptop) -> None:
    assert laptop.command("cat", input=b"\xff\0", text=False).stdout == b"\xff\0"


def test_a_killed_laptop_leaves_no_process(laptop: Laptop) -> None:
    laptop.command("tmux", "-L", "mlsh", "new", "-d", "sleep", "54321")
    assert laptop.processes()
    laptop.close()
    assert not laptop.processes()
