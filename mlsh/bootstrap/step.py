"""What a step is: the interface for our own (`steps/`) and for those of others (entry point group `mlsh.bootstrap`).

A step is one file with four parts:

- **facts**: POSIX sh that looks and changes nothing. It calls `say KEY VALUE`, `lines KEY <text`, and `$limit COMMAND`
  before what may hang; `watched` names the paths that the step may write. All steps' facts come in one call.
- **plan**: pure. From what is wanted and the facts to changes, and notes in words. No change: all is as it should be.
- **apply**: by default `work.make(changes)`, which writes a receipt for each change before it is made.
- **remove**: only for what the step made itself (`Delegated`); all else is taken back from the receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from mlsh.bootstrap.changes import Change, Put
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched

if TYPE_CHECKING:
    from mlsh.box import Box

GROUP = "mlsh.bootstrap"


class Planned(msgspec.Struct, frozen=True):
    """What a step would do. `notes`: what is left alone and why, for the person; `has`: what is there already."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    has: str = ""


class Worker(Protocol):
    """What a step acts with."""

    @property
    def box(self) -> Box:
        """The box."""

    @property
    def desired(self) -> Desired:
        """What is wanted."""

    @property
    def facts(self) -> Facts:
        """The facts that the plan was made from."""

    def make(self, changes: Sequence[Change]) -> None:
        """Make changes, each with its entry in the receipt first. Raises BoxError at the first that fails."""


class Step:
    """A step; see the module's docstring. `name` is what --only and --skip take, `summary` a line for the help."""

    name = ""
    summary = ""
    facts = ""

    def script(self, desired: Desired) -> str:
        """Its part of the look: POSIX sh, or "" where it needs to know nothing."""
        del desired
        return self.facts

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """The paths that it may write."""
        del desired
        return ()

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """What would have to be done."""
        raise NotImplementedError

    def look(self, box: Box, desired: Desired, facts: Facts) -> Planned | None:
        """For a step that can't tell by the common facts: its own look, of one call; None where `plan` does."""
        del box, desired, facts
        return None

    def apply(self, work: Worker, planned: Planned) -> None:
        """Do it."""
        work.make(planned.changes)

    def remove(self, work: Worker) -> Sequence[str]:
        """Take back what it made itself; returns the paths that were left since somebody changed them."""
        del work
        return ()


def file_of_ours(facts: Facts, path: str, text: str, why: str, mode: int = 0o644) -> Planned:
    """The change that makes a path have this text, if it is absent or as we left it; else a note. Pure."""
    from mlsh.digest import sha256

    data = text.encode()
    at = facts.at(path)
    wanted = f"file {mode:o} {sha256(data).hexdigest()}"
    if at.state == wanted:
        return Planned(has=path)
    if at.is_absent or (at.is_mine and at.state == facts.ours(path)):
        put = Put(path=path, content=data, mode=mode, before=at.state, why=why)
        return Planned(changes=(put,))
    return Planned(notes=(f"{path} is there and not as mlsh left it: it stays as it is",))


def joined(*parts: Planned) -> Planned:
    """Several plans as one."""
    return Planned(
        changes=tuple(change for part in parts for change in part.changes),
        notes=tuple(note for part in parts for note in part.notes),
        has=", ".join(part.has for part in parts if part.has),
    )
