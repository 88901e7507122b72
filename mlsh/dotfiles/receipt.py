"""The record on a box of what mlsh has put there: enough to take every byte of it back."""

from __future__ import annotations

import msgspec

_FIRST = "mlsh-dotfiles 1"


class Hooked(msgspec.Struct, frozen=True):
    """A file of the person's own that got our line.

    `made`: it was not there before. `before`: the SHA-256 of its text before, `-` for none. `newline`: its last
    line had no end until then.
    """

    name: str
    path: str
    made: bool
    before: str
    newline: bool


class Was(msgspec.Struct, frozen=True):
    """A file of somebody else's that one of ours took the place of; it lies in `.was`, and comes back."""

    path: str
    digest: str
    mode: int


class Receipt(msgspec.Struct, frozen=True):
    """What mlsh has put on a box. Paths are below the home; `files` has the SHA-256 of each text.

    `folders` are those that were not there before, in the order in which they were made.
    """

    box: str = ""
    source: str = ""
    when: int = 0
    folders: tuple[str, ...] = ()
    files: dict[str, str] = {}
    hooks: tuple[Hooked, ...] = ()
    was: tuple[Was, ...] = ()

    def encode(self) -> bytes:
        """The text of the record: words between tabs, so that sh can read it too."""
        lines = [_FIRST, f"box\t{self.box}", f"from\t{self.source}", f"when\t{self.when}"]
        lines += [f"dir\t{path}" for path in self.folders]
        lines += [f"was\t{was.digest}\t{was.mode:o}\t{was.path}" for was in self.was]
        lines += [f"file\t{digest}\t{path}" for path, digest in sorted(self.files.items())]
        for hook in self.hooks:
            how, newline = "made" if hook.made else "edited", "newline" if hook.newline else "-"
            lines.append(f"hook\t{hook.name}\t{how}\t{hook.before}\t{newline}\t{hook.path}")
        return "\n".join([*lines, "end", ""]).encode(errors="surrogateescape")

    @staticmethod
    def decode(text: bytes) -> Receipt | None:
        """The record in a text; None if it is none that this mlsh understands."""
        lines = text.decode(errors="surrogateescape").split("\n")
        if lines[0] != _FIRST or lines[-2:] != ["end", ""]:
            return None
        words: dict[str, str] = {}
        folders: list[str] = []
        files: dict[str, str] = {}
        hooks: list[Hooked] = []
        before: list[Was] = []
        try:
            for line in lines[1:-2]:
                key, *fields = line.split("\t")
                if key == "dir":
                    folders.append(fields[0])
                elif key == "file":
                    files[fields[1]] = fields[0]
                elif key == "was":
                    before.append(Was(fields[2], fields[0], int(fields[1], 8)))
                elif key == "hook":
                    name, how, digest, newline, path = fields
                    hooks.append(Hooked(name, path, how == "made", digest, newline == "newline"))
                else:
                    words[key] = fields[0]
            when = int(words.get("when", "0"))
        except (IndexError, ValueError):
            return None
        return Receipt(
            box=words.get("box", ""),
            source=words.get("from", ""),
            when=when,
            folders=tuple(folders),
            files=files,
            hooks=tuple(hooks),
            was=tuple(before),
        )
