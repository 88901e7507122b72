"""`.mlshignore`: which files a job does not need, and which ignored ones it does.

The syntax is that of `.gitignore`. The rules are given to git one by one, since those win over every
`.gitignore`; a file of rules (`--exclude-from`) would lose against one.
"""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

IGNORE_FILE = ".mlshignore"


def rules_of(folder: Path) -> list[str]:
    """The rules in a folder's `.mlshignore`, comments and empty lines left out."""
    try:
        text = (folder / IGNORE_FILE).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return []
    found = []
    for line in os.fsdecode(text.removeprefix(b"\xef\xbb\xbf")).split("\n"):
        rule = _without_trailing_spaces(line.removesuffix("\r"))
        if rule and not rule.startswith("#"):
            found.append(rule)
    return found


def _without_trailing_spaces(rule: str) -> str:
    bare = rule.rstrip(" ")
    # `\ ` at the end is a space that is meant.
    escaped = (len(bare) - len(bare.rstrip("\\"))) % 2 == 1
    return bare + " " if escaped and len(bare) < len(rule) else bare


def inside(rules: list[str], path: str) -> list[str]:
    """What the rules of a folder say about the folder `path` in it, seen from there."""
    found = []
    for rule in rules:
        negation, body = ("!", rule[1:]) if rule.startswith("!") else ("", rule)
        if "/" not in body.rstrip("/") or body.startswith("**/"):
            found.append(rule)
        elif rest := _below(body.lstrip("/"), path):
            found.append(f"{negation}/{rest}")
    return found


def _below(body: str, path: str) -> str:
    parts, folders = body.split("/"), path.split("/")
    leads = len(parts) > len(folders) and all(map(fnmatch.fnmatchcase, folders, parts))
    return "/".join(parts[len(folders) :]) if leads else ""
