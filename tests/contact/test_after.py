"""What follows first contact: another key, another name, another host key, and the end of it."""

import json
import signal

import pytest

from tests.bed import Laptop, Sit
from tests.bed.namespace_box import NamespaceBox
from tests.bed.waiting import wait_for
from tests.contact.adding import add, fingerprint, tree

pytestmark = pytest.mark.root


def authorized(box: NamespaceBox) -> str:
    return box.path("~/.ssh/authorized_keys").read_text()


def test_removing_the_only_box_leaves_both_machines_as_before_it_was_added(box: NamespaceBox, laptop: Laptop) -> None:
    box.write("~/.ssh/authorized_keys", "ssh-ed25519 AAAAold somebody\n", 0o600)
    here, there = tree(laptop.home / ".ssh"), tree(box.path("~/.ssh"))
    add(laptop, box)
    laptop.run("box", "remove", "new", "-y")
    assert tree(box.path("~/.ssh")) == there
    after = tree(laptop.home / ".ssh")
    # The host key is still known, and the copy of the config is kept.
    for name in ("known_hosts", "config.before-mlsh", "mlsh"):
        here.pop(name, None)
        after.pop(name, None)
    assert after == here


def test_removing_one_of_two_touches_nothing_of_the_other(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box, name="one")
    ours = laptop.home / ".ssh/mlsh_config"
    ours.write_text(ours.read_text() + "\n# by hand\nHost hand\n  HostName 192.0.2.9\n")
    before = ours.read_text()
    add(laptop, box, name="two")
    assert laptop.run("box", "remove", "two", check=False).returncode == 2
    laptop.run("box", "remove", "two", "-y")
    assert ours.read_text() == before
    assert laptop.ssh("one", "echo in").stdout == "in\n"
    assert "mlsh:two:" not in authorized(box)


def test_a_box_that_is_gone_is_forgotten_only_when_asked_to_keep_its_key(
    fresh_box: NamespaceBox, laptop: Laptop
) -> None:
    add(laptop, fresh_box)
    fresh_box.stop_sshd()
    fresh_box.kill_sessions()
    before = tree(laptop.home / ".ssh")
    said = laptop.run("box", "remove", "new", "-y", check=False)
    assert said.returncode == 69
    assert "--keep-key" in said.stderr
    assert tree(laptop.home / ".ssh") == before
    removed = json.loads(laptop.run("box", "remove", "new", "-y", "--keep-key", "--json").stdout)
    assert removed["key_kept"] == str(laptop.home / ".ssh/mlsh/new")


def test_a_box_of_the_persons_own_is_not_removed(box: NamespaceBox, laptop: Laptop) -> None:
    laptop.add(box, alias="mine")
    before = tree(laptop.home)
    for words in (["remove", "mine", "-y"], ["rotate-key", "mine"], ["rename", "mine", "yours"]):
        said = laptop.run("box", *words, check=False)
        assert said.returncode == 65
        assert "it is yours" in said.stderr
    assert laptop.run("box", "remove", "nobody", "-y", check=False).returncode == 66
    assert tree(laptop.home) == before


def test_a_renamed_box_opens_by_its_new_name(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    assert laptop.run("box", "rename", "new", "new", check=False).returncode == 65
    laptop.run("box", "rename", "new", "other")
    assert laptop.ssh("other", "echo in").stdout == "in\n"
    assert laptop.run("box", "list", "--plain").stdout == "local\nother\n"
    assert (laptop.home / ".ssh/mlsh/other").exists()
    assert not (laptop.home / ".ssh/mlsh/new").exists()


def test_jobs_are_found_under_the_new_name_and_a_removed_box_is_not_asked(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    laptop.run("run", "--on", "new", "-d", "--no-code", "-n", "hello", "echo", "said")
    laptop.run("box", "rename", "new", "other")
    assert [json.loads(line)["box"] for line in laptop.run("ps", "-a", "--json").stdout.splitlines()] == ["other"]
    assert "said" in laptop.run("logs", "-f", "hello").stdout
    assert "jobs that you launched there stay on it, 1 of them" in laptop.run("box", "remove", "other", "-y").stderr
    assert laptop.run("ps", "-a", "--json").stdout == ""


def test_rotating_all_keys(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box, name="one")
    add(laptop, box, name="two")
    old = authorized(box)
    done = [json.loads(line) for line in laptop.run("box", "rotate-key", "--all", "--json").stdout.splitlines()]
    assert [one["box"] for one in done] == ["one", "two"]
    new = authorized(box)
    assert len(new.splitlines()) == 2
    assert not set(old.splitlines()) & set(new.splitlines())
    for name in ("one", "two"):
        assert laptop.ssh(name, "echo in").stdout == "in\n"
    assert sorted(path.name for path in (laptop.home / ".ssh/mlsh").iterdir()) == ["one", "one.pub", "two", "two.pub"]


def test_a_rotation_that_the_box_does_not_take_leaves_the_old_key(fresh_box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, fresh_box)
    before, there = tree(laptop.home / ".ssh"), authorized(fresh_box)
    # From now on sshd knows the keys that it had, whatever the file says.
    fresh_box.sh("cp /home/alice/.ssh/authorized_keys /etc/ssh/frozen; chmod 644 /etc/ssh/frozen", user="root")
    fresh_box.sshd_option("AuthorizedKeysFile /etc/ssh/frozen")
    said = laptop.run("box", "rotate-key", "new", check=False)
    assert said.returncode == 77, said.stderr
    assert "it stopped while trying the new key; what was done is undone" in said.stderr
    assert tree(laptop.home / ".ssh") == before
    assert authorized(fresh_box) == there


def test_a_killed_rotation_is_finished_by_the_next(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    key = laptop.home / ".ssh/mlsh/new"
    laptop.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{key}.new")
    public = key.with_name("new.new.pub").read_text()
    box.write("~/.ssh/authorized_keys", authorized(box) + public, 0o600)
    laptop.run("box", "rotate-key", "new")
    assert authorized(box) == public
    assert laptop.ssh("new", "echo in").stdout == "in\n"


def test_a_reinstalled_box_is_trusted_again_after_both_fingerprints_were_seen(
    fresh_box: NamespaceBox, laptop: Laptop, sit_down: Sit
) -> None:
    add(laptop, fresh_box)
    old = fingerprint(laptop, fresh_box)
    fresh_box.new_host_key()
    fresh_box.path("~/.ssh/authorized_keys").unlink()
    new = fingerprint(laptop, fresh_box)
    before = laptop.known_hosts.read_bytes()
    nobody = laptop.run("box", "trust", "new", check=False)
    assert nobody.returncode == 77
    assert f"--fingerprint {new}" in nobody.stderr
    wrong = laptop.run("box", "trust", "new", "--fingerprint", old, check=False)
    assert wrong.returncode == 77
    assert laptop.known_hosts.read_bytes() == before
    terminal = sit_down("box", "trust", "new")
    terminal.shows(f"old: {old}")
    terminal.shows(f"new: {new}")
    terminal.type("yes\n")
    terminal.shows("assword: ")
    terminal.type("hunter2\n")
    assert terminal.ends() == 0
    assert laptop.ssh("new", "echo in").stdout == "in\n"
    assert old not in laptop.command("ssh-keygen", "-lf", str(laptop.known_hosts)).stdout


def test_hashed_names_in_known_hosts_are_found_and_others_stay(fresh_box: NamespaceBox, laptop: Laptop) -> None:
    other = "192.0.2.7 " + fresh_box.host_key() + "\n"
    laptop.add(fresh_box)
    laptop.known_hosts.write_text(f"{fresh_box.host} {fresh_box.host_key()}\n")
    laptop.command("ssh-keygen", "-H", "-f", str(laptop.known_hosts))
    laptop.known_hosts.write_text(laptop.known_hosts.read_text() + other)
    fresh_box.new_host_key()
    new = fingerprint(laptop, fresh_box)
    trusted = json.loads(laptop.run("box", "trust", "fresh", "--fingerprint", new, "--json").stdout)
    assert (trusted["changed"], trusted["opens"], trusted["new"]) == (True, True, new)
    assert other in laptop.known_hosts.read_text()
    assert len(laptop.known_hosts.read_text().splitlines()) == 2
    again = json.loads(laptop.run("box", "trust", "fresh", "--json").stdout)
    assert again["changed"] is False


def test_a_confirmed_host_key_stays_trusted_though_nobody_has_the_password(
    fresh_box: NamespaceBox, laptop: Laptop
) -> None:
    add(laptop, fresh_box)
    fresh_box.new_host_key()
    fresh_box.path("~/.ssh/authorized_keys").unlink()
    new = fingerprint(laptop, fresh_box)
    trusted = json.loads(laptop.run("box", "trust", "new", "--fingerprint", new, "--json").stdout)
    assert (trusted["changed"], trusted["opens"], trusted["key_installed"]) == (True, False, False)
    wrong = laptop.run("box", "trust", "new", "--password-stdin", input="wrong\n", check=False)
    assert wrong.returncode == 77
    again = json.loads(laptop.run("box", "trust", "new", "--password-stdin", "--json", input="hunter2\n").stdout)
    assert (again["changed"], again["opens"], again["key_installed"]) == (False, True, True)


def test_two_rotations_at_once_lock_nobody_out(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    both = [laptop.spawn("box", "rotate-key", "new") for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert laptop.ssh("new", "echo in").stdout == "in\n"
    assert authorized(box) == (laptop.home / ".ssh/mlsh/new.pub").read_text()


def test_a_name_that_went_to_another_machine_reaches_that_one(
    box: NamespaceBox, gpu2: NamespaceBox, laptop: Laptop
) -> None:
    add(laptop, box)
    assert json.loads(laptop.run("box", "show", "new", "--json").stdout)["facts"]["node"] == "gpu1"
    laptop.run("box", "remove", "new", "-y")
    add(laptop, gpu2)
    assert json.loads(laptop.run("box", "show", "new", "--json").stdout)["facts"]["node"] == "gpu2"


def hold_the_drop(box: NamespaceBox) -> None:
    """Have the box stop in the middle of the dropping of a key, until /tmp/go is there, or /tmp/fail."""
    box.install(
        "awk",
        "touch /tmp/dropping\nuntil [ -e /tmp/go ] || [ -e /tmp/fail ]; do sleep 0.05; done\n"
        '[ -e /tmp/go ] || exit 1\nexec /usr/bin/awk "$@"',
    )


def test_ctrl_c_while_the_old_key_goes_leaves_the_new_one_and_says_so(fresh_box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, fresh_box)
    hold_the_drop(fresh_box)
    rotating = laptop.spawn("box", "rotate-key", "new")
    wait_for(fresh_box.path("/tmp/dropping").exists, 20, "the old key being dropped")
    rotating.send_signal(signal.SIGINT)
    _, said = rotating.communicate(timeout=30)
    assert rotating.returncode == 130
    assert b"the old one may still open it" in said
    assert b"mlsh box rotate-key new" in said
    assert (laptop.home / ".ssh/mlsh/new.old").exists()
    fresh_box.path("/tmp/go").touch()
    wait_for(lambda: len(authorized(fresh_box).splitlines()) == 1, 20, "the old key being gone")
    assert laptop.ssh("new", "echo in").stdout == "in\n"
    laptop.run("box", "rotate-key", "new")
    assert sorted(path.name for path in (laptop.home / ".ssh/mlsh").iterdir()) == ["new", "new.pub"]


def test_a_rotation_killed_before_the_old_key_went_is_finished_by_the_next(
    fresh_box: NamespaceBox, laptop: Laptop
) -> None:
    add(laptop, fresh_box)
    first = authorized(fresh_box)
    hold_the_drop(fresh_box)
    rotating = laptop.spawn("box", "rotate-key", "new")
    wait_for(fresh_box.path("/tmp/dropping").exists, 20, "the old key being dropped")
    rotating.kill()
    rotating.wait(20)
    fresh_box.path("/tmp/fail").touch()
    wait_for(lambda: not fresh_box.processes("authorize|/tmp/fail|bin/awk"), 20, "the end of the dropping")
    assert first in authorized(fresh_box)
    fresh_box.path("/tmp/go").touch()
    laptop.run("box", "rotate-key", "new")
    assert authorized(fresh_box) == (laptop.home / ".ssh/mlsh/new.pub").read_text()
    assert laptop.ssh("new", "echo in").stdout == "in\n"
    assert sorted(path.name for path in (laptop.home / ".ssh/mlsh").iterdir()) == ["new", "new.pub"]


def test_a_rotation_killed_between_key_and_pub_locks_nobody_out(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    key = laptop.home / ".ssh/mlsh/new"
    laptop.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{key}.new")
    box.write("~/.ssh/authorized_keys", authorized(box) + key.with_name("new.new.pub").read_text(), 0o600)
    key.with_name("new.pub").rename(f"{key}.old.pub")
    key.rename(f"{key}.old")
    key.with_name("new.new").rename(key)
    assert laptop.ssh("new", "echo in").stdout == "in\n"
    laptop.run("box", "rotate-key", "new")
    assert authorized(box) == key.with_name("new.pub").read_text()
    assert laptop.ssh("new", "echo in").stdout == "in\n"


def test_trust_leaves_a_key_with_a_passphrase_that_is_there(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    key = laptop.home / ".ssh/mlsh/new"
    laptop.command("ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(key))
    there = authorized(box)
    words = ("box", "trust", "new", "--password-stdin", "--json")
    said = laptop.run(*words, input="hunter2\n")
    assert authorized(box) == there
    assert "has a passphrase" in said.stderr
    assert (json.loads(said.stdout)["opens"], json.loads(said.stdout)["key_installed"]) == (True, False)
    # And one that is gone is written there again, and stays.
    box.path("~/.ssh/authorized_keys").unlink()
    again = json.loads(laptop.run(*words, input="hunter2\n").stdout)
    assert (again["opens"], again["key_installed"]) == (True, True)
    assert authorized(box) == there


def test_trust_leaves_a_key_that_the_box_refuses(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    there = authorized(box)
    box.sshd_option("AuthorizedKeysFile /etc/ssh/keys/%u")
    said = laptop.run("box", "trust", "new", "--password-stdin", input="hunter2\n", check=False)
    assert said.returncode == 77
    assert authorized(box) == there


def test_a_key_stays_on_the_box_where_the_entry_cannot_be_changed(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    there = f'from="10.77.0.0/24",restrict {authorized(box)}'
    box.write("~/.ssh/authorized_keys", there, 0o600)
    (laptop.home / ".ssh/mlsh_config").chmod(0o444)
    before = tree(laptop.home / ".ssh")
    said = laptop.run("box", "remove", "new", "-y", check=False, env={"MLSH_MULTIPLEX": "no"})
    assert said.returncode == 78
    assert "is read-only" in said.stderr
    assert authorized(box) == there
    assert tree(laptop.home / ".ssh") == before
    assert laptop.ssh("new", "echo in").stdout == "in\n"


def test_keys_of_a_rotation_that_was_stopped_go_with_the_box(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box)
    key = laptop.home / ".ssh/mlsh/new"
    for which in ("old", "new"):
        laptop.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{key}.{which}")
        public = key.with_name(f"new.{which}.pub").read_text()
        box.write("~/.ssh/authorized_keys", authorized(box) + public, 0o600)
    laptop.run("box", "rename", "new", "other")
    assert not list(key.parent.glob("new*"))
    laptop.run("box", "remove", "other", "-y", env={"MLSH_MULTIPLEX": "no"})
    assert authorized(box) == ""
    assert not list(key.parent.glob("*"))


def test_boxes_behind_a_bastion_are_reached_by_its_new_name_and_hold_it(box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, box, name="bastion")
    laptop.authorize(box)
    ours = laptop.home / ".ssh/mlsh_config"
    ours.write_text(
        f"{ours.read_text()}\nHost behind\n  HostName {box.host}\n  User alice\n  ProxyJump alice@bastion\n"
    )
    laptop.run("box", "rename", "bastion", "b2")
    assert laptop.ssh("behind", "echo in").stdout == "in\n"
    with laptop.ssh_config.open("a") as file:
        file.write("Host mine\n  HostName 192.0.2.1\n  ProxyCommand ssh -W %h:%p b2\n")
    line = f"{laptop.ssh_config}:{len(laptop.ssh_config.read_text().splitlines())}"
    before, there = tree(laptop.home / ".ssh"), authorized(box)
    refused = laptop.run("box", "remove", "b2", "-y", check=False)
    assert refused.returncode == 65
    assert line in refused.stderr
    assert f"{ours}:" in refused.stderr
    assert (tree(laptop.home / ".ssh"), authorized(box)) == (before, there)
    assert line in laptop.run("box", "rename", "b2", "b3").stderr
    assert laptop.ssh("behind", "echo in").stdout == "in\n"


def test_a_changed_host_key_is_no_first_visit_where_known_hosts_has_a_blank_in_its_name(
    fresh_box: NamespaceBox, laptop: Laptop
) -> None:
    known = laptop.home / "my files/known hosts"
    known.parent.mkdir()
    # A pattern trusts others too.
    known.write_text(f"10.77.0.*,192.0.2.7 {fresh_box.host_key()}\n")
    laptop.add(fresh_box, options=[f'UserKnownHostsFile "{known}"'], known=False)
    assert laptop.ssh("fresh", "echo in").stdout == "in\n"
    old, line = fingerprint(laptop, fresh_box), known.read_text()
    fresh_box.new_host_key()
    new = fingerprint(laptop, fresh_box)
    nobody = laptop.run("box", "trust", "fresh", check=False)
    assert nobody.returncode == 77
    assert old in nobody.stderr
    assert known.read_text() == line
    laptop.run("box", "trust", "fresh", "--fingerprint", new)
    assert laptop.ssh("fresh", "echo in").stdout == "in\n"
    assert known.read_text().startswith(line.replace("192.0.2.7", f"192.0.2.7,!{fresh_box.host}"))


def test_ctrl_c_while_the_key_goes_says_that_it_may_be_gone(fresh_box: NamespaceBox, laptop: Laptop) -> None:
    add(laptop, fresh_box)
    before = tree(laptop.home / ".ssh")
    hold_the_drop(fresh_box)
    removing = laptop.spawn("box", "remove", "new", "-y")
    wait_for(fresh_box.path("/tmp/dropping").exists, 20, "the key being dropped")
    removing.send_signal(signal.SIGINT)
    _, said = removing.communicate(timeout=30)
    assert removing.returncode == 130
    assert b"its key may be gone there already" in said
    assert tree(laptop.home / ".ssh") == before
    fresh_box.path("/tmp/go").touch()
    wait_for(lambda: authorized(fresh_box) == "", 20, "the key being gone")
    assert laptop.run("box", "remove", "new", "-y", "--keep-key").returncode == 0
