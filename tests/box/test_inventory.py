"""The names that people can type are those that ssh would understand, whatever their config looks like."""

import contextlib
import fnmatch
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.box.inventory import Alias, aliases, closest, matches, parse_resolved, resolve, split_line
from mlsh.config import Settings
from mlsh.errors import ConfigError, RefusedInput


def names(config: Path) -> list[str]:
    return [alias.name for alias in aliases(Settings({"ssh_config": str(config)}))]


def ssh_hostname(config: Path, name: str) -> str:
    """What `ssh -G` takes a name for: the one judge of whether an alias is one."""
    ran = subprocess.run(["ssh", "-F", config, "-G", "--", name], capture_output=True, text=True, check=False)
    return next((line[9:] for line in ran.stdout.splitlines() if line.startswith("hostname ")), "")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh/config"


def test_local_is_always_there_even_without_a_config(config: Path) -> None:
    assert aliases(Settings({"ssh_config": str(config)})) == [Alias("local")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Host a b c\n", ["a", "b", "c"]),
        ("Host=a\n", ["a"]),
        ("host = a b\n", ["a", "b"]),
        ("\tHOST\ta\r\n  HostName x\r\n", ["a"]),
        ("Host \"a\" 'b' c\n", ["a", "b", "c"]),
        ('"Host" a\n', ["a"]),
        ("Host gpu* a ?b !c *\n", ["a"]),
        ("Host a !a\n", []),
        ("Host a b # c d\n", ["a", "b"]),
        ("# Host a\n#Host b\n", []),
        ("Match host x\n  User y\nHost a\n", ["a"]),
        ("Match originalhost a\nHostName b\n", []),
        ("Host a\nHost a\n", ["a"]),
        ("Host local a\n", ["a"]),
        ("Host -oProxyCommand=x ../x a,b ünï a\n", ["a"]),
        ('Host "open a\nHost b\n', ["b"]),
        ("Host\nHost a", ["a"]),
        ("Hostname a\nHostKeyAlias b\n", []),
        ("Host 10.0.0.1 [fe80::1] me@there n_1.x\n", ["10.0.0.1", "[fe80::1]", "me@there", "n_1.x"]),
        ("Host a\0b c\n", ["a"]),
    ],
)
def test_each_way_to_write_a_host_is_understood(config: Path, text: str, expected: list[str]) -> None:
    config.write_text(text)
    assert names(config) == ["local", *expected]


def test_an_alias_says_where_it_is_defined(config: Path) -> None:
    (config.parent / "more").write_text("\n# mine\nHost b\n")
    config.write_text("Host a\nInclude more\n")
    config.write_text("Include more\nHost a\n")
    found = aliases(Settings({"ssh_config": str(config)}))
    assert found[1:] == [Alias("b", str(config.parent / "more"), 3), Alias("a", str(config), 2)]


def test_includes_are_followed_as_ssh_follows_them(config: Path) -> None:
    folder = config.parent / "config.d"
    folder.mkdir()
    (folder / "10-lab").write_text("Include deep\nHost lab\n  HostName lab.example\n")
    (folder / "20-cloud").write_text("Host cloud\n  HostName cloud.example\n")
    (folder / ".hidden").write_text("Host hidden\n  HostName hidden.example\n")
    (config.parent / "deep").write_text("Host deep\n  HostName deep.example\n")
    (config.parent.parent / "home-one").write_text("Host inhome\n  HostName inhome.example\n")
    config.write_text(f"Include config.d/* missing ~/home-one\nInclude {config.parent}/nothing*\n")
    assert names(config) == ["local", "deep", "lab", "cloud", "inhome"]
    for name in names(config)[1:]:
        assert ssh_hostname(config, name) == f"{name}.example"
    assert ssh_hostname(config, "hidden") == "hidden"


def test_a_relative_include_is_in_dot_ssh_even_for_a_config_elsewhere(config: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "more").write_text("Host wrong\n  HostName w.example\n")
    (config.parent / "more").write_text("Host right\n  HostName r.example\n")
    (elsewhere / "config").write_text("Include more\n")
    assert names(elsewhere / "config") == ["local", "right"]
    assert ssh_hostname(elsewhere / "config", "right") == "r.example"


def test_an_include_inside_a_host_block_counts_for_that_host_alone(config: Path) -> None:
    (config.parent / "more").write_text("Host gpu1 cpu1\n  HostName more.example\n")
    config.write_text("Host gpu*\n  Include more\nHost b\n")
    assert names(config) == ["local", "gpu1", "b"]
    assert ssh_hostname(config, "gpu1") == "more.example"
    assert ssh_hostname(config, "cpu1") == "cpu1"


def test_files_that_include_each_other_come_to_an_end(config: Path) -> None:
    config.write_text("Include config config config\nInclude other\nHost a\n")
    (config.parent / "other").write_text("Include config other\nHost b\n")
    assert set(names(config)) == {"local", "a", "b"}


def test_a_chain_of_includes_ends_where_ssh_ends_it(config: Path) -> None:
    for depth in range(40):
        (config.parent / f"f{depth}").write_text(f"Include f{depth + 1}\nHost h{depth}\n")
    config.write_text("Include f0\n")
    assert set(names(config)) == {"local", *(f"h{depth}" for depth in range(16))}


@pytest.mark.parametrize("what", ["folder", "fifo", "device", "loop", "unreadable"])
def test_what_is_no_readable_file_has_no_aliases_and_blocks_nobody(config: Path, what: str) -> None:
    if what == "folder":
        config.mkdir()
    elif what == "fifo":
        os.mkfifo(config)
    elif what == "device":
        config.symlink_to("/dev/zero")
    elif what == "loop":
        config.symlink_to(config)
    else:
        config.write_text("Host a\n")
        config.chmod(0)
    with as_nobody():
        assert names(config) == ["local"]


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Where this is root, who can read everything, be somebody who can't."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@given(data=st.binary(max_size=400))
@settings(deadline=None, max_examples=200)
def test_no_bytes_can_make_the_listing_fail(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    config = tmp_path_factory.getbasetemp() / "odd-config"
    config.write_bytes(data)
    assert names(config)[0] == "local"


_WORD = st.text("ab*?!\"' #\\=\t\r\f", max_size=6)
_LINE = st.one_of(
    st.lists(_WORD, max_size=4).map(lambda words: "Host " + " ".join(words)),
    st.text("Hosta =\"'#\t\r", max_size=12),
    st.sampled_from(["", "#", "Match all", "Match host x", "  User u", "HostName=x.example", "Include no*"]),
)


@given(lines=st.lists(_LINE, max_size=5), name=st.text("ab", min_size=1, max_size=3))
@settings(deadline=None, max_examples=60)
def test_a_listed_name_is_one_that_ssh_knows(
    lines: list[str], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each Host line gets a HostName of its own; a config that ssh refuses as a whole says nothing."""
    config = tmp_path_factory.getbasetemp() / "judged-config"
    marked = [f"{line}\nHostName h.example\n" if line.startswith("Host ") else f"{line}\n" for line in lines]
    config.write_text("".join(marked))
    ran = subprocess.run(["ssh", "-F", config, "-G", "--", name], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        return
    for alias in names(config)[1:]:
        if set(alias) <= {"a", "b"}:
            assert ssh_hostname(config, alias) != alias


@given(name=st.text("ab", max_size=8), pattern=st.text("ab*?", max_size=8))
def test_wildcards_match_as_everywhere(name: str, pattern: str) -> None:
    assert matches(name, [pattern]) == fnmatch.fnmatchcase(name, pattern)


def test_a_nasty_pattern_takes_no_time() -> None:
    assert not matches("a" * 250, ["*a" * 100 + "*b"])


@given(st.text())
def test_splitting_a_line_never_fails(line: str) -> None:
    keyword, words = split_line(line)
    assert isinstance(keyword, str)
    assert all(isinstance(word, str) for word in words)


def test_what_a_name_means_is_what_ssh_says(config: Path) -> None:
    config.write_text(
        "Host gpu1\n  HostName gpu1.lab.example\n  User ada\n  Port 2222\n  IdentityFile /keys/one\n"
        "  IdentityFile /keys/two\n  ProxyJump jump\n  UserKnownHostsFile /known\n"
    )
    found = resolve("gpu1", Settings({"ssh_config": str(config)}))
    assert (found.hostname, found.user, found.port) == ("gpu1.lab.example", "ada", 2222)
    assert found.identity_files == ("/keys/one", "/keys/two")
    assert found.proxy_jump == "jump"
    assert found.known_hosts_files == ("/known",)


def test_a_config_that_ssh_refuses_is_an_error_that_says_so(config: Path) -> None:
    config.write_text("Host a\n  NoSuchOption yes\n")
    with pytest.raises(ConfigError, match="Bad configuration option"):
        resolve("a", Settings({"ssh_config": str(config)}))


def test_a_name_like_an_option_never_reaches_ssh(config: Path) -> None:
    with pytest.raises(RefusedInput):
        resolve("-oProxyCommand=touch x", Settings({"ssh_config": str(config)}))


@given(st.text())
def test_reading_what_ssh_says_never_fails(text: str) -> None:
    assert parse_resolved("a", text).name == "a"


def test_a_mistyped_box_is_guessed() -> None:
    assert closest("gpu11", ["local", "gpu1", "lab"]) == "gpu1"
    assert closest("GPU1", ["local", "gpu1"]) == "gpu1"
    assert closest("zzz", ["local", "gpu1"]) is None


def test_listing_needs_nothing_heavy() -> None:
    """Completion lists the boxes at each Tab."""
    code = (
        "import sys; from mlsh.box import inventory; from mlsh.config import Settings; "
        "inventory.aliases(Settings({'ssh_config': '/nonexistent'})); "
        "print([m for m in ('asyncio', 'tomllib', 'difflib', 'msgspec', 'click') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
