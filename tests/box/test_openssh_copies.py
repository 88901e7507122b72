"""Files to and from a box: byte for byte, whole or not at all."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsh.box import open_box
from mlsh.config import load
from mlsh.errors import BoxError, MlshError, Unreachable
from tests.bed import Box, ChaosProxy, Laptop, wait_for
from tests.box.reaching import reach, says
from tests.jobs.in_process import sit_at

ODD_NAMES = ["plain", "with space", 'it\'s "quoted"', "-rf", "ünï©ode 漢字", "$HOME `id` !x", "back\\slash", "a\nb"]


@pytest.fixture(autouse=True)
def _here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at(laptop, monkeypatch)


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("where", ["gpu1", "local"])
def test_files_arrive_byte_for_byte_whatever_they_are_called(
    laptop: Laptop, gpu1: Box, name: str, where: str, tmp_path: Path
) -> None:
    reached = reach(laptop, gpu1) if where == "gpu1" else open_box("local", load())
    home = gpu1.path("~") if where == "gpu1" else laptop.home
    data = os.urandom(70_000) + b"\0\r\n\xff"
    source = tmp_path / name
    source.write_bytes(data)
    source.chmod(0o750)
    reached.copy_to(source, f"~/{name}")
    assert (home / name).read_bytes() == data
    assert (home / name).stat().st_mode & 0o777 == 0o750
    back = tmp_path / f"back {name}"
    reached.copy_from(f"~/{name}", back)
    assert back.read_bytes() == data
    assert back.stat().st_mode & 0o777 == 0o750
    source.write_bytes(b"")
    reached.copy_to(source, f"~/{name}")
    assert (home / name).read_bytes() == b""
    assert not list(home.glob(".mlsh-*"))
    assert not list(tmp_path.glob(".mlsh-*"))


def test_a_full_disk_leaves_the_old_file_as_it_was(laptop: Laptop, fresh_box: Box, tmp_path: Path) -> None:
    reached = reach(laptop, fresh_box)
    fresh_box.write("~/kept", "old")
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3 << 20))
    says(reached, "true")
    fresh_box.fill_disk(leave_kib=500)
    with pytest.raises(BoxError, match="No space left"):
        reached.copy_to(big, "~/kept")
    fresh_box.free_disk()
    assert fresh_box.path("~/kept").read_text() == "old"
    assert not list(fresh_box.path("~").glob(".mlsh-*"))
    reached.copy_to(big, "~/kept")
    assert fresh_box.path("~/kept").read_bytes() == big.read_bytes()


def test_what_can_not_be_copied_says_why_and_leaves_nothing(laptop: Laptop, fresh_box: Box, tmp_path: Path) -> None:
    reached = reach(laptop, fresh_box)
    here = tmp_path / "here"
    here.write_text("x")
    fresh_box.sh("mkdir folder; echo secret >locked; chmod 0 locked")
    fresh_box.read_only_home()
    for target, why in (
        ("~/new", "Read-only"),
        ("~/folder", "folder of that name"),
        ("/no/where/x", "[Nn]o such|nonexist"),
    ):
        with pytest.raises(BoxError, match=why):
            reached.copy_to(here, target)
    fresh_box.writable_home()
    back = tmp_path / "back"
    for source, why in (("~/missing", "no such file"), ("~/folder", "is a folder"), ("~/locked", "[Pp]ermission|read")):
        with pytest.raises(BoxError, match=why):
            reached.copy_from(source, back)
    with pytest.raises(BoxError, match="No such"):
        reached.copy_to(tmp_path / "missing", "~/x")
    with pytest.raises(BoxError, match=r"[Nn]o such"):
        reached.copy_from("~/noisy", tmp_path / "none" / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert not list(fresh_box.path("~").glob(".mlsh-*"))
    local = open_box("local", load())
    with pytest.raises(MlshError, match="No such"):
        local.copy_from("~/missing", back)
    with pytest.raises(MlshError, match="folder"):
        local.copy_to(here, str(laptop.home))
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_copy_that_breaks_off_is_whole_or_nothing(
    laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy], tmp_path: Path
) -> None:
    proxy = proxy_to(gpu1)
    reached = reach(laptop, gpu1, via=proxy)
    big = tmp_path / "big"
    big.write_bytes(os.urandom(2 << 20))
    gpu1.write("~/target", "old")
    says(reached, "true")
    proxy.cut_after(1 << 20, "up")
    with pytest.raises(Unreachable):
        reached.copy_to(big, "~/target")
    assert gpu1.path("~/target").read_text() == "old"
    wait_for(lambda: not list(gpu1.path("~").glob(".mlsh-*.part")), 10, "nothing left aside")
    reached.copy_to(big, "~/target")
    back = tmp_path / "back"
    back.write_text("mine")
    proxy.cut_after(1 << 20, "down")
    with pytest.raises(Unreachable):
        reached.copy_from("~/target", back)
    assert back.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "big"]


def test_start_up_files_that_print_do_not_end_up_in_a_copy(laptop: Laptop, fresh_box: Box, tmp_path: Path) -> None:
    reached = reach(laptop, fresh_box)
    fresh_box.write("~/.bashrc", "echo welcome; echo to the cluster >&2\n")
    fresh_box.write("~/file", "data")
    reached.copy_from("~/file", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "data"
    reached.copy_to(tmp_path / "file", "~/second")
    assert fresh_box.path("~/second").read_text() == "data"


@pytest.mark.parametrize("shell", ["busybox", "/usr/bin/fish", "/usr/bin/zsh"])
def test_files_are_copied_whatever_the_box_has(laptop: Laptop, fresh_box: Box, shell: str, tmp_path: Path) -> None:
    if shell == "busybox":
        fresh_box.busybox_userland()
    else:
        fresh_box.login_shell(shell)
    reached = reach(laptop, fresh_box)
    data = os.urandom(300_000)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "a").chmod(0o640)
    reached.copy_to(tmp_path / "a", "~/it's !x\\é")
    reached.copy_from("~/it's !x\\é", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == data
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o640


def test_a_big_file_takes_no_memory(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    big = laptop.home / "big"
    with big.open("wb") as file:
        file.truncate(64 << 20)
    script = (
        "import json, resource, sys; from pathlib import Path; from mlsh.box import open_box\n"
        "reached = open_box('fresh'); reached.run(['true'])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "reached.copy_to(Path('big'), '~/big'); reached.copy_from('~/big', Path('back'))\n"
        "print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))\n"
    )
    grown_kib = json.loads(laptop.command(sys.executable, "-c", script, timeout=60).stdout)
    assert grown_kib < 12 << 10
    assert fresh_box.path("~/big").stat().st_size == (laptop.home / "back").stat().st_size == 64 << 20
