"""uv, brought from its wheel; and a Python by uv where the box has none that is new enough."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlsh.bootstrap import wheels
from mlsh.bootstrap.changes import Run
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, joined
from mlsh.bootstrap.steps.tools import brought

_HERE = Path(__file__)
OLDEST = (3, 9)
BIN = "~/.local/bin"


class Uv(Step):
    """uv and uvx in ~/.local/bin."""

    name = "uv"
    summary = "uv and a Python"
    facts = _HERE.with_suffix(".sh").read_text()

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """The two programs."""
        del desired
        return [Watched(f"{BIN}/{name}", "stat") for name in ("uv", "uvx")]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """What is missing of the two."""
        uv = facts.one("uv.uv")
        parts = [Planned(has=uv)] if uv and facts.ours(f"{BIN}/uv") is None else [_uv(desired, facts)]
        parts.append(_python(desired, facts, bool(uv or parts[0].changes)))
        return joined(*parts)


def _uv(desired: Desired, facts: Facts) -> Planned:
    wheel = wheels.choose(wheels.pins(desired.pins), "uv", facts.machine, facts.libc)
    if wheel is None:
        return Planned(notes=(f"there is no uv for {facts.machine} with {facts.libc} in the list of wheels",))
    return joined(*(brought(facts, name, wheel) for name in ("uv", "uvx") if name in wheel.members))


def _python(desired: Desired, facts: Facts, has_uv: bool) -> Planned:
    said = facts.one("uv.python")
    version = tuple(int(part) for part in said.removeprefix("Python ").split(".")[:2] if part.isdigit())
    if version >= OLDEST:
        return Planned(has=said)
    if facts.one("uv.brought"):
        return Planned(has=f"a Python of uv's: {facts.one('uv.brought')}")
    if not has_uv:
        return Planned(notes=(f"no Python {desired.python}: there is no uv to bring it",))
    label = f"Python {desired.python}"
    script = {name: _HERE.with_name(f"{name}.sh").read_text() for name in ("python_on", "python_off")}
    # The version was checked when the settings were read.
    do, undo = (f"version={desired.python}\n{script[name]}" for name in ("python_on", "python_off"))
    why = f"{said or 'no Python'} there; uv fetches it on the box"
    return Planned(changes=(Run(label=label, do=do, undo=undo, limit_s=900, why=why),))


STEP = Uv()
