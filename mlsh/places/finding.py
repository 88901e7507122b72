"""Find files, or lines in them, on one machine: by fd and rg, else by find, grep and git with the same results.

Hidden files, and those that git ignores, are passed over unless they are asked for.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from mlsh.box import Box
from mlsh.box.process import Ran
from mlsh.errors import BoxError, MlshError, NotFound, RefusedInput
from mlsh.places import pattern as patterns
from mlsh.places import scripts

# A tree of millions of files on a network disk takes minutes; who does not want to wait has ctrl-c.
LIMIT_S = 600.0
_BATCH = 2000


class Query(msgspec.Struct, frozen=True):
    """What is looked for. `kind` is any, f, d or l; extensions have no dot; `root` is a folder on the machine."""

    pattern: str
    root: str
    kind: str = "any"
    extensions: tuple[str, ...] = ()
    is_sensitive: bool = False
    hidden: bool = False
    ignored: bool = False
    is_content: bool = False

    @property
    def flags(self) -> tuple[str, str, str]:
        """HIDDEN, IGNORED and CASE of the scripts."""
        return _yes(self.hidden), _yes(self.ignored), "s" if self.is_sensitive else "i"


class Match(msgspec.Struct, frozen=True, order=True):
    """A path below the root; `line` (from 1) and `text` where content was searched. Bytes: a name need not be text."""

    path: bytes
    line: int = 0
    text: bytes = b""


class Result(msgspec.Struct, frozen=True):
    """What a machine found, in order of path. `notes` say what may be missing, or there too much."""

    matches: tuple[Match, ...]
    notes: tuple[str, ...] = ()


def find(box: Box, query: Query) -> Result:
    """Ask one machine. Raises NotFound, RefusedInput, BoxError, Unreachable."""
    result = _search(box, query) if query.is_content else _names(box, query)
    return Result(tuple(sorted(set(result.matches))), result.notes)


# Names


def _names(box: Box, query: Query) -> Result:
    paths, notes = _listed(box, query)
    return Result(tuple(Match(path) for path in paths), notes)


def _listed(box: Box, query: Query) -> tuple[list[bytes], tuple[str, ...]]:
    words = (query.root, query.kind, *query.flags, query.pattern, *query.extensions)
    ran, answer = scripts.call(box, "find", *words, timeout_s=LIMIT_S)
    _check(box, query, ran, answer)
    head, _, rest = answer.partition(b"\n")
    notes = _unread(ran)
    paths = [_plain(path) for path in rest.split(b"\0") if path]
    if head == b"fd":
        # 1 is also its code where some folder could not be read.
        if ran.returncode not in {0, 1} or (ran.returncode == 1 and not notes):
            raise scripts.unexpected(box, ran)
        return paths, notes
    if not rest.endswith(b"\0\0") and rest != b"\0":
        raise scripts.unexpected(box, ran)
    repositories, paths = _told_apart(paths, query)
    wanted = [path for path in paths if _fits(path, query)]
    if query.ignored:
        return wanted, notes
    if head != b"find git":
        return wanted, (*notes, "there is neither fd nor git: what git would ignore is listed too")
    gone = _ignored(box, query.root, repositories, wanted)
    return [path for path in wanted if path not in gone], notes


def _told_apart(paths: Iterable[bytes], query: Query) -> tuple[list[bytes], list[bytes]]:
    """The folders of repositories, told by their `.git`, and what else there is."""
    if query.ignored:
        return [], list(paths)
    repositories, others = [], []
    for path in paths:
        folder, _, name = path.rpartition(b"/")
        if name == b".git":
            repositories.append(folder)
        else:
            others.append(path)
    return repositories, others


def _fits(path: bytes, query: Query) -> bool:
    name = path.rpartition(b"/")[2].decode(errors="surrogateescape")
    return re.search(query.pattern, name, 0 if query.is_sensitive else re.IGNORECASE) is not None


def _plain(path: bytes) -> bytes:
    return path.removeprefix(b"./").rstrip(b"/")


def by_repository(repositories: Iterable[bytes], paths: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Paths by the innermost repository that they are in; `b""` is what the root itself is in."""
    known = {*repositories, b""}
    found: dict[bytes, list[bytes]] = {}
    for path in paths:
        # A repository's own folder belongs to the one around it.
        folder = path.rpartition(b"/")[0]
        while folder not in known:
            folder = folder.rpartition(b"/")[0]
        found.setdefault(folder, []).append(path)
    return found


def _ignored(box: Box, root: str, repositories: Sequence[bytes], paths: Sequence[bytes]) -> set[bytes]:
    """Those that git ignores."""
    calls: list[bytes] = []
    bases: list[bytes] = []
    for repository, inside in by_repository(repositories, paths).items():
        for start in range(0, len(inside), _BATCH):
            cut = len(repository) + 1 if repository else 0
            words = [b"./" + path[cut:] for path in inside[start : start + _BATCH]]
            # A folder that is named, and is ignored itself, is meant with all that is in it.
            calls.append(
                b"repository %d %s %s\n" % (len(bases), _quoted(repository or b"."), b" ".join(map(_quoted, words)))
            )
            bases.append(repository + b"/" if repository else b"")
    if not calls:
        return set()
    ran, answer = scripts.call(
        box, "ignored", root, stdin=b"".join(calls), timeout_s=LIMIT_S, reads="the paths that git may ignore"
    )
    if ran.returncode != 0 or not answer.endswith(b"//end\0"):
        raise scripts.unexpected(box, ran)
    found: set[bytes] = set()
    base = b""
    for word in answer.split(b"\0"):
        if word.startswith(b"//"):
            number = word[2:]
            base = bases[int(number)] if number.isdigit() else b""
        elif word:
            found.add(base + word.removeprefix(b"./"))
    return found


def _quoted(word: bytes) -> bytes:
    return shlex.quote(word.decode(errors="surrogateescape")).encode(errors="surrogateescape")


# Content


def _search(box: Box, query: Query) -> Result:
    globs = [patterns.extension_glob(extension) for extension in query.extensions]
    ran, answer = scripts.call(box, "search", query.root, *query.flags, query.pattern, *globs, timeout_s=LIMIT_S)
    if ran.returncode == scripts.FAILED and scripts.error_word(answer)[0] == "no-rg":
        return _grep(box, query)
    _check(box, query, ran, answer)
    if ran.returncode != 0:
        raise scripts.unexpected(box, ran)
    try:
        return Result(tuple(_of_rg(answer)), _unread(ran))
    except (msgspec.DecodeError, ValueError, KeyError, TypeError):
        # An rg from before --json, or one that was killed.
        raise scripts.unexpected(box, ran) from None


def _of_rg(answer: bytes) -> list[Match]:
    """The matches of `rg --json`, without those of binary files. Raises ValueError and the like for anything else."""
    found: list[Match] = []
    of_file: list[Match] = []
    event: dict[str, Any] = {}
    for line in answer.splitlines():
        event = msgspec.json.decode(line)
        data = event["data"]
        if event["type"] == "begin":
            of_file = []
        elif event["type"] == "match":
            text = _bytes(data["lines"])
            of_file.append(Match(_plain(_bytes(data["path"])), data["line_number"], text.rstrip(b"\r\n")))
        elif event["type"] == "end" and data.get("binary_offset") is None:
            found += of_file
    if event.get("type") != "summary":
        raise ValueError("it was cut off")
    return found


def _bytes(value: dict[str, Any]) -> bytes:
    import base64

    return value["text"].encode() if "text" in value else base64.b64decode(value["bytes"])


def _grep(box: Box, query: Query) -> Result:
    files, notes = _listed(box, msgspec.structs.replace(query, pattern="", kind="f"))
    if not files:
        return Result((), notes)
    ere = patterns.to_ere(query.pattern)
    locale = "C" if query.pattern.isascii() else "C.UTF-8"
    stdin = b"".join(b"./" + path + b"\0" for path in files)
    words = (query.root, query.flags[2], locale, query.pattern, ere)
    ran, answer = scripts.call(box, "grep", *words, stdin=stdin, timeout_s=LIMIT_S, reads="the names of the files")
    if ran.returncode == scripts.FAILED:
        raise RefusedInput(
            f"{box.name} has no rg, and its grep can't look for {query.pattern!r}",
            r"without \b and (?i), or install rg",
        )
    return Result(tuple(_of_grep(answer)), (*notes, *_unread(ran)))


def _of_grep(answer: bytes) -> list[Match]:
    found = []
    while answer:
        path, separator, rest = answer.partition(b"\0")
        line, _, answer = rest.partition(b"\n")
        number, _, text = line.partition(b":")
        if not separator or not number.isdigit():
            break
        found.append(Match(_plain(path), int(number), text.rstrip(b"\r")))
    return found


# What goes wrong


def _check(box: Box, query: Query, ran: Ran, answer: bytes) -> None:
    if ran.returncode != scripts.FAILED:
        return
    word, _ = scripts.error_word(answer)
    raise _error(box, query, word) or scripts.unexpected(box, ran)


def _error(box: Box, query: Query, word: str) -> MlshError | None:
    match word:
        case "no-folder":
            return NotFound(f"{box.name}: there is no folder {query.root}")
        case "no-read":
            return BoxError(box.name, f"the folder {query.root} can't be read by you")
        case "pattern":
            return RefusedInput(f"{box.name}: rg does not take {query.pattern!r} for a pattern", "plain text: --fixed")
    return None


def _unread(ran: Ran) -> tuple[str, ...]:
    """What the search said it could not read."""
    lines = [line for line in ran.stderr.decode(errors="replace").splitlines() if "ermission denied" in line]
    if not lines:
        return ()
    more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
    return (f"not all could be read: {lines[0][:160]}{more}",)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
