"""Where systemd ends what you left running when you log out, have it not: jobs and sessions live in tmux."""

from __future__ import annotations

from pathlib import Path

from mlsh.bootstrap.changes import Run
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts
from mlsh.bootstrap.step import Planned, Step

_HERE = Path(__file__)
LABEL = "linger"


class Linger(Step):
    """loginctl enable-linger."""

    name = "linger"
    summary = "tmux outlives your login"
    facts = _HERE.with_suffix(".sh").read_text()

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """Needed only where logind kills, and nobody lingers yet."""
        del desired
        if facts.one("linger.kills") != "yes":
            return Planned(has="not needed: nothing ends what you leave running")
        if facts.one("linger.on") == "yes":
            return Planned(has="on")
        do = _HERE.with_name("linger_on.sh").read_text()
        undo = _HERE.with_name("linger_off.sh").read_text()
        why = "systemd there ends what you leave running when you log out (KillUserProcesses)"
        return Planned(changes=(Run(label=LABEL, do=do, undo=undo, limit_s=30, why=why),))


STEP = Linger()
