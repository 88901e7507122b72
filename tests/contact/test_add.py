"""First contact with real machines: what is asked, what is sent, what is written, and what is left when it fails."""

import json
import os
import pty
import signal
import sys

import pytest

from tests.bed import Box, Laptop, Sit, Terminal, wait_for
from tests.bed.namespace_box import NamespaceBox
from tests.contact.adding import add, fingerprint, tree

pytestmark = pytest.mark.root


def test_a_password_once_and_a_key_from_then_on(box: NamespaceBox, laptop: Laptop) -> None:
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


def test_a_person_compares_the_host_key_and_types_the_password(
    box: NamespaceBox, laptop: Laptop, sit_down: Sit
) -> None:
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


def test_a_key_that_opens_it_already_is_left_as_it_is(box: NamespaceBox, laptop: Laptop) -> None:
    laptop.authorize(box)
    before = tree(box.path("~"))
    added = json.loads(
        laptop.run(
            "box", "add", "new", f"{box.user}@{box.host}", "--fingerprint", fingerprint(laptop, box), "--json"
        ).stdout
    )
    assert (added["login"], added["key"], added["installed"]) == ("key", None, False)
    assert tree(box.path("~")) == before
    assert laptop.ssh("new", "echo in").stdout == "in\n"


def test_a_key_of_the_persons_own_is_installed_and_named(box: NamespaceBox, laptop: Laptop) -> None:
    key = laptop.home / "work key"
    laptop.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    add(laptop, box, "--key", str(key))
    assert f'IdentityFile "{key}"' in (laptop.home / ".ssh/mlsh_config").read_text()
    assert not (laptop.home / ".ssh/mlsh").exists()
    assert laptop.ssh("new", "echo in").stdout == "in\n"


def test_a_known_host_key_needs_no_question(box: NamespaceBox, laptop: Laptop) -> None:
    laptop.learn_host_key(box)
    words = ("box", "add", "new", f"{box.user}@{box.host}", "--password-stdin", "--json")
    added = json.loads(laptop.run(*words, input=f"{box.password}\n").stdout)
    assert added["trusted_by"] == "known_hosts"
    assert laptop.known_hosts.read_text().count(box.host) == 1


@pytest.mark.parametrize("way", ["gpu2", "alice@10.77.0.12:22", "ProxyCommand"])
def test_through_a_bastion(box: NamespaceBox, gpu2: Box, laptop: Laptop, way: str) -> None:
    laptop.add(gpu2)
    if way == "ProxyCommand":
        rule = f"Host ne*\n  ProxyCommand ssh -F {laptop.ssh_config} -W %h:%p gpu2\n\n"
        laptop.ssh_config.write_text(rule + laptop.ssh_config.read_text())
    box.sh("iptables -I INPUT -s 10.77.0.1 -j DROP", user="root")
    try:
        add(laptop, box, *(["--jump", way] if way != "ProxyCommand" else []))
        assert laptop.ssh("new", "echo in").stdout == "in\n"
        if way != "ProxyCommand":
            assert f"ProxyJump {way}\n" in (laptop.home / ".ssh/mlsh_config").read_text()
    finally:
        box.sh("iptables -D INPUT -s 10.77.0.1 -j DROP", user="root")


def test_a_bastion_that_lets_nobody_through_is_named(box: NamespaceBox, gpu2: Box, laptop: Laptop) -> None:
    laptop.add(gpu2)
    gpu2.sshd_option("AllowTcpForwarding no")
    before = tree(laptop.home)
    forbidden = add(laptop, box, "--jump", "gpu2", check=False)
    gpu2.reset_sshd_options()
    assert forbidden.returncode == 69
    assert "forbids to go on from there" in forbidden.stderr
    gpu2.path("~/.ssh/authorized_keys").unlink()
    refused = add(laptop, box, "--jump", "gpu2", check=False)
    assert refused.returncode == 77
    assert "gpu2: it refused your key" in refused.stderr
    assert tree(laptop.home) == before


def test_a_dry_run_connects_to_nothing_and_writes_nothing(laptop: Laptop) -> None:
    before = tree(laptop.home)
    said = laptop.run("box", "add", "new", "me@192.0.2.1:2222", "--dry-run").stdout
    assert "Host new\n  HostName 192.0.2.1\n  Port 2222\n  User me\n" in said
    (fields,) = [json.loads(laptop.run("box", "add", "new", "me@192.0.2.1", "--dry-run", "--json").stdout)]
    assert fields["includes"] is True
    assert tree(laptop.home) == before


def test_listing_boxes_imports_no_paramiko(laptop: Laptop) -> None:
    said = laptop.command("python", "-X", "importtime", "-m", "mlsh", "box", "list").stderr
    assert "mlsh.cli.box_words" in said
    assert "paramiko" not in said


def test_a_key_of_the_agent_is_installed_and_tried_by_plain_ssh(box: NamespaceBox, laptop: Laptop) -> None:
    laptop.ssh_config.write_text(laptop.ssh_config.read_text().replace("  IdentityAgent none\n", ""))
    agent = {"SSH_AUTH_SOCK": str(laptop.directory / "agent")}
    laptop.command("ssh-agent", "-a", agent["SSH_AUTH_SOCK"])
    key = laptop.home / "held"
    laptop.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "work", "-f", str(key))
    laptop.command("ssh-add", "-q", str(key), env=agent)
    key.unlink()
    words = ("box", "add", "new", f"alice@{box.host}", "--password-stdin", "--fingerprint", fingerprint(laptop, box))
    added = json.loads(laptop.run(*words, "--key", "agent:work", "--json", input="hunter2\n", env=agent).stdout)
    assert (added["installed"], added["key"]) == (True, str(laptop.home / ".ssh/mlsh/new.pub"))
    assert box.path("~/.ssh/authorized_keys").read_text() == key.with_suffix(".pub").read_text()
    # The same key for a second name: it opens the box already.
    again = json.loads(
        laptop.run("box", "add", "again", *words[3:4], "--key", "agent:work", "--json", env=agent).stdout
    )
    assert (again["login"], again["installed"]) == ("key", False)
    laptop.run("box", "remove", "new", "-y", env=agent)
    assert not (laptop.home / ".ssh/mlsh/new.pub").exists()
    assert box.path("~/.ssh/authorized_keys").read_text() != ""


class OwnTerminal(Terminal):
    """A terminal that mlsh's children may open as /dev/tty, as ssh does to ask for a passphrase."""

    def __init__(self, laptop: Laptop, *words: str) -> None:
        self._main, theirs = pty.openpty()
        os.set_blocking(self._main, False)
        self.seen = b""
        argv = ["setsid", "--ctty", sys.executable, "-m", "mlsh", *words]
        self.process = laptop._start(argv, None, None, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)


def test_a_passphrase_is_offered_and_typed_to_ssh_alone(box: NamespaceBox, laptop: Laptop) -> None:
    words = ("box", "add", "new", f"alice@{box.host}", "--fingerprint", fingerprint(laptop, box))
    terminal = OwnTerminal(laptop, *words)
    for prompt, word in (
        ("assword: ", "hunter2"),
        ("Enter passphrase", "open sesame"),
        ("Enter same passphrase", "open sesame"),
        ("Enter passphrase for key", "open sesame"),
    ):
        terminal.shows(prompt)
        terminal.seen = b""
        terminal.type(f"{word}\n")
    assert terminal.ends() == 0
    assert b"ssh-add" in terminal.seen
    terminal.close()
    key = laptop.home / ".ssh/mlsh/new"
    assert laptop.command("ssh-keygen", "-y", "-P", "", "-f", str(key), check=False).returncode != 0
    assert laptop.command("ssh-keygen", "-y", "-P", "open sesame", "-f", str(key)).stdout


def test_a_kill_in_the_middle_leaves_nothing(box: NamespaceBox, laptop: Laptop) -> None:
    before, there = tree(laptop.home), tree(box.path("~"))
    words = ("box", "add", "new", f"alice@{box.host}", "--fingerprint", fingerprint(laptop, box))
    terminal = OwnTerminal(laptop, *words)
    terminal.shows("assword: ")
    terminal.type("hunter2\n")
    terminal.shows("Enter passphrase")
    assert (laptop.home / ".ssh/mlsh").is_dir()
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ends() == 128 + signal.SIGTERM
    terminal.close()
    wait_for(lambda: tree(laptop.home) == before, 20, "the laptop as it was")
    assert tree(box.path("~")) == there


def test_a_key_that_a_slow_box_takes_late_is_not_lost_here(fresh_box: NamespaceBox, laptop: Laptop) -> None:
    fresh_box.write("~/.bashrc", "touch /tmp/began; until [ -e /tmp/go ]; do sleep 0.1; done\n")
    said_before = fingerprint(laptop, fresh_box)
    words = ("box", "add", "new", f"alice@{fresh_box.host}", "--no-passphrase", "--fingerprint", said_before)
    terminal = OwnTerminal(laptop, *words)
    terminal.shows("assword: ")
    terminal.type("hunter2\n")
    wait_for(fresh_box.path("/tmp/began").exists, 20, "the box at work")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.ends() != 0
    assert b"it may be there or come yet" in terminal.seen
    assert b"is undone" not in terminal.seen
    terminal.close()
    fresh_box.path("/tmp/go").touch()
    keys = fresh_box.path("~/.ssh/authorized_keys")
    wait_for(lambda: keys.exists() and keys.read_text() != "", 20, "the key on the box")
    assert keys.read_text() == (laptop.home / ".ssh/mlsh/new.pub").read_text()
    again = json.loads(laptop.run(*words, "--json").stdout)
    assert (again["login"], again["installed"]) == ("key", False)
