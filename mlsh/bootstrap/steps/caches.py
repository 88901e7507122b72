"""Caches on the large disk: models and wheels fill a small home in a day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mlsh.bootstrap.changes import Folder
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, file_of_ours, joined

ENV = "~/.config/mlsh/env.d/caches.sh"
_VARIABLES = {"HF_HOME": "huggingface", "UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip", "TORCH_HOME": "torch"}
_GIB = 1 << 20
# Below these another disk is not worth it.
_LEAST_FREE_KIB = 100 * _GIB
_TIMES = 4


class Disk(msgspec.Struct, frozen=True):
    """A folder that this person may write to, on another file system than the home."""

    folder: str
    free_kib: int


class Caches(Step):
    """Exports HF_HOME, UV_CACHE_DIR, PIP_CACHE_DIR and TORCH_HOME."""

    name = "caches"
    summary = "caches on the large disk"
    facts = Path(__file__).with_suffix(".sh").read_text()

    def script(self, desired: Desired) -> str:
        """Which disks there are, where none is named."""
        return self.facts if desired.cache_dir is None else ""

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """The file with the variables, and the folder that is named."""
        named = [Watched(desired.cache_dir, "stat")] if desired.cache_dir else []
        return [Watched(ENV), *named]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """The folder, and a file that names it."""
        if desired.cache_dir == "":
            return Planned(has="off")
        current = _named(facts.one("caches.now"))
        if desired.cache_dir is None and current and facts.ours(ENV) == facts.at(ENV).state:
            # Once chosen it stays: the free space of a disk comes and goes, and caches do not move.
            return Planned(has=current)
        folder = desired.cache_dir or best(facts)
        if not folder:
            return Planned(has="no disk is much larger than the home's")
        at = facts.at(folder) if desired.cache_dir else None
        made = Planned(changes=(Folder(path=folder, why="for caches"),)) if at is None or at.is_absent else Planned()
        full = f"{facts.home}/{folder[2:]}" if folder.startswith("~/") else folder
        lines = [f"export {name}='{full}/{below}'" for name, below in _VARIABLES.items()]
        text = "\n".join(["# Made by mlsh bootstrap (caches).", *lines]) + "\n"
        env = file_of_ours(facts, ENV, text, f"{', '.join(_VARIABLES)} below {folder}")
        if not env.changes:
            return Planned(notes=env.notes, has=folder if env.has else "")
        return joined(made, env)


def best(facts: Facts) -> str:
    """The folder for caches on the largest disk that is much larger than the home's; "" for none. Pure."""
    disks = [disk for line in facts.said.get("disk", ()) if (disk := _disk(line, facts.user))]
    if not disks or facts.free_kib is None:
        return ""
    top = max(disks, key=lambda disk: disk.free_kib)
    if top.free_kib < _LEAST_FREE_KIB or top.free_kib < _TIMES * facts.free_kib:
        return ""
    return f"{top.folder}/mlsh-cache"


def _disk(line: str, user: str) -> Disk | None:
    """`FREE own|shared FOLDER`; where others write too, a folder of the person's name goes between."""
    match = re.fullmatch(r"(\d{1,18}) (own|shared) (/[^'\"$`\\\x00-\x1f]*)", line)
    if not match or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", user):
        return None
    return Disk(match[3] if match[2] == "own" else f"{match[3]}/{user}", int(match[1]))


def _named(text: str) -> str:
    match = re.search(r"^export HF_HOME='(/[^']*)/huggingface'$", text, re.MULTILINE)
    return match[1] if match else ""


STEP = Caches()
