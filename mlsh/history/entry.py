"""One command that somebody typed."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A command and what its history tells about it; None or "" where it tells nothing.

    `when_s` is in seconds since 1970, the begin of the command where the shell notes that. `source` is one of
    `bash`, `zsh`, `fish`, `atuin`, `mlsh`. A tuple, since there are a million of them.
    """

    command: str
    when_s: float | None = None
    exit_code: int | None = None
    duration_s: float | None = None
    folder: str = ""
    host: str = ""
    source: str = ""
