"""Settings and folders on the laptop: a mistake is named with its file, and no folder of somebody else's is used."""

import os
from pathlib import Path

import pytest

from mlsh import config
from mlsh.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
        "MLSH_SSH_CONFIG",
        "MLSH_MULTIPLEX",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".config/mlsh").mkdir(parents=True)
    return tmp_path


def write(home: Path, text: str | bytes) -> None:
    (home / ".config/mlsh/config.toml").write_bytes(text.encode() if isinstance(text, str) else text)


def test_without_a_file_everything_has_a_default(home: Path) -> None:
    settings = config.load()
    assert (settings.ssh_config, settings.size_limit_bytes) == (None, 50 << 20)
    assert (settings.home("gpu1"), settings.shell("gpu1"), settings.multiplex("gpu1")) == (None, "interactive", True)


def test_settings_are_read(home: Path) -> None:
    write(
        home,
        'ssh_config = "~/other"\nsize_limit_mib = 0\n[boxes."gpu1"]\nhome = "~/x"\nshell = "none"\nmultiplex = false\n',
    )
    settings = config.load()
    assert (settings.ssh_config, settings.size_limit_bytes) == (f"{home}/other", 0)
    assert (settings.home("gpu1"), settings.shell("gpu1"), settings.multiplex("gpu1")) == ("~/x", "none", False)
    assert settings.multiplex("gpu2")


@pytest.mark.parametrize(
    ("text", "word"),
    [("size_limit_mib = \n", "line 1"), ("a = 1", "`a`"), ('size_limit_mib = "50"', "size_limit_mib"),
     ("size_limit_mib = true", "size_limit_mib"), ("size_limit_mib = -1", "size_limit_mib"),
     ("ssh_config = 1", "ssh_config"), ("boxes = 1", "boxes"),
     ("[boxes]\ngpu1 = 1", "gpu1"), ("[boxes.gpu1]\nhom = 1", "`hom`"),
     ('[boxes.gpu1]\nshell = "fish"', "shell"),
     ('[boxes.gpu1]\nhome = "x"', "home"), ("[boxes.gpu1]\nhome = 1", "home"),
     ('[boxes.gpu1]\nmultiplex = "no"', "multiplex"), (b"\xff\xfe", "config.toml"), ("shell = 1", "`shell`")],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file(home: Path, text: str | bytes, word: str) -> None:
    write(home, text)
    with pytest.raises(ConfigError) as error:
        config.load()
    assert str(home / ".config/mlsh/config.toml") in error.value.what
    assert word in error.value.what


def test_a_file_that_can_not_be_read_is_named(home: Path) -> None:
    (home / ".config/mlsh/config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.toml"):
        config.load()


@pytest.mark.parametrize("value", ["", "relative/path", "~/x", "."])
def test_relative_xdg_paths_are_ignored(home: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, value)
    assert config.config_dir() == home / ".config/mlsh"
    assert config.state_dir() == home / ".local/state/mlsh"
    assert config.cache_dir() == home / ".cache/mlsh"


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(f"/tmp/mlshtest-{os.getpid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    for left in folder.iterdir():
        left.unlink() if not left.is_dir() or left.is_symlink() else left.rmdir()
    return folder


def test_the_folder_for_sockets_is_private(run: Path) -> None:
    assert config.runtime_dir() == run / "mlsh"
    assert (run / "mlsh").stat().st_mode & 0o777 == 0o700
    assert config.runtime_dir() == run / "mlsh"


def test_a_folder_that_others_prepared_is_refused(run: Path, tmp_path: Path) -> None:
    def refused() -> str:
        with pytest.raises(ConfigError) as error:
            config.runtime_dir()
        return error.value.what

    (run / "mlsh").mkdir(mode=0o700)
    (run / "mlsh").chmod(0o755)
    assert str(run / "mlsh") in refused()
    (run / "mlsh").rmdir()
    (run / "mlsh").symlink_to(tmp_path)
    assert refused()
    (run / "mlsh").unlink()
    (run / "mlsh").symlink_to(tmp_path / "nowhere")
    assert refused()
    (run / "mlsh").unlink()
    (run / "mlsh").write_text("")
    assert refused()
    (run / "mlsh").unlink()
    if os.geteuid() == 0:
        (run / "mlsh").mkdir(mode=0o700)
        os.chown(run / "mlsh", 65534, 65534)
        assert refused()


@pytest.mark.parametrize("base", ["relative", "/nowhere/at/all", "/tmp/" + "x" * 80, "/proc/1"])
def test_a_runtime_folder_of_no_use_is_passed_over(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    if base.startswith("/tmp/x"):
        Path(base).mkdir(exist_ok=True)
    if base == "/proc/1" and os.geteuid() == 0:
        base = "/dev/null"
    monkeypatch.setenv("XDG_RUNTIME_DIR", base)
    assert config.runtime_dir() == Path(f"/tmp/mlsh-{os.getuid()}")
    if base.startswith("/tmp/x"):
        Path(base).rmdir()
