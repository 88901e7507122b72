"""Where a source of a person's own lies: a folder here, or a git repository elsewhere, which is copied here."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from mlsh import config
from mlsh.box import process
from mlsh.digest import sha256
from mlsh.errors import MlshError, NotFound, RefusedInput

_LIMIT_S = 120.0
# As git has it: a scheme, or `host:path` with no slash before the colon.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://.+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:.+|[A-Za-z0-9_.-]+\.[A-Za-z0-9_.-]+:.+")
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]*@")


class Place(NamedTuple):
    """A folder of dotfiles; `name` is what a person calls it. Nothing is adopted into one that is not `writable`."""

    folder: Path
    name: str
    writable: bool


def find(asked: str) -> Place:
    """The folder that was asked for; of a git address, an up-to-date copy. Raises NotFound and RefusedInput."""
    if asked.startswith("-") or not asked:
        raise RefusedInput(f"{asked!r} can't be a source of dotfiles", "a folder, or the address of a git repository")
    folder = Path(os.path.expanduser(asked))
    if folder.is_dir():
        return Place(folder.absolute(), str(folder.absolute()), writable=True)
    if not _ADDRESS.fullmatch(asked):
        raise NotFound(f"there is no folder {asked}", "a folder, or the address of a git repository: https://…")
    if _PASSWORD.search(asked):
        raise RefusedInput(
            "the address of the repository has a password in it, which would show in lists of processes",
            "leave it out, and have git ask for it or remember it: git help credentials",
        )
    return Place(_copy_of(asked), asked, writable=False)


def _copy_of(address: str) -> Path:
    """A fresh copy of the repository's default branch."""
    base = config.cache_dir() / "dotfiles"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    final = base / str(sha256(address.encode()).hexdigest())[:16]
    aside = Path(tempfile.mkdtemp(dir=base, prefix=".new-"))
    try:
        argv = ["git", "clone", "--quiet", "--depth=1", "--no-tags", "--", address, str(aside / "tree")]
        ran = process.run(argv, timeout_s=_LIMIT_S, env=_environment(), own_session=False)
        if ran.returncode != 0:
            raise _failed(address, ran.stderr)
        shutil.rmtree(final, ignore_errors=True)
        (aside / "tree").rename(final)
    except process.TimedOut as late:
        raise MlshError(f"{address}: {late}", "is it reachable? try: git ls-remote ADDRESS") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return final


def _environment() -> dict[str, str]:
    from mlsh.git.plumbing import environment

    # No hook of a template, and nothing of large files: dotfiles are text.
    return environment(GIT_TEMPLATE_DIR="", GIT_LFS_SKIP_SMUDGE="1")


def _failed(address: str, said: bytes) -> MlshError:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    return NotFound(f"{address} could not be copied: {first[:300]}", f"try: git ls-remote -- {address}")
