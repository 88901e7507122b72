"""First contact with real machines: what is asked, what is sent, what is written, and what is left when it fails."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, Sit
from tests.bed.namespace_box import NamespaceBox

pytestmark = pytest.mark.root


def fingerprint(laptop: Laptop, box: Box) -> str:
    said = laptop.command("ssh-keygen", "-lf", "-", input=box.host_key() + "\n").stdout
    return str(said.split()[1])


def add(laptop: Laptop, box: Box, *more: str, name: str = "new", password: str = "", check: bool = True):
    """Add it without a person: host key by fingerprint, password through a pipe."""
    words = ["box", "add", name, f"{box.user}@{box.host}", "--password-stdin", *more]
    if "--fingerprint" not in more:
        words += ["--fingerprint", fingerprint(laptop, box)]
    return laptop.run(*words, input=f"{password or box.password}\n", check=check)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All below a folder: modes and bytes."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def box(gpu1: Box) -> Iterator[Box]:
    """A box that no key opens, with the home of a new account."""
    yield gpu1
    assert isinstance(gpu1, NamespaceBox)
    gpu1.sh("chmod 755 ~", user="alice")
    gpu1.reset_sshd_options()
    gpu1.clean()


def test_a_password_once_and_a_key_from_then_on(box: Box, laptop: Laptop) -> None:
    before = laptop.ssh_config.read_text()
    added = json.loads(add(laptop, box, "--json").stdout)
    assert (added["box"], added["login"], added["trusted_by"], added["installed"]) == (
        "new",
        "password",
        "fingerprint",
        True,
    )
    assert laptop.ssh("new", "echo in").stdout == "in\n"
    assert laptop.run("box", "list", "--plain").stdout == "local\nnew\n"
    assert laptop.run("box", "doctor", "new", "-q", check=False).stdout.startswith("new")
    assert laptop.ssh_config.read_text().endswith(f"Include mlsh_config\n\n{before}")
    key = laptop.home / ".ssh/mlsh/new"
    assert key.stat().st_mode & 0o777 == 0o600
    assert box.path("~/.ssh/authorized_keys").read_text() == key.with_suffix(".pub").read_text()
    assert box.path("~/.ssh").stat().st_mode & 0o777 == 0o700
    assert box.path("~/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600


def test_a_person_compares_the_host_key_and_types_the_password(box: Box, laptop: Laptop, sit_down: Sit) -> None:
    terminal = sit_down("box", "add", "new", f"{box.user}@{box.host}", "--no-passphrase")
    terminal.shows(fingerprint(laptop, box))
    terminal.shows("+--[ED25519 256]--+")
    terminal.shows("Is it the same?")
    assert b"assword" not in terminal.seen
    terminal.type("yes\n")
    terminal.shows("assword: ")
    terminal.type("wrong\n")
    terminal.shows("2 more tries")
    terminal.type(f"{box.password}\n")
    assert terminal.ends() == 0
    assert box.password.encode() not in terminal.seen
    assert laptop.ssh("new", "echo in").stdout == "in\n"
