"""Files of jobs that another version of mlsh wrote can be read."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.records import JobState, Spec, State, from_json, to_json


def test_what_is_missing_has_a_default_and_what_is_unknown_is_ignored() -> None:
    spec = from_json(b'{"id":"k7w2m9qx","argv":["true"],"box":"gpu1","created":1.5,"from the future":{"a":1}}', Spec)
    assert (spec.engine, spec.code, spec.tags, spec.grace_s) == ("tmux", None, [], 10)
    state = from_json(b'{"state":"RUNNING","gpu":3}' + b" " * 400, State)
    assert state.state is JobState.RUNNING
    assert not state.state.is_final


@given(st.lists(st.text(max_size=20), min_size=1), st.text(), st.floats(0, 4e9))
def test_a_spec_is_one_line_and_reads_back_the_same(argv: list[str], workdir: str, created: float) -> None:
    spec = Spec("k7w2m9qx", argv, "gpu1", created, workdir=workdir)
    line = to_json(spec)
    assert b"\n" not in line
    assert b"\0" not in line
    assert from_json(line, Spec) == spec


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state":"FLYING"}', '{"state":1}', "\ufffd"])
def test_what_is_no_state_is_an_error_not_a_guess(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_json(text, State)


def test_five_states_are_the_end() -> None:
    assert {state.value for state in JobState if not state.is_final} == {"PENDING", "RUNNING"}
