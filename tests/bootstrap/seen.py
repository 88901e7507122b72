"""What a test sees of a box, and takes from it."""

from __future__ import annotations

import stat

from tests.bed import Box


def tree(box: Box) -> dict[str, tuple[int, int, bytes]]:
    """Everything in the home of a box: kind and mode, owner, and content or target."""
    home = box.path("~")
    found = {}
    for at in sorted(home.rglob("*")):
        about = at.lstat()
        kind = stat.S_IFMT(about.st_mode) | stat.S_IMODE(about.st_mode)
        data = bytes(at.readlink()) if at.is_symlink() else b"" if at.is_dir() else at.read_bytes()
        found[str(at.relative_to(home))] = (kind, about.st_uid, data)
    return found


def bare(box: Box) -> Box:
    """A box without the tools that bootstrap brings."""
    for name in ("rg", "fd", "fdfind", "fzf", "zoxide", "just", "uv", "uvx"):
        for folder in ("usr/bin", "usr/local/bin"):
            (box.root / folder / name).unlink(missing_ok=True)
    return box
