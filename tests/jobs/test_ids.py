"""Ids and names can be typed, shown and stored anywhere."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.errors import RefusedInput
from mlsh.jobs import ids
from mlsh.jobs.find import refuse_box_reference


def test_ids_are_unlike_and_never_a_number_an_option_or_a_word_to_quote() -> None:
    made = {ids.new_id() for _ in range(5000)}
    assert len(made) == 5000
    for id_ in made:
        assert ids.is_id(id_)
        assert ids.is_prefix(id_[:3])
        assert shlex.quote(id_) == id_
        assert id_[0].isalpha()
        assert not set(id_) & set("aeiou01l")
    for place in range(8):
        assert len({id_[place] for id_ in made}) >= 20


@given(st.text(max_size=80))
def test_a_name_that_is_accepted_needs_no_quotes_anywhere(text: str) -> None:
    try:
        name = ids.check_name(text)
    except RefusedInput:
        return
    assert name == text
    assert len(name) <= 64
    assert name.isascii()
    assert not name.startswith(("-", ".", "@", "~"))
    assert not set(name) & set(" \t\n'\"$`\\/*?[]{}();<>|&#!:")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-rf",
        ".x",
        "a b",
        "a\n",
        "a/b",
        "../x",
        "x" * 65,
        "é",
        "a\x1b[2J",
        "$(x)",
        "a;b",
        "@",
        "@~1",
        "a'b",
        "\udcff",
    ],
)
def test_other_names_are_refused_before_anything_runs(name: str) -> None:
    with pytest.raises(RefusedInput) as refusal:
        ids.check_name(name)
    assert refusal.value.hint
    assert "\x1b" not in refusal.value.what


def test_a_name_that_would_be_read_as_an_id_is_refused() -> None:
    with pytest.raises(RefusedInput):
        refuse_box_reference("k7w2m9qx")
    refuse_box_reference("train")
