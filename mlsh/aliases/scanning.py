"""What each character of a line of sh is part of: bare text, quotes, expansions, a comment.

As much of the grammar as it takes to put a parameter into somebody's command without breaking its quotes, and to tell
whether a text can be written in fish as it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PLAIN, SINGLE, DOLLAR_SINGLE, DOUBLE, BRACE, BACKTICK, COMMENT, ESCAPED = "p", "s", "S", "d", "b", "`", "#", "e"
"""The contexts. `ESCAPED` is a character behind a backslash, `BRACE` the inside of `${...}`."""

_PAREN = "("
_SUBSTITUTION = "$("


class Scanned(NamedTuple):
    """`contexts` has a letter for each character; `unclosed` says what is open at the end, "" if nothing is."""

    contexts: str
    unclosed: str

    def bare(self, text: str) -> str:
        """`text` with an x in place of each quote and of what is quoted."""
        pairs = zip(text, self.contexts, strict=True)
        return "".join(char if label == PLAIN and char not in "'\"" else "x" for char, label in pairs)


def scan(text: str) -> Scanned:
    """The context of each character of `text`."""
    out: list[str] = []
    stack: list[str] = []
    at = 0
    while at < len(text):
        top = stack[-1] if stack else PLAIN
        char = text[at]
        step = _quoted if top in {SINGLE, DOLLAR_SINGLE, COMMENT} else _live
        taken, label = step(text, at, char, top, stack)
        out += label * taken
        at += taken
    return Scanned("".join(out), _unclosed(stack, text))


def _quoted(text: str, at: int, char: str, top: str, stack: list[str]) -> tuple[int, str]:
    if top == COMMENT:
        if char == "\n":
            stack.pop()
        return 1, COMMENT
    if top == DOLLAR_SINGLE and char == "\\" and at + 1 < len(text):
        return 2, ESCAPED
    if char == "'":
        stack.pop()
    return 1, top


def _live(text: str, at: int, char: str, top: str, stack: list[str]) -> tuple[int, str]:  # noqa: PLR0912 - a case each
    is_plain = top in {PLAIN, _PAREN, _SUBSTITUTION}
    label = PLAIN if is_plain else top
    pair = text[at : at + 2]
    if char == "\\":
        return min(2, len(text) - at), ESCAPED
    if pair == "$(":
        stack.append(_SUBSTITUTION)
        return 2, PLAIN
    if pair == "${":
        stack.append(BRACE)
        return 2, label
    if char == "`":
        if top == BACKTICK:
            stack.pop()
        else:
            stack.append(BACKTICK)
        return 1, label
    if char == '"':
        if top == DOUBLE:
            stack.pop()
        else:
            stack.append(DOUBLE)
        return 1, label
    if top == BRACE and char == "}":
        stack.pop()
        return 1, label
    if top == DOUBLE:
        return 1, label
    if pair == "$'":
        stack.append(DOLLAR_SINGLE)
        return 2, label
    if char == "'":
        stack.append(SINGLE)
    elif is_plain and char == "(":
        stack.append(_PAREN)
    elif top in {_PAREN, _SUBSTITUTION} and char == ")":
        stack.pop()
    elif is_plain and char == "#" and (at == 0 or text[at - 1] in " \t\n;|&()"):
        stack.append(COMMENT)
        return 1, COMMENT
    return 1, label


def _unclosed(stack: list[str], text: str) -> str:
    words = {
        SINGLE: "a single quote",
        DOLLAR_SINGLE: "a single quote",
        DOUBLE: "a double quote",
        BRACE: "a ${",
        BACKTICK: "a backtick",
        _PAREN: "a parenthesis",
        _SUBSTITUTION: "a $(",
    }
    for top in reversed(stack):
        if top in words:
            return words[top]
    backslashes = re.search(r"\\*\Z", text)
    if backslashes and len(backslashes[0]) % 2 and not (stack and stack[-1] == COMMENT):
        return "a backslash at the end"
    return ""


# What begins another command within a line. Inside of quotes these are text.
_BREAK = re.compile(r"&&|\|\||\|&|[;|\n]|(?<![<>])&(?!>)|\$?\(|[)`]")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_WORD = re.compile(r"[^\s<>]+")


def command_words(text: str) -> list[str]:
    """The word in each place of `text` where a shell looks for a command: `git` and `wc` in `git log | wc -l`.

    Assignments before it are passed over; so is the inside of quotes.
    """
    pairs = zip(text, scan(text).contexts, strict=True)
    bare = "".join(char if label in {PLAIN, BACKTICK} or char == "\n" else "\0" for char, label in pairs)
    words = []
    begin = 0
    ends = [(found.start(), found.end()) for found in _BREAK.finditer(bare)]
    for end, next_begin in [*ends, (len(bare), len(bare))]:
        # What comes behind `)` belongs to the command around it.
        if begin == 0 or bare[begin - 1] != ")":
            for found in _WORD.finditer(bare, begin, end):
                word = text[found.start() : found.end()]
                if not _ASSIGNMENT.match(word):
                    words.append(word)
                    break
        begin = next_begin
    return words
