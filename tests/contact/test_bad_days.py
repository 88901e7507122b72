"""First contact on bad days: the password goes nowhere else, nobody is banned, and what fails leaves no trace."""

import json
import re

import pytest

from tests.bed import Bed, Box, Laptop, Sit
from tests.bed.namespace_box import NamespaceBox
from tests.bed.private_lan import root_command
from tests.contact.adding import add, fingerprint, tree

pytestmark = pytest.mark.root

TRAP = "auth optional pam_exec.so quiet expose_authtok /usr/local/bin/trap\n"


def trap(box: Box) -> None:
    """Have the box write down every password that reaches it."""
    box.install("trap", "umask 0; tr -d '\\0' >>/run/stolen; echo >>/run/stolen")
    pam = box.path("/etc/pam.d/sshd")
    # First the password has to be asked for: a module of PAM's own does that.
    pam.write_text("auth required pam_unix.so nodelay\n" + pam.read_text())
    text = pam.read_text()
    pam.write_text(TRAP.replace("optional", "required") + text.replace("auth required", "auth required", 1))


def stolen(box: Box) -> str:
    file = box.path("/run/stolen")
    return file.read_text() if file.exists() else ""


# The password


def test_three_wrong_passwords_and_no_fourth_try(fresh_box: NamespaceBox, laptop: Laptop, sit_down: Sit) -> None:
    fresh_box.sshd_option("LogLevel VERBOSE")
    before, there = tree(laptop.home), tree(fresh_box.path("~"))
    terminal = sit_down("box", "add", "new", f"alice@{fresh_box.host}", "--fingerprint", fingerprint(laptop, fresh_box))
    for left in ("2 more tries", "1 more try", "refused 3 times"):
        terminal.shows("assword: ")
        terminal.seen = b""
        terminal.type("wrong\n")
        terminal.shows(left)
    assert terminal.ends() == 77
    log = fresh_box.sshd_log()
    assert log.count("Failed password for alice") == 3
    # One that asked for the password, and one before it that tried the keys.
    assert log.count("Connection from") == 2
    assert tree(laptop.home) == before
    assert tree(fresh_box.path("~")) == there


def test_a_wrong_password_from_a_pipe_is_tried_once(box: NamespaceBox, laptop: Laptop) -> None:
    said = add(laptop, box, password="wrong", check=False)  # noqa: S106
    assert said.returncode == 77
    assert "was refused" in said.stderr
    assert "nothing was changed" in said.stderr
    assert "wrong" not in said.stderr.replace("what is wrong", "")


def test_a_password_that_is_not_utf8_is_refused_unseen(box: NamespaceBox, laptop: Laptop) -> None:
    before = tree(laptop.home)
    words = ("box", "add", "new", f"alice@{box.host}", "--password-stdin", "--fingerprint", fingerprint(laptop, box))
    adding = laptop.spawn(*words)
    _, said = adding.communicate("gr\u00fcn\n".encode("latin-1"), timeout=30)
    assert adding.returncode == 65
    assert b"is not UTF-8" in said
    assert b"gr" not in said
    assert tree(laptop.home) == before


def test_a_key_in_the_way_is_moved_without_those_of_other_boxes(box: NamespaceBox, laptop: Laptop) -> None:
    folder = laptop.home / ".ssh/mlsh"
    folder.mkdir(mode=0o700)
    for name in ("new", "newer", "newer.pub"):
        (folder / name).write_text("a key\n")
    said = add(laptop, box, check=False)
    assert said.returncode == 78
    hint = said.stderr.split("try again: ")[1].splitlines()[0]
    laptop.command("sh", "-c", hint, check=False)
    assert sorted(path.name for path in folder.iterdir()) == ["newer", "newer.pub"]
    assert (laptop.home / ".ssh/new-old").read_text() == "a key\n"
    add(laptop, box)


def test_the_password_never_reaches_a_machine_in_between(
    box: NamespaceBox, gpu2: NamespaceBox, laptop: Laptop, sit_down: Sit
) -> None:
    """The trap is tried first: a person who says yes to the wrong fingerprint would lose the password to it."""
    trap(gpu2)
    victim = fingerprint(laptop, box)
    rule = ["-p", "tcp", "-d", box.host, "--dport", "22", "-j", "DNAT", "--to", gpu2.host]
    root_command("iptables", "-w", "-t", "nat", "-A", "OUTPUT", *rule)
    try:
        words = ("box", "add", "new", f"alice@{box.host}")
        by_fingerprint = laptop.run(*words, "--password-stdin", "--fingerprint", victim, input="hunter2\n", check=False)
        nobody = laptop.run(*words, "--password-stdin", input="hunter2\n", check=False)
        terminal = sit_down(*words)
        terminal.shows("Is it the same?")
        terminal.type(f"{victim}\n")
        assert terminal.ends() == 77
        laptop.learn_host_key(box)
        known = laptop.run(*words, "--password-stdin", input="hunter2\n", check=False)
        for said in (by_fingerprint, nobody, known):
            assert said.returncode == 77
            assert "nothing was sent to it" in said.stderr
        assert victim in known.stderr
        assert stolen(gpu2) == ""
        laptop.known_hosts.write_text("")
        add(laptop, box, "--fingerprint", fingerprint(laptop, gpu2), check=False)
        assert "hunter2" in stolen(gpu2)
    finally:
        root_command("iptables", "-w", "-t", "nat", "-D", "OUTPUT", *rule)


def test_an_expired_password_is_told(fresh_box: NamespaceBox, laptop: Laptop) -> None:
    fresh_box.sh("chage -d 0 alice", user="root")
    before = tree(laptop.home)
    said = add(laptop, fresh_box, check=False)
    assert said.returncode == 77
    assert "expired" in said.stderr
    assert tree(laptop.home) == before


def test_an_expired_password_can_be_changed_where_the_box_asks(
    fresh_box: NamespaceBox, laptop: Laptop, sit_down: Sit
) -> None:
    fresh_box.sh("chage -d 0 alice", user="root")
    fresh_box.sshd_option("KbdInteractiveAuthentication yes")
    words = ("--fingerprint", fingerprint(laptop, fresh_box), "--no-passphrase")
    terminal = sit_down("box", "add", "new", f"alice@{fresh_box.host}", *words)
    terminal.shows("assword:")
    terminal.type("hunter2\n")
    for prompt, word in (
        ("urrent password:", "hunter2"),
        ("New password:", "Tr0ub4dor&3x"),
        ("Retype", "Tr0ub4dor&3x"),
    ):
        terminal.shows(prompt)
        terminal.type(f"{word}\n")
    assert terminal.ends() == 0
    assert laptop.ssh("new", "echo in").stdout == "in\n"


# The account


@pytest.mark.parametrize(
    ("shell", "bashrc", "code", "words"),
    [
        ("/usr/sbin/nologin", "", 71, "may not run commands"),
        ("/bin/bash", "exit 3\n", 71, "before it ran a command"),
        ("/bin/bash", "echo hello; printf '\\033]0;x\\007'\n", 0, "is a box now"),
        ("/usr/bin/fish", "", 0, "is a box now"),
    ],
)
def test_odd_login_shells(box: NamespaceBox, laptop: Laptop, shell: str, bashrc: str, code: int, words: str) -> None:
    box.login_shell(shell)
    if bashrc:
        box.write("~/.bashrc", bashrc)
    before, there = tree(laptop.home), tree(box.path("~"))
    said = add(laptop, box, check=False)
    assert said.returncode == code, said.stderr
    assert words in said.stderr
    assert "\x1b" not in said.stderr
    if code:
        assert tree(laptop.home) == before
        assert tree(box.path("~")) == there


def test_a_home_that_does_not_exist(box: NamespaceBox, laptop: Laptop) -> None:
    box.sh("mv /home/alice /home/gone", user="root")
    try:
        said = add(laptop, box, check=False)
        assert said.returncode == 71
        assert "home folder does not exist" in said.stderr
        assert not box.path("/home/alice").exists()
    finally:
        box.sh("mv /home/gone /home/alice", user="root")


def test_a_home_that_all_may_write_is_asked_about(box: NamespaceBox, laptop: Laptop) -> None:
    box.sh("chmod 777 ~")
    before = tree(box.path("~"))
    said = add(laptop, box, check=False)
    assert said.returncode == 71
    assert "chmod go-w ~" in said.stderr
    assert tree(box.path("~")) == before
    assert box.path("~").stat().st_mode & 0o777 == 0o777
    add(laptop, box, "-y")
    assert box.path("~").stat().st_mode & 0o777 == 0o755
    assert laptop.ssh("new", "echo in").stdout == "in\n"


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_home_that_cannot_be_written_keeps_its_keys(fresh_box: NamespaceBox, laptop: Laptop, trouble: str) -> None:
    fresh_box.write("~/.ssh/authorized_keys", "ssh-ed25519 AAAAold somebody\n" * 200, 0o600)
    there, before = tree(fresh_box.path("~")), tree(laptop.home)
    if trouble == "full":
        fresh_box.fill_disk()
    else:
        fresh_box.read_only_home()
    said = add(laptop, fresh_box, name="other", check=False)
    assert said.returncode == 71, said.stderr
    assert trouble in said.stderr
    assert tree(fresh_box.path("~")) == there
    assert tree(laptop.home) == before


def test_two_boxes_that_share_a_home_each_keep_their_key(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box, name="one")
    add(laptop, box, "--fingerprint", fingerprint(laptop, box), name="two")
    keys = box.path("~/.ssh/authorized_keys").read_text().splitlines()
    assert [key.split()[2].split(":")[1] for key in keys] == ["one", "two"]
    for name in ("one", "two"):
        assert laptop.ssh(name, "echo in").stdout == "in\n"


def test_what_plain_ssh_refuses_in_the_end_is_undone_on_both_sides(box: NamespaceBox, laptop: Laptop) -> None:
    box.sshd_option("AuthorizedKeysFile /etc/ssh/keys/%u")
    box.write("~/.ssh/authorized_keys", "ssh-ed25519 AAAAold somebody, no newline at the end", 0o640)
    before, there = tree(laptop.home), tree(box.path("~"))
    said = add(laptop, box, check=False)
    assert said.returncode == 71
    assert "AuthorizedKeysFile" in said.stderr
    assert "it stopped while checking with plain ssh; what was done is undone" in said.stderr
    assert tree(laptop.home) == before
    assert tree(box.path("~")) == there


def test_a_key_that_was_there_before_stays_when_it_is_not_accepted(box: NamespaceBox, laptop: Laptop) -> None:
    key = laptop.home / "work"
    laptop.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    box.sshd_option("AuthorizedKeysFile /etc/ssh/keys/%u")
    box.write("~/.ssh/authorized_keys", f"no-pty {key.with_suffix('.pub').read_text()}", 0o664)
    there = tree(box.path("~"))
    said = add(laptop, box, "--key", str(key), check=False)
    assert said.returncode == 71
    assert "what was done is undone" in said.stderr
    assert tree(box.path("~")) == there


# The way there


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("me@no-such-machine.invalid", 69, "there is no machine of that name"),
        ("me@10.77.0.1:9", 69, "nothing listens for ssh"),
    ],
)
def test_where_nothing_is(bed: Bed, laptop: Laptop, address: str, code: int, words: str) -> None:
    before = tree(laptop.home)
    said = laptop.run("box", "add", "new", address, check=False)
    assert said.returncode == code
    assert words in said.stderr
    assert tree(laptop.home) == before


def test_what_is_no_ssh_server(box: NamespaceBox, laptop: Laptop) -> None:
    box.sh("python3 -m http.server 8080 >/dev/null 2>&1 & echo", user="root")
    said = laptop.run("box", "add", "new", f"me@{box.host}:8080", check=False)
    for _ in range(50):
        if "nothing listens" not in said.stderr:
            break
        said = laptop.run("box", "add", "new", f"me@{box.host}:8080", check=False)
    assert said.returncode == 69
    assert "is no ssh server" in said.stderr


# The laptop's own files


def test_a_config_that_is_a_read_only_link_is_refused_before_anything_is_sent(
    box: NamespaceBox, laptop: Laptop
) -> None:
    elsewhere = laptop.home / "nix-config"
    laptop.ssh_config.rename(elsewhere)
    elsewhere.chmod(0o444)
    laptop.ssh_config.symlink_to(elsewhere)
    before = tree(laptop.home)
    said = add(laptop, box, check=False)
    assert said.returncode == 78
    assert "is read-only" in said.stderr
    assert "Include mlsh_config" in said.stderr
    assert tree(laptop.home) == before
    # With that line in it, nothing has to be written there.
    elsewhere.chmod(0o644)
    elsewhere.write_text(f"Include mlsh_config\n{elsewhere.read_text()}")
    elsewhere.chmod(0o444)
    text = elsewhere.read_bytes()
    add(laptop, box)
    assert elsewhere.read_bytes() == text
    assert laptop.ssh_config.is_symlink()


def test_a_linked_config_with_windows_line_ends_and_match_exec_keeps_all_of_it(
    box: NamespaceBox, laptop: Laptop
) -> None:
    elsewhere = laptop.home / "dotfiles-config"
    text = b'# mine\r\nMatch exec "touch owned; false"\r\n  User eve\r\n' + laptop.ssh_config.read_bytes().replace(
        b"\n", b"\r\n"
    )
    elsewhere.write_bytes(text)
    elsewhere.chmod(0o640)
    laptop.ssh_config.unlink()
    laptop.ssh_config.symlink_to(elsewhere)
    (laptop.home / ".ssh").chmod(0o755)
    add(laptop, box)
    after = elsewhere.read_bytes()
    assert after.endswith(b"Include mlsh_config\r\n\r\n" + text)
    assert b"exec" not in after.removesuffix(text)
    assert "exec" not in (laptop.home / ".ssh/mlsh_config").read_text()
    assert elsewhere.stat().st_mode & 0o777 == 0o640
    assert laptop.ssh_config.is_symlink()
    assert (laptop.home / ".ssh/config.before-mlsh").read_bytes() == text


@pytest.mark.parametrize("words", [("-oProxyCommand=touch owned", "me@192.0.2.1"), ("new", "$(touch owned)@192.0.2.1")])
def test_hostile_names_are_refused(laptop: Laptop, words: tuple[str, str]) -> None:
    before = tree(laptop.home)
    said = laptop.run("box", "add", "--", *words, check=False)
    assert said.returncode == 65
    assert re.search(r"can't be the name|is no address", said.stderr)
    assert tree(laptop.home) == before


def test_a_name_that_is_taken_is_refused(laptop: Laptop, box: NamespaceBox) -> None:
    laptop.add(box, alias="mine")
    said = laptop.run("box", "add", "mine", "me@192.0.2.1", check=False)
    assert said.returncode == 65
    assert "there is a box mine already" in said.stderr
    laptop.ssh_config.write_text("Host hid*\n  HostName elsewhere\n\nInclude mlsh_config\n")
    hidden = laptop.run("box", "add", "hidden", "me@192.0.2.1", check=False)
    # Ours goes to the top then, and wins.
    assert "elsewhere" not in hidden.stderr


def test_json_of_a_failure_is_no_json(laptop: Laptop) -> None:
    said = laptop.run("box", "add", "new", "me@10.77.0.1:9", "--json", check=False)
    assert said.stdout == ""
    assert json.dumps(said.stderr)
