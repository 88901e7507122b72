"""How a commit came to where bad is: the merge, and the number of its pull or merge request."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from mlsh.bisect.repository import Repository

_MERGED = (
    re.compile(r"\AMerge pull request (?P<mark>#\d{1,9}) from ", re.ASCII),
    re.compile(r"^See merge request (?P<mark>[\w./-]{0,200}!\d{1,9})\s*$", re.ASCII | re.MULTILINE),
    re.compile(r"\AMerged in .{1,200} \(pull request (?P<mark>#\d{1,9})\)", re.ASCII),
    re.compile(r"\AMerged PR (?P<mark>\d{1,9}): ", re.ASCII),
)
# GitHub writes it behind the subject of a squashed request, and GitLab into the body as of a merge.
_SQUASHED = re.compile(r"\A.{0,2000}\((?P<mark>[#!]\d{1,9})\)[ \t]*$", re.ASCII | re.MULTILINE)


class Origin(msgspec.Struct, frozen=True):
    """Where a commit came from."""

    kind: Literal["merge", "squash", "direct"]
    commit: str
    """The merge on bad's own line that brought it; the commit itself where it was made on that line."""
    subject: str
    """As it is in the commit: not yet made harmless."""
    request: str = ""
    """`#12` or `group/project!34`, empty where the message names none."""


def request_of(message: str) -> str:
    """The pull or merge request that a commit's message names, or nothing."""
    for pattern in (*_MERGED, _SQUASHED):
        if found := pattern.search(message):
            return found["mark"] if not found["mark"].isdigit() else f"#{found['mark']}"
    return ""


def origin_of(repository: Repository, commit: str, bad: str) -> Origin:
    """The merge on the line of `bad` (its first parents) that brought `commit` in; both are full names."""
    since = f"{commit}..{bad}"
    line, above = repository.side_by_side(
        ["rev-list", "--first-parent", "--parents", since, "--"], ["rev-list", "--ancestry-path", since, "--"]
    )
    rows = [row.split() for row in line.decode("ascii").splitlines()]
    holding = set(above.decode("ascii").split())
    brought = [row for row in rows if row[0] in holding]
    # A child on the line whose first parent is the commit itself: it was made there.
    merge = brought[-1][0] if brought and brought[-1][1] != commit else commit
    message = repository("log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%B", merge, "--")
    text = message.decode(errors="replace")
    request = request_of(text)
    kind: Literal["merge", "squash", "direct"] = "merge" if merge != commit else "squash" if request else "direct"
    return Origin(kind, merge, text.partition("\n")[0], request)
