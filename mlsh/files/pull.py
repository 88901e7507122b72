"""Bring files of a job's folder to this machine: what differs, verified, and again from where it was cut off."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mlsh.errors import BoxUnfit, MlshError, RefusedInput, Unreachable, UsageError
from mlsh.files import listing as listings
from mlsh.files import plan as planning
from mlsh.files.asking import Program
from mlsh.files.listing import Listing
from mlsh.files.manifest import Entry, Kind
from mlsh.files.outcome import Outcome
from mlsh.files.patience import Patience
from mlsh.files.patterns import Patterns
from mlsh.files.receive import Receiver, Result
from mlsh.files.target import Blocked, Target
from mlsh.jobs.onbox import BEGIN, OnBox
from mlsh.records import Spec

_WAITS_S = (0.2, 0.8, 2.0)
_SLOWEST_DISK = 20_000_000
_PIPE_BYTES = 1 << 20
Progress = Callable[[int, int], None]
"""Called with (bytes that came, bytes in all)."""


def chosen(spec: Spec, paths: Sequence[str]) -> Patterns | None:
    """What a pull brings: the paths, else what `--outputs` named; None for all that the job made or changed.

    Raises UsageError where that is not known.
    """
    if paths or spec.outputs:
        return Patterns(paths or spec.outputs)
    if spec.code is None or spec.workdir.startswith(("/", "~")):
        raise UsageError(
            f"{spec.id} ran in a folder that is not its own, so what it made there is not known",
            f"name it: mlsh pull {spec.id} PATH..., or at the next launch: --outputs PATTERN",
        )
    return None


def default_target(spec: Spec, job_id: str) -> Path:
    """`./NAME`, or `./ID` where the job has no name. Raises RefusedInput where something else is there.

    A name comes from the box, and must be one that mlsh gives.
    """
    from mlsh.jobs import ids

    name = job_id
    with contextlib.suppress(MlshError):
        name = ids.check_name(spec.name) if spec.name else job_id
    folder = Path(name)
    try:
        there = os.listdir(folder)
    except FileNotFoundError:
        return folder
    except OSError as error:
        raise RefusedInput(f"./{name} can't be the folder for it: {error.strerror}", "choose one: --to DIR") from error
    try:
        owner = (folder / ".mlsh-pull/job").read_bytes()[:80]
    except OSError:
        owner = b""
    if there and owner != job_id.encode():
        of = f"what came from {owner.decode(errors='replace')}" if owner else "something else"
        raise RefusedInput(
            f"./{name} is there and holds {of}", "into another folder, or this one all the same: --to DIR"
        )
    return folder


class Pull:
    """One pull: the list of what there is, the plan, and carrying it out, each as early as can be.

    `outcomes` grows as it goes.
    """

    def __init__(
        self, on_box: OnBox, job_id: str, target: Target, *, progress: Progress | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._on_box = on_box
        self._job_id = job_id
        self._target = target
        self._nonce = listings.new_nonce()
        self._progress = progress
        self._say = say
        self.outcomes: list[Outcome] = []
        self._total = 0
        self._moved = 0
        self._sums: set[bytes] = set()
        """The large files whose checksum decides."""
        self._folders: list[Entry] = []
        self._links: list[Entry] = []

    def run(self, patterns: Patterns | None, job: str) -> None:
        """Bring what is meant of the job that the person called `job`.

        Raises NotFound where a pattern means nothing (nothing has been written then). Raises Unreachable,
        TargetUnfit: then the same again goes on from there.
        """
        self._patterns, self._job = patterns, job
        self._planner = planning.Planner(patterns or Patterns(["."]), self._target.look)
        listing = Listing(self._on_box, self._job_id, patterns, self._nonce, job)
        try:
            self._files(listing)
        finally:
            listing.close()
        self._target.make()
        for entry in self._folders:
            try:
                self._target.folder(entry.path)
            except Blocked as blocked:
                self._blocked(entry, str(blocked))
        for entry in self._links:
            self._link(entry)
        self._target.tidy()

    def _planned(self, entries: Sequence[Entry]) -> list[Entry]:
        """Note what is decided about some more entries; returns the files that have to come, or their checksums."""
        plan = self._planner.add(entries)
        for status, left in (("skipped", plan.skipped), ("refused", plan.refused)):
            self.outcomes += [Outcome(path, status, why=why) for path, why in left]
        self.outcomes += [Outcome(entry.path, "same", entry.size) for entry in plan.same]
        self._folders += plan.folders
        self._links += plan.links
        self._sums |= {entry.path for entry in plan.compare}
        self._total += plan.bytes
        self._target.make()
        return plan.fetch + plan.compare

    def _link(self, entry: Entry) -> None:
        if self._target.link_at(entry.path) == entry.target:
            self.outcomes.append(Outcome(entry.path, "same"))
            return
        try:
            self._target.link(entry)
        except Blocked as blocked:
            self._blocked(entry, str(blocked))
        else:
            self.outcomes.append(Outcome(entry.path, "brought"))

    def _blocked(self, entry: Entry, why: str) -> None:
        self.outcomes.append(Outcome(entry.path, "blocked", entry.size, why))

    def _files(self, listing: Listing) -> None:
        """Fetch; what was changed meanwhile, again as it is now, a few times."""
        wanted: dict[bytes, Entry] = {}
        for turn in range(len(_WAITS_S) + 1):
            failed = self._turn(wanted, None if turn else listing)
            wanted = {}
            for result in failed:
                wanted |= self._again(result, turn)
            if not wanted:
                return
            time.sleep(_WAITS_S[turn])

    def _again(self, result: Result, turn: int) -> dict[bytes, Entry]:
        """What to ask for after a result that is none; empty where it is given up, with the outcome noted."""
        entry, now = result.entry, result.now
        if result.blocked:
            self._blocked(entry, result.blocked)
        elif now is None:
            self.outcomes.append(Outcome(entry.path, "gone", entry.size, "it went away while it was read"))
        elif now.kind is not Kind.FILE:
            self.outcomes.append(Outcome(entry.path, "changing", entry.size, "it became something else meanwhile"))
        elif turn == len(_WAITS_S):
            self.outcomes.append(
                Outcome(entry.path, "unreadable", entry.size, "it can't be read there")
                if result.spoilt
                else Outcome(entry.path, "changing", entry.size, "it changes while it is read")
            )
        else:
            return {entry.path: now}
        return {}

    def _turn(self, wanted: dict[bytes, Entry], listing: Listing | None) -> list[Result]:
        """Ask for all of it once; over a connection that breaks, for the rest again. Returns what did not come.

        With a listing, what it tells of is wanted too; without one, files come one by one.
        """
        failed: list[Result] = []
        wanted = dict(wanted)

        def told(result: Result) -> None:
            entry = wanted.pop(result.entry.path)
            if result.came:
                self.outcomes.append(Outcome(entry.path, "brought", entry.size))
            elif entry.path in self._sums and not result.blocked and result.now is not None:
                # It differs, then: it has to come.
                self._sums.discard(entry.path)
                wanted[entry.path] = result.now
            else:
                failed.append(result)

        alone = listing is None
        patience = Patience(self._on_box, self._say)
        while wanted or listing is not None:
            before = (len(wanted), self._moved)
            receiver = Receiver(self._target, self._nonce.encode(), told, self._count)
            program = Program(wanted, self._sums, receiver, self._target.part_size,
                              alone=alone, listing=listing, planned=self._planned)  # fmt: skip
            try:
                self._stream(program, receiver)
            except (Unreachable, BoxUnfit) as error:
                if isinstance(error, BoxUnfit) and error.kind != "no-reply":
                    raise
                patience.after(error, before != (len(wanted), self._moved))
            if listing is not None and not listing.is_whole:
                # It broke off, or the box has a reason: asked for as a whole, it tells.
                wanted |= {entry.path: entry for entry in self._relisted()}
            listing = None
        return failed

    def _relisted(self) -> list[Entry]:
        entries = listings.whole(self._on_box, self._job_id, self._patterns, self._nonce)
        listings.check_found(entries, self._patterns, self._job)
        return self._planned([entry for entry in entries if not self._planner.knows(entry.path)])

    def _stream(self, program: Program, receiver: Receiver) -> None:
        """One call of fetch.sh."""
        from mlsh.box.pump import Stalled, pump

        box = self._on_box.box
        command = self._on_box.stream("fetch", self._job_id, self._nonce, stdin=True)
        if command.stdout is not None:
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(command.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            ran = pump(command, program, before=BEGIN, take=receiver.take, beside=program.beside,
                       stall_s=listings.TIMEOUT_S if program.beside else 60,
                       answer_s=lambda: 60 + program.largest / _SLOWEST_DISK)  # fmt: skip
        except Stalled as stalled:
            box.drop_connection()
            raise Unreachable(box.name, str(stalled), "try again") from None
        finally:
            receiver.close()
        if receiver.done:
            return
        if b"mlsh-error " in receiver.head:
            raise self._on_box.error(receiver.head)
        if failure := box.explain_failure(ran):
            raise failure
        if not receiver.started:
            raise self._on_box.silent(ran.returncode, ran.stderr or receiver.before)
        raise Unreachable(box.name, "the connection broke off", "try again")

    def _count(self, count: int) -> None:
        self._moved += count
        if self._progress is not None:
            self._progress(self._moved, self._total)
