"""What would change on a box, decided from what lies there, what is wanted, and the record of the last time.

All of it is pure. `push.py` looks and acts.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import msgspec

from mlsh.digest import sha256
from mlsh.dotfiles import hooks
from mlsh.dotfiles.hooks import FOLDER, HOOKS, Hook
from mlsh.dotfiles.receipt import Hooked, Receipt, Was
from mlsh.dotfiles.source import DotFile
from mlsh.dotfiles.state import RECEIPT, Seen, State

_WAS = f"{FOLDER}/.was"


class Change(msgspec.Struct, frozen=True):
    """One file that would get another text (`after`; None: it goes). `before`: its text now; None: there is none.

    `path` is below the home; `target` is where that leads to, an absolute path. `what`: `file`, `line` (ours, in
    one of the person's own), or `record`, which is of no interest to a person.
    """

    path: str
    target: str
    what: str
    before: bytes | None
    after: bytes | None
    mode: int
    old_mode: int

    @property
    def verb(self) -> str:
        """`create`, `change`, `remove`, or `mode` where only that differs."""
        if self.before is None:
            return "create"
        if self.after is None:
            return "remove"
        return "mode" if self.before == self.after else "change"

    def diff(self) -> list[str]:
        """The change as a unified diff, without line ends; what it shows is as hostile as the files are."""
        old, new = (_shown(text) for text in (self.before, self.after))
        names = [f"~/{self.path}" if text is not None else "/dev/null" for text in (self.before, self.after)]
        lines = list(difflib.unified_diff(old, new, names[0], names[1], lineterm=""))
        if self.before is not None and self.after is not None and self.mode != self.old_mode:
            return [f"mode of ~/{self.path}: {self.old_mode:04o} -> {self.mode:04o}", *lines]
        if not lines and self.verb in {"create", "remove"}:
            return [f"--- {names[0]}", f"+++ {names[1]}"]
        return lines


class Refused(msgspec.Struct, frozen=True):
    """A file that is left alone, why, and what to do about it."""

    path: str
    why: str
    hint: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What would change on one box, in the order in which it would.

    `folders` are made first, with their permission bits; `leave` are taken away at the end where they are empty.
    `is_left`: what a killed change has left would be cleaned up. `instead_of`: the source of what is there now, if
    that is another.
    """

    box: str
    home: str
    source: str
    changes: tuple[Change, ...] = ()
    refused: tuple[Refused, ...] = ()
    folders: tuple[tuple[str, int], ...] = ()
    leave: tuple[str, ...] = ()
    is_left: bool = False
    instead_of: str = ""

    @property
    def shown(self) -> tuple[Change, ...]:
        """The changes that mean something to a person."""
        return tuple(change for change in self.changes if change.what != "record")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes and not self.is_left

    def diff(self) -> str:
        """All that would change, as one text of unified diffs."""
        return "".join(f"{line}\n" for change in self.shown for line in change.diff())


def digest(text: bytes) -> str:
    """The SHA-256 of a text, in hexadecimal digits."""
    return str(sha256(text).hexdigest())


def _shown(text: bytes | None) -> list[str]:
    if text is None:
        return []
    if b"\0" in text:
        return [f"(a binary file, {len(text)} bytes)"]
    lines = text.decode(errors="replace").split("\n")
    return [*lines[:-1], *([f"{lines[-1]}  (no newline at the end)"] if lines[-1] else [])]


class _Deciding:
    """A plan that grows."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.changes: list[Change] = []
        self.refused: list[Refused] = []
        self.folders: dict[str, int] = {}

    def refuse(self, path: str, why: str, hint: str = "") -> None:
        self.refused.append(Refused(path, why, hint))

    def why_not(self, seen: Seen) -> tuple[str, str] | None:
        """Why a path can't be written as a file, and what helps."""
        whys = {
            "folder": ("is a folder", ""),
            "dangling": ("is a link to something that is not there", f"look: ls -l ~/{seen.path}"),
            "unreadable": ("can't be read", f"look: ls -l ~/{seen.path}"),
            "large": ("is larger than 4 MiB", ""),
            "other": ("is no plain file", f"look: ls -l ~/{seen.path}"),
        }
        if seen.kind in whys:
            return whys[seen.kind]
        if seen.kind == "file" and self.state.uid not in {seen.owner, 0}:
            return "belongs to another user, and would be yours afterwards", f"look: ls -l ~/{seen.path}"
        # A push that was killed may have left a second name in its own folder.
        if seen.kind == "file" and seen.links > 1 and not self.state.is_left:
            return "has a second name (a hard link), which would not follow the change", f"look: ls -l ~/{seen.path}"
        if not seen.writable:
            return f"can't be written: {seen.folder} is not writable for you", f"look: ls -ld {seen.folder}"
        return None

    def put(self, seen: Seen, after: bytes, mode: int, what: str) -> None:
        """Have a text in a file."""
        if seen.kind == "missing":
            self._make_folders(seen)
        before = None if seen.kind == "missing" else seen.text
        self.changes.append(Change(seen.path, seen.real, what, before, after, mode, seen.mode))

    def drop(self, seen: Seen, what: str) -> None:
        """Have a file gone."""
        if seen.kind == "file":
            self.changes.append(Change(seen.path, seen.real, what, seen.text, None, seen.mode, seen.mode))

    def _make_folders(self, seen: Seen) -> None:
        below = seen.real.removeprefix(seen.folder).strip("/").split("/")[:-1]
        at = seen.folder.rstrip("/")
        for name in below:
            at = f"{at}/{name}"
            # .config and .ssh are for one person, by their own standards; what else is private says so.
            self.folders.setdefault(at, 0o700 if name in {".config", ".ssh", ".was", ".gnupg"} else 0o755)


def looked_at(files: Mapping[str, DotFile]) -> tuple[str, ...]:
    """The paths that a plan for these files has to know of."""
    places = [place for hook in HOOKS for place in hook.places]
    return tuple(dict.fromkeys([*files, *places]))


def to_push(
    box: str, state: State, files: Mapping[str, DotFile], source: str, now: int, overwrite: bool = False
) -> Plan:
    """The plan that gives a box these files (by path) and our line in what reads them.

    What somebody changed on the box, or has put there, stays, unless `overwrite`.
    """
    deciding = _Deciding(state)
    old = state.receipt or Receipt()
    kept = {path: made for path, made in old.files.items() if state.at(path).kind == "file" and path in files}
    was = {one.path: one for one in old.was}
    for file in files.values():
        _want(deciding, file, old, kept, was, overwrite)
    for path, known in old.files.items():
        if path not in files:
            _no_longer(deciding, path, known, was, overwrite)
    hooked = _hook_all(deciding, files, old)
    if hooked or kept or old.files or old.hooks:
        _record(deciding, Receipt(box, source, now, old.folders, kept, tuple(hooked), tuple(was.values())))
    return Plan(
        box=box,
        home=state.home,
        source=source,
        changes=tuple(deciding.changes),
        refused=tuple(deciding.refused),
        folders=tuple(sorted(deciding.folders.items(), key=lambda one: one[0].count("/"))),
        is_left=state.is_left,
        instead_of=old.source if old.source != source else "",
    )


def _record(deciding: _Deciding, receipt: Receipt) -> None:
    """Have the record written before everything else, so that whatever comes after it can be taken back."""
    seen = deciding.state.at(RECEIPT)
    old = deciding.state.receipt
    if not deciding.changes and old is not None and _same(receipt, old):
        return
    deciding.put(seen, b"", 0o600, "record")
    folders = [path.removeprefix(f"{deciding.state.home}/") for path in deciding.folders]
    whole = msgspec.structs.replace(receipt, folders=tuple(dict.fromkeys([*receipt.folders, *folders])))
    deciding.changes.insert(0, msgspec.structs.replace(deciding.changes.pop(), after=whole.encode()))


def _same(one: Receipt, other: Receipt) -> bool:
    return msgspec.structs.replace(one, when=0, box="") == msgspec.structs.replace(other, when=0, box="")


def _want(
    deciding: _Deciding,
    file: DotFile,
    old: Receipt,
    kept: dict[str, str],
    was: dict[str, Was],
    overwrite: bool,
) -> None:
    seen = deciding.state.at(file.path)
    ours = old.files.get(file.path)
    if seen.kind == "file" and (seen.text == file.text or file.once):
        if seen.text != file.text:
            return  # made once, and the person's since
        # A file of the person's own that happens to be the same stays theirs, and stays at `remove`.
        if ours is None:
            return
        kept[file.path] = digest(file.text)
        if seen.mode != file.mode and not deciding.why_not(seen):
            deciding.put(seen, file.text, file.mode, "file")
        return
    if why := deciding.why_not(seen):
        deciding.refuse(file.path, *why)
        return
    if seen.kind == "file" and digest(seen.text) != ours:
        if not overwrite:
            if ours:
                deciding.refuse(
                    file.path,
                    "was changed on the box since it was pushed, and stays so",
                    "take the change back to the source: mlsh dotfiles adopt BOX; or drop it: --overwrite",
                )
            else:
                deciding.refuse(
                    file.path,
                    "is there already, is not mlsh's, and stays as it is",
                    "see: mlsh dotfiles diff BOX --overwrite; replace it: --overwrite (remove puts it back)",
                )
            return
        if ours is None:
            if seen.is_link:
                deciding.refuse(file.path, "is a link, which is not replaced", f"look: ls -l ~/{file.path}")
                return
            was[file.path] = Was(file.path, digest(seen.text), seen.mode)
            _keep(deciding, file.path, seen)
    kept[file.path] = digest(file.text)
    deciding.put(seen, file.text, file.mode, "file")


def _keep(deciding: _Deciding, path: str, seen: Seen) -> None:
    """Put a copy of somebody's file aside, for `remove`."""
    home = deciding.state.home
    at = f"{_WAS}/{path}"
    base = deciding.state.at(RECEIPT)
    folder = base.folder if base.kind == "missing" else f"{home}/{FOLDER}"
    copy = Seen(path=at, kind="missing", real=f"{home}/{at}", folder=folder, writable=True)
    deciding.put(copy, seen.text, 0o600, "record")


def _no_longer(deciding: _Deciding, path: str, known: str, was: dict[str, Was], overwrite: bool) -> None:
    """Take away what an earlier push has put there."""
    seen = deciding.state.at(path)
    own = was.pop(path, None)
    if own is not None and seen.kind == "file" and digest(seen.text) == own.digest:
        # A push that was killed came no further than this.
        copy = deciding.state.files.get(f"{_WAS}/{path}")
        if copy is not None:
            deciding.drop(copy, "record")
        return
    if seen.kind == "missing" and own is None:
        return
    if why := deciding.why_not(seen):
        deciding.refuse(path, *why)
    elif seen.kind == "file" and digest(seen.text) != known and not overwrite:
        deciding.refuse(path, "was changed on the box since it was pushed, and stays", "remove it too: --overwrite")
    elif own is not None:
        _bring_back(deciding, own, seen)
    else:
        deciding.drop(seen, "file")


def _bring_back(deciding: _Deciding, was: Was, seen: Seen) -> None:
    """Give somebody's own file back."""
    copy = deciding.state.files.get(f"{_WAS}/{was.path}")
    if copy is None or copy.kind != "file" or digest(copy.text) != was.digest:
        deciding.refuse(was.path, "can't be given back: the copy of what was there is gone or damaged")
        return
    deciding.put(seen, copy.text, was.mode, "file")
    deciding.drop(copy, "record")


# Our line


def place_of(hook: Hook, state: State) -> Seen | None:
    """The file that gets our line; None where none is to have it."""
    places = list(hook.places)
    if hook.name == "zsh" and state.zdotdir not in {"", "?"}:
        places = [f"{state.zdotdir}/.zshrc"]
    there = next((path for path in places if state.at(path).kind != "missing"), None)
    if there is None:
        if hook.tool and hook.tool not in state.tools:
            return None
        made = hooks.made_at(hook) if hook.name != "zsh" else places[0]
        return state.at(made)
    return state.at(there)


def _hook_all(deciding: _Deciding, files: Mapping[str, DotFile], old: Receipt) -> list[Hooked]:
    wanted = hooks.which([path.removeprefix(f"{FOLDER}/") for path in files if path.startswith(f"{FOLDER}/")])
    state = deciding.state
    known = {(one.name, one.path): one for one in old.hooks}
    result: dict[tuple[str, str], Hooked] = {}
    for hook in wanted:
        seen = place_of(hook, state)
        # A source that has the file itself (.profile, init.lua) needs no line in it.
        if seen is None or any(path in files for path in hook.places):
            continue
        if hook.name == "zsh" and state.zdotdir == "?":
            deciding.refuse(
                ".zshenv",
                "sets ZDOTDIR in a way that mlsh does not understand, so zsh's file was not found",
                f"put this into your .zshrc: {hook.line}",
            )
            continue
        key = (hook.name, seen.path)
        if seen.kind == "file" and hooks.is_in(hook, seen.text):
            # The line without a record of it: it came with a copied file, say.
            result[key] = known.get(key, Hooked(hook.name, seen.path, made=False, before="?", newline=False))
            continue
        if hook.name == "login" and seen.kind == "file" and hooks.reads_bashrc(seen.text.decode(errors="replace")):
            continue
        if why := deciding.why_not(seen):
            deciding.refuse(seen.path, *why)
            continue
        before = None if seen.kind == "missing" else seen.text
        made = hooks.insert(hook, seen.path, before)
        sum_before = "-" if before is None else digest(before)
        result[key] = Hooked(hook.name, seen.path, before is None, sum_before, made.newline)
        deciding.put(seen, made.text, hook.mode if before is None else seen.mode, "line")
    for key, one in known.items():
        if key not in result:
            # Of a source that had a file for it, or of another place: it goes again.
            _unhook(deciding, one)
    return list(result.values())


def _unhook(deciding: _Deciding, one: Hooked) -> None:
    hook = next((hook for hook in HOOKS if hook.name == one.name), None)
    seen = deciding.state.files.get(one.path)
    if hook is None or seen is None or seen.kind == "missing":
        return
    if seen.kind != "file":
        deciding.refuse(one.path, *(deciding.why_not(seen) or ("can't be read", "")))
        return
    if not hooks.is_in(hook, seen.text):
        return
    if why := deciding.why_not(seen):
        deciding.refuse(one.path, *why)
        return
    text = hooks.take_out(hook, seen.text, one.newline)
    if one.made and not text:
        deciding.drop(seen, "line")
    else:
        deciding.put(seen, text, seen.mode, "line")


def to_remove(box: str, state: State, overwrite: bool = False) -> Plan:
    """The plan that gives a box back as it was before the first push.

    Of a file that was changed meanwhile only our line goes. Of our own files, those that were changed on the box
    stay, and are named, unless `overwrite`.
    """
    deciding = _Deciding(state)
    old = state.receipt or Receipt()
    known = {one.name for one in old.hooks}
    for one in reversed(old.hooks):
        _unhook(deciding, one)
    for hook in HOOKS:
        if hook.name not in known:
            # The line without a record of it. A file that can't be read had none of ours.
            for path in hook.places:
                if state.at(path).kind == "file":
                    _unhook(deciding, Hooked(hook.name, path, made=hook.at == "whole", before="?", newline=False))
    was = {one.path: one for one in old.was}
    for path, made in old.files.items():
        _no_longer(deciding, path, made, was, overwrite)
    if not deciding.refused:
        deciding.drop(state.at(RECEIPT), "record")
    elif state.receipt is not None:
        _remember_what_stays(deciding, old)
    return Plan(
        box=box,
        home=state.home,
        source=old.source,
        changes=tuple(deciding.changes),
        refused=tuple(deciding.refused),
        leave=tuple(f"{state.home}/{path}" for path in reversed(old.folders)),
        is_left=state.is_left,
    )


def _remember_what_stays(deciding: _Deciding, old: Receipt) -> None:
    """Where something could not be taken back, the record of that stays: the next `remove` tries again."""
    paths = {one.path for one in deciding.refused}
    rest = msgspec.structs.replace(
        old,
        files={path: made for path, made in old.files.items() if path in paths},
        hooks=tuple(one for one in old.hooks if one.path in paths),
        was=tuple(one for one in old.was if one.path in paths),
    )
    if rest != old:
        deciding.put(deciding.state.at(RECEIPT), rest.encode(), 0o600, "record")
