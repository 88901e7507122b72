"""What a terminal sends when a key is pressed, as the key's name. Pure."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])")
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
_NAMES = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end",
    "1~": "home", "3~": "delete", "4~": "end", "5~": "pageup", "6~": "pagedown", "7~": "home", "8~": "end",
}  # fmt: skip
_CONTROL = {0x09: "tab", 0x0A: "enter", 0x0D: "enter", 0x7F: "backspace", 0x08: "backspace"}


class Read(NamedTuple):
    """Keys, and the begin of one whose rest has not come yet."""

    keys: list[str]
    rest: bytes


def decode(data: bytes, *, is_all: bool = False) -> Read:
    """Names of the keys: `enter`, `up`, `ctrl-r`, `alt-a`, or the character itself; what has no name is left out.

    A lone escape may be the key or the begin of another: it is `esc` where `is_all` says that nothing follows.
    """
    keys: list[str] = []
    at = 0
    while at < len(data):
        byte = data[at]
        if byte == 0x1B:
            if not is_all and _UNFINISHED.match(data, at):
                break
            if match := _SEQUENCE.match(data, at):
                name = _NAMES.get(match[0][2:].decode("ascii"))
                keys += [name] if name else []
                at = match.end()
            elif at + 1 < len(data) and 0x20 < data[at + 1] < 0x7F:
                keys.append(f"alt-{chr(data[at + 1]).lower()}")
                at += 2
            else:
                keys.append("esc")
                at += 1
        elif byte in _CONTROL:
            keys.append(_CONTROL[byte])
            at += 1
        elif byte < 0x20:
            keys.append(f"ctrl-{chr(byte + 0x60)}")
            at += 1
        else:
            end = at
            while end < len(data) and data[end] >= 0x20 and data[end] != 0x7F:
                end += 1
            decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
            keys += list(decoder.decode(data[at:end], is_all or end < len(data)))
            rest = decoder.getstate()[0]
            at = end - len(rest)
            if rest:
                break
    return Read(keys, data[at:])
