"""What a person sees of a job that is followed on a terminal."""

import os
import pty
import sys

from tests.bed import Laptop


def watched(laptop: Laptop, *words: str) -> str:
    """All that `mlsh WORDS` writes to a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(laptop.home)
        os.execve(sys.executable, [sys.executable, "-m", "mlsh", *words], laptop.env)
    said = b""
    try:
        while data := os.read(terminal, 65536):
            said += data
    except OSError:
        pass  # the other end is closed
    os.waitpid(pid, 0)
    os.close(terminal)
    return said.decode().replace("\x1b[0m", "").replace("\r", "")


def test_the_last_word_follows_the_log_without_an_empty_line(laptop: Laptop) -> None:
    laptop.run("run", "--no-code", "-n", "one", "--", "echo", "hi")
    laptop.run("run", "--no-code", "-n", "two", "--", "printf", "no end")
    assert "hi\nmlsh: " in watched(laptop, "logs", "-f", "one")
    assert "no end\nmlsh: " in watched(laptop, "logs", "-f", "two")


def test_a_signal_has_its_name(laptop: Laptop) -> None:
    ran = laptop.run("run", "--no-code", "--", "sh", "-c", "kill -9 $$", check=False)
    assert ran.returncode == 137
    assert "FAILED: ended by signal 9 (SIGKILL)" in ran.stderr
    assert "(SIGKILL)" in laptop.run("show", "@").stdout


def test_a_program_that_is_missing_is_named(laptop: Laptop) -> None:
    ran = laptop.run("run", "--no-code", "--", "nosuchprogram", check=False)
    assert ran.returncode == 127
    assert ran.stdout.startswith("mlsh: there is no nosuchprogram on this box (PATH=")
    assert ran.stdout.count("\n") == 1
