"""What a rule is: the look of one kind of secret, and how to replace one that got out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple


class Rule(NamedTuple):
    """The look of one kind of secret.

    `needs`: text without one of these (in small letters) holds no such secret; that is looked at first. So it is with
    `also`, where it is not empty, and `is_gapless` ones have 16 letters, digits, _ or - without a gap. The secret
    is the last group of `pattern` that took part. `accepts` has the last word, given the match and the secret; None
    takes everything but a plain example. `rotate` says where to make a new one. A `spans_lines` pattern begins at
    one of its `needs` and may go on over several lines; all others see one line at a time.

    Text is hostile and may be long, so a pattern is linear: what repeats is bounded, or possessive (`++`).
    """

    id: str
    what: str
    needs: tuple[str, ...]
    pattern: re.Pattern[str]
    rotate: str
    accepts: Callable[[re.Match[str], str], bool] | None = None
    spans_lines: bool = False
    also: tuple[str, ...] = ()
    is_gapless: bool = False


class Match(NamedTuple):
    """A secret in a text: `text[start:end]`."""

    rule: Rule
    start: int
    end: int
