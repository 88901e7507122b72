"""tldr pages that a client of theirs has put on this machine. They are read, and never run or written."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_PAGE = re.compile(r"[\w+][\w.+-]{0,79}")
_LONGEST = 1 << 18
_DEEPEST = 4


def _roots() -> list[Path]:
    home = Path(os.path.expanduser("~"))

    def base(variable: str, default: str) -> Path:
        value = os.environ.get(variable, "")
        return Path(value) if value.startswith("/") else home / default

    cache, data = base("XDG_CACHE_HOME", ".cache"), base("XDG_DATA_HOME", ".local/share")
    found = [path for folder in (cache, data) for path in sorted(folder.glob("tldr*"))]
    return [*found, cache / "tealdeer", home / ".tldrc", home / ".tldr"]


def folders() -> list[Path]:
    """Folders of pages (`common`, `linux`, …), those of your language first, then English ones."""
    language = os.environ.get("LANG", "").partition("_")[0].lower()
    rank = {f"pages.{language}": 0, "pages": 1, "pages.en": 1}
    system = "osx" if os.uname().sysname == "Darwin" else "linux"
    found = []
    for root in _roots():
        for base, names, _ in os.walk(root):
            depth = len(Path(base).relative_to(root).parts)
            if Path(base).name in rank:
                found += [(rank[Path(base).name], Path(base, name)) for name in (system, "common")]
                names[:] = []
            elif depth >= _DEEPEST:
                names[:] = []
    return [path for _, path in sorted(found, key=lambda pair: pair[0]) if path.is_dir()]


def page(name: str) -> str | None:
    """The text of a command's page, or None where there is none on this machine."""
    if not _PAGE.fullmatch(name):
        return None
    for folder in folders():
        try:
            descriptor = os.open(folder / f"{name.lower()}.md", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read(_LONGEST).decode(errors="replace")
    return None
