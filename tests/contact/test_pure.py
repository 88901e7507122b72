"""The deciding parts of first contact: addresses, entries, the included line, known_hosts. No box is needed."""

import base64
import contextlib
import os
import signal
from pathlib import Path

import pytest

from mlsh.config import Settings
from mlsh.contact import entry, hostkeys, owned, rotate
from mlsh.contact.add import write_entry
from mlsh.contact.entry import Entry
from mlsh.contact.files import Changes
from mlsh.contact.hostkeys import HostKey
from mlsh.contact.target import Target, check_new_name, parse_target
from mlsh.errors import MlshError, RefusedInput

CONFIG = b'# mine\nHost a\n  HostName b\nMatch exec "x"\n  Port 7\n'


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ("gpu", Target("", "gpu", 22)),
        ("me@gpu.example.org:2222", Target("me", "gpu.example.org", 2222)),
        ("[::1]:2222", Target("", "::1", 2222)),
        ("me@2001:db8::7", Target("me", "2001:db8::7", 22)),
        ("me@[fe80::1%eth0]", Target("me", "fe80::1%eth0", 22)),
        ("me@example.org@gpu", Target("me@example.org", "gpu", 22)),
    ],
)
def test_addresses(typed: str, target: Target) -> None:
    assert parse_target(typed) == target


@pytest.mark.parametrize(
    "typed",
    ["", "me@", "-oX", "me@-oX", "gpu:", "gpu:0", "gpu:65536", "gpu:٣", "a b", "$(id)", "a\nb", "[::1]2", "x@y:z"],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(RefusedInput):
        parse_target(typed)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-oProxyCommand=x",
        "a\nProxyCommand x",
        "*",
        "a?",
        "!prod",
        "$(id)",
        "local",
        "any",
        "x.pub",
        "../x",
        "a b",
        "gpu1",
    ],
)
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    with pytest.raises(RefusedInput):
        check_new_name(name, taken={"gpu1"})
    for address in (f"me@{name}", f"{name}@h"):
        if name not in {"local", "any", "x.pub", "gpu1"}:
            with pytest.raises(RefusedInput):
                parse_target(address)


def test_an_entry_comes_and_goes_without_a_trace() -> None:
    one, two = Entry("one", "h", 22, "me", "/k/with space"), Entry("two", "::1", 2222, jump="b")
    first = entry.with_entry("", one)
    both = entry.with_entry(first, two)
    assert entry.names(both) == ["one", "two"]
    assert entry.settings_of(both, "one")["identityfile"] == "/k/with space"
    assert entry.without_entry(both, "two") == first
    assert entry.without_entry(first, "one") == ""
    assert entry.without_entry(both, "three") == both


def test_what_a_person_wrote_between_entries_stays() -> None:
    text = entry.with_entry("# a note\nHost x y\n  User z\n", Entry("one", "h", 22)) + "# the next\nHost q\n  Port 9\n"
    assert entry.without_entry(text, "one") == "# a note\nHost x y\n  User z\n# the next\nHost q\n  Port 9\n"
    assert entry.without_entry(text, "x") == text


@pytest.mark.parametrize("config", [b"", CONFIG, CONFIG.replace(b"\n", b"\r\n"), b"Host a"])
def test_the_included_line_comes_and_goes_without_a_trace(config: bytes) -> None:
    after = entry.with_include(config, "mlsh_config")
    assert after.endswith(config)
    assert entry.includes(after, "mlsh_config", "/x/mlsh_config")
    assert entry.without_include(after, "mlsh_config") == config


@pytest.mark.parametrize(
    ("config", "included"),
    [
        (b"Include mlsh_config\n", True),
        (b'# c\ninclude "/x/mlsh_config"\n', True),
        (b"Host a\nInclude mlsh_config\n", False),
        (b"Match all\nInclude mlsh_config\n", False),
        (b"# Include mlsh_config\n", False),
    ],
)
def test_an_include_for_some_boxes_only_does_not_count(config: bytes, included: bool) -> None:
    assert entry.includes(config, "mlsh_config", "/x/mlsh_config") is included


def test_a_line_of_known_hosts_for_two_names_stays_for_the_other() -> None:
    text = b"a,b ssh-rsa X\nb ssh-rsa Y\n# c\nd ssh-rsa Z"
    assert hostkeys.without(text, "b", [1, 2]) == b"a ssh-rsa X\n# c\nd ssh-rsa Z"
    assert hostkeys.with_line(b"a", "b\n") == b"a\nb\n"


@pytest.mark.parametrize(
    ("row", "after"),
    [
        ("*.lab", "*.lab,!gpu1.lab"),
        ("gpu1.lab,gpu?.lab,!gpu9.lab", "gpu?.lab,!gpu9.lab,!gpu1.lab"),
        ("  other,GPU1.lab", "  other"),
        ("gpu1.lab,!x", None),
        ("gpu1.lab", None),
    ],
)
def test_a_pattern_in_known_hosts_stays_for_the_other_hosts(tmp_path: Path, row: str, after: str | None) -> None:
    """ssh-keygen, which reads the file as ssh does, finds the name no more, and the others still."""
    rest = f"\tssh-ed25519 {base64.b64encode(bytes.fromhex('0000000b') + b'ssh-ed25519' + bytes(36)).decode()} c\n"
    text = hostkeys.without(f"# c\n{row}{rest}".encode(), "gpu1.lab", [2]).decode()
    assert text == "# c\n" + (f"{after}{rest}" if after else "")
    file = tmp_path / "known_hosts"
    file.write_text(text)
    assert hostkeys.look_up("gpu1.lab", [str(file)]).keys == ()
    if after and "lab" in after:
        assert len(hostkeys.look_up("gpu2.lab", [str(file)]).keys) == 1


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ("/h/.ssh/known_hosts /h/.ssh/known_hosts2", ["/h/.ssh/known_hosts", "/h/.ssh/known_hosts2"]),
        ("/h/my ssh files/known /h/x", ["/h/my ssh files/known", "/h/x"]),
        ("~/a  b ~/c", ["~/a  b", "~/c"]),
        ("", []),
    ],
)
def test_a_known_hosts_file_with_a_blank_in_its_name_is_read(value: str, paths: list[str]) -> None:
    assert hostkeys.split_paths(value) == paths


def test_known_hosts_files_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a ").mkdir()
    (tmp_path / "a /known").touch()
    monkeypatch.chdir(tmp_path)
    for value in (f"{tmp_path}/a /known", "/h/known a /known"):
        if value.startswith("/h"):
            (tmp_path / "a").touch()
        with pytest.raises(MlshError, match="can't be told"):
            hostkeys.split_paths(value)


def test_fingerprints_are_taken_as_they_are_pasted() -> None:
    key = HostKey("ssh-ed25519", "AAAA")
    assert hostkeys.parse_fingerprint(f" {key.fingerprint}=\n") == key.fingerprint
    for wrong in ("", "MD5:00:11", "SHA256:short", key.fingerprint + "x"):
        with pytest.raises(MlshError):
            hostkeys.parse_fingerprint(wrong)


def test_a_missing_ssh_folder_is_made_private_and_goes_again_when_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLSH_SSH_CONFIG", raising=False)
    folder, changes = tmp_path / "a/.ssh", Changes()
    settings = Settings({"ssh_config": str(folder / "config")})
    write_entry(Entry("one", "h", 22), settings, changes)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "config").stat().st_mode & 0o777 == 0o600
    assert f"Include {folder}/mlsh_config\n" in (folder / "config").read_text()
    assert changes.undo() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_swap_of_keys_that_is_killed_leaves_no_pub_beside_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """The kill is an exception out of os.replace, after which nothing is undone."""
    key = tmp_path / "gpu"
    pairs = {"old": "ssh-ed25519 AAAAold\n", "new": "ssh-ed25519 AAAAnew\n"}
    for path, which in ((key, "old"), (owned.old_path(key), "old"), (owned.new_path(key), "new")):
        path.write_text(which)
        owned.public_path(path).write_text(pairs[which])
    replace, left = os.replace, [steps]

    def killed(source: Path, place: Path) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        replace(source, place)

    changes = Changes()
    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(os, "replace", killed)
        rotate._swap(owned.new_path(key), key, changes)
    which = key.read_text()
    assert which == ("new" if steps else "old")
    assert owned.public_of(key) == pairs[which].strip()
    assert changes.undo() == []
    assert (key.read_text(), owned.public_path(key).read_text()) == ("old", pairs["old"])


@pytest.mark.parametrize(
    ("jump", "after"),
    [
        ("bastion", "b2"),
        ("me@bastion:2222", "me@b2:2222"),
        ("ssh://me@bastion:22", "ssh://me@b2:22"),
        ("ssh://bastion", "ssh://b2"),
        ("first,me@bastion,[::1]:22", "first,me@b2,[::1]:22"),
        ("bastion2,bastion@other,my.bastion", "bastion2,bastion@other,my.bastion"),
    ],
)
def test_jumps_go_by_the_new_name_of_a_box(jump: str, after: str) -> None:
    text = "# c\nHost a\n  ProxyJump {}\nHost b\n  ProxyCommand nc bastion2 22\n"
    assert entry.jumping_by(text.format(jump), "bastion", "b2") == text.format(after)
    assert entry.lines_by_way_of(text.format(jump), "bastion") == ([3] if jump != after else [])


@pytest.mark.parametrize(
    ("before", "after", "now", "left"),
    [
        (b"a\n", b"a\nb\n", b"a\nb\n", b"a\n"),
        (b"a", b"a\nb\n", b"a\nb\nssh\n", b"a\nssh\n"),
        (None, b"b\n", b"b\nssh\n", b"ssh\n"),
        (b"a\n", b"b\na\n", b"b\na\nc\n", None),
        (b"a\n", b"a\nb\n", b"edited\n", None),
        (None, b"b\n", b"edited\n", None),
        (b"a\n", None, b"edited\n", None),
    ],
)
def test_undoing_keeps_what_ssh_or_an_editor_wrote_meanwhile(
    tmp_path: Path, before: bytes | None, after: bytes | None, now: bytes, left: bytes | None
) -> None:
    file, changes = tmp_path / "known_hosts", Changes()
    if before is not None:
        file.write_bytes(before)
    changes.put(file, after)
    file.write_bytes(now)
    said = changes.undo()
    assert file.read_bytes() == (now if left is None else left)
    assert [str(file) in one and "something else changed it" in one for one in said] == [True] * (left is None)


def test_a_second_interrupt_or_a_fault_stops_no_undoing(tmp_path: Path) -> None:
    file, changes = tmp_path / "config", Changes()
    file.write_bytes(b"mine\n")
    changes.put(file, b"changed\n")

    def fault() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise RuntimeError("no session")

    changes.later("the key", fault)
    handler = signal.getsignal(signal.SIGINT)
    assert changes.undo() == ["the key (no session)"]
    assert file.read_bytes() == b"mine\n"
    assert signal.getsignal(signal.SIGINT) == handler
