"""Patterns of `mlsh find`: regular expressions that fd, rg, grep and Python take for the same. Pure."""

from __future__ import annotations

import re

from mlsh.errors import RefusedInput

_NOT_EVERYWHERE = re.compile(r"\(\?(?!:|[a-z]*\))|\\[1-9]|\\[pPXkKGRzZAQECu]|[*+?}]\+")
_ESCAPES = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[[:alnum:]_]",
    "W": "[^[:alnum:]_]",
    "s": "[[:space:]]",
    "S": "[^[:space:]]",
}


def check(pattern: str) -> str:
    """Return a pattern that means the same to all of them; raises RefusedInput."""
    if "\0" in pattern or "\n" in pattern:
        raise RefusedInput("a pattern can't have a NUL byte or a line's end in it")
    try:
        pattern.encode()
        re.compile(pattern)
    except UnicodeEncodeError:
        raise RefusedInput("the pattern is not UTF-8 text") from None
    except re.error as error:
        raise RefusedInput(
            f"{pattern!r} is no pattern: {error}", "for the plain text: --fixed; for *.pt and the like: --glob"
        ) from None
    if odd := _NOT_EVERYWHERE.search(pattern):
        raise RefusedInput(
            f"{odd[0]} in a pattern does not mean the same to fd, rg and grep",
            "without look-around and back-references",
        )
    return pattern


def from_glob(glob: str) -> str:
    """The pattern of a shell glob with * ? […] and {a,b}, for whole names. Raises RefusedInput."""
    parts, at, depth = [], 0, 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif char == "[" and (end := glob.find("]", at + 1 + glob.startswith(("!", "^"), at))) > 0:
            inside = glob[at:end].replace("\\", "\\\\").replace("[", "\\[")
            parts.append(f"[{'^' + inside[1:] if inside[:1] in '!^' else inside}]")
            at = end + 1
        elif char == "{" and "}" in glob[at:]:
            parts.append("(?:")
            depth += 1
        elif char == "}" and depth:
            parts.append(")")
            depth -= 1
        elif char == "," and depth:
            parts.append("|")
        elif char == "\\" and at < len(glob):
            parts.append(quoted(glob[at]))
            at += 1
        else:
            parts.append(quoted(char))
    return f"^{''.join(parts)}$"


def quoted(text: str) -> str:
    """The pattern of a plain text."""
    return re.sub(r"[][\\.^$*+?(){}|]", lambda match: "\\" + match[0], text)


def is_sensitive(pattern: str) -> bool:
    """Smart case: a capital letter in the pattern, other than in `\\S` and the like, means it."""
    return any(char.isupper() for char in re.sub(r"\\.", "", pattern))


def to_ere(pattern: str) -> str:
    """The same for `grep -E` and busybox; "" where that can't be said."""
    if re.search(r"\\[bB]|\(\?[a-z]", pattern):
        return ""
    text = pattern.replace("(?:", "(")
    text = re.sub(r"(?<=[*+?}])\?", "", text)  # lazy or not finds the same lines
    parts, inside, at = [], False, 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            following = text[at + 1]
            known = _ESCAPES.get(following)
            if inside:
                if known is None or following in "DWS":
                    return ""
                parts.append(known[1:-1])
            elif known is None and following.isalnum():
                if following != "t":
                    return ""
                parts.append("\t")
            else:
                parts.append(known or char + following)
            at += 2
            continue
        if char == "[" and not inside:
            inside = True
        elif char == "]" and inside and not text[:at].endswith(("[", "[^")):
            inside = False
        parts.append(char)
        at += 1
    return "".join(parts)


def extension_glob(extension: str) -> str:
    """A glob for rg that takes an extension in capitals too. Raises RefusedInput."""
    return "*." + "".join(f"[{char.lower()}{char.upper()}]" if char.isalpha() else char for char in extension)


def check_extension(extension: str) -> str:
    """Return an extension without its dot; raises RefusedInput."""
    plain = extension.removeprefix(".")
    if not re.fullmatch(r"[\w+~-]+(\.[\w+~-]+)*", plain):
        raise RefusedInput(f"{extension[:40]!r} is no extension", "-e py")
    return plain
