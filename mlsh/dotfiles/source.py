"""The files that boxes are to have, and for which boxes they are."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from mlsh import config
from mlsh.dotfiles.conditions import matches, render
from mlsh.errors import MlshError, NotFound, RefusedInput

BUILT_IN = "built-in"
HOSTS = "hosts"


class DotFile(msgspec.Struct, frozen=True):
    """One file as a box gets it: its path below the home, its text, its permission bits.

    `origin` is the file on this machine. `once`: it is made where there is none, and never changed.
    """

    path: str
    text: bytes
    mode: int = 0o644
    origin: str = ""
    once: bool = False


class Problem(msgspec.Struct, frozen=True):
    """A file of the source that can't be had as it is meant, and why."""

    path: str
    why: str


class ForSome(msgspec.Struct, frozen=True):
    """Files that are for boxes of this name only, in place of others of the same path or besides them."""

    pattern: str
    files: tuple[DotFile, ...]


class Source(msgspec.Struct, frozen=True):
    """Where dotfiles come from. `name` is `built-in`, a folder, or the address of a git repository.

    `layout`: how its files are named (layouts.py). `writable`: whether what was changed on a box can be adopted.
    """

    name: str
    files: tuple[DotFile, ...]
    hosts: tuple[ForSome, ...] = ()
    problems: tuple[Problem, ...] = ()
    writable: bool = True
    layout: str = "chezmoi"

    def raw_for(self, names: Collection[str]) -> dict[str, DotFile]:
        """The files for a box of these names, blocks for other boxes still in them, by path."""
        chosen = {file.path: file for file in self.files}
        for host in self.hosts:
            if matches((host.pattern,), names):
                chosen |= {file.path: file for file in host.files}
        return chosen

    def for_box(self, names: Collection[str]) -> dict[str, DotFile]:
        """The files as a box of these names gets them, by path. Raises RefusedInput for a block without an end."""
        return {
            path: msgspec.structs.replace(file, text=render(file.text, names, file.origin or path))
            for path, file in sorted(self.raw_for(names).items())
        }

    def check(self) -> None:
        """Raise RefusedInput where a file can't be had as it is meant."""
        if not self.problems:
            return
        shown = [f"  {problem.path}: {problem.why}" for problem in self.problems[:20]]
        more = len(self.problems) - len(shown)
        rest = [f"  and {more} more"] if more else []
        raise RefusedInput(
            "\n".join([f"{self.name}: not sent, since this can't be done as it is meant:", *shown, *rest]),
            "send the others all the same: --skip-unsupported",
        )

    def without_problems(self) -> Source:
        """The same, less what can't be had."""
        return msgspec.structs.replace(self, problems=())


def built_in_folder() -> Path:
    """Where mlsh's own dotfiles lie: in the package once it is installed, beside it in a clone."""
    inside = Path(__file__).with_name("files")
    beside = Path(__file__).parents[2] / "dotfiles"
    for folder in (inside, beside):
        if (folder / "dot_config").is_dir():
            return folder
    raise MlshError("mlsh's own dotfiles are missing from this installation", "install mlsh again: sh install.sh")


def own_folder() -> Path:
    """Where a person's own files lie, which come on top of the built-in ones."""
    return config.config_dir() / "dotfiles"


def built_in() -> Source:
    """mlsh's own dotfiles, and the person's own files over them. Raises RefusedInput as `layouts.read` does."""
    from mlsh.dotfiles import layouts

    base = layouts.read(built_in_folder(), "chezmoi")
    own = own_folder()
    if not own.is_dir():
        return msgspec.structs.replace(base, name=BUILT_IN)
    over = layouts.read(own, "chezmoi")
    files = {file.path: file for file in base.files} | {file.path: file for file in over.files}
    return Source(
        name=BUILT_IN,
        files=tuple(files.values()),
        hosts=base.hosts + over.hosts,
        problems=base.problems + over.problems,
    )


def find(asked: str | None = None, layout: str | None = None) -> Source:
    """The source that was asked for: a folder or a git repository; the built-in one if None.

    Raises NotFound where there is none, or nothing in it.
    """
    if asked is None or asked == BUILT_IN:
        if layout is not None:
            raise RefusedInput("--layout is for a source of your own", "say which: --from FOLDER")
        return built_in()
    from mlsh.dotfiles import layouts, repository

    place = repository.find(asked)
    source = layouts.read(place.folder, layout, place.name, place.writable)
    if not (source.files or source.hosts or source.problems):
        # Pushed, it would take everything off a box.
        raise NotFound(
            f"{place.name} has no dotfiles (its names were read as those of: {source.layout})",
            "another --layout: chezmoi, stow or plain",
        )
    return source
