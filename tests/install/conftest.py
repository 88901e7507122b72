"""Installing for real, from a copy of the working tree, into homes that are thrown away."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@dataclass
class Home:
    """A person's home folder, and how that person runs the installer."""

    path: Path
    clone: Path
    env: dict[str, str]
    prefix: list[str] = field(default_factory=list)

    @property
    def link(self) -> Path:
        return self.path / ".local/bin/mlsh"

    @property
    def data(self) -> Path:
        return self.path / ".local/share/mlsh"

    def install(self, *words: str, shell: str = "sh", **env: str) -> subprocess.CompletedProcess[str]:
        return self.run(*shell.split(), str(self.clone / "install.sh"), *words, **env)

    def run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, *argv],
            env=self.env | env,
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can enter, as pytest's own can't be."""
    with tempfile.TemporaryDirectory(prefix="mlsh-install-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def home(place: Path) -> Home:
    """An empty home beside a clone; uv, if any, is the one on PATH. Downloads are cached across tests."""
    clone = place / "clone"
    clone.mkdir()
    for name in ("install.sh", "pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "mlsh", clone / "mlsh", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "dotfiles", clone / "dotfiles")
    mine = place / "my home"
    mine.mkdir()
    env = {name: value for name, value in os.environ.items() if not re.match("XDG_|MLSH_|VIRTUAL_ENV$", name)}
    # What this very test runs in is no part of the person's PATH; without .pyc mlsh would start slowly.
    env["PATH"] = os.pathsep.join(p for p in env["PATH"].split(os.pathsep) if Path(p) != Path(sys.executable).parent)
    return Home(mine, clone, env | {"HOME": str(mine), "SHELL": "/bin/bash", "PYTHONDONTWRITEBYTECODE": "1"})


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real uv: the machine's, or one from the package registry."""
    found = shutil.which("uv")
    if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
        return Path(found).parent
    target = tmp_path_factory.mktemp("uv")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "uv"]
    subprocess.run(pip, check=True, timeout=280)
    return target / "bin"


@pytest.fixture(scope="session")
def uv_cache(uv: Path) -> str:
    """uv's cache of downloads: the user's own, which holds no secrets and saves the registry."""
    return subprocess.run([uv / "uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def home_with_uv(home: Home, uv: Path, uv_cache: str) -> Home:
    home.env |= {"PATH": f"{uv}{os.pathsep}{home.env['PATH']}", "UV_CACHE_DIR": uv_cache}
    return home


@pytest.fixture
def home_without_uv(home: Home, place: Path) -> Home:
    """uv is there and doesn't start, as a version manager's stub does: that must count as none."""
    stubs = place / "stubs"
    stubs.mkdir()
    (stubs / "uv").write_text("#!/bin/sh\necho 'uv: command not found' >&2\nexit 127\n")
    (stubs / "uv").chmod(0o755)
    home.env["PATH"] = f"{stubs}{os.pathsep}{home.env['PATH']}"
    return home


@pytest.fixture
def nobodys_home(home_without_uv: Home) -> Home:
    """The same, run as a user who isn't root; on a machine where the tests aren't root, as that user."""
    home = home_without_uv
    if os.geteuid() != 0:
        return home
    os.chown(home.path, NOBODY, NOBODY)
    home.prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    stubs = home.env["PATH"].split(os.pathsep)[0]
    home.env = {
        name: value for name, value in home.env.items() if not value.startswith("/root") and name != "PYENV_ROOT"
    } | {"PATH": f"{stubs}:/usr/local/bin:/usr/bin:/bin", "USER": "nobody", "LOGNAME": "nobody"}
    return home
