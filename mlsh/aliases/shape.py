"""An alias as a value: its name, what it stands for, and where arguments go.

`{1}` is the first argument, `{2:main}` the second, `main` where it is missing, `{@}` all that are left. A text with
none of them gets the arguments at its end, as an alias of the shell does. `{{1}}` is the text `{1}`; so is `{1}` right
after an `@` or a `$`, for git's `HEAD@{1}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from mlsh.aliases import names
from mlsh.aliases.scanning import BACKTICK, BRACE, COMMENT, ESCAPED, PLAIN, command_words, scan
from mlsh.errors import RefusedInput
from mlsh.shell.visible import printable

LONGEST_TEXT = 8192
_DEFAULT = r"[A-Za-z0-9_./:@%+,=-]*"
_PLACE = rf"\{{(?P<which>@|[1-9])(?P<given>:(?P<default>{_DEFAULT}))?\}}"
PLACE = re.compile(rf"\{{(?P<literal>\{{(?:@|[1-9](?::{_DEFAULT})?)\}})\}}|(?<![@$]){_PLACE}")
"""A place for an argument, or (`literal`) the text of one."""


class Alias(msgspec.Struct, frozen=True):
    """A short name. `run` is a line of sh; `fish` the same in fish's own words, or "" where `run` does.

    `about` is the comment beside it. `boxes`: whether it goes to boxes too.
    """

    name: str
    run: str
    group: str = ""
    about: str = ""
    fish: str = ""
    boxes: bool = True

    @property
    def is_function(self) -> bool:
        """Whether it takes a function: arguments in the middle, or several lines."""
        return "\n" in self.run or any(found["literal"] is None for found in PLACE.finditer(self.run))


class Arguments(NamedTuple):
    """What a function takes: so many that must be there, then those with a default, then any number (`rest`)."""

    required: int
    defaults: tuple[str, ...]
    rest: bool

    @property
    def named(self) -> int:
        """How many have a number."""
        return self.required + len(self.defaults)


def arguments(run: str) -> Arguments:
    """What a text takes; raises RefusedInput where the numbers make no sense."""
    defaults: dict[int, str | None] = {}
    rest = False
    for found in PLACE.finditer(run):
        if found["literal"] is not None:
            continue
        if found["which"] == "@":
            rest = True
            continue
        number, default = int(found["which"]), found["default"]
        if defaults.setdefault(number, default) is None:
            defaults[number] = default
        elif default is not None and defaults[number] != default:
            raise RefusedInput(f"{{{number}}} has two defaults: {defaults[number]} and {default}")
    highest = max(defaults, default=0)
    if missing := sorted(set(range(1, highest + 1)) - set(defaults)):
        raise RefusedInput(f"there is a {{{highest}}} and no {{{missing[0]}}}", "number the arguments from {1} on")
    given = [defaults[number] for number in range(1, highest + 1)]
    required = next((at for at, default in enumerate(given) if default is not None), highest)
    optional = [default for default in given[required:] if default is not None]
    if required + len(optional) < highest:
        raise RefusedInput("an argument that must be there comes after one that may be missing", "give both a default")
    return Arguments(required, tuple(optional), rest)


def fill(text: str, place: Callable[[str, str], str], contexts: str) -> str:
    """`text` with `place(which, context)` for each `{1}` and `{@}`, and the braces of a `{{1}}` taken off once."""
    parts = []
    done = 0
    for found in PLACE.finditer(text):
        parts.append(text[done : found.start()])
        literal = found["literal"]
        parts.append(literal if literal is not None else place(found["which"], contexts[found.start()]))
        done = found.end()
    return "".join([*parts, text[done:]])


def keep_literal(run: str) -> str:
    """A command of the shell as the `run` of an alias: what looks like a place for an argument stays text."""
    return PLACE.sub(lambda found: "{" + found[0] + "}", run)


def check(alias: Alias) -> None:
    """Raises RefusedInput where an alias can't be written into a shell and mean what it says."""
    names.check(alias.name)
    for text in (alias.run, alias.fish):
        _check_text(alias.name, text)
    if printable(alias.about) != alias.about:
        raise RefusedInput(f"{alias.name}: there are control characters in what it is about: {printable(alias.about)}")
    if not alias.run.strip():
        raise RefusedInput(f"{alias.name}: there is no command", f"mlsh alias add {alias.name} 'git status --short'")
    scanned = scan(alias.run)
    if scanned.unclosed:
        raise RefusedInput(f"{alias.name}: {scanned.unclosed} is not closed: {alias.run}")
    if not alias.is_function:
        return
    try:
        arguments(alias.run)
    except RefusedInput as error:
        raise RefusedInput(f"{alias.name}: {error.what}: {alias.run}", error.hint) from error
    for found in PLACE.finditer(alias.run):
        if found["literal"] is None and (label := scanned.contexts[found.start()]) in _NOWHERE:
            raise RefusedInput(f"{alias.name}: {found[0]} can't stand {_NOWHERE[label]}: {alias.run}")
    if "<<" in alias.run.replace("<<<", ""):
        raise RefusedInput(f"{alias.name}: a here-document can't be part of an alias", "write a script instead")
    if alias.name in command_words(alias.run):
        raise RefusedInput(
            f"{alias.name}: it would call itself, and never end", f"write `command {alias.name}` for the program"
        )


def check_group(group: str) -> None:
    """Raises RefusedInput for a group that could not be typed again."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", group):
        raise RefusedInput(
            f"a group can't be called `{printable(group[:70])}`: letters, digits, and _ . - inside", "as in: -g work"
        )


_NOWHERE = {
    BRACE: "inside ${...}",
    BACKTICK: "inside backticks; write $(...)",
    COMMENT: "in a comment",
    ESCAPED: "behind a backslash; for the text write it in two pairs of braces",
}


def _check_text(name: str, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise RefusedInput(f"{name}: the command has more than {LONGEST_TEXT} characters", "write a script instead")
    bare = text.replace("\n", "").replace("\t", "")
    if printable(bare) != bare:
        raise RefusedInput(f"{name}: there are control characters in it: {printable(text)}")


def is_quotes_free(text: str) -> bool:
    """Whether nothing in `text` is quoted or expanded."""
    return set(scan(text).contexts) <= {PLAIN}
