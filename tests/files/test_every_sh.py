"""A pull and a push under each `sh` that boxes have, with the names that are hardest on it."""

import os
from pathlib import Path

import pytest

from tests.bed import Box, Laptop

SHELLS = {"dash": "/bin/dash", "bash": "/bin/bash", "busybox": "/usr/bin/busybox"}
ODD = ["-rf", "a b", "a\nb", "it's", '"$(touch hit)`touch hit`\\', "ends\n", "*", "[x]", "café", "\\012", "!x"]
NAMES = ["plain", *ODD]


@pytest.mark.root
@pytest.mark.parametrize("sh", SHELLS)
def test_every_name_travels_both_ways(laptop: Laptop, fresh_box: Box, sh: str) -> None:
    laptop.add(fresh_box)
    fresh_box.sh(f"ln -sf {SHELLS[sh]} /bin/sh && ln -sf {SHELLS[sh]} /usr/local/bin/sh", user="root")
    data = laptop.home / "data"
    data.mkdir()
    for name in (*NAMES, os.fsdecode(b"\xff\xfe")):
        (data / name).write_text(f"in {name!r}")
    (data / "large").write_bytes(os.urandom(33 << 20))
    laptop.run("push", "data/", "fresh:store")
    there = fresh_box.path("~/store")
    assert contents(there) == contents(data)

    project = laptop.project()
    made = laptop.run("run", "-d", "--on", "fresh", "--", "cp", "-rp", f"{fresh_box.home}/store", "out", cwd=project)
    laptop.run("wait", made.stdout.strip())
    laptop.run("pull", made.stdout.strip(), "--to", "back", cwd=project)
    assert contents(project / "back/out") == contents(data)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
