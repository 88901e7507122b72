"""How a job's command begins: a program that is missing is named, words arrive as they are, in each kind of sh."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bed.requirements import not_possible_here

SCRIPT = Path(__file__).resolve().parents[3] / "mlsh/jobs/box/command.sh"
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]


def run(
    shell: list[str], tmp_path: Path, *argv: str, env: str = "", login: str = "", workdir: str = ""
) -> tuple[int, bytes, str]:
    """Exit code, stdout and stderr of a job's command, from the files that a launch would write."""
    if shutil.which(shell[0]) is None:
        not_possible_here("This test", f"there is no {shell[0]} here")
    home = tmp_path / "box"
    job = home / "jobs/bcdfg234"
    shutil.rmtree(home, ignore_errors=True)
    job.mkdir(parents=True)
    (home / "lib/x").mkdir(parents=True)
    shutil.copy(SCRIPT, home / "lib/x/command.sh")
    (job / "job.sh").write_text(f"commit=''\nsubdir=''\nworkdir={shlex.quote(workdir)}\n")
    (job / "argv").write_bytes(b"exec " + os.fsencode(shlex.join(argv)) + b"\n")
    (job / "env").write_text(env)
    if login:
        (job / "login-env").write_text(login)
    ran = subprocess.run(
        [*shell, str(home / "lib/x/command.sh"), "bcdfg234"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "xterm"},
        capture_output=True,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr.decode()


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


def test_a_missing_program_is_named_with_the_path_that_was_searched(shell: list[str], tmp_path: Path) -> None:
    code, _, said = run(shell, tmp_path, "nosuchprogram", "-x")
    assert (code, said) == (127, "mlsh: there is no nosuchprogram on this box (PATH=/usr/bin:/bin)\n")
    code, _, said = run(shell, tmp_path, "./nosuch")
    assert (code, said) == (127, f"mlsh: there is no ./nosuch on this box (looked from {tmp_path})\n")


def test_what_may_not_be_executed_is_named(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    for word in ("./train.py", str(tmp_path)):
        assert run(shell, tmp_path, word) == (126, b"", f"mlsh: {word} may not be executed on this box\n")
    env = f"export PATH={tmp_path}:/usr/bin:/bin\n"
    assert run(shell, tmp_path, "train.py", env=env)[::2] == (126, "mlsh: train.py may not be executed on this box\n")


def test_a_missing_folder_is_named_once(shell: list[str], tmp_path: Path) -> None:
    code, _, said = run(shell, tmp_path, "true", workdir="/no/such")
    assert (code, said) == (126, "mlsh: there is no folder /no/such on this box\n")


def test_every_byte_of_every_word_arrives(shell: list[str], tmp_path: Path) -> None:
    every = "".join(os.fsdecode(bytes([number])) for number in range(1, 256))
    words = [every, "", "$HOME `id` \\", "a\n\nb\n", "-n", "*", "ünï\u4e00\U0001f600"]
    code, out, said = run(shell, tmp_path, "printf", "%s\\0", *words)
    assert (code, said) == (0, "")
    assert out.split(b"\0")[:-1] == [os.fsencode(word) for word in words]


def test_nothing_pages_unless_it_is_asked_to(shell: list[str], tmp_path: Path) -> None:
    show = ("sh", "-c", 'echo "$PAGER $GIT_PAGER"')
    login = "export PAGER=less\nexport GIT_PAGER=less\n"
    assert run(shell, tmp_path, *show)[1] == b"cat cat\n"
    assert run(shell, tmp_path, *show, login=login)[1] == b"cat cat\n"
    assert run(shell, tmp_path, *show, login=login, env="export PAGER=more\n")[1] == b"more cat\n"


def test_a_name_is_looked_for_in_the_current_folder_where_path_says_so(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "here").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "here").chmod(0o755)
    for path in (":/usr/bin:/bin", "/usr/bin:/bin:", "/usr/bin::/bin"):
        assert run(shell, tmp_path, "here", env=f"export PATH={path}\n")[1] == b"ran\n"
