"""Act on a box: look, hold the lock, make changes, take them back. Thin: what to do was decided before."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from mlsh.bootstrap import facts as looking
from mlsh.bootstrap import wheels
from mlsh.bootstrap.changes import Change, Packages, Parcel, Run, Wheel, wheels_of
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Part
from mlsh.bootstrap.plan import Plan, replaced, title, with_texts
from mlsh.bootstrap.plan import make as make_plan
from mlsh.bootstrap.step import Planned, Step
from mlsh.box import Box, process
from mlsh.box.pump import Stalled, pump
from mlsh.errors import BoxBusy, BoxUnfit, MlshError, Unreachable

_BEGIN = b"\n" * 16 + b"mlsh-begin\n"
_REPLY = b"mlsh-reply 1\n"
_LOOK_S = 40.0
_HOLD_S = 30.0
_QUIET_S = 120.0
_BUSY = {"busy", "locked", "no-network", "cut", "late", "changed"}
_HINTS = {
    "disk-full": "look: ssh {box} df -h; nothing was half-done: make room, then the same command again",
    "read-only": "nothing was half-done; when it can be written again: the same command",
    "no-write": "nothing was half-done; look at its owner and mode: ssh {box} ls -ld ~",
    "busy": "wait for it to end, then the same command again",
    "locked": "wait for it to end, then the same command again; without the system's packages: --no-sudo",
    "no-network": "without the system's packages, from this machine: --no-sudo",
    "packages": "without the system's packages: mlsh bootstrap {box} --no-sudo",
    "lied": "without the system's packages: mlsh bootstrap {box} --no-sudo",
    "changed": "the same command again looks anew",
    "cut": "try again",
    "input-eaten": "make the start-up files stop early for commands; first line of ~/.bashrc: "
    "case $- in *i*) ;; *) return ;; esac",
}
Progress = Callable[[str, str], None]
"""Called with a step and what it does now."""


def home(box: Box) -> str:
    """mlsh's folder on a box, as the settings have it."""
    return box.settings.home(box.name) or "~/.mlsh"


class Looked(msgspec.Struct, frozen=True):
    """A box's facts, and the plan that follows."""

    facts: Facts
    plan: Plan


def look(box: Box, steps: Sequence[Step], desired: Desired) -> Looked:
    """Ask a box for the facts of all steps, in one call, and make the plan. Changes nothing there.

    Raises Unreachable, LoginRefused, and BoxUnfit where the login shell never came to our command.
    """
    facts = facts_of(box, steps, desired)
    looked = {}
    for step in steps:
        found = step.look(box, desired, facts)
        if found is not None:
            looked[step.name] = found
    plan = make_plan(steps, desired, facts, looked, box.name)
    if changed := [put.path for put in replaced(plan)]:
        plan = with_texts(plan, states_of(box, changed, "text"))
    return Looked(facts, plan)


def facts_of(box: Box, steps: Sequence[Step], desired: Desired) -> Facts:
    """The facts that some steps need."""
    parts = [Part(step.name, script) for step in steps if (script := step.script(desired))]
    watched = [one for step in steps for one in step.watched(desired)]
    ran = box.ask(looking.argv(home(box), parts, watched), timeout_s=_LOOK_S)
    _, replied, answer = ran.stdout.partition(_REPLY)
    if not replied:
        raise _silent(box, ran)
    return looking.parse(answer.decode(errors="replace"))


def _silent(box: Box, ran: process.Ran) -> Exception:
    if failure := box.explain_failure(ran):
        return failure
    said = _printable((ran.stderr or ran.stdout).decode(errors="replace").strip().rpartition("\n")[2]) or "nothing"
    return BoxUnfit(
        box.name,
        "no-reply",
        f"the login shell ended with {ran.returncode} before mlsh's command ran; it said: {said}",
        f"see: mlsh box doctor {box.name}",
    )


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:300]


def _error(box: Box, kind: str, text: str) -> MlshError:
    hint = _HINTS.get(kind, "").format(box=box.name)
    if kind in _BUSY:
        return BoxBusy(box.name, _printable(text), hint)
    return BoxUnfit(box.name, kind, _printable(text), hint)


@contextlib.contextmanager
def held(box: Box, who: str) -> Iterator[None]:
    """Hold the lock of bootstrap on a box. Raises BoxBusy with who has it, and what `look` does.

    The lock is the kernel's, of a process there that waits for the end of our pipe: it goes when we do.
    """
    argv = ["sh", "-c", looking.script("hold"), "mlsh", home(box), who]
    holder = box.stream(argv, stdin=True, reads="nothing: the lock is held until it ends")
    try:
        said = _until(holder, lambda text: b"\nheld\n" in text, _HOLD_S)
        _, replied, answer = said.partition(_REPLY)
        if b"held\n" not in answer:
            with contextlib.suppress(Exception):
                holder.wait(2)
            error = holder.stderr.read() if holder.stderr and holder.poll() is not None else b""
            ran = process.Ran((), holder.returncode if holder.returncode is not None else 1, said, error or b"")
            if not replied:
                raise _silent(box, ran)
            kind, _, text = answer.decode(errors="replace").partition("mlsh-error ")[2].strip().partition(" ")
            raise _error(box, kind or "no-reply", text or "the lock could not be had")
        yield
    finally:
        if holder.stdin:
            holder.stdin.close()
        # It tidies up, and then it ends.
        _until(holder, lambda _: False, 10.0)
        process.stop(holder)
        for pipe in (holder.stdout, holder.stderr):
            if pipe is not None:
                pipe.close()


def _until(command: process.Started, is_enough: Callable[[bytes], bool], limit_s: float) -> bytes:
    """What a command prints until that is enough, it ends, or time is up."""
    said = b""
    deadline = time.monotonic() + limit_s
    if command.stdout is None:
        return said
    with selectors.DefaultSelector() as selector:
        selector.register(command.stdout, selectors.EVENT_READ)
        while not is_enough(said) and (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                data = os.read(command.stdout.fileno(), 65536)
                if not data:
                    break
                said += data
    return said


class Outcome(msgspec.Struct, frozen=True):
    """How a step ended: `ok` (nothing to do), `changed`, `failed`; what was done, what was left, and the error."""

    step: str
    status: str
    done: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: MlshError | None = None


class Work:
    """What a step acts with, while the lock is held."""

    def __init__(
        self, box: Box, desired: Desired, facts: Facts, fetched: Mapping[str, Path], progress: Progress
    ) -> None:
        self.box = box
        self.desired = desired
        self.facts = facts
        self._fetched = fetched
        self._progress = progress
        self._step = ""
        self.done: list[str] = []

    def begin(self, step: str) -> None:
        """From now on it is this step's work."""
        self._step, self.done = step, []

    def _files(self, wheel: Wheel) -> Mapping[str, tuple[int, bytes]]:
        return wheels.files(self._fetched[wheel.sha256])

    def make(self, changes: Sequence[Change]) -> None:
        """Make changes, each with its entry in the receipt first. Raises BoxError at the first that fails."""
        if not changes:
            return
        parcel = Parcel(changes, self.facts.home, self._files)
        argv = ["sh", "-c", looking.script("apply"), "mlsh", home(self.box), self._step, str(self.desired.lock_wait_s)]
        answer_s = _QUIET_S + self.desired.lock_wait_s
        answer_s += sum(change.limit_s for change in changes if isinstance(change, Run))
        answer_s += 1800 if any(isinstance(change, Packages) for change in changes) else 0
        hears = _Hearing(changes, lambda what: self._progress(self._step, what))
        import tempfile  # only where something is sent: start-up is a budget

        with tempfile.TemporaryFile() as file:
            parcel.write(file)
            size = file.tell()
            file.seek(0)
            command = self.box.stream(argv, stdin=True, reads=f"{size} bytes: the changes")
            try:
                ran = pump(command, file, before=_BEGIN, take=hears.take, answer_s=answer_s)
            except Stalled as stalled:
                self.box.drop_connection()
                raise Unreachable(self.box.name, f"{self._step}: {stalled}", "the same command again goes on") from None
        self.done += hears.done
        if hears.error:
            raise _error(self.box, *hears.error)
        if not hears.is_through:
            if not hears.has_replied:
                raise _silent(self.box, ran)
            raise self.box.explain_failure(ran) or Unreachable(
                self.box.name, f"{self._step} broke off", "the same command again goes on where it stopped"
            )


class _Hearing:
    """Reads what `apply.sh` and `remove.sh` say, as it comes."""

    def __init__(self, changes: Sequence[Change], tell: Callable[[str], None]) -> None:
        self._changes, self._tell = changes, tell
        self._rest = b""
        self.done: list[str] = []
        self.error: tuple[str, str] | None = None
        self.has_replied = self.is_through = False

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if line + b"\n" == _REPLY:
                self.has_replied = True
            elif not self.has_replied:
                continue
            elif word == "mlsh-error":
                kind, _, text = rest.partition(" ")
                self.error = (kind, text)
            elif word in {"begin", "done"} and rest.isdigit() and 0 < int(rest) <= len(self._changes):
                change = title(self._changes[int(rest) - 1])
                if word == "begin":
                    self._tell(change)
                else:
                    self.done.append(change)
            elif word == "through":
                self.is_through = True


def fetch(plans: Sequence[Plan], cache: Path) -> tuple[dict[str, Path], dict[str, MlshError]]:
    """The wheels that some plans need, by SHA-256, and why those that are missing can't be had."""
    found: dict[str, Path] = {}
    failed: dict[str, MlshError] = {}
    for plan in plans:
        for one in plan.steps:
            for wheel in wheels_of(one.planned.changes):
                if wheel.sha256 in found or wheel.sha256 in failed:
                    continue
                try:
                    found[wheel.sha256] = wheels.fetch(wheel, cache)
                except MlshError as error:
                    failed[wheel.sha256] = error
    return found, failed


def apply(
    box: Box,
    steps: Sequence[Step],
    desired: Desired,
    looked: Looked,
    fetched: tuple[Mapping[str, Path], Mapping[str, MlshError]],
    who: str,
    progress: Progress,
) -> list[Outcome]:
    """Do what was planned, step by step; one that fails does not keep the next from being done.

    Raises BoxBusy where another bootstrap is at work, and Unreachable where the connection breaks.
    """
    if looked.plan.unfit:
        raise BoxUnfit(box.name, "unfit", looked.plan.unfit, looked.plan.hint)
    by_name = {step.name: step for step in steps}
    with held(box, who):
        work = Work(box, desired, looked.facts, fetched[0], progress)
        return [_do(work, by_name[one.step], one.planned, fetched[1]) for one in looked.plan.steps]


def _do(work: Work, step: Step, planned: Planned, not_fetched: Mapping[str, MlshError]) -> Outcome:
    if not planned.changes:
        return Outcome(step.name, "ok", notes=planned.notes)
    errors = [not_fetched[wheel.sha256] for wheel in wheels_of(planned.changes) if wheel.sha256 in not_fetched]
    if errors:
        kept = [change for change in planned.changes if not any(w.sha256 in not_fetched for w in wheels_of([change]))]
        planned = Planned(changes=tuple(kept), notes=planned.notes, has=planned.has)
    work.begin(step.name)
    error: MlshError | None = errors[0] if errors else None
    try:
        step.apply(work, planned)
    except Unreachable:
        raise
    except MlshError as failure:
        error = failure
    # A step that acts in a way of its own keeps no list.
    done = tuple(work.done) or (() if error else tuple(title(change) for change in planned.changes))
    return Outcome(step.name, "failed" if error else "changed", done, planned.notes, error)


class Removed(msgspec.Struct, frozen=True):
    """What was taken back. `kept` has what somebody changed since, and its entry; `left` folders that are not empty."""

    back: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    left: tuple[tuple[str, str], ...] = ()


def remove(box: Box, steps: Sequence[Step], desired: Desired, only: Sequence[str], who: str) -> Removed:
    """Take back what the receipt names, of all steps or of `only` some. Raises BoxBusy, BoxUnfit, Unreachable."""
    by_name = {step.name: step for step in steps}
    back: list[str] = []
    kept: list[tuple[str, str]] = []
    left: list[tuple[str, str]] = []
    with held(box, who):
        work = Work(box, desired, Facts(), {}, lambda _step, _what: None)
        drop = "-"
        while True:
            argv = ["sh", "-c", looking.script("remove"), "mlsh", home(box), drop, *only]
            ran = box.run(argv, timeout_s=900)
            _, replied, answer = ran.stdout.partition(_REPLY)
            if not replied:
                raise _silent(box, ran)
            handed = None
            lines = answer.decode(errors="replace").splitlines()
            for line in lines:
                word, _, rest = line.partition(" ")
                path, _, why = rest.partition("\t")
                if word == "back":
                    back.append(path)
                elif word == "kept":
                    kept.append((path, why))
                elif word == "left":
                    left.append((path, why))
                elif word == "step" and (match := re.fullmatch(r"(\d+) (\S+)", rest)):
                    handed = match
                elif word == "mlsh-error":
                    kind, _, text = rest.partition(" ")
                    raise _error(box, kind, text)
            if handed is None:
                if "through" not in lines:
                    raise Unreachable(box.name, "the removal broke off", "the same command again goes on")
                return Removed(tuple(back), tuple(dict.fromkeys(kept)), tuple(left))
            drop = handed[1]
            back.append(handed[2])
            left += [(path, "changed since") for path in _taken_back(by_name, handed[2], work)]


def _taken_back(steps: Mapping[str, Step], name: str, work: Work) -> Sequence[str]:
    step = steps.get(name)
    if step is None:
        raise BoxUnfit(
            work.box.name,
            "no-step",
            f"the receipt there has changes of the step {name}, which is not installed here",
            "install its package again, then the same command",
        )
    work.begin(name)
    return step.remove(work)


def states_of(box: Box, paths: Sequence[str], how: Literal["sum", "text"] = "sum") -> Facts:
    """How some paths stand now; facts with nothing else of use. One call. Raises what `look` does."""
    watched = [looking.Watched(path, how) for path in dict.fromkeys(paths)]
    ran = box.ask(looking.argv(home(box), (), watched), timeout_s=_LOOK_S)
    _, replied, answer = ran.stdout.partition(_REPLY)
    if not replied:
        raise _silent(box, ran)
    return looking.parse(answer.decode(errors="replace"))
