"""What the tests of first contact share: adding a box without a person, and looking at what is left."""

import subprocess
from pathlib import Path

from tests.bed import Box, Laptop


def fingerprint(laptop: Laptop, box: Box) -> str:
    """The SHA256 fingerprint of a box's host key."""
    said = laptop.command("ssh-keygen", "-lf", "-", input=box.host_key() + "\n").stdout
    return str(said.split()[1])


def add(
    laptop: Laptop, box: Box, *more: str, name: str = "new", password: str = "", check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Add it without a person: host key by fingerprint, password through a pipe."""
    words = ["box", "add", name, f"{box.user}@{box.host}", "--password-stdin", *more]
    if "--fingerprint" not in more:
        words += ["--fingerprint", fingerprint(laptop, box)]
    return laptop.run(*words, input=f"{password or box.password}\n", check=check)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All below a folder: modes and bytes."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
