"""Reverts tried in a throwaway work tree, and the person's check run on what comes out."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from mlsh.box import process
from mlsh.errors import RefusedInput
from mlsh.git.plumbing import environment
from mlsh.shell.sanitize import clean_log
from mlsh.undo import revert_conflict, revert_plan, standing
from mlsh.undo.repository import GitRefused, Repository
from mlsh.undo.revert_conflict import Conflict
from mlsh.undo.revert_plan import Plan, Refused, Step
from mlsh.undo.revert_tree import Throwaway

_TAIL, _TAIL_LINES = 16384, 20
_POLL_S = 0.05
# Colours and "erase in line", which a log may keep and a list of lines may not.
_COLOURS = re.compile(r"\x1b\[[0-9;:]*[mK]")
_MOST_ROUNDS, _MOST_OTHERS = 4, 8
CANNOT_TELL = 125


class Tried(msgspec.Struct, frozen=True):
    """A step that can be made, and the tree that it leads to."""

    step: Step
    tree: str


class Trial(msgspec.Struct, frozen=True):
    """What a plan leads to."""

    done: tuple[Tried, ...]
    """In the order of the plan; at least one."""
    skipped: tuple[Step, ...]
    """Those that change nothing any more."""

    @property
    def tree(self) -> str:
        """The tree of the result."""
        return self.done[-1].tree


def attempt(place: Throwaway, plan: Plan) -> Trial:
    """Revert in the throwaway work tree; no commit is made. Raises Conflict, and Refused where nothing would change."""
    try:
        return _attempt(place, plan)
    except Conflict as conflict:
        raise conflict.with_others(_others(place, plan, conflict)) from None


def _others(place: Throwaway, plan: Plan, conflict: Conflict) -> tuple[str, ...]:
    """What came later and has to go too, so that there is no conflict: tried, and nothing where that does not help."""
    others: list[str] = []
    for _ in range(_MOST_ROUNDS):
        asked = {step.commit.name for step in plan.steps}
        later = {commit.name: commit for file in conflict.files for commit in file.later}
        more = [name for name in later if name not in asked]
        if not more or len(others) + len(more) > _MOST_OTHERS or any(len(later[name].parents) != 1 for name in more):
            return ()
        others += more
        try:
            plan = revert_plan.together(place.repo, plan, more)
            place.reset(plan.base)
            _attempt(place, plan)
        except Conflict as another:
            conflict = another
        except RefusedInput:
            return ()
        else:
            return tuple(others)
    return ()


def _attempt(place: Throwaway, plan: Plan) -> Trial:
    tree = place.repo
    before = tree.line("rev-parse", f"{plan.base}^{{tree}}")
    done: list[Tried] = []
    skipped: list[Step] = []
    for step in plan.steps:
        words = ["revert", "--no-commit", *(["-m", str(step.mainline)] if step.mainline else []), step.commit.name]
        try:
            # Without rerere: it would note the conflict in the person's repository.
            tree.git("-c", "rerere.enabled=false", "-c", "core.sparseCheckout=false", *words)
        except GitRefused as error:
            unmerged = standing.look(tree).unmerged
            if not unmerged:
                raise Refused(f"git could not revert {step.commit.shown}: {error.what.partition(': ')[2]}") from error
            raise revert_conflict.explain(tree, plan, step, unmerged) from error
        after = tree.git("write-tree").decode().strip()
        if after == before:
            skipped.append(step)
        else:
            done.append(Tried(step, after))
        before = after
    if not done:
        raise _nothing(tree, plan)
    return Trial(tuple(done), tuple(skipped))


def _nothing(tree: Repository, plan: Plan) -> Refused:
    """All of it is taken back already, or never changed a thing."""
    commit = plan.steps[0].commit
    what = f"{commit.shown} is" if len(plan.steps) == 1 else "all of these are"
    since = f"{commit.name}..{plan.base}"
    words = (
        "log",
        "--no-show-signature",
        "--max-count=1",
        "--format=%h",
        "-F",
        f"--grep=This reverts commit {commit.name}",
    )
    by = tree.line(*words, since, "--")
    if by:
        return Refused(f"{what} reverted already: reverting again changes nothing", f"by this commit: git show {by}")
    return Refused(
        f"reverting {commit.shown} changes nothing: what it did is not there any more, or it did nothing",
        f"what it did: git show {commit.name[:12]}",
    )


# The check


class Checked(msgspec.Struct, frozen=True):
    """How the check ended; its command is not kept."""

    exit_code: int
    """Negative where a signal ended it."""
    duration_s: float
    tail: tuple[str, ...]
    """The last lines of what it printed, made harmless."""

    @property
    def ending(self) -> str:
        """In words."""
        if self.exit_code >= 0:
            return f"exit {self.exit_code}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-self.exit_code).name}"
        return f"killed by signal {-self.exit_code}"


class CheckFailed(RefusedInput):
    """The check does not pass on the result, so nothing is made."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        what = "says that it can't tell" if checked.exit_code == CANNOT_TELL else "fails"
        lines = [f"the check {what} on the reverted code ({checked.ending}), so nothing was changed; its last lines:"]
        lines += [f"  {line}" for line in checked.tail] or ["  (it printed nothing)"]
        super().__init__(
            "\n".join(lines),
            "it ran on a fresh checkout: what git ignores (data, .venv, build outputs) is not there, and submodules "
            "are empty. Without a check: leave out what follows --",
        )


def check(
    place: Throwaway, tree: str, argv: Sequence[str], subdir: Path, watch: Callable[[float, str], None]
) -> Checked:
    """Run the check on a tree, in folder `subdir` of it; it sees the revert staged and not committed.

    `watch` is told now and then for how long it has run, and its newest line. Raises CheckFailed where it does not exit
    with 0, and Refused where it can't be started.
    """
    place.fill(tree)
    folder = place.top / subdir
    if not folder.is_dir():
        raise Refused(f"on the reverted code there is no folder {subdir}, where the check is to run", "cd elsewhere")
    output = place.scratch / "output"
    began = time.monotonic()
    with open(output, "wb") as sink:
        try:
            running = process.start(argv, stdout=sink, stderr=sink, env=_env(), cwd=folder)
        except PermissionError as error:
            raise Refused(f"the check {argv[0]} is not executable on the reverted code") from error
    try:
        while running.poll() is None:
            watch(time.monotonic() - began, "".join(_tail(output)[-1:]))
            time.sleep(_POLL_S)
    finally:
        process.stop(running)
        # What it left running would write into a folder that goes away.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)
    checked = Checked(running.returncode, time.monotonic() - began, _tail(output))
    if checked.exit_code != 0:
        raise CheckFailed(checked)
    return checked


def editable_install(top: Path) -> Path | None:
    """The Python environment that is active and imports code from the person's own folder, where one does.

    A check would then look at that code, and not at the reverted one.
    """
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        where = os.environ.get(variable)
        if not where:
            continue
        packages = Path(where).glob("lib/python*/site-packages")
        for path in (
            path for folder in packages for name in ("*.pth", "__editable__*.py") for path in folder.glob(name)
        ):
            with contextlib.suppress(OSError):
                # The environment itself may well be in that folder.
                if str(top) in path.read_text(errors="replace").replace(where, ""):
                    return Path(where)
    return None


def _env() -> dict[str, str]:
    """The person's own environment, as a command of theirs has it; PWD would name their folder."""
    kept = environment()
    for name in ("GIT_OPTIONAL_LOCKS", "LC_ALL", "PWD", "OLDPWD"):
        kept.pop(name, None)
    return kept | {name: os.environ[name] for name in ("LC_ALL",) if name in os.environ}


def _tail(output: Path) -> tuple[str, ...]:
    with open(output, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        text = _COLOURS.sub("", clean_log(file.read()))
    return tuple(line.rpartition("\r")[2][:500] for line in text.replace("\r\n", "\n").splitlines()[-_TAIL_LINES:])
