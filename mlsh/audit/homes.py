"""Look through the shell histories and dotfiles of a home, here or on a box: one call, and nothing is changed."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mlsh.audit.files import Passed
from mlsh.audit.found import Found
from mlsh.audit.text import Where, decoded, look
from mlsh.box import LOCAL, Box
from mlsh.errors import BoxUnfit, MlshError

# Of each file; a history of more than a million lines.
_MOST_BYTES = 64 << 20
_LIMIT_S = 120.0


@functools.cache
def _script() -> str:
    text = (Path(__file__).parent / "box" / "homes.sh").read_text()
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def of_home(box: Box) -> list[Found | Passed]:
    """The secrets in the histories and dotfiles of a box. Raises Unreachable, LoginRefused, BoxUnfit."""
    mark = secrets.token_hex(16)
    ran = box.run(["sh", "-c", _script(), "mlsh", mark, str(_MOST_BYTES)], timeout_s=_LIMIT_S)
    if isinstance(failure := box.explain_failure(ran), MlshError):
        raise failure
    if f"\n{mark} end\n".encode() not in ran.stdout:
        raise BoxUnfit(box.name, "no-reply", "its files did not arrive whole", f"try: mlsh box doctor {box.name}")
    return list(parse(box.name, ran.stdout, mark.encode()))


def of_atuin() -> Iterator[Found | Passed]:
    """The secrets in atuin's database of this machine, where there is one; `line` is the number of the entry."""
    from mlsh.audit.files import short
    from mlsh.history.atuin import read_atuin
    from mlsh.history.sources import find_local

    for kind, path in find_local():
        if kind != "atuin":
            continue
        try:
            entries = list(read_atuin(path))
        except MlshError as error:
            yield Passed(short(path), error.what)
            continue
        # An entry is a line, so that the number of a line is that of its entry.
        text = "\n".join(entry.command.replace("\n", " ") for entry in entries)
        for found in look(Where(LOCAL, "history", short(path)), text):
            when = entries[found.line - 1].when_s
            yield msgspec.structs.replace(found, when_s=None if when is None else int(when))


def parse(box: str, out: bytes, mark: bytes) -> Iterator[Found | Passed]:
    """Read what `homes.sh` printed: after a line `MARK kind size name` the bytes of a file."""
    for part in out.split(b"\n" + mark + b" ")[1:]:
        head, _, content = part.partition(b"\n")
        words = head.split(b" ", 2)
        if len(words) != 3:
            continue
        kind, size, place = words[0].decode(errors="replace"), words[1], words[2].decode(errors="replace")
        if kind not in {"history", "dotfile"}:
            yield Passed(f"{box}: {place}", "can't be read")
            continue
        text = decoded(content)
        if text is None:
            yield Passed(f"{box}: {place}", "binary")
            continue
        yield from look(Where(box, "history" if kind == "history" else "dotfile", place), text)
        if size.isdigit() and int(size) > _MOST_BYTES:
            yield Passed(f"{box}: {place}", f"only its first {_MOST_BYTES >> 20} MiB were looked at")
