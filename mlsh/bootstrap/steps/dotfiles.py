"""Shells, tmux, git, vim and readline: what `mlsh dotfiles push` does. It has a receipt of its own for the files."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsh import __version__, config
from mlsh.bootstrap.changes import Delegated
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, Worker
from mlsh.digest import sha256

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.dotfiles.plan import Change, Plan
    from mlsh.dotfiles.source import Source

NAME = "dotfiles"
# Its record on the box; there before us where somebody pushed dotfiles without bootstrap.
RECORD = "~/.config/mlsh/.dotfiles"


class Dotfiles(Step):
    """Pushes them, if anything differs."""

    name = NAME
    summary = "shells, tmux, git, vim, readline"
    facts = Path(__file__).with_suffix(".sh").read_text()

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """Its record, and all that its plan depends on."""
        return [Watched(path, "sum") for path in _paths(_source(desired.dotfiles))]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """Not without a look: see `look`."""
        del desired, facts
        return Planned()

    def look(self, box: Box, desired: Desired, facts: Facts) -> Planned:
        """What a push would change. That takes a call, unless all is as when it last would have changed nothing."""
        from mlsh.dotfiles import push

        source = _source(desired.dotfiles)
        known, now = _known(box), _fingerprint(source, facts)
        with contextlib.suppress(OSError):
            if known.read_text() == now:
                return Planned(has="as they should be")
        made = push.plan(box, source)
        notes = tuple(f"~/{one.path} stays as it is: it {one.why}" for one in made.refused)
        if made.is_empty and not notes:
            _remember(known, now)
        if made.is_empty:
            return Planned(notes=notes, has="as they should be")
        count = len(made.shown)
        label = f"{count} file{'s' if count != 1 else ''} of mlsh dotfiles"
        why = f"the whole text: mlsh dotfiles diff {box.name}"
        change = Delegated(name=NAME, label=label, diff="\n".join(_shown(made)), why=why)
        return Planned(changes=(change,), notes=notes)

    def apply(self, work: Worker, planned: Planned) -> None:
        """Push. Only what was not there before us is ours to take back."""
        from mlsh.dotfiles import push

        is_recorded = any(entry.step == NAME for entry in work.facts.receipt)
        if not is_recorded and work.facts.at(RECORD).is_absent:
            work.make(planned.changes)
        push.apply(work.box, push.plan(work.box, _source(work.desired.dotfiles)))

    def remove(self, work: Worker) -> Sequence[str]:
        """Take them off."""
        from mlsh.dotfiles import push

        return [f"~/{one.path}" for one in push.remove(work.box).refused]


@functools.cache
def _source(asked: str) -> Source:
    from mlsh.dotfiles import source

    return source.find(asked or None)


@functools.cache
def _paths(source: Source) -> tuple[str, ...]:
    from mlsh.dotfiles import plan

    files = {file.path: file for some in (source.files, *(host.files for host in source.hosts)) for file in some}
    return (RECORD, "~/.zshenv", *(f"~/{path}" for path in plan.looked_at(files)))


def _fingerprint(source: Source, facts: Facts) -> str:
    """Of all that the plan follows from: the files here, and what was seen of those there."""
    names = {f"{facts.home}/{path[2:]}" for path in _paths(source)}
    seen = [facts.node, facts.home, *facts.said.get("dotfiles.tool", ()), *facts.said.get("dotfiles.left", ())]
    seen += [line for line in facts.said.get("stat", ()) if line.split(" ", 3)[-1] in names]
    seen += [line for line in facts.said.get("sum", ()) if line.partition("  ")[2] in names]
    seen += [line for line in facts.said.get("link", ()) if line.partition("\t")[0] in names]
    return str(sha256(repr((__version__, source, seen)).encode()).hexdigest())


def _known(box: Box) -> Path:
    name: str = sha256(box.name.encode()).hexdigest()[:16]
    return config.cache_dir() / "bootstrap" / name


def _remember(known: Path, fingerprint: str) -> None:
    """Keep it; where the cache can't be written, the next look takes a call more."""
    aside = known.with_name(f"{known.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        known.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(fingerprint)
        aside.replace(known)


def _shown(plan: Plan) -> Iterator[str]:
    for change in plan.shown:
        yield from _lines(change)


def _lines(change: Change) -> Iterator[str]:
    """A new file by its name; of what is the person's own, what changes in it."""
    if change.verb == "create":
        yield f"+ ~/{change.path} (new)"
    else:
        yield from change.diff()


STEP = Dotfiles()
