"""authorize.sh under the shells that boxes have: whose keys it would lose, and what it leaves. No box is needed."""

import os
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
    """What it answers, without its nonce."""
    argv = (home.parent / "shell").read_text().split("\n")
    env = {"HOME": f"{home}{missing}", "PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [*argv, "-s", "--", "N", *words], input=SCRIPT.read_bytes(), capture_output=True, env=env, check=False
    )
    assert ran.stderr == b""
    (line,) = [line for line in ran.stdout.decode().splitlines() if line]
    assert line.startswith("N ")
    return line[2:].strip()


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
