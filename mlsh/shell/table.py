"""Lay text out in columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def width(text: str) -> int:
    """How many cells of a terminal a line takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def clip(text: str, cells: int) -> str:
    """`text` in at most `cells` cells, with `…` where something was cut off."""
    if width(text) <= cells:
        return text
    kept, used = "", 0
    for char in text:
        step = width(char)
        if used + step > cells - 1:
            break
        kept, used = kept + char, used + step
    return kept + "…"


def columns(
    rows: Sequence[Sequence[str]],
    limit: int | None = None,
    right: frozenset[int] = frozenset(),
    least: Sequence[int] = (),
) -> list[str]:
    """Rows as aligned lines; the last column is clipped so that a line has at most `limit` cells.

    `right` are the columns that are aligned to the right, as numbers are; `least` are the fewest cells that a
    column takes.
    """
    if not rows:
        return []
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)][:-1]
    widths = [max(pair) for pair in zip(widths, [*least, *[0] * len(widths)], strict=False)]
    # Most tables are plain ASCII, where a cell is a character, and one format does a whole row.
    plain = "".join(f"%{'' if column in right else '-'}{cells}s  " for column, cells in enumerate(widths))
    lines = []
    for row in rows:
        first = tuple(row[:-1])
        if all(map(str.isascii, first)):
            lead = plain % first
        else:
            lead = "".join(
                pad(text, cells, column in right) + "  "
                for column, (text, cells) in enumerate(zip(first, widths, strict=True))
            )
        tail = row[-1] if limit is None else clip(row[-1], max(10, limit - width(lead)))
        lines.append((lead + tail).rstrip())
    return lines


def pad(text: str, cells: int, right: bool = False) -> str:
    """`text` filled up with spaces to `cells` cells, on its left where it is to stand `right`."""
    space = " " * (cells - width(text))
    return space + text if right else text + space
