"""What ssh says is told in words, with a next step that works when it is pasted."""

import pytest

from mlsh.box.failures import failure_of, is_passing, never_began
from mlsh.errors import LoginRefused, Unreachable

CHANGED = b"""\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
Add correct host key in /home/ada/.ssh/known_hosts to get rid of this message.\r
Offending ED25519 key in %s:3\r
Host key for %s has changed and you have requested strict checking.\r
Host key verification failed.\r
"""


@pytest.mark.parametrize(
    ("file", "key", "mend"),
    [
        (b"/home/ada/.ssh/known_hosts", b"10.77.0.12", "ssh-keygen -R 10.77.0.12, then: ssh gpu2"),
        (b"/home/ada/.ssh/known_hosts", b"[10.77.0.12]:2222", "ssh-keygen -R '[10.77.0.12]:2222', then"),
        (b"/my lab/hosts", b"gate", "ssh-keygen -R gate -f '/my lab/hosts', then"),
    ],
)
def test_a_changed_host_key_is_forgotten_by_the_name_that_known_hosts_has(
    monkeypatch: pytest.MonkeyPatch, file: bytes, key: bytes, mend: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    error = failure_of("gpu2", CHANGED % (file, key))
    assert isinstance(error, LoginRefused)
    assert mend in error.hint


def test_an_ssh_that_says_nothing_lost_its_connection() -> None:
    error = failure_of("gpu1", b"\r\n")
    assert isinstance(error, Unreachable)
    assert error.what == "gpu1: the connection broke off"
    assert is_passing(error)
    assert not never_began(error)


@pytest.mark.parametrize(
    ("said", "certain"),
    [
        (b"ssh: Could not resolve hostname nosuch: Name or service not known\r\n", True),
        (b"ssh: connect to host 10.77.0.12 port 22: Connection refused\r\n", True),
        (b"ssh: connect to host 10.77.0.12 port 22: Connection timed out\r\n", True),
        (b"channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n", True),
        (b"ada@10.77.0.12: Permission denied (publickey,password).\r\n", True),
        (CHANGED % (b"x", b"y"), True),
        (b"client_loop: send disconnect: Broken pipe\r\n", False),
        (b"Timeout, server 10.77.0.12 not responding.\r\n", False),
        (b"Connection to 10.77.0.12 closed by remote host.\r\n", False),
        (b"bash: /etc/profile.d/x.sh: Permission denied\nConnection reset by peer\r\n", False),
    ],
)
def test_whether_the_command_can_have_begun_is_known(said: bytes, certain: bool) -> None:
    assert never_began(failure_of("gpu2", said)) == certain
