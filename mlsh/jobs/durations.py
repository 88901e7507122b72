"""Lengths of time as people write them."""

from __future__ import annotations

import re

from mlsh.errors import UsageError

# Python refuses to read numbers of thousands of digits; nine are a year in any unit.
_PARTS = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,9})-)?(\d{1,9}):([0-5]\d):([0-5]\d)", re.ASCII)
_LONGEST_S = 366 * 86400


def parse(text: str) -> int:
    """Seconds of `90s`, `1h30m`, `2d` or Slurm's `[D-]HH:MM:SS`.

    A bare number is refused: Slurm means minutes, `sleep` means seconds.
    """
    clock = _CLOCK.fullmatch(text)
    parts = _PARTS.fullmatch(text)
    if clock:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        total = days * 86400 + hours * 3600 + minutes * 60 + seconds
    elif text and parts:
        total = sum(int(part or 0) * unit for part, unit in zip(parts.groups(), (86400, 3600, 60, 1), strict=True))
    elif text.isascii() and text.isdigit():
        text = text[:20]
        raise UsageError(f"{text} what? a number alone could be seconds or minutes", f"say {text}s, {text}m or {text}h")
    else:
        raise UsageError(f"{text[:40]!r} is not a length of time", "say 90s, 30m, 2h, 1d, 1h30m or 12:00:00")
    if not 0 < total <= _LONGEST_S:
        raise UsageError(f"{text[:40]} is not between a second and a year", "say 90s, 30m, 2h or 1d")
    return total


def show(seconds: float) -> str:
    """At most two units: `45s`, `3m 20s`, `2h 05m`, `3d 04h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"
