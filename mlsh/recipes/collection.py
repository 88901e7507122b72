"""Which recipes there are: the starter book, yours, those of navi; and the one that is meant. Nothing of them runs.

Of two with one name, yours counts before navi's, and navi's before the book's.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from mlsh import config
from mlsh.errors import NotFound, RefusedInput, UsageError
from mlsh.recipes.cheat import LONGEST_BYTES, NAME, Recipe, parse, visible

YOURS, NAVI, BOOK, GIVEN = "yours", "navi", "book", "file"
_MOST_FILES = 2000


class Found(msgspec.Struct, frozen=True):
    """A recipe and where it stands. `origin` is one of yours, navi, book, file (named by --file)."""

    recipe: Recipe
    path: Path
    origin: str

    @property
    def sheet(self) -> str:
        """The file's name without its ending."""
        return self.path.name.removesuffix(".md").removesuffix(".cheat")

    @property
    def full_name(self) -> str:
        """A name that tells it from others: `sheet:name`."""
        return f"{self.sheet}:{self.recipe.name}"

    @property
    def key(self) -> str:
        """What its values are remembered under."""
        return f"{self.origin}:{self.sheet}:{self.recipe.name}"

    @property
    def digest(self) -> str:
        """Changes with anything that the recipe would run."""
        return hashlib.sha256(write_all(self.recipe).encode("utf-8", "surrogateescape")).hexdigest()


class Collection(msgspec.Struct, frozen=True):
    """The recipes that there are, the first of a name first, and what could not be read."""

    found: tuple[Found, ...]
    troubles: tuple[str, ...] = ()


def write_all(recipe: Recipe) -> str:
    """All that a recipe can run, as one text, to compare: a default that goes in unquoted is a command too."""
    variables = [f"{name}\0{v.command}\0{v.options.map}" for name, v in sorted(recipe.variables.items())]
    hints = [f"{name}\0{hint.default}\0{hint.raw}\0{hint.secret}" for name, hint in sorted(recipe.hints.items())]
    return "\0\0".join([recipe.text, *variables, "hints", *hints])


def folder() -> Path:
    """Where your own are."""
    return config.config_dir() / "recipes"


def _navi_folder() -> Path:
    named = os.environ.get("NAVI_PATH", "").partition(":")[0]
    data = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data) if data.startswith("/") else Path(os.path.expanduser("~")) / ".local/share"
    return Path(named) if named.startswith("/") else base / "navi/cheats"


def load(given: Path | None = None) -> Collection:
    """Read them all, or those of one file alone. A file that can't be read is among the troubles."""
    if given is not None:
        return _read([(given, GIVEN)], strict=True)
    book = Path(__file__).with_name("book")
    places = [(folder(), YOURS), (_navi_folder(), NAVI), (book, BOOK)]
    return _read([(path, origin) for place, origin in places for path in _files(place)], strict=False)


def _files(place: Path) -> list[Path]:
    found = []
    for base, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(base, name) for name in sorted(names) if name.endswith((".cheat", ".cheat.md"))]
        if len(found) > _MOST_FILES:
            break
    return found[:_MOST_FILES]


def read_text(path: Path) -> str:
    """The text of a `.cheat` file; raises RefusedInput for what is none, OSError where it can't be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        # A pipe that somebody left here would keep us waiting.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RefusedInput(f"{path} is no plain file")
        data = file.read(LONGEST_BYTES + 1)
    if len(data) > LONGEST_BYTES:
        raise RefusedInput(f"{path} has more than a mebibyte, which is no file of recipes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RefusedInput(f"{path}: line {line} is not UTF-8 text") from None
    if "\0" in text:
        raise RefusedInput(f"{path}: line {text.count(chr(10), 0, text.index(chr(0))) + 1} has a NUL byte")
    return text


def _read(files: Sequence[tuple[Path, str]], strict: bool) -> Collection:
    troubles: list[str] = []
    sheets = []
    for path, origin in files:
        try:
            text = read_text(path)
        except RefusedInput as error:
            if strict:
                raise
            troubles.append(error.what)
            continue
        except OSError as error:
            if strict:
                raise NotFound(f"{path}: {(error.strerror or '').lower()}") from error
            troubles.append(f"{path}: {(error.strerror or '').lower()}")
            continue
        sheet = parse(text)
        troubles += [f"{path}:{problem.line}: {problem.what}" for problem in sheet.problems]
        sheets.append((path, origin, sheet))
    found = []
    for path, origin, sheet in sheets:
        elsewhere = [other for _, there, other in sheets if there == origin and other is not sheet]
        for recipe in sheet.recipes:
            if recipe.tags in sheet.extends and elsewhere:
                # What it extends may stand in another file of the same folder.
                blocks = {tags: block for other in elsewhere for tags, block in other.blocks.items()} | sheet.blocks
                more = visible(recipe.tags, blocks, sheet.extends)
                found.append(Found(msgspec.structs.replace(recipe, variables=more), path, origin))
            else:
                found.append(Found(recipe, path, origin))
    return Collection(tuple(found), tuple(troubles))


def distinct(found: Iterable[Found]) -> list[Found]:
    """The first of each name: what the name alone means."""
    first: dict[str, Found] = {}
    for one in found:
        first.setdefault(one.recipe.name, one)
    return list(first.values())


def matching(found: Iterable[Found], words: Sequence[str]) -> list[Found]:
    """Those that have all of the words in name, tags, description, explanations or commands; names first."""
    wanted = [word.casefold() for word in words]

    def rank(one: Found) -> int | None:
        recipe = one.recipe
        title = f"{one.full_name} {recipe.tags} {recipe.description}".casefold()
        everything = f"{title} {' '.join(note for _, note in recipe.notes)} {recipe.text}".casefold()
        if not all(word in everything for word in wanted):
            return None
        if all(word in recipe.name.casefold() for word in wanted):
            return 0
        return 1 if all(word in title for word in wanted) else 2

    ranked = [(place, one) for one in found if (place := rank(one)) is not None]
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]


def find(collection: Collection, name: str) -> Found:
    """The recipe of a name, of `sheet:name`, or of the beginning of a name. Raises NotFound, UsageError (several)."""
    exact = [one for one in collection.found if name in {one.recipe.name, one.full_name}]
    if exact:
        return exact[0]
    begins = [one for one in distinct(collection.found) if one.recipe.name.startswith(name)] if name else []
    if len(begins) == 1:
        return begins[0]
    if begins:
        names = ", ".join(one.recipe.name for one in begins[:8])
        raise UsageError(f"several recipes begin with {name}: {names}", "type one of these names")
    raise _no_such(collection, name)


def _no_such(collection: Collection, name: str) -> NotFound:
    from difflib import get_close_matches

    names = [one.recipe.name for one in collection.found]
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    near += [one.recipe.name for one in matching(collection.found, [name])][: 3 - len(near)]
    if near:
        return NotFound(f"there is no recipe {name[:60]}", f"did you mean: {', '.join(dict.fromkeys(near))}")
    return NotFound(f"there is no recipe {name[:60]}", "see what there is: mlsh recipe list")


def check_name(name: str) -> str:
    """Return `name` if a recipe can be called that; raises RefusedInput."""
    if not NAME.fullmatch(name):
        raise RefusedInput(
            f"{name[:80]!r} can't be the name of a recipe",
            "letters, digits and . _ - after the first, up to 64 of them",
        )
    return name
