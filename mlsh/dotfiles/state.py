"""What `box/look.sh` says about the files of a box."""

from __future__ import annotations

import msgspec

from mlsh.dotfiles.receipt import Receipt

RECEIPT = ".config/mlsh/.dotfiles"


class Unreadable(Exception):
    """An answer that makes no sense, such as that of a file that changed while it was read."""


class Seen(msgspec.Struct, frozen=True):
    """One path below the home, as it is on the box.

    `kind`: file, missing, folder, dangling (a link to nothing), unreadable, large (over 4 MiB), other.
    `real` is the absolute path that it leads to, `folder` the nearest folder above that which is there, and
    `writable` whether something can be made in it. `text` and `mode` are of a file; `owner` is a number.
    """

    path: str
    kind: str
    real: str
    folder: str
    writable: bool
    is_link: bool = False
    mode: int = 0o644
    links: int = 1
    owner: int = -1
    text: bytes = b""


class State(msgspec.Struct, frozen=True):
    """The files that were looked at, by their path below the home, and what else decides.

    `zdotdir` is where zsh reads its files, below the home; "?" where that can't be told, "" for the home.
    `is_left`: a change that was killed has left something that is to be cleaned up.
    """

    home: str
    node: str
    uid: int
    tools: frozenset[str]
    files: dict[str, Seen]
    zdotdir: str = ""
    is_left: bool = False

    @property
    def receipt(self) -> Receipt | None:
        """What mlsh has put there; None where it has put nothing."""
        seen = self.files.get(RECEIPT)
        return Receipt.decode(seen.text) if seen and seen.kind == "file" else None

    def at(self, path: str) -> Seen:
        """One path that was looked at."""
        return self.files[path]


def parse(answer: bytes) -> State:
    """The state in an answer of look.sh, after its first line. Raises Unreadable."""
    words: dict[str, str] = {}
    tools: set[str] = set()
    files: dict[str, Seen] = {}
    at = 0
    while True:
        line, at = _line(answer, at)
        key, _, value = line.partition("\t")
        if key == "end":
            break
        if key == "tool":
            tools.add(value)
        elif key == "path":
            seen, at = _seen(value, answer, at)
            files[seen.path] = seen
        else:
            words[key] = value
    try:
        return State(
            home=words["home"],
            node=words["node"],
            uid=int(words["uid"]),
            tools=frozenset(tools),
            files=files,
            zdotdir=words.get("zdotdir", ""),
            is_left="left" in words,
        )
    except (KeyError, ValueError) as error:
        raise Unreadable from error


def _line(answer: bytes, at: int) -> tuple[str, int]:
    end = answer.find(b"\n", at)
    if end < 0:
        raise Unreadable
    return answer[at:end].decode(errors="surrogateescape"), end + 1


def _seen(value: str, answer: bytes, at: int) -> tuple[Seen, int]:
    try:
        kind, mode, links, owner, link, can, size, path = value.split("\t")
        real, at = _line(answer, at)
        folder, at = _line(answer, at)
        length = int(size)
        text = answer[at : at + length]
        if answer[at + length : at + length + 1] != b"\n":
            raise Unreadable
        seen = Seen(
            path=path,
            kind=kind,
            real=real.removeprefix("real\t"),
            folder=folder.removeprefix("folder\t") or "/",
            writable=can == "yes",
            is_link=link == "yes",
            mode=_mode(mode),
            links=int(links),
            owner=int(owner) if owner != "-" else -1,
            text=text,
        )
    except ValueError as error:
        raise Unreadable from error
    return seen, at + length + 1


def _mode(letters: str) -> int:
    """The permission bits of what `ls -l` shows, `-rw-r--r--`."""
    if letters == "-":
        return 0o644
    mode = 0
    for number, letter in enumerate(letters[1:10]):
        if letter not in "-ST":
            mode |= 0o400 >> number
        if letter in "sStT":
            mode |= {2: 0o4000, 5: 0o2000, 8: 0o1000}[number]
    return mode
