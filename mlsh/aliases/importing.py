r"""Read aliases out of somebody's shell: what `alias -p` printed, or an rc file. Pure: nothing of it is run.

`alias gs='git status'` of bash and zsh, `gs='git status'` as zsh prints it, `alias gs 'git status'` and `abbr` of fish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mlsh.aliases import book, fish, shape
from mlsh.aliases.shape import Alias
from mlsh.errors import RefusedInput

# The beginning of a line up to `alias`: nothing, or a condition without quotes, as in `[ -x /bin/x ] && alias y=z`.
_COMMAND = re.compile(r"(?m)^(?:[^#'\"\n]*?(?:[;&|{(]|\bthen\b|\bdo\b|\belse\b))?[ \t]*(?P<what>alias|abbr)[ \t]+")
_PRINTED_BY_ZSH = re.compile(r"(?m)^(?P<name>[A-Za-z0-9_.,:+-][^\s='\"$]*)=")
_FISH = re.compile(
    r"(?m)^[ \t]*(?:abbr[ \t]|alias[ \t]+(?:-s[ \t]+|--save[ \t]+|--[ \t]+)?[^\s='\"-][^\s='\"]*[ \t]+\S)"
)
_NEXT = re.compile(r"[ \t]*(?:;|&&|\|\|)[ \t]*(?P<what>alias|abbr)[ \t]+")
_OF_ZSH = {("run-help", "man"), ("which-command", "whence")}
_ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}


class Found(NamedTuple):
    """An alias that was found: the line it is on, and why it can't be taken over ("" if it can)."""

    line: int
    name: str
    alias: Alias | None
    why_not: str = ""


class _Word(NamedTuple):
    text: str
    end: int
    computed: bool


def read(text: str, group: str | None = None) -> list[Found]:
    """Every alias in a text, in order; the last of a name counts for the shell, so the earlier ones are left out.

    `group` is theirs; None: by their programs.
    """
    text = text.replace("\r\n", "\n")
    is_fish = bool(_FISH.search(text))
    found = list(_statements(text, is_fish, group))
    if not found:
        found = [
            _found(text, match.start(), match["name"], word, group, is_fish=False)
            for match in _PRINTED_BY_ZSH.finditer(text)
            if (word := _word(text, match.end(), is_fish=False)) is not None
        ]
    found = [one for one in found if one.alias is None or (one.name, one.alias.run) not in _OF_ZSH]
    last = {one.name: at for at, one in enumerate(found)}
    return [one for at, one in enumerate(found) if last[one.name] == at]


def _statements(text: str, is_fish: bool, group: str | None) -> Iterator[Found]:
    at = 0
    while match := _NEXT.match(text, at) or _COMMAND.search(text, at):
        at = match.end()
        words: list[_Word] = []
        while (word := _word(text, at, is_fish)) is not None:
            words.append(word)
            at = word.end
        yield from _of_words(text, match.start("what"), match["what"], words, is_fish, group)


def _of_words(text: str, at: int, what: str, words: list[_Word], is_fish: bool, group: str | None) -> Iterator[Found]:
    options = ""
    while words and words[0].text.startswith("-"):
        option = words.pop(0).text
        if option == "--":
            break
        options += option
    if what == "abbr":
        if "e" in options.replace("--erase", "e") or len(words) < 2:
            return
        run = " ".join(word.text for word in words[1:])
        yield _found(text, at, words[0].text, _Word(run, 0, any(word.computed for word in words)), group, is_fish)
        return
    if is_fish and len(words) >= 2 and "=" not in words[0].text:
        run = " ".join(word.text for word in words[1:])
        yield _found(text, at, words[0].text, _Word(run, 0, any(word.computed for word in words)), group, is_fish)
        return
    for word in words:
        name, equals, run = word.text.partition("=")
        if not equals:
            continue  # `alias name` asks
        if re.search(r"-[a-zA-Z]*[gs]", options) and not is_fish:
            yield Found(_line(text, at), name, None, "it is a global or a suffix alias of zsh, which others have not")
        else:
            yield _found(text, at, name, _Word(run, 0, word.computed), group, is_fish)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _found(text: str, at: int, name: str, word: _Word, group: str | None, is_fish: bool) -> Found:
    line = _line(text, at)
    if word.computed:
        return Found(line, name, None, "its text is computed when your shell starts; ask the shell: alias -p")
    run = shape.keep_literal(word.text)
    alias = Alias(name, run, group or book.group_for(run))
    if is_fish and not fish.is_same_in_fish(run):
        alias = Alias(name, run, group or book.group_for(run), fish=word.text)
    try:
        shape.check(alias)
    except RefusedInput as error:
        return Found(line, name, None, error.what)
    return Found(line, name, alias)


def _word(text: str, at: int, is_fish: bool) -> _Word | None:
    """The next word of a command, with its quotes taken off; None where the command ends."""
    while at < len(text) and (text[at] in " \t" or text.startswith("\\\n", at)):
        at += 2 if text[at] == "\\" else 1
    if at >= len(text) or text[at] in "\n;&|)#":
        return None
    parts: list[str] = []
    computed = False
    while at < len(text) and text[at] not in " \t\n;&|)":
        char = text[at]
        if char == "'":
            piece, at = _single(text, at + 1, is_fish)
        elif text.startswith("$'", at) and not is_fish:
            piece, at = _ansi(text, at + 2)
        elif char == '"':
            piece, at = _double(text, at + 1)
            computed |= "$(" in piece.replace("\\$", "") or "`" in piece.replace("\\`", "")
            piece = re.sub(r"\\([\\\"$`])", r"\1", piece.replace("\\\n", ""))
        elif char == "\\":
            piece, at = text[at + 1 : at + 2], at + 2
        else:
            computed |= char == "`" or text.startswith("$(", at) or (is_fish and char == "(")
            piece, at = char, at + 1
        parts.append(piece)
    return _Word("".join(parts), at, computed)


def _single(text: str, at: int, is_fish: bool) -> tuple[str, int]:
    if not is_fish:
        end = text.find("'", at)
        end = len(text) if end < 0 else end
        return text[at:end], end + 1
    match = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL).match(text, at)
    assert match is not None  # noqa: S101 - nothing matches too
    return re.sub(r"\\([\\'])", r"\1", match[0]), match.end() + 1


def _double(text: str, at: int) -> tuple[str, int]:
    match = re.compile(r'(?:[^"\\]|\\.)*', re.DOTALL).match(text, at)
    assert match is not None  # noqa: S101 - nothing matches too
    return match[0], match.end() + 1


def _ansi(text: str, at: int) -> tuple[str, int]:
    match = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL).match(text, at)
    assert match is not None  # noqa: S101 - nothing matches too
    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{1,4}|.)", _unescaped, match[0]), match.end() + 1


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xu" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8))
    return _ANSI.get(code, code)
