"""Columns that stand below each other, whatever is in them."""

from hypothesis import given
from hypothesis import strategies as st

from mlsh.shell.table import clip, columns, width

TEXT = st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs", "Mn"]), max_size=30)


@given(TEXT, st.integers(2, 40))
def test_a_clipped_text_fits_and_says_that_it_was_cut(text: str, cells: int) -> None:
    shown = clip(text, cells)
    assert width(shown) <= cells
    assert shown == text or shown.endswith("…")


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=6), st.integers(30, 120))
def test_rows_are_aligned(rows: list[tuple[str, str, str]], limit: int) -> None:
    lines = columns(rows, limit)
    first = max(width(row[0]) for row in rows)
    second = max(width(row[1]) for row in rows)
    for line, row in zip(lines, rows, strict=True):
        assert line.startswith(row[0].rstrip()[:1])
        assert width(line) <= max(limit, first + second + 4 + 10)


def test_wide_and_combining_characters_count_as_a_terminal_counts_them() -> None:
    assert [width(text) for text in ("abc", "日本", "e\u0301", "")] == [3, 4, 1, 0]
