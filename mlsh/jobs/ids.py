"""Names and ids of jobs."""

from __future__ import annotations

import os
import re

from mlsh.errors import RefusedInput

# No vowels, so that no word comes out; no 0, 1, l, o, which people misread. A letter first, so that an id is
# never taken for a number or an option. 20 * 28**7 ids: two of 10,000 jobs share one with 2 in 10**4 chance,
# and then the launch says so and picks another.
LETTERS = "bcdfghjkmnpqrstvwxyz"
CHARACTERS = LETTERS + "23456789"
LENGTH = 8

# Strings, compiled when they are first used: not by every command at its start.
_ID = f"[{LETTERS}][{CHARACTERS}]{{{LENGTH - 1}}}"
_PREFIX = f"[{LETTERS}][{CHARACTERS}]{{0,{LENGTH - 1}}}"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._+=,-]{0,63}"


def new_id() -> str:
    """A fresh random id, such as `k7w2m9qx`."""
    # Enough random bits that the remainder's bias is nothing; `secrets` would take 10 ms to import.
    number = int.from_bytes(os.urandom(16), "big")
    number, first = divmod(number, len(LETTERS))
    rest = ""
    for _ in range(LENGTH - 1):
        number, digit = divmod(number, len(CHARACTERS))
        rest += CHARACTERS[digit]
    return LETTERS[first] + rest


def is_id(text: str) -> bool:
    """Whether `text` is a whole id."""
    return re.fullmatch(_ID, text) is not None


def is_prefix(text: str) -> bool:
    """Whether an id could begin with `text`."""
    return re.fullmatch(_PREFIX, text) is not None


def check_name(name: str, what: str = "a job's name") -> str:
    """Return `name` if it can be shown, typed and stored anywhere; raises RefusedInput."""
    if not re.fullmatch(_NAME, name):
        raise RefusedInput(
            f"{name[:80]!r} can't be {what}",
            "up to 64 letters, digits and . _ + = , - (not - or . first)",
        )
    return name
