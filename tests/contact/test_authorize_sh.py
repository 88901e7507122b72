"""authorize.sh under the shells that boxes have: whose keys it would lose, and what it leaves. No box is needed."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bed.requirements import need

SCRIPT = Path(__file__).resolve().parents[2] / "mlsh/contact/box/authorize.sh"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINEW/+w== mlsh:gpu1:ada@laptop"
OLD = '# ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINEW/+w== taken out\nfrom="10.*" ssh-rsa AAAAold bob'
SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"])


@pytest.fixture(params=SHELLS, ids=[shell[0] for shell in SHELLS])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    need(request.param[0])
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (tmp_path / "shell").write_text("\n".join(request.param))
    return home


def call(home: Path, *words: str, missing: str = "") -> str:
    """What it answers, without its nonce. Programs in `bin` beside the home come first."""
    argv = (home.parent / "shell").read_text().split("\n")
    env = {"HOME": f"{home}{missing}", "PATH": f"{home.parent}/bin:{os.environ['PATH']}"}
    ran = subprocess.run(
        [*argv, "-s", "--", "N", *words], input=SCRIPT.read_bytes(), capture_output=True, env=env, check=False
    )
    assert ran.stderr == b""
    (line,) = [line for line in ran.stdout.decode().splitlines() if line]
    assert line.startswith("N ")
    return line[2:].strip()


def stub(home: Path, name: str, text: str) -> None:
    """Have another program under that name."""
    program = home.parent / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def keys(home: Path) -> Path:
    return home / ".ssh/authorized_keys"


def test_a_new_account(home: Path) -> None:
    done = call(home, "add", KEY, "no")
    assert done.split() == ["added", "dir", "file"]
    assert keys(home).read_text() == f"{KEY}\n"
    assert keys(home).stat().st_mode & 0o777 == 0o600
    assert keys(home).parent.stat().st_mode & 0o777 == 0o700
    assert call(home, "add", KEY, "no") == "there"
    assert keys(home).read_text() == f"{KEY}\n"
    assert call(home, "undo", KEY, "dir", "file") == "undone"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_keys_that_are_there_stay_byte_for_byte(home: Path, end: str) -> None:
    keys(home).parent.mkdir(mode=0o700)
    keys(home).write_bytes((OLD + end).encode())
    keys(home).chmod(0o644)
    word, *done = call(home, "add", KEY, "no").split()
    assert word == "added"
    gap = "" if end.endswith("\n") else "\n"
    assert keys(home).read_bytes() == f"{OLD}{end}{gap}{KEY}\n".encode()
    assert keys(home).stat().st_mode & 0o777 == 0o644
    assert call(home, "undo", KEY, *done) == "undone"
    assert keys(home).read_bytes() == (OLD + end).encode()
    assert os.listdir(keys(home).parent) == ["authorized_keys"]


def test_a_linked_file_stays_a_link(home: Path) -> None:
    real = home / "dots/keys"
    real.parent.mkdir()
    real.write_text("ssh-rsa AAAAold bob\n")
    keys(home).parent.mkdir(mode=0o700)
    keys(home).symlink_to(real)
    call(home, "add", KEY, "no")
    assert keys(home).is_symlink()
    assert real.read_text() == f"ssh-rsa AAAAold bob\n{KEY}\n"
    assert call(home, "drop", KEY) == "dropped"
    assert real.read_text() == "ssh-rsa AAAAold bob\n"
    assert call(home, "drop", KEY) == "absent"


def test_a_key_with_options_before_it_is_there_already(home: Path) -> None:
    keys(home).parent.mkdir(mode=0o700)
    keys(home).write_text(f"no-pty {KEY.rsplit(' ', 1)[0]} another comment\n")
    assert call(home, "add", KEY, "no") == "there"


def test_a_key_that_is_only_in_a_comment_is_not_there_and_the_comment_stays(home: Path) -> None:
    keys(home).parent.mkdir(mode=0o700)
    keys(home).write_text(f"{OLD}\n")
    call(home, "add", KEY, "no")
    call(home, "drop", KEY)
    assert keys(home).read_text() == f"{OLD}\n"


def test_modes_that_sshd_would_refuse_are_mended_and_come_back(home: Path) -> None:
    keys(home).parent.mkdir()
    keys(home).parent.chmod(0o777)
    keys(home).write_text("ssh-rsa AAAAold bob\n")
    home.chmod(0o777)
    assert call(home, "add", KEY, "no").startswith("fail open-home 777")
    assert home.stat().st_mode & 0o777 == 0o777
    word, *done = call(home, "add", KEY, "may-mend").split()
    assert word == "added"
    assert [path.stat().st_mode & 0o777 for path in (home, keys(home).parent)] == [0o755, 0o755]
    call(home, "undo", KEY, *done)
    assert [path.stat().st_mode & 0o777 for path in (home, keys(home).parent)] == [0o777, 0o777]
    assert keys(home).read_text() == "ssh-rsa AAAAold bob\n"


def test_what_is_no_file_or_leads_nowhere_is_told(home: Path) -> None:
    assert call(home, "add", KEY, "no", missing="/gone").startswith("fail no-home")
    keys(home).parent.mkdir(mode=0o700)
    keys(home).symlink_to("/nowhere/at/all")
    assert call(home, "add", KEY, "no").startswith("fail dangling")
    keys(home).unlink()
    keys(home).mkdir()
    assert call(home, "add", KEY, "no").startswith("fail not-a-file")


def test_undo_leaves_a_key_that_was_there_before(home: Path) -> None:
    keys(home).parent.mkdir(mode=0o700)
    keys(home).write_text(f"no-pty {KEY}\n")
    keys(home).chmod(0o664)
    assert call(home, "add", KEY, "no").split() == ["there", "keys=664"]
    assert keys(home).stat().st_mode & 0o777 == 0o644
    assert call(home, "undo", KEY, "keys=664") == "undone"
    assert call(home, "undo", KEY) == "undone"
    assert keys(home).read_text() == f"no-pty {KEY}\n"
    assert keys(home).stat().st_mode & 0o777 == 0o664


def test_undo_keeps_what_others_wrote_meanwhile(home: Path) -> None:
    keys(home).parent.mkdir(mode=0o700)
    keys(home).write_text(f"{OLD}\n")
    done = call(home, "add", KEY, "no").split()[1:]
    # As long as what was there: the size alone tells nothing.
    keys(home).write_text(keys(home).read_text().replace(OLD, OLD[:-1]) + "b")
    assert call(home, "undo", KEY, *done) == "undone"
    assert keys(home).read_text() == f"{OLD[:-1]}\nb\n"


def test_a_full_disk_that_awk_does_not_tell_of_loses_no_key(home: Path) -> None:
    """A stub for awk: that of busybox ends with 0 when the disk is full."""
    keys(home).parent.mkdir(mode=0o700)
    text = f"ssh-rsa AAAAold bob\n{KEY}\nssh-rsa AAAAnew eve"
    keys(home).write_text(text)
    awk = shutil.which("awk")
    stub(home, "awk", f'case $* in *END*) exec {awk} "$@" ;; esac; {awk} "$@" | head -c 12')
    for words in (["drop", KEY], ["undo", KEY, "size=3"]):
        assert "is the disk full?" in call(home, *words)
        assert keys(home).read_text() == text
        assert os.listdir(keys(home).parent) == ["authorized_keys"]
    (home.parent / "bin/awk").unlink()
    assert call(home, "drop", KEY) == "dropped"
    assert keys(home).read_text() == "ssh-rsa AAAAold bob\nssh-rsa AAAAnew eve\n"


def test_two_never_rewrite_it_at_once(home: Path) -> None:
    keys(home).parent.mkdir(mode=0o700)
    keys(home).write_text(f"{KEY}\n")
    stub(home, "sleep", f"echo >>{home.parent}/slept")
    folder = os.open(keys(home).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        assert call(home, "drop", KEY).startswith("fail busy")
    finally:
        os.close(folder)
    assert (home.parent / "slept").read_text().count("\n") == 9
    assert keys(home).read_text() == f"{KEY}\n"
    assert call(home, "drop", KEY) == "dropped"
