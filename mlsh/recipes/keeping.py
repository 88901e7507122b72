"""Write recipes into your own files: aside, then renamed, with mode and link kept; and make them of what was typed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mlsh.errors import MlshError, RefusedInput
from mlsh.recipes.cheat import Hint, Recipe, parse
from mlsh.recipes.collection import folder, read_text
from mlsh.recipes.scan import PLACEHOLDER, scan
from mlsh.recipes.written import write


def sheet_path(sheet: str) -> Path:
    """The file of yours that is called so. Raises RefusedInput."""
    if not re.fullmatch(r"[^\W_][\w.-]{0,63}", sheet):
        raise RefusedInput(f"{sheet[:80]!r} can't be the name of a file of recipes", "letters, digits and . _ -")
    return folder() / f"{sheet}.cheat"


def replace(path: Path, data: bytes) -> None:
    """Have a file hold these bytes, whole or not at all; its mode stays, and what a link leads to is written.

    Raises OSError; then the file is as it was.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(descriptor, target.stat().st_mode & 0o7777)
            os.fsync(descriptor)
        os.replace(aside, target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Only one mlsh writes your recipes at a time."""
    base = folder()
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(base / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def append(path: Path, recipe: Recipe) -> None:
    """Add a recipe at the end of a file, which may not be there yet. Raises RefusedInput, OSError."""
    text = write(recipe)
    read_back = parse(text)
    if len(read_back.recipes) != 1 or read_back.recipes[0].text != _as_written(recipe.text):
        raise RefusedInput("this recipe would read differently in a .cheat file", "put it into a script, and call that")
    with alone():
        try:
            before = read_text(path)
        except FileNotFoundError:
            before = ""
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        replace(path, (before + gap + text).encode())


def _as_written(text: str) -> str:
    return parse(write(Recipe("x", "x", "", text))).recipes[0].text


def made(
    name: str,
    description: str,
    commands: Sequence[str],
    *,
    tags: Sequence[str] = (),
    hints: Mapping[str, Hint] | None = None,
    **more: object,
) -> Recipe:
    """A recipe of these commands; its name is among its tags, so that its variables are its own."""
    text = "\n".join(command.strip("\n") for command in commands)
    known = PLACEHOLDER.findall(text)
    for parameter in hints or {}:
        if parameter not in known:
            raise MlshError(
                f"no command has <{parameter}> in it", "write it where the value goes, in quotes for the shell"
            )
    all_tags = ", ".join(dict.fromkeys([*tags, name]))
    return Recipe(name, description or name, all_tags, text, hints=dict(hints or {}), **more)  # type: ignore[arg-type]


_OWN = re.compile(r"\s*(?:\S*/)?mlsh\s+recipe\s")


def latest(commands: Iterable[str], count: int) -> list[str]:
    """The last `count` commands of a history that may be part of a recipe, oldest first."""
    kept = [command.strip() for command in commands if command.strip() and not _OWN.match(command)]
    return kept[-count:] if count else []


def numbered(text: str) -> list[str]:
    """Commands in lines, as `history` and `fc -l` print them: a number, a star and a time in front are taken off."""
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(re.match(r"\s*\d+\*?\s+\S", line) for line in lines):
        lines = [re.sub(r"^\s*\d+\*?\s+", "", line) for line in lines]
    return [line.strip() for line in lines]


def parameterize(commands: Sequence[str], values: Mapping[str, str]) -> tuple[list[str], dict[str, Hint]]:
    """Put `<name>` where a value stands as a word or a part of one; the value becomes the default.

    Raises MlshError for a value that is nowhere.
    """
    hints: dict[str, Hint] = {}
    changed = list(commands)
    for name, value in values.items():
        whole = re.compile(rf"(?<![\w.]){re.escape(value)}(?![\w])")
        again = [whole.sub(lambda _, name=name: f"<{name}>", command) for command in changed]  # type: ignore[misc]
        if again == changed:
            raise MlshError(f"{value!r} is in none of the commands, so <{name}> would have no place")
        changed, hints[name] = again, Hint(default=value)
    return changed, hints


def unmasked(commands: Sequence[str], mask: str) -> tuple[list[str], dict[str, Hint]]:
    """Secrets that were masked become parameters, which are asked for, unseen."""
    hints: dict[str, Hint] = {}
    changed = []
    for command in commands:
        parts = command.split(mask)
        text = parts[0]
        for part in parts[1:]:
            name = "secret" if not hints else f"secret_{len(hints) + 1}"
            hints[name] = Hint(secret=True)
            text += f"<{name}>{part}"
        changed.append(text)
    return changed, hints


def with_blanks(command: str) -> str:
    """`sort <in>out` as `sort < in>out`: redirections of a typed command are no parameters."""
    parts, last = [], 0
    for slot in scan(command).slots:
        if slot.context == "plain":
            parts += [command[last : slot.start], "< "]
            last = slot.start + 1
    return "".join([*parts, command[last:]])
