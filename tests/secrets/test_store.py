"""`mlsh secret` as a person uses it: real processes, a real file. What a user would lose: secrets, or their secrecy."""

import json
import os
import pty
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mlsh.secrets import store
from tests.bed import Laptop, wait_for

VALUE = "hf_s3cr3t'$(x)\"Ω"
NEEDLE = b"hf_s3cr3t"

# A keyring that a person chose: it keeps what it is given. Only its name matters to mlsh.
RING = """
import base64, json, os
from keyring.backend import KeyringBackend
PATH = os.path.expanduser("~/.ring")
class Ring(KeyringBackend):
    priority = 1
    def _all(self):
        return json.load(open(PATH)) if os.path.exists(PATH) else {}
    def get_password(self, service, name):
        value = self._all().get(service + "/" + name)
        return None if value is None else base64.b64decode(value).decode()
    def set_password(self, service, name, value):
        if os.path.exists(os.path.expanduser("~/.ring-locked")):
            raise RuntimeError("locked")
        kept = {service + "/" + name: base64.b64encode(value.encode()).decode()}
        json.dump(self._all() | kept, open(PATH + "x", "w"))
        os.rename(PATH + "x", PATH)
    def delete_password(self, service, name):
        left = {k: v for k, v in self._all().items() if k != service + "/" + name}
        json.dump(left, open(PATH, "w"))
class PlaintextKeyring(Ring):
    pass
"""


@pytest.fixture
def keyed(laptop: Laptop) -> Laptop:
    """A laptop without a keyring, and with the passphrase in a key file."""
    key = laptop.home / "key"
    key.write_text("correct horse battery\n")
    key.chmod(0o600)
    laptop.env["MLSH_SECRETS_PASSPHRASE_FILE"] = str(key)
    # A key takes half a second by design, and these tests make fifty. That of a change of place takes its time.
    make_keys_quickly(laptop)
    return laptop


def make_keys_quickly(laptop: Laptop) -> None:
    quick = laptop.home / "quick"
    quick.mkdir()
    (quick / "sitecustomize.py").write_text("import mlsh.secrets.vault\nmlsh.secrets.vault._N = 1 << 10\n")
    laptop.env["PYTHONPATH"] = str(quick)


@pytest.fixture
def ringed(laptop: Laptop) -> Laptop:
    """A laptop whose person chose a keyring."""
    (laptop.home / "ring.py").write_text(RING)
    laptop.env |= {"PYTHONPATH": str(laptop.home), "PYTHON_KEYRING_BACKEND": "ring.Ring"}
    return laptop


def store_file(laptop: Laptop) -> Path:
    return laptop.home / ".local/state/mlsh/secrets/secrets.json"


def holders(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if NEEDLE in path.read_bytes()]


@contextmanager
def watched_command_lines() -> Iterator[list[bytes]]:
    seen: list[bytes] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes()
                except OSError:
                    continue
                if NEEDLE in words:
                    seen.append(words)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def test_a_secret_is_kept_for_jobs_and_is_nowhere_in_plain(keyed: Laptop) -> None:
    with watched_command_lines() as seen:
        said = keyed.run("secret", "set", "--explain", "HF_TOKEN", input=f"{VALUE}\n")
        assert "no keyring that mlsh can reach" in said.stderr
        assert "secrets.json" in said.stderr
        assert NEEDLE.decode() not in said.stdout + said.stderr
        listed = keyed.run("secret", "list")
        assert "HF_TOKEN" in listed.stdout
        assert keyed.run("secret", "show", "--value", "HF_TOKEN").stdout == f"{VALUE}\n"
        keyed.project()
        length = ["python3", "-c", "import os; print(len(os.environ['HF_TOKEN']))"]
        ran = keyed.run("run", "--explain", "--secret", "HF_TOKEN", *length, cwd=keyed.home / "project")
        assert str(len(VALUE)) in ran.stdout
        assert f"# HF_TOKEN: from {store_file(keyed)}" in ran.stderr
        assert NEEDLE.decode() not in ran.stderr
    assert seen == []
    assert holders(keyed.home) == []
    assert stat.S_IMODE(store_file(keyed).stat().st_mode) == 0o600
    assert stat.S_IMODE(store_file(keyed).parent.stat().st_mode) == 0o700


def test_the_environment_comes_before_the_store_and_that_is_said(keyed: Laptop) -> None:
    said = keyed.run("secret", "set", "A_TOKEN", input="kept", env={"A_TOKEN": "from the shell"})
    assert "jobs get that one: unset A_TOKEN" in said.stderr
    shown = "import sys; from mlsh.jobs.environment import secrets_from as f; print(f(['A_TOKEN'])['A_TOKEN'])"
    assert keyed.command(sys.executable, "-c", shown, env={"A_TOKEN": "from the shell"}).stdout == "from the shell\n"
    assert keyed.command(sys.executable, "-c", shown).stdout == "kept\n"


def test_a_launch_imports_no_keyring_and_no_cryptography_unless_it_needs_them(laptop: Laptop) -> None:
    code = (
        "import os, sys\nfrom mlsh.errors import NotFound\nfrom mlsh.jobs.environment import secrets_from\n"
        "secrets_from(['HOME'])\n"
        "try: secrets_from(['NOT_KEPT'])\n"
        "except NotFound as error: print(error.hint)\n"
        "print([name for name in ('keyring', 'cryptography') if name in sys.modules])"
    )
    said = laptop.command(sys.executable, "-c", code, input="")
    assert said.stdout.splitlines() == [
        "keep it: mlsh secret set NOT_KEPT; or for this shell: export NOT_KEPT=...",
        "[]",
    ]


class Asked:
    """mlsh on a terminal that is its own, as a person has it, so that /dev/tty is this one."""

    def __init__(self, laptop: Laptop, *words: str) -> None:
        self.pid, self._main = pty.fork()
        if self.pid == 0:
            os.chdir(laptop.home)
            os.execve(sys.executable, [sys.executable, "-m", "mlsh", *words], laptop.env)
        os.set_blocking(self._main, False)
        self.seen = b""

    def answers(self, prompt: bytes, text: str) -> None:
        """Wait for a question, and type."""
        self.shows(prompt)
        self.seen = b""
        os.write(self._main, text.encode() + b"\n")

    def shows(self, text: bytes) -> None:
        def there() -> bool:
            with suppress(OSError):
                self.seen += os.read(self._main, 65536)
            return text in self.seen

        wait_for(there, 40, f"{text!r} on the terminal")

    def ends(self) -> None:
        os.close(self._main)
        os.waitpid(self.pid, 0)


def test_a_person_is_asked_unseen_for_the_value_and_twice_for_the_passphrase_and_may_change_it(laptop: Laptop) -> None:
    make_keys_quickly(laptop)
    asked = Asked(laptop, "secret", "set", "HF_TOKEN")
    asked.answers(b"Value of HF_TOKEN (not shown): ", VALUE)
    asked.answers(b"(new): ", "correct horse battery")
    asked.answers(b"The same again: ", "correct horse battery")
    asked.shows(b"HF_TOKEN is in the encrypted file")
    assert NEEDLE not in asked.seen
    assert b"horse" not in asked.seen
    asked.ends()
    key = laptop.home / "key"
    key.write_text("correct horse battery")
    key.chmod(0o600)
    env = {"MLSH_SECRETS_PASSPHRASE_FILE": str(key)}
    assert laptop.run("secret", "show", "HF_TOKEN", "--value", env=env).stdout == f"{VALUE}\n"
    asked = Asked(laptop, "secret", "passphrase")
    asked.answers(b"Passphrase of", "correct horse battery")
    asked.answers(b"(new): ", "another staple")
    asked.answers(b"The same again: ", "another staple")
    asked.shows(b"has the new passphrase")
    asked.ends()
    assert laptop.run("secret", "show", "HF_TOKEN", "--value", env=env, check=False).returncode == 77
    key.write_text("another staple")
    assert laptop.run("secret", "show", "HF_TOKEN", "--value", env=env).stdout == f"{VALUE}\n"


def test_a_wrong_passphrase_changes_nothing_and_is_said(keyed: Laptop) -> None:
    keyed.run("secret", "set", "A", input="one")
    before = store_file(keyed).read_bytes()
    (keyed.home / "key").write_text("another passphrase\n")
    for words in (["show", "A", "--value"], ["set", "B"], ["remove", "-y", "A"]):
        said = keyed.run("secret", *words, input="two", check=False)
        assert said.returncode == 77
        assert "the passphrase is wrong" in said.stderr
        assert "Traceback" not in said.stderr
    assert store_file(keyed).read_bytes() == before


def test_a_full_disk_loses_no_secret(keyed: Laptop) -> None:
    keyed.run("secret", "set", "A", input="one")
    before = store_file(keyed).read_bytes()
    # No file may grow: the kernel says EFBIG where a full disk says ENOSPC.
    command = f"ulimit -f 0; exec {sys.executable} -m mlsh secret set B"
    said = keyed.command("sh", "-c", command, input="two", check=False)
    assert said.returncode == 70
    assert "can't be written" in said.stderr
    assert store_file(keyed).read_bytes() == before
    assert [path.name for path in store_file(keyed).parent.glob(".*")] == []


def test_writers_at_the_same_time_lose_nothing(keyed: Laptop) -> None:
    import subprocess

    keyed.run("secret", "set", "S0", input="v0")
    started = [keyed.spawn("secret", "set", f"S{number}", stdin=subprocess.PIPE) for number in range(1, 5)]
    for number, process in enumerate(started, 1):
        _, err = process.communicate(f"v{number}".encode(), timeout=60)
        assert process.returncode == 0, err
    assert keyed.run("secret", "list", "--plain").stdout.split() == ["S0", "S1", "S2", "S3", "S4"]
    assert keyed.run("secret", "show", "S3", "--value").stdout == "v3\n"


def test_a_store_that_another_mlsh_holds_is_waited_for_aloud_and_not_for_ever(
    keyed: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    keyed.run("secret", "set", "A", input="one")
    with open(store_file(keyed).parent / "lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = keyed.spawn("secret", "remove", "-y", "A")
        assert waiting.stderr is not None
        assert b"waiting for it" in waiting.stderr.readline()
        fcntl.flock(lock, fcntl.LOCK_UN)
        waiting.communicate(timeout=60)
        assert waiting.returncode == 0
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(store, "_LOCK_TIMEOUT_S", 0.2)
        monkeypatch.setenv("HOME", str(keyed.home))
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        with pytest.raises(store.Busy, match="another mlsh is changing your secrets"):
            store.Store().remove("A")


def test_replacing_one_asks_and_keeps_its_place_and_a_link(keyed: Laptop) -> None:
    keyed.run("secret", "set", "A", input="one")
    real = keyed.home / "synced.json"
    store_file(keyed).rename(real)
    store_file(keyed).symlink_to(real)
    refused = keyed.run("secret", "set", "A", input="two", check=False)
    assert refused.returncode == 2
    assert "kept already" in refused.stderr
    assert "-y" in refused.stderr
    keyed.run("secret", "set", "-y", "A", input="two")
    assert store_file(keyed).is_symlink()
    assert keyed.run("secret", "show", "A", "--value").stdout == "two\n"


def test_a_keyring_that_was_chosen_is_used_and_one_of_plain_text_is_not(ringed: Laptop) -> None:
    assert "HF_TOKEN is in ring" in ringed.run("secret", "set", "HF_TOKEN", input=VALUE).stderr
    assert ringed.run("secret", "show", "HF_TOKEN", "--value").stdout == f"{VALUE}\n"
    (listed,) = [json.loads(line) for line in ringed.run("secret", "list", "--json").stdout.splitlines()]
    assert (listed["name"], listed["place"]) == ("HF_TOKEN", "keyring")
    assert holders(ringed.home) == []
    plain = {"PYTHON_KEYRING_BACKEND": "ring.PlaintextKeyring"}
    said = ringed.run("secret", "set", "OTHER", input=VALUE, env=plain, check=False)
    assert "writes plain text" in said.stderr
    assert "there is no terminal to ask at" in said.stderr  # for the passphrase of the file that is used instead
    assert said.returncode == 77
    removed = ringed.run("secret", "remove", "-y", "HF_TOKEN")
    assert "forgotten" in removed.stderr
    assert json.loads((ringed.home / ".ring").read_text()) == {}
    assert ringed.run("secret", "list").stdout == ""


def test_a_secret_that_moves_to_the_file_leaves_the_keyring(ringed: Laptop) -> None:
    key = ringed.home / "key"
    key.write_text("correct horse battery")
    key.chmod(0o600)
    env = {"MLSH_SECRETS_PASSPHRASE_FILE": str(key)}
    ringed.run("secret", "set", "A", input="one")
    ringed.run("secret", "set", "A", "-y", "--in", "file", input="two", env=env)
    assert json.loads((ringed.home / ".ring").read_text()) == {}
    assert ringed.run("secret", "show", "A", "--value", env=env).stdout == "two\n"


def test_a_locked_keyring_stores_nothing_and_says_so(ringed: Laptop) -> None:
    (ringed.home / ".ring-locked").touch()
    said = ringed.run("secret", "set", "A", input="one", check=False)
    assert said.returncode == 77
    assert "the keyring does not open" in said.stderr
    assert ringed.run("secret", "list", "--plain").stdout == ""


@pytest.mark.parametrize(
    ("words", "stdin", "code", "says"),
    [
        (["set", "HF_TOKEN=hf_s3cr3t"], "", 2, "in your shell's history now"),
        (["set", "--", "-oProxyCommand=x"], "", 2, "in the command"),
        (["set", "a b"], "x", 65, "can't be the name"),
        (["set", "hf_s3cr3t/x"], "x", 65, "never typed into the command"),
        (["set", "A"], "", 65, "would be empty"),
        (["set", "A"], "a\0b", 65, "NUL"),
        (["set", "A"], "x" * 70_000, 65, "larger than 64 KiB"),
        (["show", "NONE"], "", 66, "no secret NONE is kept"),
        (["remove", "-y", "NONE"], "", 66, "no secret NONE is kept"),
    ],
)
def test_what_makes_no_sense_is_refused_without_repeating_it(
    keyed: Laptop, words: list[str], stdin: str, code: int, says: str
) -> None:
    said = keyed.run("secret", *words, input=stdin, check=False)
    assert said.returncode == code
    assert says in said.stderr
    assert NEEDLE.decode() not in said.stderr
    assert not store_file(keyed).exists()


def test_a_key_file_that_others_can_read_is_refused(keyed: Laptop) -> None:
    (keyed.home / "key").chmod(0o644)
    said = keyed.run("secret", "set", "A", input="x", check=False)
    assert said.returncode == 78
    assert "chmod 600" in said.stderr


def test_a_value_that_went_from_the_keyring_is_an_error_and_can_be_forgotten(ringed: Laptop) -> None:
    ringed.run("secret", "set", "A", input="one")
    (ringed.home / ".ring").write_text("{}")
    said = ringed.run("secret", "show", "A", "--value", check=False)
    assert said.returncode == 66
    assert "is not there any more" in said.stderr
    ringed.run("secret", "remove", "-y", "A")
    assert ringed.run("secret", "list", "--plain").stdout == ""


def test_a_broken_list_of_names_is_named_and_left_alone(ringed: Laptop) -> None:
    names = store_file(ringed).with_name("names.json")
    names.parent.mkdir(parents=True)
    names.write_text("{")
    for words in (["list"], ["set", "A"], ["remove", "-y", "A"]):
        said = ringed.run("secret", *words, input="x", check=False)
        assert said.returncode == 78
        assert "names.json" in said.stderr
    assert names.read_text() == "{"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00", b'{"mlsh_secrets": 9}'])
def test_a_broken_file_is_named_and_left_alone(keyed: Laptop, content: bytes) -> None:
    store_file(keyed).parent.mkdir(parents=True)
    store_file(keyed).write_bytes(content)
    said = keyed.run("secret", "set", "A", input="x", check=False)
    assert said.returncode == 78
    assert "secrets.json" in said.stderr
    assert store_file(keyed).read_bytes() == content
