"""Change one line of somebody's TOML file, and leave every other byte as it is.

The lines are found by a small scanner, and the result is judged by `tomllib`: a change that would mean anything else
than what was asked for is refused, so a file in a style that the scanner doesn't know is never damaged.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, NamedTuple

from mlsh.errors import RefusedInput

_KEY = r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
_HEADER = re.compile(rf"[ \t]*\[[ \t]*(?P<key>{_KEY})[ \t]*\][ \t]*(?:#.*)?\r?\Z")
_ENTRY = re.compile(rf"[ \t]*(?P<key>{_KEY})[ \t]*=")
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


class Line(NamedTuple):
    """A statement of the file: lines `begin` to `end` (the one after the last), counted from 0.

    `name` is "" for the header of a group. `comment` is what stands behind the value, without its `#`.
    """

    begin: int
    end: int
    group: str
    name: str
    comment: str = ""


def statements(text: str) -> list[Line]:
    """Headers of groups, and entries in them, in their order."""
    lines = text.split("\n")
    found: list[Line] = []
    group = ""
    at = 0
    while at < len(lines):
        if header := _HEADER.match(lines[at]):
            group = _plain_key(header["key"])
            found.append(Line(at, at + 1, group, ""))
        elif entry := _ENTRY.match(lines[at]):
            end, comment = _end_of_value(lines, at, entry.end())
            found.append(Line(at, end, group, _plain_key(entry["key"]), comment))
            at = end
            continue
        at += 1
    return found


def _plain_key(key: str) -> str:
    if key[0] in "\"'":
        return str(next(iter(tomllib.loads(f"{key} = 0"))))
    return key


def _end_of_value(lines: list[str], at: int, column: int) -> tuple[int, str]:
    """The line after a value that begins at `column` of line `at`, and the comment behind it."""
    depth = 0
    closes = ""  # the quotes that end the string which is open
    while at < len(lines):
        line = lines[at].removesuffix("\r")
        while column < len(line):
            if closes:
                if line[column] == "\\" and closes[0] == '"':
                    column += 2
                elif line.startswith(closes, column):
                    column += len(closes)
                    # Up to two quotes more may stand right before the three that end a long string.
                    while len(closes) == 3 and line.startswith(closes[0], column):
                        column += 1
                    closes = ""
                else:
                    column += 1
                continue
            char = line[column]
            if char == "#":
                if depth == 0:
                    return at + 1, line[column + 1 :].strip()
                break
            if char in "\"'":
                closes = char * 3 if line.startswith(char * 3, column) else char
                column += len(closes)
                continue
            depth += (char in "[{") - (char in "]}")
            column += 1
        if depth <= 0 and len(closes) != 3:
            return at + 1, ""
        at, column = at + 1, 0
    return at, ""


def key(name: str) -> str:
    """`name` as a key."""
    return name if _BARE.match(name) else string(name, may_span=False)


def string(text: str, *, may_span: bool = True) -> str:
    """`text` as a string: as it is, in single quotes, where escapes would make it hard to read.

    `may_span`: over several lines, as a value may and a key may not.
    """
    plain = text.isprintable()
    reads_well = text.replace("\n", "").isprintable() and "'''" not in text and not text.endswith("'")
    if may_span and "\n" in text and reads_well:
        return f"'''\n{text}'''"
    if plain and "'" not in text and ("\\" in text or '"' in text):
        return f"'{text}'"
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else f"\\U{ord(c):08X}") for c in text) + '"'


def parse(text: str) -> dict[str, Any]:
    """What `tomllib` reads; raises tomllib.TOMLDecodeError."""
    return tomllib.loads(text.replace("\r\n", "\n"))


def add(text: str, group: str, name: str, value: str, comment: str = "") -> str:
    """`text` with a new entry at the end of its group; the group is made where there is none.

    `value` is TOML. Raises RefusedInput where that can't be done by a line.
    """
    ending = "\r\n" if "\r\n" in text else "\n"
    entry = f"{key(name)} = {value}" + (f"  # {comment}" if comment else "")
    found = [line for line in statements(text) if line.group == group]
    lines = text.split("\n")
    if found:
        at = found[-1].end
        if at == len(lines):  # the last line has no end of its own
            lines[-1] += "\r" if ending == "\r\n" else ""
            lines.append("")
        lines[at:at] = [part + "\r" if ending == "\r\n" else part for part in entry.split("\n")]
        new = "\n".join(lines)
    else:
        head = text if not text or text.endswith("\n") else text + ending
        gap = ending if head.strip() else ""
        new = head + gap + ending.join([f"[{key(group)}]", *entry.split("\n"), ""])
    wanted = parse(text)
    wanted.setdefault(group, {})[name] = tomllib.loads(f"x = {value}")["x"]
    return _checked(new, wanted, name)


def remove(text: str, group: str, name: str) -> str:
    """`text` without an entry; raises RefusedInput where it is not one that can be taken out by its lines."""
    found = [line for line in statements(text) if (line.group, line.name) == (group, name)]
    wanted = parse(text)
    del wanted[group][name]
    new = text
    if len(found) == 1:
        lines = text.split("\n")
        new = "\n".join(lines[: found[0].begin] + lines[found[0].end :])
    return _checked(new, wanted, name)


def replace(text: str, group: str, name: str, value: str, comment: str = "") -> str:
    """`text` with another value for an entry, at the same place; the old comment stays unless there is a new one."""
    found = [line for line in statements(text) if (line.group, line.name) == (group, name)]
    wanted = parse(text)
    wanted[group][name] = tomllib.loads(f"x = {value}")["x"]
    new = text
    if len(found) == 1:
        lines = text.split("\n")
        carriage = "\r" if lines[found[0].begin].endswith("\r") else ""
        said = comment or found[0].comment
        entry = f"{key(name)} = {value}" + (f"  # {said}" if said else "")
        lines[found[0].begin : found[0].end] = [part + carriage for part in entry.split("\n")]
        new = "\n".join(lines)
    return _checked(new, wanted, name)


def _checked(new: str, wanted: dict[str, Any], name: str) -> str:
    try:
        is_right = parse(new) == wanted
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise RefusedInput(
            f"{name} can't be changed by a line: the file has it in a form of its own",
            "change it by hand: mlsh alias edit",
        )
    return new
