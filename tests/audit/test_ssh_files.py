"""What key files and known_hosts tell: a weak or bare key that is not noticed is the user's to lose."""

import base64
import struct
import subprocess
from pathlib import Path

import pytest

from mlsh.audit import known_hosts, ssh_keys
from mlsh.audit.known_hosts import Odd

KEY = b"AAAAC3NzaC1lZDI1NTE5AAAAI"
OTHER = b"AAAAC3NzaC1lZDI1NTE5BBBBB"


def made(folder: Path, *words: str, passphrase: str = "") -> Path:
    path = folder / "key"
    argv = ["ssh-keygen", "-q", "-N", passphrase, "-C", "ada", "-f", str(path), *words]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
@pytest.mark.parametrize(
    ("words", "kind", "bits"),
    [
        (["-t", "ed25519"], "ssh-ed25519", 256),
        (["-t", "rsa", "-b", "1024"], "ssh-rsa", 1024),
        (["-t", "rsa", "-b", "2048"], "ssh-rsa", 2048),
        (["-t", "ecdsa", "-b", "384"], "ecdsa-sha2-nistp384", 384),
    ],
)
def test_a_key_tells_its_kind_size_and_whether_it_has_a_passphrase(
    tmp_path: Path, words: list[str], kind: str, bits: int, passphrase: str
) -> None:
    path = made(tmp_path, *words, passphrase=passphrase)
    key = ssh_keys.private(path.read_bytes())
    assert key is not None
    assert (key.kind, key.bits, key.encrypted) == (kind, bits, bool(passphrase))
    (public,) = ssh_keys.publics(path.with_suffix(".pub").read_bytes())
    assert (public.kind, public.bits) == (kind, bits)


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_an_old_format_tells_at_least_whether_it_is_encrypted(tmp_path: Path, form: str, passphrase: str) -> None:
    key = ssh_keys.private(made(tmp_path, "-t", "rsa", "-b", "1024", "-m", form, passphrase=passphrase).read_bytes())
    assert key is not None
    assert key.encrypted is bool(passphrase)


def test_dsa_is_known_though_ssh_keygen_may_make_none_any_more() -> None:
    parts = [b"ssh-dss", (1 << 1023).to_bytes(129, "big"), b"q", b"g", b"y"]
    blob = base64.b64encode(b"".join(struct.pack(">I", len(part)) + part for part in parts))
    (key,) = ssh_keys.publics(b'from="10.*",command="echo \\"x\\"" ssh-dss ' + blob + b" ada@old\n")
    assert (key.kind, key.bits, key.name) == ("ssh-dss", 1024, "line 1 (ada@old)")


@pytest.mark.parametrize(
    "raw",
    [
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n!!!!\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.b64encode(b"openssh-key-v1\0" + b"\xff" * 40),
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.b64encode(b"openssh-key-v1\0\0\0\0\4none"),
    ],
)
def test_a_broken_key_file_is_one_that_tells_nothing(raw: bytes) -> None:
    assert ssh_keys.private(raw) == ssh_keys.Key("", None, None)


def test_what_is_no_key_is_none() -> None:
    assert ssh_keys.private(b"Host *\n") is None
    assert ssh_keys.publics(b"# ssh-rsa AAAA\n\nssh-rsa AAAAnonsense\nssh-rsa\n") == []


def hosts(*lines: bytes) -> known_hosts.Judged:
    return known_hosts.judge(b"\n".join(lines) + b"\n")


def test_a_healthy_file_has_nothing_odd() -> None:
    judged = hosts(
        b"# mine",
        b"gpu1,10.0.0.1 ssh-ed25519 " + KEY,
        b"gpu1 ssh-rsa AAAAB3Nza",
        b"gpu2 ssh-ed25519 " + KEY + b" a comment",
        b"|1|abc=|def= ssh-ed25519 " + KEY,
        b"|1|ghi=|jkl= ssh-ed25519 " + KEY,
        b"@cert-authority *.lab ssh-ed25519 " + OTHER,
        b"@revoked gpu1 ssh-ed25519 " + OTHER,
        b"*.farm ssh-ed25519 " + KEY,
        b"*.farm ssh-ed25519 " + OTHER,
    )
    assert judged == known_hosts.Judged(7, (), (), (), ())


def test_one_machine_with_two_keys_of_a_kind_is_noticed() -> None:
    judged = hosts(b"a,gpu1 ssh-ed25519 " + KEY, b"b ssh-ed25519 " + OTHER, b"gpu1 ssh-ed25519 " + OTHER)
    assert judged.conflicting == (Odd("gpu1", (1, 3)),)
    assert judged.repeated == ()


def test_only_a_line_that_can_go_without_a_loss_is_called_needless() -> None:
    judged = hosts(
        b"gpu1 ssh-ed25519 " + KEY,
        b"gpu1,new ssh-ed25519 " + KEY,
        b"new,gpu1 ssh-ed25519 " + KEY,
    )
    assert judged.repeated == (Odd("new", (3,)),)


def test_old_kinds_and_nonsense_are_named_by_line() -> None:
    judged = hosts(b"old ssh-dss AAAAB3NzaC1kc3MAAA", b"half a line", b"\xff\xfe")
    assert judged.old == (Odd("old", (1,)),)
    assert judged.broken == (2, 3)
