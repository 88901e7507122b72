"""A recipe with values in place of its parameters: shell text, in which no value can be more than a value.

Pure. A secret value never becomes part of the text: its place takes a variable that is in the environment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

import msgspec

from mlsh.errors import RefusedInput
from mlsh.recipes.cheat import Recipe
from mlsh.recipes.scan import Slot, logical_lines, scan

Value = str | Sequence[str]
"""What takes the place of a parameter: one word, or several of them (navi's `--expand`)."""
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_WHERE = {
    "backtick": "between backticks",
    "arithmetic": "in arithmetic",
    "brace": "in ${…}",
    "dollar": "right behind a $",
    "heredoc": "in a here-document",
    "literal": "in a here-document",
}
_SECRET_NAME = re.compile(
    r"pass(?!age|ive|ed)|secret|token|passphrase|credential|api_?key|private_?key|access_?key|(^|_)(pw|pwd)$", re.I
)


class Step(msgspec.Struct, frozen=True):
    """One command of a recipe, and what is said of it."""

    text: str
    notes: tuple[str, ...] = ()


def is_secret(recipe: Recipe, name: str) -> bool:
    """Whether a parameter's value is to be kept from screens, files and command lines."""
    hint = recipe.hints.get(name)
    return (hint is not None and hint.secret) or _SECRET_NAME.search(name.replace("-", "_")) is not None


def secret_variable(name: str) -> str:
    """The environment variable that holds a secret value."""
    return "MLSH_SECRET_" + re.sub(r"\W", "_", name, flags=re.ASCII)


def fill(text: str, values: Mapping[str, Value], raw: frozenset[str], secret: frozenset[str]) -> str:
    """Shell text with values put in, each quoted as its place wants it; a parameter without a value stays.

    Those in `raw` go in as they are. Raises RefusedInput where a value can't stand in its place.
    """
    parts, last = [], 0
    before = scan(text).slots
    for slot in before:
        if slot.name in secret:
            new = _variable(slot)
        elif slot.name not in values:
            continue
        else:
            given = values[slot.name]
            words = [given] if isinstance(given, str) else list(given)
            if any("\0" in word for word in words):
                raise RefusedInput(f"the value of {slot.name} has a NUL byte, which no command can be given")
            new = " ".join(words) if slot.name in raw else " ".join(_quoted(slot, word) for word in words)
        parts += [text[last : slot.start], new]
        last = slot.end
    filled = "".join([*parts, text[last:]])
    if any(slot.ends_at for slot in before) and len(logical_lines(filled)) != len(logical_lines(text)):
        raise RefusedInput("a value would end the here-document that it stands in")
    return filled


def _quoted(slot: Slot, value: str) -> str:
    match slot.context:
        case "plain":
            return shlex.quote(value)
        case "double":
            return _escaped(value, r'[\\"$`]')
        case "single":
            return value.replace("'", "'\\''")
        case "ansi":
            return value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        case "heredoc" if "\n" not in value:
            return _escaped(value, r"[\\$`]")
        case "literal" | "comment" if "\n" not in value:
            return value
        case _ if _PLAIN.fullmatch(value):
            return value
        case context:
            where = _WHERE.get(context, f"in a {context}")
            raise RefusedInput(
                f"the value of {slot.name} can't stand {where} without being taken for more than a value",
                "in the recipe, write $(…) for `…`: mlsh recipe edit" if context == "backtick" else "",
            )


def _escaped(value: str, what: str) -> str:
    return re.sub(what, lambda match: "\\" + match[0], value)


def _variable(slot: Slot) -> str:
    name = secret_variable(slot.name)
    match slot.context:
        case "plain":
            return f'"${name}"'
        case "double" | "heredoc":
            return f"${{{name}}}"
        case "single" | "ansi":
            opening = "'" if slot.context == "single" else "$'"
            return f'\'"${name}"{opening}'
        case "comment":
            return "***"
        case _:
            raise RefusedInput(
                f"{slot.name} is secret, and can't be put in between backticks, or where nothing is expanded"
            )


def steps(recipe: Recipe) -> list[Step]:
    """The commands of a recipe, one after another, with their explanations."""
    commands = logical_lines(recipe.text)
    notes: list[list[str]] = [[] for _ in commands]
    for at, note in recipe.notes:
        # An explanation is of the command below it; one at the very end is of the last.
        below = next((index for index, (line, _) in enumerate(commands) if line >= at), len(commands) - 1)
        notes[below].append(note)
    return [Step(text, tuple(said)) for (_, text), said in zip(commands, notes, strict=True)]


def rendered(recipe: Recipe, values: Mapping[str, Value]) -> list[Step]:
    """The steps with values in their places. Raises RefusedInput."""
    raw = frozenset(name for name, hint in recipe.hints.items() if hint.raw)
    secret = frozenset(name for name in recipe.parameters if is_secret(recipe, name))
    filled = [msgspec.structs.replace(step, text=fill(step.text, values, raw, secret)) for step in steps(recipe)]
    return [step for step in filled if step.text.strip()]
