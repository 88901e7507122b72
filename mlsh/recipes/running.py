"""Run a recipe's steps on this machine, in one shell, to the first that fails; and go on from there later."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from mlsh.box import process
from mlsh.recipes import memory
from mlsh.recipes.choices import shell
from mlsh.recipes.memory import Stopped
from mlsh.recipes.render import Step, Value

_HERE = Path(__file__).parent


class Ended(msgspec.Struct, frozen=True):
    """How a run ended: `code` is that of the last step that ran, `next` the step that failed (0: all are done).

    `lost` are the variables of earlier steps that are not kept for a later run.
    """

    code: int
    next: int = 0
    folder: str = ""
    lost: tuple[str, ...] = ()


def run(steps: Sequence[Step], said: Sequence[str], first: int, before: str, environment: Mapping[str, str]) -> Ended:
    """Run the steps from number `first` (from 1) on.

    `said` is what is shown before each. `before` is the folder of the run that this one carries on, or "".
    `environment` is added to this process's: the secret values. Ctrl-C ends the step that runs.
    """
    base = memory.folder() / "runs"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(dir=base))
    for number, (step, text) in enumerate(zip(steps, said, strict=True), 1):
        (folder / str(number)).write_text(step.text + "\n", errors="surrogateescape")
        (folder / f"{number}.say").write_text(text, errors="replace")
    if before:
        for name in ("cwd", "vars"):
            if (Path(before) / name).is_file():
                shutil.copyfile(Path(before) / name, folder / name)
    argv = [shell(), str(_HERE / "steps.sh"), str(folder), str(first), str(len(steps))]
    code = process.interact(argv, env={**os.environ, **environment})
    code = 128 - code if code < 0 else code
    reached = _read(folder / "next", str(first)).strip()
    if code == 0 or not reached.isdigit():
        shutil.rmtree(folder)
        return Ended(code)
    return Ended(code, int(reached), str(folder), tuple(_read(folder / "lost", "").split()))


def _read(path: Path, missing: str) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return missing


def forget(stopped: Stopped | None) -> None:
    """Remove the folder of a run that nobody will carry on."""
    if stopped is None or not stopped.folder:
        return
    folder = Path(stopped.folder)
    # It was read from a file: nothing but a run of ours is removed.
    if folder.parent == memory.folder() / "runs":
        shutil.rmtree(folder, ignore_errors=True)


def job_argv(steps: Sequence[Step], name: str, box: str, first: int) -> list[str]:
    """The command of a job that runs the steps from number `first` on."""
    script, with_bash = (_HERE / "job.sh").read_text(), (_HERE / "with_bash.sh").read_text()
    texts = [step.text for step in steps[first - 1 :]]
    return ["sh", "-c", with_bash, "mlsh", script, name, box, str(first), *texts]


def keepable(values: Mapping[str, Value], secret: frozenset[str]) -> dict[str, str | list[str]]:
    """The values that may be written down."""
    return {
        name: value if isinstance(value, str) else list(value)
        for name, value in values.items()
        if name not in secret and sum(map(len, value)) < 4096
    }
