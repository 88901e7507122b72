"""navi's `.cheat` format, read. Reading runs nothing; `written.py` writes it.

    % tags                      a block begins: its variables are its own
    @ other, tags               it has the variables of that block too
    # description               a recipe begins
    ; any comment               shown as the explanation of the step below it
    command with <placeholders>
    $ name: command --- opts    what the values of <name> can be

What navi lacks stands in comments, which it passes over: `; mlsh: name NAME` (what to type), `; mlsh: careful` (asks
first), `; mlsh: code` (a job gets the folder's code), `; mlsh: <port> default=8888 example=… about=… raw secret`.
Before the first `#` of a block, the last of these counts for all recipes of the block.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

import msgspec

from mlsh.recipes.scan import PLACEHOLDER

NAME = re.compile(r"[^\W_][\w.-]{0,63}")
LONGEST_BYTES = 1 << 20
_VARIABLE_LINE = re.compile(r"\$\s*([^:]+):(.*)", re.DOTALL)
_VARIABLE_NAME = re.compile(r"\w[\w-]*")
_DIRECTIVE = re.compile(r";\s*mlsh:\s*(.*)")
SPECIAL = ("%", "@", "#", ";", "$", "```")


class Options(msgspec.Struct, frozen=True):
    """How the output of a variable's command is used; the names are navi's.

    `column` counts from 1. `passed` are options that are for fzf alone, kept as they were.
    """

    column: int | None = None
    delimiter: str = ""
    header_lines: int = 0
    map: str = ""
    query: str = ""
    multi: bool = False
    expand: bool = False
    prevent_extra: bool = False
    passed: tuple[str, ...] = ()


class Variable(msgspec.Struct, frozen=True):
    """A command whose lines are what a parameter can be."""

    name: str
    command: str
    options: Options = Options()


class Hint(msgspec.Struct, frozen=True):
    """What a `; mlsh: <name> …` line says of a parameter. `default` is None where there is none."""

    default: str | None = None
    example: str = ""
    about: str = ""
    raw: bool = False
    secret: bool = False


class Recipe(msgspec.Struct, frozen=True):
    """A recipe: `text` is its commands, `notes` are (line of text, explanation), `line` is where its `#` stands.

    `variables` and `hints` are those of its block, of what that extends, and its own.
    """

    name: str
    description: str
    tags: str
    text: str
    line: int = 0
    notes: tuple[tuple[int, str], ...] = ()
    variables: dict[str, Variable] = {}
    hints: dict[str, Hint] = {}
    is_careful: bool = False
    sends_code: bool = False

    @property
    def parameters(self) -> list[str]:
        """The placeholders, in the order in which they appear."""
        return list(dict.fromkeys(PLACEHOLDER.findall(self.text)))


class Problem(msgspec.Struct, frozen=True):
    """A line that makes no sense, and why."""

    line: int
    what: str


class Sheet(msgspec.Struct, frozen=True):
    """What a file holds. `blocks` are the variables by tags, `extends` the tags that tags extend."""

    recipes: tuple[Recipe, ...] = ()
    problems: tuple[Problem, ...] = ()
    blocks: dict[str, dict[str, Variable]] = {}
    extends: dict[str, tuple[str, ...]] = {}


class _Heading:
    """What stands between one `#` and the next: one or more snippets share it."""

    def __init__(self, description: str, line: int) -> None:
        self.description, self.line = description, line
        self.name = ""
        self.hints: dict[str, Hint] = {}
        self.is_careful = self.sends_code = False


class _Reader:
    def __init__(self) -> None:
        self.tags = ""
        self.heading = _Heading("", 0)
        self.lines: list[str] = []
        self.notes: list[tuple[int, str]] = []
        self.found: list[tuple[_Heading, str, str, tuple[tuple[int, str], ...]]] = []
        self.problems: list[Problem] = []
        self.blocks: dict[str, dict[str, Variable]] = {}
        self.block_hints: dict[str, dict[str, Hint]] = {}
        self.extends: dict[str, tuple[str, ...]] = {}
        self.held, self.held_at = "", 0
        self.is_fenced, self.in_block = False, True

    def take(self, line: str, number: int) -> None:
        """The next line, which has a number."""
        if self.held:
            # As navi has it: a `$` line goes on for as long as its lines end with a backslash.
            self.held += line.removesuffix("\\")
            if not line.endswith("\\"):
                self.variable(self.held, self.held_at)
                self.held = ""
        elif not line:
            if self.lines:
                self.lines.append("")
        elif line.startswith("$") and ":" in line and not self.is_fenced:
            self.flush()
            if line.endswith("\\"):
                self.held, self.held_at = line.removesuffix("\\"), number
            else:
                self.variable(line, number)
        elif line.startswith("```"):
            self.is_fenced = not self.is_fenced
        elif line.startswith(("%", "@", ";", "#")):
            self.mark(line, number)
        else:
            self.lines.append(line)

    def mark(self, line: str, number: int) -> None:
        """A line that is no command."""
        if line.startswith("%"):
            self.flush()
            self.tags, self.in_block, self.notes = line[1:].strip(), True, []
        elif line.startswith("@"):
            self.extends[self.tags] = (*self.extends.get(self.tags, ()), line[1:].strip())
        elif line.startswith("#"):
            self.flush()
            self.heading, self.in_block, self.notes = _Heading(line[1:].strip(), number), False, []
        elif directive := _DIRECTIVE.match(line):
            self.directive(directive[1], number)
        elif not self.in_block and (note := line[1:].strip()):
            self.notes.append((len(self.lines), note))

    def flush(self) -> None:
        """The snippet is whole."""
        while self.lines and not self.lines[-1].strip():
            self.lines.pop()
        if self.lines and self.heading.description:
            self.found.append((self.heading, self.tags, "\n".join(self.lines), tuple(self.notes)))
        elif self.lines:
            self.problem(self.heading.line, "commands without a `# description` above them are no recipe")
        if self.lines:
            self.notes = []
        self.lines = []

    def problem(self, line: int, what: str) -> None:
        self.problems.append(Problem(line, what))

    def variable(self, text: str, line: int) -> None:
        match = _VARIABLE_LINE.match(text)
        if match is None or not _VARIABLE_NAME.fullmatch(match[1].strip()):
            self.problem(line, "a `$` line is `$ name: command`")
            return
        command, separator, options = match[2].partition("---")
        try:
            made = Variable(match[1].strip(), command.strip(), _options(options) if separator else Options())
        except ValueError as error:
            self.problem(line, f"options after `---`: {error}")
            return
        self.blocks.setdefault(self.tags, {})[made.name] = made

    def directive(self, text: str, line: int) -> None:
        try:
            words = shlex.split(text)
        except ValueError as error:
            self.problem(line, f"`; mlsh:` {str(error).lower()}")
            return
        first, rest = (words[0], words[1:]) if words else ("", [])
        if placeholder := PLACEHOLDER.fullmatch(first):
            try:
                hint = _hint(rest)
            except ValueError as error:
                self.problem(line, f"`; mlsh: {first}` {error}")
                return
            hints = self.block_hints.setdefault(self.tags, {}) if self.in_block else self.heading.hints
            hints[placeholder[1]] = hint
        elif first == "name" and len(rest) == 1 and NAME.fullmatch(rest[0]):
            self.heading.name = rest[0]
        elif words == ["careful"]:
            self.heading.is_careful = True
        elif words == ["code"]:
            self.heading.sends_code = True
        else:
            self.problem(line, "`; mlsh:` is followed by name NAME, careful, code, or <parameter> …")


def parse(text: str) -> Sheet:
    """What a file says. What makes no sense is among the `problems`; the rest counts all the same."""
    reader = _Reader()
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        reader.take(line.removesuffix("\r"), number)
    reader.flush()
    if reader.held:
        reader.problem(reader.held_at, "the last line of a `$` line ends with a backslash")
    return Sheet(_recipes(reader), tuple(reader.problems), reader.blocks, reader.extends)


def _recipes(reader: _Reader) -> tuple[Recipe, ...]:
    taken: set[str] = set()
    made = []
    for heading, tags, text, notes in reader.found:
        stem = heading.name or slug(heading.description) or f"line-{heading.line}"
        name, count = stem, 1
        while name in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add(name)
        made.append(
            Recipe(
                name,
                heading.description,
                tags,
                text,
                heading.line,
                notes,
                visible(tags, reader.blocks, reader.extends),
                {**reader.block_hints.get(tags, {}), **heading.hints},
                heading.is_careful,
                heading.sends_code,
            )
        )
    return tuple(made)


def visible(
    tags: str, blocks: dict[str, dict[str, Variable]], extends: dict[str, tuple[str, ...]]
) -> dict[str, Variable]:
    """The variables that a block sees: its own before those of what it extends. Circles do no harm."""
    found: dict[str, Variable] = {}
    seen: set[str] = set()
    waiting = [tags]
    while waiting:
        here = waiting.pop(0)
        if here in seen:
            continue
        seen.add(here)
        found = {**blocks.get(here, {}), **found}
        waiting += extends.get(here, ())
    return found


def slug(description: str) -> str:
    """A name made of a description: `Who holds a port?` is `who-holds-a-port`."""
    words = re.sub(r"[^\w.]+|_", " ", PLACEHOLDER.sub(r"\1", description.lower())).split()
    name = ""
    for word in words:
        if name and len(name) + len(word) > 40:
            break
        name = f"{name}-{word.strip('.')}" if name else word.strip(".")
    name = name[:63].strip("-.")
    return name if NAME.fullmatch(name) else ""


_VALUED = {"--column", "--delimiter", "--header-lines", "--headers", "--map", "--query"}
FLAGS = {"--multi": "multi", "--expand": "expand", "--prevent-extra": "prevent_extra"}


def _options(text: str) -> Options:
    """Options after `---`; raises ValueError."""
    words = shlex.split(text)
    fields: dict[str, Any] = {}
    passed: list[str] = []
    while words:
        word = words.pop(0)
        if word in FLAGS:
            fields[FLAGS[word]] = True
            continue
        if not words:
            raise ValueError(f"{word} has no value")
        value = words.pop(0)
        if word not in _VALUED:
            passed += [word, value]
        elif word in {"--column", "--header-lines", "--headers"}:
            if not value.isascii() or not value.isdigit() or int(value) > 255:
                raise ValueError(f"{word} must be a number, and is {value}")
            fields["column" if word == "--column" else "header_lines"] = int(value)
        else:
            fields[word[2:]] = value
    return Options(**fields, passed=tuple(passed))


def _hint(words: list[str]) -> Hint:
    fields: dict[str, Any] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if separator and key in {"default", "example", "about"}:
            fields[key] = value
        elif word in {"raw", "secret"}:
            fields[word] = True
        else:
            raise ValueError(f"knows default=, example=, about=, raw, secret, and not {word}")
    return Hint(**fields)


def needs(variable: Variable, known: dict[str, Variable]) -> list[str]:
    """The parameters that a variable's command asks for: `<name>` and, where there is such a variable, `$name`."""
    named = re.findall(r"\$\{?(\w+)", variable.command)
    found = [*PLACEHOLDER.findall(variable.command), *(name for name in named if name in known)]
    return [name for name in dict.fromkeys(found) if name != variable.name]
