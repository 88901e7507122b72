"""What looks like a secret and is none: references, placeholders, hashes, the words of models."""

from __future__ import annotations

import math
import re
from collections import Counter

_REFERENCE = re.compile(
    r"\$\{[^}]{0,200}\}?|\$\([^)]{0,300}\)?|\$[A-Za-z_][A-Za-z0-9_]{0,100}|\$[@*#?0-9]|`[^`]{0,300}`?"
    r"|\{\{[^}]{0,200}\}\}|%[A-Za-z_][A-Za-z0-9_]{1,60}%"
)
# The whole of a value that stands for one.
_PLACEHOLDER = re.compile(
    r"""<[^>]{0,100}>?|\[[^\]]{0,100}\]|\{[^}]{0,100}\}
    |[.…*xX#?_0-]{2,100}|[A-Za-z0-9_-]{0,20}[-_][xX*.…0#]{3,100}
    |(?:your|my|insert|enter|put|change|replace|some|the|an?)[-_ ]?[a-z_ -]{0,60}
       (?:key|token|secret|password|passwd|pass|here|me|it)[a-z_ -]{0,20}
    |(?:api[-_ ]?key|access[-_ ]?key|secret[-_ ]?key|token|secret|key|password|passwd|pass|pwd|value|string|str
       |text|bytes)
    |(?:changeme|change-me|example|redacted|hidden|masked|placeholder|dummy|todo|tbd|fixme|none|null|nil|true|false
       |yes|no|on|off|undefined|optional|required|default|auto|prompt|stdin|env|int|bool|float|any|object|self)""",
    re.VERBOSE | re.IGNORECASE,
)
# Anywhere in a value of a file that others are meant to read.
_EXAMPLE = re.compile(
    r"example|placeholder|redacted|your[-_]|xxxx|changeme|dummy|\.\.\.|0123456789|123456789|abcdefgh", re.I
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_HASH = re.compile(r"(?:sha(?:1|256|512)[:-])?(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})", re.IGNORECASE)
# Telling names that the field uses for something else: pad_token, next_token, tokenizer's own words.
_WORDS_OF_MODELS = re.compile(
    r"(?:pad|eos|bos|unk|sep|cls|mask|special|stop|start|end|next|prev|num|max|min|per|first|last|image|img|video|audio"
    r"|tool|think|prefix|suffix|middle|decoder|encoder|added|vocab|sub|space|csrf_?cookie)[-_ .]?$",
    re.IGNORECASE,
)


def unquoted(word: str) -> str:
    """A word as a shell would hand it on, near enough: without the quotes around it."""
    word = word.replace('\\"', '"') if word.startswith('\\"') else word
    inner = word.removeprefix("$") if word[:2] in {"$'", '$"'} else word
    if inner[:1] in {"'", '"'}:
        return inner[1:-1] if len(inner) > 1 and inner[-1] == inner[0] else inner[1:]
    return inner


def is_reference(word: str) -> bool:
    """Whether a word only names where the value comes from: `$TOKEN`, `"Bearer ${X}"`, `$(pass show x)`."""
    if word.startswith("'"):
        return False
    rest, count = _REFERENCE.subn("", word)
    return (count > 0 and sum(map(str.isalnum, rest)) < 7) or word in {"$", '"$'}


def is_placeholder(value: str) -> bool:
    """Whether a value, as a whole, stands for one that a reader is to put in."""
    return not value or _PLACEHOLDER.fullmatch(value) is not None


def is_example(value: str) -> bool:
    """Whether a value shows how one looks: AKIAIOSFODNN7EXAMPLE, sk-xxxxxxxx, one letter over and over."""
    return is_placeholder(value) or _EXAMPLE.search(value) is not None or len(set(value[-16:])) < min(5, len(value) / 2)


def is_identity(value: str) -> bool:
    """Whether a value has the form of a UUID or a hash, which name things and open nothing."""
    return _UUID.fullmatch(value) is not None or _HASH.fullmatch(value) is not None


def is_word_of_models(before: str) -> bool:
    """Whether what stands before `token` makes it a word of a tokenizer: `pad_`, `next_`."""
    return _WORDS_OF_MODELS.search(before[-24:]) is not None


def entropy(value: str) -> float:
    """Shannon's entropy of the letters of a value, in bits a letter: 0 for "aaaa", about 4.7 for 40 random ones."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values()) if size else 0.0


def looks_random(value: str) -> bool:
    """Whether a value was drawn rather than thought of: long enough, letters and digits, high entropy."""
    return (
        len(value) >= 12
        and re.fullmatch(r"[A-Za-z0-9+/_=.~!@#%^&*-]{12,}", value) is not None
        and any(map(str.isdigit, value))
        and any(map(str.isalpha, value))
        and entropy(value) >= 3.0
    )
