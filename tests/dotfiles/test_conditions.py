"""Blocks for some boxes only: a line for the cluster's login node must not reach the GPU boxes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.dotfiles.conditions import matches, merge, render
from mlsh.errors import RefusedInput

TEXT = b"""\
all
# mlsh: only gpu* lab
gpus
# mlsh: end
middle
  " mlsh: not gpu*
others
  " mlsh: end
last"""


def test_a_box_gets_its_blocks_and_not_the_others() -> None:
    assert render(TEXT, ["gpu1"], "f") == b"all\ngpus\nmiddle\nlast"
    assert render(TEXT, ["lab"], "f") == b"all\ngpus\nmiddle\nothers\nlast"
    assert render(TEXT, ["x"], "f") == b"all\nmiddle\nothers\nlast"


def test_either_name_of_a_box_counts() -> None:
    assert matches(["gpu*"], ["mine", "gpu-17"])
    assert not matches(["gpu*"], ["mine", "cpu"])
    assert not matches(["GPU1"], ["gpu1"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"a\n# mlsh: only x\nb\n", 2),
        (b"# mlsh: end\n", 1),
        (b"# mlsh: only a\n# mlsh: only b\n# mlsh: end\n# mlsh: end\n", 2),
        (b"# mlsh: only\n# mlsh: end\n", 1),
        (b"# mlsh: onyl a\n# mlsh: end\n", 1),
    ],
)
def test_a_block_that_makes_no_sense_is_an_error_with_its_line(text: bytes, line: int) -> None:
    with pytest.raises(RefusedInput, match=f"^file:{line}:"):
        render(text, ["x"], "file")


def test_prose_about_mlsh_is_no_block() -> None:
    text = b"# see mlsh: end\necho '# mlsh: end'\nmlsh: end\n"
    assert render(text, ["x"], "f") == text


@given(st.binary(max_size=100))
def test_a_file_without_blocks_is_what_it_is(text: bytes) -> None:
    if b"mlsh:" not in text:
        assert render(text, ["x"], "f") == text


def test_a_change_on_a_box_goes_to_where_it_belongs_and_other_boxes_lines_stay() -> None:
    changed = b"all\ngpus, changed\nmiddle\nadded\nlast"
    merged = merge(TEXT, ["gpu1"], changed, "f")
    assert merged is not None
    assert render(merged, ["gpu1"], "f") == changed
    assert b"others" in merged
    assert b"gpus, changed" not in render(merged, ["x"], "f")


def test_a_change_across_a_block_for_other_boxes_is_not_guessed() -> None:
    assert merge(TEXT, ["x"], b"one line\nlast", "f") is None


@given(st.lists(st.sampled_from(["a\n", "b\n", "c\n"]), max_size=6))
def test_what_is_merged_is_what_the_box_has_or_nothing(lines: list[str]) -> None:
    changed = "".join(lines).encode()
    merged = merge(TEXT, ["gpu1"], changed, "f")
    assert merged is None or render(merged, ["gpu1"], "f") == changed
