"""navi's `.cheat` format, written: what `cheat.py` reads back as it was."""

from __future__ import annotations

import shlex

from mlsh.errors import RefusedInput
from mlsh.recipes.cheat import FLAGS, SPECIAL, Hint, Recipe, Variable, needs
from mlsh.recipes.scan import logical_lines


def write(recipe: Recipe) -> str:
    """A recipe as a block of its own, which navi reads too. Raises RefusedInput for what the format can't hold."""
    lines = [f"% {recipe.tags}" if recipe.tags else "%", "", f"# {_one_line(recipe.description)}"]
    lines.append(f"; mlsh: name {recipe.name}")
    lines += [f"; mlsh: {word}" for word, on in (("careful", recipe.is_careful), ("code", recipe.sends_code)) if on]
    lines += [written for name, hint in recipe.hints.items() if (written := _write_hint(name, hint))]
    notes: dict[int, list[str]] = {}
    for at, note in recipe.notes:
        notes.setdefault(at, []).append(f"; {_one_line(note)}")
    begins = {number for number, _ in logical_lines(recipe.text)}
    for number, line in enumerate(recipe.text.split("\n")):
        lines += notes.get(number, [])
        if line.startswith(SPECIAL):
            if number not in begins:
                raise RefusedInput(
                    f"a recipe can't hold a command with this line inside: {line[:60]!r}",
                    "lines that begin with % @ # ; $ mean something else in a .cheat file: put it into a script",
                )
            line = f" {line}"  # noqa: PLW2901 - a blank before a command means nothing to the shell
        lines.append(line)
    needed = used(recipe)
    variables = [recipe.variables[name] for name in recipe.variables if name in needed]
    if variables:
        lines += ["", *map(_write_variable, variables)]
    text = "\n".join(lines) + "\n"
    if "\0" in text:
        raise RefusedInput("a recipe can't hold a NUL byte")
    return text


def used(recipe: Recipe) -> set[str]:
    """The variables that the recipe needs, those that their commands need among them."""
    needed = set(recipe.parameters)
    waiting = list(needed)
    while waiting:
        variable = recipe.variables.get(waiting.pop())
        if variable is None:
            continue
        more = set(needs(variable, recipe.variables)) - needed
        needed |= more
        waiting += more
    return needed


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _write_hint(name: str, hint: Hint) -> str:
    words = [f"default={hint.default}"] if hint.default is not None else []
    words += [f"{key}={value}" for key, value in (("example", hint.example), ("about", hint.about)) if value]
    if any("\n" in word for word in words):
        raise RefusedInput(f"the default of <{name}> has more than one line, which a .cheat file can't hold")
    words += [word for word, on in (("raw", hint.raw), ("secret", hint.secret)) if on]
    return f"; mlsh: <{name}> {shlex.join(words)}" if words else ""


def _write_variable(variable: Variable) -> str:
    options = variable.options
    words: list[str] = []
    if options.column is not None:
        words += ["--column", str(options.column)]
    if options.header_lines:
        words += ["--header-lines", str(options.header_lines)]
    for key in ("delimiter", "map", "query"):
        if value := getattr(options, key):
            words += [f"--{key}", value]
    words += [flag for flag, field in FLAGS.items() if getattr(options, field)]
    words += options.passed
    tail = f" --- {shlex.join(words)}" if words else ""
    if "\n" in variable.command or "---" in variable.command:
        raise RefusedInput(f"the command for <{variable.name}> can't be written in one line of a .cheat file")
    return f"$ {variable.name}: {variable.command}{tail}"
