"""Commands that have the typed characters in this order: `gpo` finds `git push origin`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_LOOKED_AT = 300


def closest(typed: str, commands: Iterable[tuple[int, str]], most: int) -> list[int]:
    """The keys of the commands in which the characters stand closest together; of equals, the one that came first."""
    scored = sorted(_spans(typed, commands), key=lambda pair: pair[0])
    return [key for _, key in scored[:most]]


def _spans(typed: str, commands: Iterable[tuple[int, str]]) -> Iterator[tuple[tuple[int, int], int]]:
    characters = [re.escape(char) for char in typed.lower() if not char.isspace()]
    if not characters:
        return
    # A gap ends at the first character that may end it: nothing is tried twice.
    pattern = re.compile(characters[0] + "".join(f"[^{char}]*{char}" for char in characters[1:]))
    for number, (key, text) in enumerate(commands):
        found = pattern.search(text[:_LOOKED_AT].lower())
        if found is not None:
            yield (found.end() - found.start(), number), key
