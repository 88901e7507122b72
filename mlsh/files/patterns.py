"""Patterns of paths in a job's folder, as `--outputs` and `mlsh pull` take them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlsh.errors import RefusedInput

_PIECES = re.compile(r"(\*\*/|\*\*|\*|\?|\[[!^]?\]?[^]]*\])")


def check(pattern: str) -> str:
    """A pattern without its needless parts (`./runs/` is `runs`).

    Raises RefusedInput for one that leads out of the job's folder, or can't be a path.
    """
    parts = [part for part in pattern.split("/") if part not in {"", "."}]
    hint = "a pattern is a path in the job's folder, such as 'runs' or 'ckpt/*.pt'"
    if pattern.startswith(("/", "~/")) or ".." in parts:
        raise RefusedInput(f"{pattern!r} leads out of the job's folder", hint)
    if "\0" in pattern or not pattern:
        raise RefusedInput(f"{pattern!r} can't be a path", hint)
    return "/".join(parts) or "."


class Patterns:
    """Which paths are meant: those that match a pattern, and all that lies below them.

    `*`, `?` and `[...]` stay within one name; `**` crosses folders. What is no such sign stands for itself. The
    pattern `.` means everything.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = [check(pattern) for pattern in patterns]
        self._all = "." in self.patterns
        self._compiled = [re.compile(_expression(pattern), re.DOTALL) for pattern in map(_bytes, self.patterns)]

    def matches(self, path: bytes) -> bool:
        """Whether a path, relative to the job's folder, is meant."""
        return self._all or any(compiled.match(path) for compiled in self._compiled)

    def roots(self) -> list[str]:
        """The paths (`./a`) at or below which all that is meant lies: the parts before the first sign."""
        found = []
        for pattern in self.patterns:
            parts = pattern.split("/")
            plain = [part for part in parts if not any(sign in part for sign in "*?[")]
            kept = parts if plain == parts else parts[: next(n for n, part in enumerate(parts) if part not in plain)]
            found.append("/".join([".", *(part for part in kept if part != ".")]))
            if any(sign in pattern for sign in "*?["):
                found.append("/".join([".", *parts]))
        return ["."] if "." in found else list(dict.fromkeys(found))

    def unused(self, paths: Sequence[bytes]) -> list[str]:
        """The patterns that none of these paths is meant by."""
        return [
            pattern
            for pattern, compiled in zip(self.patterns, self._compiled, strict=True)
            if not any(compiled.match(path) for path in paths)
        ]


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _expression(pattern: bytes) -> bytes:
    """The regular expression for a pattern; latin-1 and back, so that bytes that are no UTF-8 stay as they are."""
    if pattern == b".":
        return b""
    made = []
    for number, piece in enumerate(_PIECES.split(pattern.decode("latin-1"))):
        if not number % 2:
            made.append(re.escape(piece))
        elif piece == "**/":
            made.append("(?:.*/)?")
        elif piece == "**":
            made.append(".*")
        elif piece in "*?":
            made.append(f"[^/]{piece}" if piece == "*" else "[^/]")
        else:
            made.append(_set(piece[1:-1]))
    signs = "".join(made).encode("latin-1")
    # A name may have such signs in it: then it also means itself.
    return rb"(?:" + signs + rb"|" + re.escape(pattern) + rb")(?:/|\Z)"


def _set(inside: str) -> str:
    negated = inside[:1] in {"!", "^"}
    chars = re.sub(r"[\\\[\]^&~|]", r"\\\g<0>", inside[negated:])
    try:
        re.compile(f"[{chars}]")
    except re.error:
        return re.escape(f"[{inside}]")
    return f"(?!/)[{'^' if negated else ''}{chars}]"
