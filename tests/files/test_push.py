"""`mlsh push` to real boxes: what goes, what is left, and what a cut leaves behind."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bed import Box, ChaosProxy, Laptop

MIB = 1 << 20


@pytest.fixture
def data(laptop: Laptop, gpu1: Box) -> Path:
    laptop.add(gpu1)
    gpu1.sh("rm -rf store corpus")
    folder = laptop.home / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("1\n")
    (folder / "sub/odd\nname '").write_bytes(b"a\0b")
    (folder / "sub/-n").write_text("")
    (folder / "last").symlink_to("sub/-n")
    (folder / "tool").write_text("x")
    (folder / "tool").chmod(0o6755)
    os.utime(folder / "a", ns=(0, 1577934245_000000000))
    return folder


def told(ran: Any) -> dict[str, str]:
    return {line["path"]: line["status"] for line in map(json.loads, ran.stdout.splitlines())}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


NAMES = {"a", "sub/odd\nname '", "sub/-n", "last", "tool"}


def test_a_folder_goes_as_it_is_and_only_once(laptop: Laptop, gpu1: Box, data: Path) -> None:
    ran = laptop.run("push", "data", "gpu1:store", "--json")
    there = gpu1.path("~/store")
    assert told(ran) == {f"data/{name}": "sent" for name in NAMES}
    assert files(there) == {f"data/{name}" for name in NAMES}
    assert (there / "data/sub/odd\nname '").read_bytes() == b"a\0b"
    about = (there / "data/a").stat()
    assert (int(about.st_mtime), stat.S_IMODE(about.st_mode)) == (1577934245, 0o644)
    assert stat.S_IMODE((there / "data/tool").stat().st_mode) == 0o755
    assert stat.S_IMODE((there / "data").stat().st_mode) == 0o755
    assert os.readlink(there / "data/last") == "sub/-n"
    assert set(told(laptop.run("push", "data", "gpu1:store", "--json")).values()) == {"same"}
    (data / "a").write_text("2\n")
    (there / "data/mine").write_text("stays")
    assert told(laptop.run("push", "data", "gpu1:store", "--json"))["data/a"] == "sent"
    assert (there / "data/a").read_text() == "2\n"
    assert (there / "data/mine").exists()
    # With / at its end, what is in it.
    dry = laptop.run("push", "--dry-run", "data/", "gpu1:~/corpus")
    assert len(dry.stdout.splitlines()) == 5
    assert not gpu1.path("~/corpus").exists()
    laptop.run("push", "data/", "gpu1:~/corpus")
    assert files(gpu1.path("~/corpus")) == NAMES


def test_what_can_not_go_is_named(laptop: Laptop, gpu1: Box, data: Path) -> None:
    (data / "out").symlink_to("/etc")
    os.mkfifo(data / "pipe")
    (data / "locked").write_text("x")
    ran = laptop.run("push", "data/", "gpu1:store", "--json", check=False)
    assert (told(ran)["out"], told(ran)["pipe"]) == ("skipped", "skipped")
    assert laptop.run("push", "nothing", "gpu1:store", check=False).returncode == 66
    assert laptop.run("push", "data", "gpu1", check=False).returncode == 2
    file = laptop.run("push", "data", "gpu1:store/a", check=False)
    assert file.returncode == 65
    assert "is a file" in file.stderr


def test_no_link_there_is_followed(laptop: Laptop, gpu1: Box, data: Path) -> None:
    gpu1.sh("mkdir -p store elsewhere; ln -s ../elsewhere store/sub; ln -s ../elsewhere/x store/a; mkdir store/tool")
    ran = laptop.run("push", "data/", "gpu1:store", "--json", check=False)
    status = told(ran)
    assert ran.returncode == 70
    assert (status["sub/-n"], status["tool"], status["a"]) == ("blocked", "blocked", "sent")
    assert files(gpu1.path("~/elsewhere")) == set()
    assert gpu1.path("~/store/a").read_text() == "1\n"


def test_a_push_that_is_cut_goes_on_where_it_was(
    laptop: Laptop, gpu1: Box, data: Path, proxy_to: Callable[[Box], ChaosProxy]
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, alias="cut", via=proxy)
    (data / "big").write_bytes(os.urandom(50 * MIB))
    laptop.run("push", "data/a", "cut:store")
    before = proxy.bytes_up
    proxy.cut_after(30 * MIB, "up")
    ran = laptop.run("push", "data/", "cut:store")
    assert "going on" in ran.stderr
    assert gpu1.path("~/store/big").read_bytes() == (data / "big").read_bytes()
    assert proxy.bytes_up - before < 65 * MIB
    assert not gpu1.path("~/store/.mlsh-push").exists()


@pytest.mark.root
def test_a_full_disk_there_is_told(laptop: Laptop, fresh_box: Box, data: Path) -> None:
    laptop.add(fresh_box)
    (data / "big").write_bytes(os.urandom(20 * MIB))
    laptop.run("push", "data/a", "fresh:store")
    fresh_box.fill_disk(leave_kib=8000)
    ran = laptop.run("push", "data/", "fresh:store", check=False)
    assert ran.returncode == 71
    assert "is full" in ran.stderr
    assert not fresh_box.path("~/store/big").exists()
    fresh_box.free_disk()
    laptop.run("push", "data/", "fresh:store")
    assert fresh_box.path("~/store/big").read_bytes() == (data / "big").read_bytes()


def test_a_busybox_box_takes_what_any_box_takes(laptop: Laptop, fresh_box: Box, data: Path) -> None:
    laptop.add(fresh_box)
    (data / "big").write_bytes(os.urandom(33 * MIB))
    fresh_box.busybox_userland()
    ran = laptop.run("push", "data/", "fresh:store", "--json")
    assert set(told(ran).values()) == {"sent"}
    assert files(fresh_box.path("~/store")) == NAMES | {"big"}
    assert set(told(laptop.run("push", "data/", "fresh:store", "--json")).values()) == {"same"}
