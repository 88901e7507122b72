"""install.sh and --uninstall, for real: what a user would lose if they went wrong."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bed.requirements import not_possible_here

from .conftest import Home

# Each builds an environment or two, which takes a busy machine with a slow network minutes.
pytestmark = pytest.mark.timeout(600)
SHELLS = ["dash", "bash", "busybox sh"]


def everything_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("shell", "login", "path_line", "completion_line"),
    [
        ("dash", "/bin/bash", ">> ~/.bashrc", 'eval "$(mlsh completion bash)"'),
        ("bash", "/usr/bin/zsh", ">> ~/.zshrc", 'eval "$(mlsh completion zsh)"'),
        ("busybox sh", "/usr/bin/fish", "fish_add_path ~/.local/bin", "mlsh completion fish >"),
    ],
)
def test_uv_install_works_in_each_shell_and_says_what_to_add(
    home_with_uv: Home, shell: str, login: str, path_line: str, completion_line: str
) -> None:
    home = home_with_uv
    done = home.install(shell=shell, SHELL=login)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "with uv" in done.stdout
    assert f"program: {home.link}" in done.stdout
    assert "is not on your PATH" in done.stdout
    assert path_line in done.stdout
    assert completion_line in done.stdout
    assert home.run(str(home.link), "--version").returncode == 0
    assert {path.parent for path in home.path.rglob("*mlsh*") if home.data not in path.parents} == {
        home.data.parent,
        home.link.parent,
    }
    assert_compiled(home, "mlsh", "click")
    files = home.run(str(home.link), "dotfiles", "list")
    assert files.returncode == 0, files.stderr
    assert "/site-packages/mlsh/dotfiles/files/dot_config/mlsh/bashrc" in files.stdout


def assert_compiled(home: Home, *packages: str) -> None:
    """Every module has its .pyc: without them mlsh starts three times slower."""
    installed = next(home.data.glob("venv/lib/python3*/site-packages"))
    for package in packages:
        sources = {path.stem for path in (installed / package).glob("*.py")}
        assert sources
        assert sources <= {path.name.split(".")[0] for path in (installed / package / "__pycache__").glob("*.pyc")}


def test_a_second_install_brings_the_new_code_and_a_broken_one_leaves_the_old(home_with_uv: Home) -> None:
    home = home_with_uv
    assert home.install().returncode == 0
    init = home.clone / "mlsh/__init__.py"
    source = init.read_text()

    init.write_text(source.replace('__version__ = "', '__version__ = "7.'))
    upgraded = home.install()
    assert upgraded.returncode == 0, upgraded.stderr
    assert "Upgraded: " in upgraded.stdout
    assert "7." in home.run(str(home.link), "--version").stdout
    python = str(home.data / "venv/bin/python")
    # The lock decides, not what is newest today.
    assert (
        home.run(python, "-c", "import importlib.metadata as m; print(m.version('click'))").stdout.strip()
        in (home.clone / "uv.lock").read_text()
    )

    assert home.install().returncode == 0
    assert len(list(home.data.glob("venv-*"))) == 2  # the one in use, and the one that may still run

    before = everything_under(home.data)
    (home.clone / "mlsh/cli/__init__.py").write_text("this is not Python\n")
    broken = home.install()
    assert broken.returncode != 0
    assert "Nothing was changed" in broken.stderr
    assert "7." in home.run(str(home.link), "--version").stdout
    assert everything_under(home.data) == before


def test_two_installs_at_once_wait_for_each_other_and_both_work(home_with_uv: Home) -> None:
    home = home_with_uv
    with ThreadPoolExecutor() as pool:
        both = [*pool.map(lambda shell: home.install(shell=shell), ["dash", "busybox sh"])]
    assert [done.returncode for done in both] == [0, 0], both
    assert sum("Another install.sh is at work" in done.stdout for done in both) == 1
    assert home.run(str(home.link), "--version").returncode == 0
    assert len(list(home.data.glob("venv-*"))) == 2
    assert not list(home.data.parent.glob("*.installing*"))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_turn_that_a_dead_install_left_behind_is_taken_over(home: Home, shell: str) -> None:
    (home.data / "venv-1").mkdir(parents=True)
    (home.data / "venv-1/.made-by-install.sh").touch()
    left = home.data.with_name("mlsh.installing")
    left.mkdir()
    ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    (left / "pid").write_text(ended.stdout)
    gone = home.install("--uninstall", shell=shell)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert everything_under(home.data.parent) == []


def test_without_root_and_uv_pip_installs_and_goes_again(nobodys_home: Home) -> None:
    home = nobodys_home
    jobs = home.path / ".mlsh/jobs"
    jobs.mkdir(parents=True)
    done = home.install(PATH=f"{home.env['PATH']}:{home.link.parent}")
    if done.returncode != 0 and "neither is here" in done.stderr:
        not_possible_here("Installing as another user", "no Python >= 3.11 with venv that every user may run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "and pip" in done.stdout
    assert "is on your PATH: type mlsh" in done.stdout
    assert home.run(str(home.link), "--version").returncode == 0
    assert_compiled(home, "mlsh", "click")

    gone = home.install("--uninstall")
    assert gone.returncode == 0, gone.stderr
    assert not os.path.lexists(home.link)
    assert not home.data.exists()
    assert jobs.is_dir()
    assert f'rm -rf "{jobs.parent}"' in gone.stdout


def test_another_data_folder_and_another_mlsh_on_the_path(home_with_uv: Home) -> None:
    home = home_with_uv
    other = home.path / "tools/mlsh"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    path = f"{other.parent}:{home.link.parent}:{home.env['PATH']}"
    done = home.install(XDG_DATA_HOME=str(home.path / "data"), PATH=path, SHELL="/bin/tcsh")
    assert done.returncode == 0, done.stderr
    assert f"`mlsh` is {other}" in done.stdout
    assert home.link.resolve().is_relative_to(home.path / "data/mlsh")
    assert not home.data.exists()

    # With the default folder again, that link is no longer ours to replace or remove.
    assert home.install().returncode == 1
    assert "Left alone" in home.install("--uninstall").stdout
    assert home.install("--uninstall", XDG_DATA_HOME=str(home.path / "data")).returncode == 0
    assert not os.path.lexists(home.link)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("kind", ["file", "link elsewhere", "broken link"])
def test_someone_elses_mlsh_is_never_touched(home: Home, shell: str, kind: str) -> None:
    home.link.parent.mkdir(parents=True)
    if kind == "file":
        home.link.write_text("mine\n")
    else:
        home.link.symlink_to("/bin/sh" if kind == "link elsewhere" else "/nowhere/mlsh")
    before = (home.link.lstat().st_ino, home.link.lstat().st_mtime_ns)

    refused = home.install(shell=shell)
    assert refused.returncode == 1
    assert f"{home.link} is there and isn't this installer's. Nothing was changed." in refused.stderr
    assert home.install("--uninstall", shell=shell).returncode == 0
    assert (home.link.lstat().st_ino, home.link.lstat().st_mtime_ns) == before
    assert not home.data.exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_uninstall_where_nothing_is_installed_says_so(home: Home, shell: str) -> None:
    nothing = home.install("--uninstall", shell=shell)
    assert nothing.returncode == 0
    assert "isn't installed here" in nothing.stdout
    assert everything_under(home.path) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_help_and_unknown_words(home: Home, shell: str) -> None:
    for word in ("-h", "--help"):
        told = home.install(word, shell=shell)
        assert told.returncode == 0
        assert told.stdout.startswith("Usage: sh install.sh")
    unknown = home.install("instal", shell=shell)
    assert unknown.returncode == 2
    assert "unknown word: instal" in unknown.stderr
    assert home.install("--uninstall", "now", shell=shell).returncode == 2
    assert everything_under(home.path) == []


def tools_in(place: Path, *more: str) -> str:
    """A PATH that holds only what install.sh itself needs, and these."""
    tools = place / "tools"
    tools.mkdir()
    basic = "dash bash busybox sh dirname id readlink date mktemp mkdir rm rmdir cat cksum sleep"
    for name in (*basic.split(), *more):
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    return str(tools)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_machine_without_python_is_told_what_is_missing(home: Home, place: Path, shell: str) -> None:
    bare = home.install(shell=shell, PATH=tools_in(place))
    assert bare.returncode == 1
    assert "mlsh needs uv, or Python 3.11 or newer" in bare.stderr
    assert "your system's package manager" in bare.stderr
    assert everything_under(home.path) == [".local", ".local/share"]


def test_run_from_elsewhere_than_a_clone_it_says_so(home: Home) -> None:
    (home.clone / "pyproject.toml").unlink()
    lost = home.install()
    assert lost.returncode == 1
    assert "run it from a clone" in lost.stderr


def test_sudo_does_not_fill_the_users_home_with_roots_files(home: Home) -> None:
    if os.geteuid() != 0:
        not_possible_here("This trap", "only root can be in it")
    os.chown(home.path, 65534, 65534)
    refused = home.install(SUDO_USER="nobody")
    assert refused.returncode == 1
    assert "run it without sudo" in refused.stderr
    assert everything_under(home.path) == []


def test_the_demo_says_what_it_lacks_where_nothing_can_be_installed(home: Home, place: Path) -> None:
    bare = home.install("demo", PATH=tools_in(place, "git"))
    assert bare.returncode == 1
    assert "the demo needs tmux" in bare.stderr
    assert everything_under(home.path) == []


def test_the_demo_runs_in_an_environment_of_its_own(home_with_uv: Home) -> None:
    home = home_with_uv
    for _ in range(2):
        told = home.install("demo", "--help")
        assert told.returncode == 0, told.stdout + told.stderr
        assert "--seconds" in told.stdout
    assert (home.clone / ".cache/demo/bin/python").exists()
    assert not (home.path / ".local").exists()


def test_an_environment_of_a_clone_that_was_moved_is_made_again(home_with_uv: Home, place: Path) -> None:
    home = home_with_uv
    assert home.install("demo", "--help").returncode == 0
    home.clone = home.clone.rename(place / "moved clone")
    told = home.install("demo", "--help")
    assert told.returncode == 0, told.stdout + told.stderr
    where = [str(home.clone / ".cache/demo/bin/python"), "-P", "-c", "import mlsh; print(mlsh.__file__)"]
    assert home.run(*where).stdout.strip() == str(home.clone / "mlsh/__init__.py")
