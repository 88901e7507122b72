"""What a log or a name does to the terminal of whoever reads it: nothing."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.shell.sanitize import LogCleaner, clean_log
from mlsh.shell.visible import printable

PIECES = st.sampled_from(
    [b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b\\", b"\x07", b"\x9b", b"\xc2\x9b", b"\xc2\x9d", b"\xc2\x9c", b"0",
     b";", b"31m", b"K", b"2J", b"52;c;aGk=", b"hello", b"\n", b"\r", b"\t", b"\0", b"\x7f", b"\xff", "é✓".encode(),
     b"\xe2\x80", "\u202e\u200b\ufeff".encode(), b" ", b"(", b"B", b"m", b"\x18", b"\x1a", b"[" * 70, b"1" * 70,
     b"\xf0\x9f"]
)  # fmt: skip
LOGS = st.one_of(st.lists(PIECES, max_size=30).map(b"".join), st.binary(max_size=200))
# What may reach a terminal: colour, erase in line, \t \n \r, and what can be seen.
INERT = re.compile(
    r"(?:\x1b\[[0-9;:]{0,64}[mK]|[\t\n\r]|[^\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff])*"
)


@settings(max_examples=400, deadline=None)
@given(LOGS, st.lists(st.integers(0, 300), max_size=12))
def test_how_a_log_arrives_in_pieces_does_not_matter(log: bytes, cuts: list[int]) -> None:
    cleaner, at, shown = LogCleaner(), 0, ""
    for cut in sorted(cuts):
        shown += cleaner.feed(log[at:cut])
        at = max(at, cut)
    assert shown + cleaner.feed(log[at:], final=True) == clean_log(log)


@settings(max_examples=400, deadline=None)
@given(LOGS)
def test_nothing_but_colour_and_text_reaches_the_terminal(log: bytes) -> None:
    shown = clean_log(log)
    assert INERT.fullmatch(shown)
    assert clean_log(shown.encode()) == shown


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\u061c")))
def test_text_that_is_only_text_stays_as_it_is(text: str) -> None:
    assert clean_log(text.encode()) == text


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        (b"\x1b[1;31mloss\x1b[0m 3\r\x1b[K\n", "\x1b[1;31mloss\x1b[0m 3\r\x1b[K\n"),
        (b"a\x1b]0;title\x07b\x1b]52;c;aGk=\x1b\\c", "abc"),
        (b"a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        (b"\x1b[2J\x1b[H\x1b[6n\x1b[?1049hseen\x1bc\x1b(0", "seen"),
        (b"\x1bPq#0;2\x1b\\a\x1b_apc\x1b\\b\x1b^pm\x1b\\c", "abc"),
        (b"\x1b]0;never closed\nthe error", "\nthe error"),
        (b"ends in \x1b[3", "ends in "),
        ("rtl \u202egnp.exe \u2066x".encode(), "rtl gnp.exe x"),
        (b"\x1b[3\x1b[0mx\x1b[" + b"1;" * 40 + b"my", "\x1b[0mxy"),
        (b"bell\x07 bs\x08 nul\0 del\x7f\xff", "bell bs nul del\ufffd"),
    ],
)
def test_what_a_person_sees_of_it(log: bytes, shown: str) -> None:
    assert clean_log(log) == shown


@settings(max_examples=300)
@given(st.text())
def test_a_name_is_one_line_of_visible_characters(text: str) -> None:
    shown = printable(text)
    assert INERT.fullmatch(shown)
    assert not set(shown) & set("\x1b\n\r\t")
    assert isinstance(shown.encode(), bytes)
    assert printable(shown) == shown


def test_a_name_that_is_no_text_is_shown_too() -> None:
    assert printable("a\x1b[2J\n\udcff\u202eb") == "a\\x1b[2J\\n\\udcff\\u202eb"


def _seconds(log: bytes, chunk: int) -> float:
    cleaner = LogCleaner()
    started = time.process_time()
    for at in range(0, len(log), chunk):
        cleaner.feed(log[at : at + chunk])
    cleaner.feed(b"", final=True)
    return time.process_time() - started


def test_a_plain_log_is_cleaned_faster_than_any_disk_gives_it() -> None:
    log = b"epoch 1 loss=0.123456 lr=3e-4\n" * 333_333
    fastest = min(_seconds(log, 1 << 16) for _ in range(3))
    print(f"plain ASCII: {len(log) / fastest / 1e6:.0f} MB/s")
    assert len(log) / fastest > 50e6


@pytest.mark.parametrize(
    "unit", [b"\x1b", b"\x1b]", b"\x1b[0", b"\xc2\x90", b"\x1b]\xc2\x90", b"\xc2\x9b0", b"\x1b ", b"\x1b[" + b"0" * 80]
)
@pytest.mark.parametrize("start", [b"", b"\x1b]", b"\x1b[", b"\x1bP", b"\x1b("])
def test_a_log_made_to_be_slow_is_not(start: bytes, unit: bytes) -> None:
    # Twice as much may take four times as long only where the time grows with the square.
    small, large = (start + unit * (size // len(unit)) + b"\x07" for size in (100_000, 800_000))
    base = max(0.005, min(_seconds(small, 4096) for _ in range(2)))
    assert min(_seconds(large, 4096) for _ in range(2)) < base * 30
    assert min(_seconds(large, 1 << 22) for _ in range(2)) < base * 30


def test_ten_megabytes_of_a_title_that_never_ends_are_read_once() -> None:
    assert _seconds(b"\x1b]0;" + b"a" * 10_000_000, 4096) < 3
