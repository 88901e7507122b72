r"""How bash, zsh and fish write their history files: bytes or text in, entries out. Pure.

Nothing is left out but empty lines: what a shell kept twice comes twice, in the file's order. Bytes that are not
UTF-8 become U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlsh.history.entry import Entry
from mlsh.history.unfinished import Unfinished

_STAMP = re.compile(r"#([0-9]{9,12})\s*")
_EXTENDED = re.compile(rb": *([0-9]{1,12}):([0-9]{1,9});")
_META = re.compile(rb"\x83(.)", re.DOTALL)
_FISH_ESCAPE = re.compile(r"\\([\\n])")


def parse_bash(text: str) -> Iterator[Entry]:
    """Entries of a `.bash_history`, with or without the `#1700000000` lines that HISTTIMEFORMAT makes.

    After such a line bash takes every line up to the next one as one command. So do we while the command needs
    more lines; a shell that had no HISTTIMEFORMAT may have appended others, and those are commands of their own.
    """
    when: float | None = None
    lines: list[str] = []
    unfinished: Unfinished | None = None
    for line in text.split("\n"):
        if line.startswith("#") and (stamp := _STAMP.fullmatch(line)):
            if lines:
                yield Entry("\n".join(lines), when, source="bash")
            when, lines, unfinished = float(stamp[1]), [], Unfinished()
        elif unfinished is None:
            if line.strip():
                yield Entry(line, when, source="bash")
            when = None
        elif line.strip() or lines:
            lines.append(line)
            if not unfinished.feed(line):
                yield Entry("\n".join(lines), when, source="bash")
                when, lines, unfinished = None, [], None
    if lines:
        yield Entry("\n".join(lines).rstrip("\n"), when, source="bash")


def parse_zsh(data: bytes) -> Iterator[Entry]:
    r"""Entries of a `.zsh_history`: plain lines, or `: begin:seconds;command` (EXTENDED_HISTORY).

    zsh writes a newline of a command as `\` and newline, and some bytes as 0x83 and the byte with bit 5 turned
    ("metafied"). A duration of 0 may be none (INC_APPEND_HISTORY writes before the end), so it is None.
    """
    held = b""
    for raw in data.split(b"\n"):
        line = held + raw
        if raw.endswith(b"\\"):
            held = line[:-1] + b"\n"
            continue
        held = b""
        if line.endswith(b" ") and line.rstrip(b" ").endswith(b"\\"):
            # zsh puts a space behind a command's own `\` at its end.
            line = line[:-1]
        if line.strip():
            yield _zsh_entry(line)
    if held.strip():
        yield _zsh_entry(held.rstrip(b"\n"))


def _zsh_entry(line: bytes) -> Entry:
    extended = _EXTENDED.match(line)
    command = line[extended.end() :] if extended else line
    if b"\x83" in command:
        # After the lines are taken apart: no metafied byte looks like a newline or a backslash.
        command = _META.sub(lambda match: bytes([match[1][0] ^ 32]), command)
    text = command.decode(errors="replace")
    if not extended:
        return Entry(text, source="zsh")
    return Entry(text, float(extended[1]), None, float(extended[2]) or None, source="zsh")


def parse_fish(text: str) -> Iterator[Entry]:
    r"""Entries of a `fish_history`: `- cmd: …` with `\n` and `\\` in it, then indented lines, `when: …` among them."""
    command: str | None = None
    when: float | None = None
    for line in text.split("\n"):
        if line.startswith("- cmd: "):
            if command is not None:
                yield Entry(command, when, source="fish")
            raw = line[7:]
            command = _FISH_ESCAPE.sub(lambda m: "\n" if m[1] == "n" else "\\", raw) if "\\" in raw else raw
            when = None
        elif command is not None and when is None and line.startswith("  when: "):
            number = line[8:].strip()
            when = float(number) if number.isascii() and number.isdigit() and len(number) <= 12 else None
    if command is not None:
        yield Entry(command, when, source="fish")
