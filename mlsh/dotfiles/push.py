"""Look at a box, change it, take it back: one exec to look, one to act.

plan = push.plan(box, source.find())      # what would change; nothing has
push.apply(box, plan)                     # all of it or nothing
push.remove(box)                          # as it was before the first push, byte for byte
"""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

import msgspec

from mlsh.box import Box
from mlsh.box.process import Ran
from mlsh.dotfiles import plan as deciding
from mlsh.dotfiles import state as seeing
from mlsh.dotfiles.plan import Plan
from mlsh.dotfiles.source import Source
from mlsh.dotfiles.state import RECEIPT, State
from mlsh.errors import BoxError, BoxUnfit, MlshError, Unreachable

_HERE = Path(__file__).with_name("box")
_REPLY = b"mlsh-reply 1\n"
_BEGIN = b"\n" * 16 + b"mlsh-begin\n"
_FAILED = 96
_LIMIT_S = 60.0
_WORDS = 30_000

HINTS = {
    "no-home": "ask whoever runs the box for a home folder",
    "disk-full": "look at it: ssh {box} df -h",
    "read-only": "look at it: ssh {box} mount",
    "no-write": "look at it: ssh {box} ls -lad . .config",
    "no-tar": "install tar there",
    "busy": "try again when it has ended",
    "cut": "try again",
    "changed": "try again: what changed is looked at anew",
    "input-eaten": "make the start-up files stop early for commands; first line of ~/.bashrc: "
    "case $- in *i*) ;; *) return ;; esac",
}


class Changed(BoxError):
    """A file changed between the look and the change; nothing was done."""


def look(box: Box, paths: tuple[str, ...] = ()) -> State:
    """The files of a box that a plan has to know of: `paths`, those that may have our line, those of the record.

    Raises Unreachable, LoginRefused, and BoxUnfit where the home can't be entered or the record not be understood.
    """
    # The words of a command have a limit of 128 KiB together where ssh hands them to a shell.
    if sum(map(len, paths)) > _WORDS:
        half = len(paths) // 2
        first, second = look(box, paths[:half]), look(box, paths[half:])
        return msgspec.structs.replace(second, files={**first.files, **second.files})
    argv = ["sh", "-c", _text("look.sh"), "mlsh", *paths]
    for attempt in range(3):
        answer = _answer(box, box.ask(argv, timeout_s=_LIMIT_S + len(paths) * 0.1))
        try:
            state = seeing.parse(answer)
            break
        except seeing.Unreadable:
            # A file that grew or shrank while it was read.
            if attempt == 2:
                raise BoxUnfit(box.name, "no-reply", "its answer can't be understood", "see: mlsh box doctor") from None
    if state.at(RECEIPT).kind != "missing" and state.receipt is None:
        raise BoxUnfit(
            box.name,
            "receipt",
            f"~/{RECEIPT}, the record of what was pushed, can't be understood",
            "was it written by a newer mlsh? Upgrade this one; or look at it, and move it away",
        )
    return state


def names_of(box: Box, state: State) -> tuple[str, str]:
    """What per-host conditions are compared with: the box as a person calls it, and as it calls itself."""
    return box.name, state.node


def plan(box: Box, source: Source, *, overwrite: bool = False) -> Plan:
    """What a push would change on a box; nothing is changed. One exec.

    Raises what `look` does, and RefusedInput for a source that can't be had as it is meant (`Source.check`).
    """
    source.check()
    every = {file.path: file for file in source.files}
    for host in source.hosts:
        every |= {file.path: file for file in host.files}
    state = look(box, deciding.looked_at(every))
    files = source.for_box(names_of(box, state))
    return deciding.to_push(box.name, state, files, source.name, int(time.time()), overwrite)


def plan_removal(box: Box, *, overwrite: bool = False) -> Plan:
    """What a removal would change on a box; nothing is changed. One exec. Raises what `look` does."""
    return deciding.to_remove(box.name, look(box, deciding.looked_at({})), overwrite)


def apply(box: Box, plan: Plan) -> None:
    """Do what a plan says, all of it or nothing. One exec, none where there is nothing to do.

    Raises Changed where a file is no longer as the plan has seen it, BoxUnfit where it can't be done; a box
    that was lost on the way (Unreachable) has all of it or nothing, and the same again does no harm.
    """
    if plan.is_empty:
        return
    argv = ["sh", "-c", _text("apply.sh"), "mlsh"]
    data = _BEGIN + archive(plan)
    limit_s = _LIMIT_S + len(data) / 50_000 + len(plan.changes) * 0.2
    _answer(box, box.run(argv, stdin=data, timeout_s=limit_s, reads="the files"))


def remove(box: Box, *, overwrite: bool = False) -> Plan:
    """Take all of mlsh's dotfiles off a box; returns what was changed, and what could not be. Two execs."""
    for attempt in range(3):
        removal = plan_removal(box, overwrite=overwrite)
        try:
            apply(box, removal)
        except Changed:
            if attempt == 2:
                raise
        else:
            break
    return removal


def archive(plan: Plan) -> bytes:
    """What apply.sh reads: a tar of its list and the texts that this names."""
    todo = [f"dir\t{mode:o}\t{path}" for path, mode in plan.folders]
    texts: dict[str, bytes] = {}
    for number, change in enumerate(plan.changes):
        before = "-" if change.before is None else deciding.digest(change.before)
        if change.after is None:
            todo.append(f"del\t{before}\t{change.target}")
            continue
        texts[str(number)] = change.after
        todo.append(f"put\t{number}\t{change.mode:o}\t{before}\t{change.target}")
    todo += [f"rmdir\t{path}" for path in plan.leave]
    listed = "".join(f"{line}\n" for line in [*todo, "end"]).encode(errors="surrogateescape")
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        # The list comes last: it is whole only if all texts are.
        for name, text in [*texts.items(), ("todo", listed)]:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o600
            tar.addfile(entry, io.BytesIO(text))
    return made.getvalue()


def _text(script: str) -> str:
    return (_HERE / script).read_text().strip()


def _answer(box: Box, ran: Ran) -> bytes:
    before, found, answer = ran.stdout.partition(_REPLY)
    if not found:
        if failure := box.explain_failure(ran):
            raise failure
        said = (ran.stderr or before).decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise BoxUnfit(
            box.name,
            "no-reply",
            f"the login shell ended with {ran.returncode} before mlsh's command ran; it said: {said[0][:200]}",
            f"try: ssh {box.name} true",
        )
    if ran.returncode == _FAILED:
        raise _error(box.name, answer)
    if ran.returncode != 0:
        if failure := box.explain_failure(ran):
            raise failure
        said = ran.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise BoxError(box.name, f"unexpected end ({ran.returncode}): {said[0]}"[:300])
    return answer


def _error(box: str, answer: bytes) -> MlshError:
    for line in reversed(answer.decode(errors="replace").splitlines()):
        word, _, rest = line.partition(" ")
        kind, _, text = rest.partition(" ")
        if word == "mlsh-error":
            hint = HINTS.get(kind, "see: mlsh box doctor {box}").format(box=box)
            if kind == "changed":
                return Changed(box, text, hint)
            if kind == "cut":
                return Unreachable(box, text, hint)
            return BoxUnfit(box, kind, text, hint)
    return BoxError(box, "the script ended without a word")
