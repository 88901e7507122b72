"""`mlsh doctor` on real homes. What a user would lose: a key that anyone can read, and that nobody spoke of."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mlsh.audit.doctor import examine
from mlsh.audit.machine import Machine, Seen
from tests.bed import Laptop


def checked(laptop: Laptop, **env: str) -> dict[str, list[dict]]:
    said = laptop.run("doctor", "--json", check=False, env=env)
    (line,) = said.stdout.splitlines()
    answer = json.loads(line)
    assert said.returncode == (71 if answer["status"] == "fail" else 0)
    assert said.stderr == ""
    found: dict[str, list[dict]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def state(found: dict[str, list[dict]], check: str) -> str:
    return max((one["status"] for one in found[check]), key=["skip", "ok", "warn", "fail"].index)


def tree(folder: Path) -> list[tuple[str, int, bytes]]:
    return sorted(
        (str(path), path.lstat().st_mode, path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*")
    )


def keygen(path: Path, *words: str, passphrase: str = "") -> None:
    argv = ["ssh-keygen", "-q", "-N", passphrase, "-f", str(path), *words]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def test_a_machine_in_order_passes_and_nothing_is_changed(laptop: Laptop) -> None:
    laptop.home.chmod(0o700)
    before = tree(laptop.home)
    found = checked(laptop)
    assert {check for check in found if state(found, check) == "fail"} == set()
    assert state(found, "~/.ssh") == state(found, "host keys") == state(found, "forwarding") == "ok"
    assert state(found, "key strength") == "ok"
    assert state(found, "passphrase") == "warn"  # the bed's key has none
    assert tree(laptop.home) == before


def test_a_machine_without_any_ssh_folder_is_no_error(laptop: Laptop) -> None:
    for path in (laptop.home / ".ssh").iterdir():
        path.unlink()
    (laptop.home / ".ssh").rmdir()
    found = checked(laptop, MLSH_SSH_CONFIG="")
    assert "Traceback" not in json.dumps(found)
    machine = Machine(uid=os.getuid())
    assert {one.status for one in examine(machine) if one.check in {"~/.ssh", "keys", "tokens"}} == {"skip"}


@pytest.mark.parametrize(
    ("path", "mode", "check", "status"),
    [
        (".ssh", 0o755, "~/.ssh", "warn"),
        (".ssh", 0o777, "~/.ssh", "fail"),
        (".", 0o777, "home", "fail"),
        (".ssh/config", 0o666, "ssh config", "fail"),
        (".ssh/id_ed25519", 0o644, "key modes", "fail"),
        (".ssh/authorized_keys", 0o666, "authorized", "fail"),
        (".ssh/known_hosts", 0o666, "known hosts", "fail"),
        (".netrc", 0o644, "tokens", "fail"),
        (".cache/huggingface/token", 0o604, "tokens", "fail"),
        (".aws/credentials", 0o640, "tokens", "warn"),
        (".bash_history", 0o644, "history", "warn"),
    ],
)
def test_a_mode_that_lets_others_in_is_found_and_its_mend_mends_it(
    laptop: Laptop, path: str, mode: int, check: str, status: str
) -> None:
    # The bed's folders above the home are closed, which would keep everybody out.
    for folder in (laptop.directory, *laptop.directory.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    laptop.home.chmod(0o755)
    target = laptop.home / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.write_text("x\n")
        target.chmod(0o600)
    found = checked(laptop)
    assert check not in found or state(found, check) in {"ok", "skip"}
    target.chmod(mode)
    (one,) = [one for one in checked(laptop)[check] if one["status"] in {"warn", "fail"}]
    assert one["status"] == status
    laptop.command("sh", "-c", one["mend"].partition(";")[0])
    found = checked(laptop)
    assert check not in found or state(found, check) in {"ok", "skip"}


def test_a_closed_home_keeps_others_from_a_careless_token(laptop: Laptop) -> None:
    laptop.home.chmod(0o700)
    (laptop.home / ".netrc").write_text("x")
    (laptop.home / ".netrc").chmod(0o644)
    assert state(checked(laptop), "tokens") == "warn"


def test_each_kind_of_key_is_judged(laptop: Laptop) -> None:
    folder = laptop.home / ".ssh"
    keygen(folder / "rsa1024", "-t", "rsa", "-b", "1024")
    keygen(folder / "rsa2048", "-t", "rsa", "-b", "2048", passphrase="correct horse")  # noqa: S106
    keygen(folder / "pem 1024", "-t", "rsa", "-b", "1024", "-m", "PEM")
    (folder / "pem 1024.pub").unlink()
    keygen(folder / "ec", "-t", "ecdsa")
    (folder / "id\x1b[2J").write_bytes((folder / "ec").read_bytes())
    (folder / "id\x1b[2J").chmod(0o600)
    found = checked(laptop)
    strength = {one["status"]: one["what"] for one in found["key strength"]}
    assert "rsa1024 is RSA of 1024 bits" in strength["fail"]
    assert "pem 1024 is RSA of 1024 bits" in strength["fail"]
    assert "rsa2048 is RSA of 2048 bits" in strength["warn"]
    bare = found["passphrase"][0]["what"]
    assert "rsa1024" in bare
    assert "rsa2048" not in bare
    (folder / "authorized_keys").write_bytes(
        b"".join((folder / name).read_bytes() for name in ("rsa1024.pub", "ec.pub"))
    )
    weak = [one["what"] for one in checked(laptop)["authorized"] if one["status"] == "fail"]
    assert len(weak) == 1
    assert "line 1" in weak[0]
    said = laptop.run("doctor", check=False)
    assert "\x1b" not in said.stdout
    assert said.returncode == 71


def test_a_key_elsewhere_that_ssh_uses_for_every_host_is_judged_too(laptop: Laptop) -> None:
    (laptop.home / "keys").mkdir()
    keygen(laptop.home / "keys/old", "-t", "rsa", "-b", "1024")
    laptop.ssh_config.write_text(f"Host *\n  IdentityFile {laptop.home}/keys/old\n")
    assert "keys/old is RSA of 1024 bits" in json.dumps(checked(laptop)["key strength"])


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("ForwardAgent yes", "forwarding"),
        ("StrictHostKeyChecking no", "host keys"),
        ("UserKnownHostsFile=/dev/null", "host keys"),
    ],
)
def test_what_is_dangerous_for_every_host_is_found_with_its_line(laptop: Laptop, line: str, check: str) -> None:
    config = laptop.ssh_config.read_text()
    # For one host it is that host's own matter.
    laptop.ssh_config.write_text(f"Host one\n  {line}\n{config}")
    assert state(checked(laptop), check) == "ok"
    laptop.ssh_config.write_text(f"Host *\n  {line}\n{config}")
    (one,) = checked(laptop)[check]
    assert one["status"] == "fail"
    assert ".ssh/config:2" in one["mend"]


def test_a_config_that_ssh_refuses_is_told_in_its_words(laptop: Laptop) -> None:
    laptop.ssh_config.write_text("Nonsense yes\n")
    (one,) = checked(laptop)["ssh config"]
    assert one["status"] == "fail"
    assert "ad configuration option" in one["what"]


def test_stale_known_hosts_are_found_and_mended_and_the_old_file_is_kept(laptop: Laptop) -> None:
    public = laptop.key.with_suffix(".pub").read_text().split()[1]
    lines = [f"gpu1 ssh-ed25519 {public}", f"gpu2 ssh-ed25519 {public}", f"gpu1 ssh-ed25519 {public}"]
    laptop.known_hosts.write_text("\n".join(lines) + "\n")
    (one,) = checked(laptop)["known hosts"]
    assert (one["status"], "line 3" in one["what"]) == ("warn", True)
    laptop.command("sh", "-c", one["mend"])
    assert laptop.known_hosts.read_text().splitlines() == lines[:2]
    assert laptop.known_hosts.with_suffix(".old").read_text().splitlines() == lines
    assert state(checked(laptop), "known hosts") == "ok"


def test_git_that_writes_passwords_into_a_file_is_found(laptop: Laptop) -> None:
    with (laptop.home / ".gitconfig").open("a") as file:
        file.write("[credential]\n\thelper = store --file ~/.creds\n")
    assert state(checked(laptop), "git") == "warn"


def test_missing_tools_are_named_and_mlsh_still_answers(laptop: Laptop) -> None:
    empty = laptop.home / "bin"
    empty.mkdir()
    found = checked(laptop, PATH=str(empty))
    assert state(found, "ssh") == state(found, "git") == "fail"
    assert state(found, "tmux") == state(found, "mlsh") == "warn"
    assert "apt-get install openssh-client" in found["ssh"][0]["mend"]


def test_quiet_prints_what_is_not_in_order_and_explain_shows_the_commands(laptop: Laptop) -> None:
    said = laptop.run("doctor", "-q", "--explain", check=False)
    assert "host keys" not in said.stdout
    assert "+ ssh " in said.stderr
    assert "passphrase" in said.stdout


def test_a_folder_that_belongs_to_another_user_is_a_failure() -> None:
    machine = Machine(uid=1000, ssh_folder=Seen("~/.ssh", 0o700, 1001))
    assert next(one.status for one in examine(machine) if one.check == "~/.ssh") == "fail"
