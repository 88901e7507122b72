"""Whether the GPUs compute: a real kernel on each, with torch, or with nvcc where there is no torch."""

from __future__ import annotations

from pathlib import Path

from mlsh.bootstrap.changes import Run
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts
from mlsh.bootstrap.step import Planned, Step

_HERE = Path(__file__)


class Gpu(Step):
    """Runs a kernel once for each driver and torch; changes nothing but the note that it ran."""

    name = "gpu"
    summary = "a kernel runs on each GPU"
    facts = _HERE.with_suffix(".sh").read_text()

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """A check, if the driver, torch or the number of GPUs is another than at the last one that passed."""
        del desired
        count = facts.one("gpu.count")
        if not count or count == "0":
            why = facts.one("gpu.error")
            return Planned(
                notes=(f"nvidia-smi fails: {why}; see: mlsh box doctor",) if why else (), has="there is none"
            )
        means = facts.one("gpu.torch") or facts.one("gpu.nvcc")
        if not means:
            return Planned(notes=("there is no torch and no nvcc on the PATH, so no kernel was run",))
        label = f"a kernel on {count} GPU{'s' if count != '1' else ''}, driver {facts.one('gpu.driver')}, {means}"
        if any(entry.is_ok and entry.path == label and entry.node == facts.node for entry in facts.receipt):
            return Planned(has=f"passed: {label}")
        do = _HERE.with_name("gpu_check.sh").read_text()
        undo = _HERE.with_name("nothing.sh").read_text()
        return Planned(changes=(Run(label=label, do=do, undo=undo, limit_s=180, why="takes some seconds"),))


STEP = Gpu()
