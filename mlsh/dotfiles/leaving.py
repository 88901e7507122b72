"""Whether a shell's start-up file may end before its last line, for a person at a terminal.

Nothing can tell that for sure without running it. So this errs to one side: `return` for shells that nobody
sits at is known, as every distribution has it; anything else that ends the file counts.
"""

from __future__ import annotations

import re

# What asks whether somebody sits there.
_ASKS = re.compile(r"\$-|\bPS1\b|\*i\*|-t [012]\b|\btty -s\b|interactive")
_LEAVES = re.compile(r"(?:^|[;&|({)]|\b(?:then|else|do)\b)\s*(?:(?:return|exit)(?![\w=-])|exec\s+[^\s<>&0-9])")
_WORDS = re.compile(r"(?:^|[;&|]|\b(?:then|else|do)\b)\s*(if|case|for|while|until|select|fi|esac|done)\b")
_FUNCTION = re.compile(r"^\s*(?:function\s+[\w:.-]+\s*(?:\(\s*\))?|[\w:.-]+\s*\(\s*\))\s*(\{)?")
_HEREDOC = re.compile(r"<<-?\s*([\"'\\]?)([A-Za-z_]\w*)\1")


def may_leave(text: str) -> bool:
    """Whether an interactive bash may stop reading this file before its end."""
    blocks: list[bool] = []  # for each block that is open: whether it asks if somebody sits there
    closing = ""  # the line that ends a here-document
    depth = 0  # of braces, in a function
    for raw in text.replace("\r", "").split("\n"):
        if closing:
            closing = "" if raw.strip() == closing else closing
            continue
        line = _bare(raw)
        if depth == 0 and (function := _FUNCTION.match(line)):
            depth = max(0, _braces(line)) if function[1] else 1
            continue
        if depth > 0:
            # The brace of a function may stand on the line after its name.
            if line.strip() == "{" and depth == 1 and not line.startswith((" ", "\t")):
                continue
            depth += _braces(line)
            continue
        if heredoc := _HEREDOC.search(line):
            closing = heredoc[2]
        opens = _WORDS.findall(line)
        asks = bool(_ASKS.search(line))
        for word in opens:
            if word in {"fi", "esac", "done"}:
                continue
            blocks.append(asks)
        if _LEAVES.search(line) and not asks and not any(blocks):
            return True
        for word in opens:
            if word in {"fi", "esac", "done"}:
                if not blocks:
                    return _anywhere(text)
                blocks.pop()
    return bool(blocks or depth or closing) and _anywhere(text)


def _anywhere(text: str) -> bool:
    """For a file that was not understood: whether any line of it could end it."""
    return any(_LEAVES.search(_bare(line)) for line in text.split("\n"))


def _bare(line: str) -> str:
    """A line without its comment and its quoted texts, but for what asks whether somebody sits there."""
    line = re.sub(r"'[^']*'|\"[^\"]*\"", _quoted, re.sub(r"\\.", "", line))
    return re.sub(r"(?:^|\s)#.*", "", line)


def _quoted(match: re.Match[str]) -> str:
    return " PS1 " if _ASKS.search(match[0]) else "Q"


def _braces(line: str) -> int:
    return len(re.findall(r"(?:^|[\s;)])\{(?=\s|$)", line)) - len(re.findall(r"(?:^|[\s;])\}", line))
