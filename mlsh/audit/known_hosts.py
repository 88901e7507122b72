"""Read known_hosts: what in it is stale or contradicts itself. Pure, and hashed names are left as they are."""

from __future__ import annotations

from typing import NamedTuple

_MARKERS = frozenset({b"@cert-authority", b"@revoked"})


class Odd(NamedTuple):
    """Lines of a known_hosts file that want attention; `host` is one of their names."""

    host: str
    lines: tuple[int, ...]


class Judged(NamedTuple):
    """What a file says. `keys` is how many there are.

    `conflicting`: one name and kind with different keys. `repeated`: lines that earlier ones make needless. `old`: a
    kind that no server offers any more (DSA). `broken`: lines that ssh does not understand.
    """

    keys: int
    conflicting: tuple[Odd, ...]
    repeated: tuple[Odd, ...]
    old: tuple[Odd, ...]
    broken: tuple[int, ...]


def judge(text: bytes) -> Judged:
    """Judge the lines of a known_hosts file."""
    by_name: dict[tuple[bytes, bytes], dict[bytes, list[int]]] = {}
    old: list[Odd] = []
    repeated: list[Odd] = []
    broken: list[int] = []
    keys = 0
    for number, line in enumerate(text.split(b"\n"), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        if words[0] in _MARKERS:
            continue  # authorities and revoked keys may well stand beside others
        if len(words) < 3 or not words[2].startswith(b"AAAA"):
            broken.append(number)
            continue
        keys += 1
        names, kind, key = words[0], words[1], words[2]
        if kind == b"ssh-dss":
            old.append(Odd(_text(names.split(b",")[0]), (number,)))
        # Only where each of its names is known from before: such a line may go without a loss.
        if all(key in by_name.get((name, kind), {}) for name in names.split(b",")):
            repeated.append(Odd(_text(names.split(b",")[0]), (number,)))
        for name in names.split(b","):
            by_name.setdefault((name, kind), {}).setdefault(key, []).append(number)
    # A pattern is for many machines, which may well have different keys.
    conflicting = [
        Odd(_text(name), tuple(sorted(line for lines in known.values() for line in lines)))
        for (name, _), known in by_name.items()
        if len(known) > 1 and not any(sign in name for sign in b"*?!")
    ]
    return Judged(keys, tuple(conflicting), tuple(repeated), tuple(old), tuple(broken))


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
