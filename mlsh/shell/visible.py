"""Make one line of text from a box, a file or a person visible: names, reasons, errors.

Apart from `sanitize`, which is for logs, and whose patterns take ten times as long to get ready.
"""

from __future__ import annotations

import re

_CONTROL = (
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """One line of text with every control character shown as `\\x1b`, `\\n`, ...; for names, reasons, errors."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_CONTROL, _escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
