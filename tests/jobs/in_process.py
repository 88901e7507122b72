"""mlsh's own functions, called from the test's process as the laptop's person would have them."""

import os
import time

import pytest

from mlsh import config
from mlsh.box import open_box
from mlsh.jobs import ids
from mlsh.jobs.launch import Values
from mlsh.jobs.onbox import OnBox
from mlsh.records import Spec
from tests.bed import Laptop

NO_VALUES = Values({}, {}, {})


def sit_at(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the laptop's environment, until the test ends."""
    for name, value in laptop.env.items():
        monkeypatch.setenv(name, value)
    for name in set(os.environ) & {"SSH_AUTH_SOCK", "MLSH_MULTIPLEX", "GIT_DIR"}:
        monkeypatch.delenv(name)


def on(alias: str) -> OnBox:
    """mlsh's scripts on a box, over a client of its own."""
    return OnBox(open_box(alias, config.load()))


def spec_of(alias: str, *argv: str, job_id: str = "") -> Spec:
    """A job without code; `{id}` in a word stands for its id."""
    made = job_id or ids.new_id()
    words = [word.replace("{id}", made) for word in argv]
    return Spec(id=made, argv=words, box=alias, created=round(time.time(), 3), shell="none", grace_s=1)  # noqa: S604
