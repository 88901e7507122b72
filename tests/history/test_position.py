"""What is new in a history file is found, whatever the shell did to the file meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.history.position import Position, Reading, complete, read_on


def read(position: Position, data: bytes, kind: str = "bash") -> Reading:
    """As a caller does: from a little before the offset, and all of it where that does not tell."""
    if position.offset <= len(data):
        found = read_on(position, kind, position.start, data[position.start :], seen="", mtime_s=0)
        if found is not None:
            return found
    found = read_on(position, kind, 0, data, seen="", mtime_s=0)
    assert found is not None
    return found


def new(reading: Reading) -> list[str]:
    return [entry.command for entry in reading.entries]


LINES = "".join(f"command {n}\n" for n in range(2000)).encode()


def test_only_what_was_appended_is_read() -> None:
    first = read(Position(), LINES)
    assert len(first.entries) == 2000
    second = read(first.position, LINES + b"new 1\nnew 2\n")
    assert new(second) == ["new 1", "new 2"]
    assert not second.only_unknown
    assert new(read(second.position, LINES + b"new 1\nnew 2\n")) == []


def test_a_line_that_is_still_written_comes_when_it_is_whole() -> None:
    first = read(Position(), b"a\nb\nhal")
    assert new(first) == ["a", "b"]
    assert new(read(first.position, b"a\nb\nhalf\n")) == ["half"]


def test_a_file_that_a_shell_cut_to_its_last_lines_brings_only_the_new_ones() -> None:
    first = read(Position(), LINES)
    kept = b"".join(LINES.splitlines(keepends=True)[-500:])
    second = read(first.position, kept + b"new 1\nnew 2\n")
    assert new(second) == ["new 1", "new 2"]
    assert not second.only_unknown


def test_a_file_that_somebody_emptied_is_read_from_its_begin_with_care() -> None:
    first = read(Position(), LINES)
    second = read(first.position, b"command 7\nother\n")
    assert new(second) == ["command 7", "other"]
    assert second.only_unknown


def test_a_file_of_the_same_size_with_other_lines_is_noticed() -> None:
    first = read(Position(), b"aaa\nbbb\n")
    second = read(first.position, b"xxx\nyyy\n")
    assert new(second) == ["xxx", "yyy"]


@given(st.lists(st.sampled_from(["ls", "cd", "git push", "make"]), min_size=0, max_size=40), st.integers(0, 40))
def test_reading_in_two_parts_is_reading_at_once(commands: list[str], cut: int) -> None:
    data = "".join(f"{c}\n" for c in commands).encode()
    part = "".join(f"{c}\n" for c in commands[:cut]).encode()
    first = read(Position(), part)
    assert new(first) + new(read(first.position, data)) == commands


@pytest.mark.parametrize(
    ("kind", "data", "whole"),
    [
        ("bash", b"a\nb", 2),
        ("zsh", b"a\\\nb\nc\\\n", 5),
        ("zsh", b"a\\\n", 0),
        ("mlsh", b"x\x1e\ny\n", 3),
        ("mlsh", b"y\n", 0),
        ("fish", b"", 0),
    ],
)
def test_what_is_whole(kind: str, data: bytes, whole: int) -> None:
    assert complete(kind, data) == whole
