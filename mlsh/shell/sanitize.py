r"""Make text from a box harmless for a terminal.

A log can hold escape sequences that write the clipboard (OSC 52), change the title, answer the terminal's
questions into the shell, or hide text; bidi controls make text read otherwise than it runs. Colours and
"erase to the end of the line" may stay in a log, since progress bars are made of them: they can't reach
outside of their own line. Everything else goes.
"""

from __future__ import annotations

import codecs
import re

# A string sequence (OSC, DCS, SOS, PM, APC) ends with what ends it on a terminal, and with its line too: a title
# that was never closed must not hide the rest of the log. What ends it is dropped as a control or a sequence.
_IN_STRING = "[^\x07\x18\x1a\x1b\x90\x98\x9b-\x9f\n]*+"
_INTRODUCER = "[\x1b\x90\x98\x9b\x9d-\x9f]"
_STRING = r"(?:(?<=\x1b)[\]PX^_]|(?<=[\x90\x98\x9d-\x9f]))" + _IN_STRING
_CSI = r"(?:(?<=\x1b)\[|(?<=\x9b))[ -?]*+"
# Colours, and "erase in line", stay.
_NOT_KEPT = r"(?!(?<=\x1b)\[[0-9;:]{0,64}[mK])"
_LONGEST_KEPT = 3 + 64
# Possessive quantifiers never look back: ten megabytes of a sequence that does not end are read once. Each
# pattern begins with a set of characters, for which the engine looks ten times quicker than for anything else.
_DROPPED = re.compile(rf"{_INTRODUCER}{_NOT_KEPT}(?:{_CSI}[@-~]?|{_STRING}|(?<=\x1b)[ -/]*+[0-~]?)")
_UNFINISHED = re.compile(rf"{_INTRODUCER}(?:(?P<csi>{_CSI})|(?P<string>{_STRING})|(?P<escape>(?<=\x1b)[ -/]*+))\Z")
_REST = {
    "csi": re.compile(r"[ -?]*+(?P<end>[@-~])?"),
    "string": re.compile(rf"{_IN_STRING}(?P<end>(?!))?"),
    "escape": re.compile(r"[ -/]*+(?P<end>[0-~])?"),
}
# C0 without \t \n \r, DEL, C1, and what reorders or hides text: bidi controls, zero-width, tags, line separators.
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\U000e0000-\U000e007f]+"
)
_BEGINS_SEQUENCE = re.compile("[\x1b\x90\x98\x9b\x9d-\x9f]")
_ASCII_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])


class LogCleaner:
    """Bytes of a log in, harmless text out; memory stays flat, and it does not matter how they are cut up."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self._inside = ""

    def feed(self, data: bytes, final: bool = False) -> str:
        """Clean the next chunk."""
        waiting = self._held or self._inside or self._decoder.getstate()[0]
        if not waiting and data.isascii() and b"\x1b" not in data:
            return data.translate(None, _ASCII_CONTROLS).decode("ascii")
        text = self._held + self._decoder.decode(data, final)
        self._held = ""
        if self._inside:
            text = self._skip(text)
        if _BEGINS_SEQUENCE.search(text):
            text = _DROPPED.sub("", self._hold_back(text))
        if final:
            self._held = self._inside = ""
        return _CONTROL.sub("", text)

    def _skip(self, text: str) -> str:
        """Drop the rest of the sequence that an earlier chunk began."""
        rest = _REST[self._inside].match(text)
        assert rest is not None  # noqa: S101 - nothing matches too
        if rest.end() < len(text) or rest["end"]:
            self._inside = ""
        return text[rest.end() :]

    def _hold_back(self, text: str) -> str:
        """Take a sequence that does not end here off the end: as it is while it may be kept, else its kind."""
        cut = _UNFINISHED.search(text)
        if cut is None:
            return text
        if cut["string"] is None and len(cut[0]) <= _LONGEST_KEPT:
            self._held = cut[0]
        else:
            self._inside = str(cut.lastgroup)
        return text[: cut.start()]


def clean_log(data: bytes) -> str:
    """A whole log, or a piece of one, made harmless."""
    return LogCleaner().feed(data, final=True)
