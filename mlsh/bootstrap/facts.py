"""What the steps need to know of a box, asked for in one call, and understood here."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

_BOX = Path(__file__).with_name("box")


class At(msgspec.Struct, frozen=True):
    """How a path stands. `state` is as the box says it: `absent`, `file MODE SUM`, `link TARGET`, `dir` or `other`."""

    state: str = "absent"
    is_mine: bool = True
    text: str | None = None
    """What is in it, where that was asked for and is short."""

    @property
    def is_absent(self) -> bool:
        """Whether nothing is there."""
        return self.state == "absent"


class Entry(msgspec.Struct, frozen=True):
    """An entry of the receipt: a change, as it was begun."""

    number: str
    step: str
    kind: str
    path: str
    node: str = ""
    before: str = ""
    after: str = ""
    is_ok: bool = False


class Facts(msgspec.Struct, frozen=True):
    """A box at one moment. `said` has what the steps' own parts told: a key's lines, in their order."""

    home: str = ""
    node: str = ""
    user: str = ""
    machine: str = ""
    mlsh_home: str = ""
    os: str = ""
    families: tuple[str, ...] = ()
    libc: str = ""
    managers: tuple[str, ...] = ()
    root: str = ""
    """Whether root can be had: is, sudo, asks, refused, lies, none; "" where nothing needed to know."""
    lacks: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    free_kib: int | None = None
    is_left: bool = False
    """Whether anything of bootstrap's lies there, be it an empty folder that a killed one has left."""
    paths: dict[str, At] = {}
    receipt: tuple[Entry, ...] = ()
    said: dict[str, tuple[str, ...]] = {}
    through: frozenset[str] = frozenset()

    def one(self, key: str) -> str:
        """The first line of a key, or ""."""
        lines = self.said.get(key, ())
        return lines[0] if lines else ""

    def at(self, path: str) -> At:
        """How a path stands; one that was not asked for counts as not ours."""
        return self.paths.get(path) or At("other", is_mine=False)

    def ours(self, path: str) -> str | None:
        """The state in which we left a path, by its newest entry; None where it is none of ours."""
        full = f"{self.home}/{path[2:]}" if path.startswith("~/") else path
        found = [entry.after for entry in self.receipt if entry.path == full]
        return found[-1] if found else None

    @property
    def manager(self) -> str:
        """The package manager that fits the distribution, or ""."""
        wanted = {"apt-get": ("debian", "ubuntu"), "dnf": ("rhel", "fedora", "centos"), "apk": ("alpine",)}
        for name, families in wanted.items():
            if name in self.managers and set(families) & set(self.families):
                return name
        return ""

    @property
    def has_root(self) -> bool:
        """Whether root can be had without a question."""
        return self.root in {"is", "sudo"}


class Part(msgspec.Struct, frozen=True):
    """A step's own part of the look: POSIX sh that calls `say KEY VALUE`, `lines KEY` and `$limit COMMAND`."""

    name: str
    script: str


class Watched(msgspec.Struct, frozen=True):
    """A path that a step may write, or wants to know of.

    `how` much: `stat`, whether it is there; `sum`, which is to be compared; `text`, its text too. A large program takes
    a while to sum, and a text is asked for once it is known that it would change.
    """

    path: str
    how: Literal["text", "sum", "stat"] = "sum"


def script(name: str, parts: Sequence[Part] = ()) -> str:
    """A script for the box, with what goes before it and the steps' own parts."""
    text = _lean(_BOX / "lib.sh") + "\n" + _lean(_BOX / f"{name}.sh")
    for part in parts:
        word = re.sub(r"[^a-z0-9_]", "_", part.name)
        text += f"\npart_{word}() {{\n{_leaner(part.script)}\n}} 2>/dev/null\n(part_{word}; say through {part.name}) &"
    return text + ("\nwait\nprintf 'end\\n'\n" if name == "look" else "\n")


@functools.cache
def _lean(path: Path) -> str:
    return _leaner(path.read_text())


def _leaner(text: str) -> str:
    """Without comments and indents: it travels in the command."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def argv(mlsh_home: str, parts: Sequence[Part], watched: Iterable[Watched]) -> list[str]:
    """The command that tells the facts."""
    seen: dict[str, str] = {}
    for one in watched:
        seen[one.path] = max(seen.get(one.path, one.how), one.how, key=("stat", "sum", "text").index)
    words = [word for path, how in seen.items() for word in (how, path)]
    return ["sh", "-c", script("look", parts), "mlsh", mlsh_home, *words]


def parse(text: str) -> Facts:
    """Read what `look.sh` printed, or as far as it came. Never raises: nonsense is left out."""
    said: dict[str, list[str]] = {}
    for line in text.split("\n"):
        key, space, value = line.partition(" ")
        if len(key) == 64:
            # As sha256sum says it: the digest, two spaces, the name.
            said.setdefault("sum", []).append(line)
        elif space and key:
            said.setdefault(key, []).append(value)
    one = {key: lines[0] for key, lines in said.items()}
    release = dict(line.partition("=")[::2] for line in said.get("os", []))
    release = {key: value.strip().strip("\"'") for key, value in release.items()}
    free = re.search(r"\s\d+\s+\d+\s+(\d{1,18})\s+(?:\d+%|-)\s", said.get("free", [""])[-1] + " ")
    return Facts(
        home=one.get("home", ""),
        node=one.get("node", ""),
        user=one.get("user", ""),
        machine=one.get("machine", ""),
        mlsh_home=one.get("mlsh", ""),
        os=release.get("PRETTY_NAME", ""),
        families=tuple(f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()),
        libc=one.get("libc", ""),
        managers=tuple(said.get("manager", ())),
        root=one.get("root", ""),
        lacks=tuple(said.get("lacks", ())),
        bad=tuple(said.get("bad", ())),
        free_kib=int(free[1]) if free else None,
        is_left="left" in one,
        paths=_paths(said, one.get("home", ""), one.get("uid", "")),
        receipt=tuple(_entries(text, frozenset(said.get("ok", ())))),
        said={key: tuple(lines) for key, lines in said.items()},
        through=frozenset(said.get("through", ())),
    )


_KINDS = {"8": "file", "4": "dir", "a": "link"}


def _paths(said: Mapping[str, list[str]], home: str, uid: str) -> dict[str, At]:
    """How the watched paths stand, each by its full name, and below the home as `~/...` too."""
    stats = {row[3]: row[:3] for line in said.get("stat", ()) if len(row := line.split(" ", 3)) == 4}
    sums = {name: digest for line in said.get("sum", ()) for digest, _, name in [line.partition("  ")]}
    links = {name: target for line in said.get("link", ()) for name, _, target in [line.partition("\t")]}
    watched = said.get("watched", [])
    texts: dict[str, list[str]] = {}
    # A name may have a colon in it: the longest one that fits is it.
    names = sorted((f"{name}:" for name in watched), key=len, reverse=True)
    for line in said.get("text", ()):
        name = next((name for name in names if line.startswith(name)), None)
        if name is not None:
            texts.setdefault(name[:-1], []).append(line[len(name) :])
    found = {}
    for name in watched:
        at = _at(stats.get(name), sums.get(name, "-"), links.get(name, ""), uid)
        if name in texts:
            at = msgspec.structs.replace(at, text="\n".join([*texts[name], ""]))
        found[name] = at
        if name.startswith(f"{home}/"):
            found[f"~/{name.removeprefix(f'{home}/')}"] = at
    return found


def _at(stat: Sequence[str] | None, digest: str, target: str, uid: str) -> At:
    if stat is None:
        return At()
    raw, mode, owner = stat
    kind = _KINDS.get(raw[:1], "other") if len(raw) == 4 else "other"
    state = {"file": f"file {mode} {digest}", "link": f"link {target}"}.get(kind, kind)
    return At(state, owner == uid)


def _entries(text: str, through: frozenset[str]) -> Iterable[Entry]:
    fields: dict[str, str] = {}
    for line in [*text.split("\n"), "entry "]:
        word, _, rest = line.partition(" ")
        if word == "entry.":
            key, _, value = rest.partition(" ")
            fields.setdefault(key, value)
        elif word == "entry":
            if {"number", "step", "kind", "path", "end"} <= fields.keys():
                yield Entry(
                    number=fields["number"],
                    step=fields["step"],
                    kind=fields["kind"],
                    path=fields["path"],
                    node=fields.get("node", ""),
                    before=fields.get("before", ""),
                    after=fields.get("after", ""),
                    is_ok=fields["number"] in through,
                )
            fields = {"number": rest}
