"""The laptop's side of a cancel, with answers that only a broken connection gives."""

import pytest

from mlsh.box import open_box
from mlsh.jobs import insist
from mlsh.jobs.cancel import cancel
from mlsh.jobs.onbox import OnBox

STATE = b'{"state":"CANCELLED","id":"bcdfg234","code":null}' + b" " * 40 + b"\n"


def test_an_answer_that_was_cut_off_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [b"", STATE[:20], STATE, b"over\n" + STATE + b"end\n"]
    monkeypatch.setattr(OnBox, "call", lambda *_, **__: answers.pop(0))
    monkeypatch.setattr(insist, "_BACK_OFF_S", (0.0,) * 8)
    state, had_ended = cancel(OnBox(open_box("local")), "bcdfg234")
    assert state.state.value == "CANCELLED"
    # It was asked more than once: the first may have been what ended it.
    assert not had_ended
    assert answers == []
