"""Secrets that are known by what stands around them: as people type them, and as they write them into files.

`TYPED` is for what a shell was given (history, dotfiles, logs): there a short password is one too. `WRITTEN` is for
settings, where only a value that looks drawn counts, and `CODE` for programs, where it has quotes besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mlsh.secrets.plain import (
    entropy,
    is_example,
    is_identity,
    is_placeholder,
    is_reference,
    is_word_of_models,
    looks_random,
    unquoted,
)
from mlsh.secrets.rule import Rule

# One word of a shell with its quotes; where a quote is never closed, the rest of the line.
WORD = r"""(?:[^\s"'\\;|&<>()`]|\\.|\$?"(?:[^"\\\n]|\\.)*+"?|\$?'[^'\n]*+'?)++"""
_NEEDS = ("pass", "pwd", "tok", "secret", "credential", "key")
_PHRASE = r"passw(?:or)?d|passphrase|(?<![A-Za-z])pass|(?-i:PASS(?==))|pwd"
_KEY = r"(?:api|access|secret|auth|private|account|encryption|signing|master|subscription)[-_.]?key"
_TELLING = rf"{_PHRASE}|tok(?:en)?|secret|credentials?|{_KEY}"
_CHANGE = "change it where it is used, and wherever else you use the same one"
_IS_PASSWORD = re.compile(r"(?i:pass|pwd|secret)")
_NAME_ONLY = re.compile(r"[A-Z][A-Z0-9_]*|(?:id|type)=.*|[a-z]+(?:[-_/][a-z0-9]+)+")
_NAME = re.compile(r"[A-Za-z]+(?:[-_.][A-Za-z0-9]+)+")
_WORKING_FOLDER = re.compile(r"(?<![A-Za-z_])(?:OLD)?PWD=$", re.IGNORECASE)
# --sort-key and --wandb-key look the same.
_ANY_KEY = re.compile(rf"^--?(?!(?:.*[-_])?{_KEY}).*key[ \t]+$", re.IGNORECASE)
_ASSIGNED = re.compile(r"(?<![A-Za-z0-9_$])[A-Z][A-Z0-9_]{0,60}(?:TOKEN|SECRET|_KEY|CREDENTIALS?)=$")
_PATH = re.compile(
    r"(?:~|\.{0,2})/[A-Za-z0-9._/~-]*|[A-Za-z0-9._-]+\.(?:txt|json|key|pem|ya?ml|env|toml|cfg|ini|py|sh|gpg|age)"
)
_EXAMPLE_HOST = re.compile(
    r"(?:[A-Za-z0-9-]{1,63}\.){0,4}(?:example|test|invalid|localhost)(?:[.:/\s\"'<)]|$)|host\b|127\."
)
_CODE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*[.(\[]|[A-Za-z_]+\(")


def _before(match: re.Match[str]) -> str:
    """A little of what stands before: all of it, for each match of a long line, would take the square of its length."""
    return match.string[max(0, match.start() - 80) : match.start()]


def _typed(match: re.Match[str], word: str) -> bool:
    """Whether a word after a telling name is the secret itself, in a line that a shell was given."""
    value = unquoted(word)
    if is_reference(word) or is_placeholder(value) or value.startswith(("-", "pass:", "env:", "file:", "fd:")):
        return False
    if match.string[match.end() : match.end() + 1] == "(" and value.isidentifier():
        return False  # password = getpass()
    if _before(match).endswith("$") and word[:1] not in {"'", '"'}:
        return False  # [ "$pass" = all ]
    said = match.string[match.start() : match.start(match.lastindex or 0)]
    if _IS_PASSWORD.search(said):
        if word[:1] in {"'", '"'} and word[-1:] != word[:1] and _before(match).count(word[:1]) % 2:
            return False  # grep 'password =' file: this quote ends a word
        if value.startswith("/") and _WORKING_FOLDER.search(_before(match) + said):
            return False
        # `--secret NAME` of mlsh, docker and others takes a name, or `id=...`; after --ask-password comes a URL.
        return not ("secret" in said and _NAME_ONLY.fullmatch(value)) and "://" not in value
    if is_word_of_models(_before(match)):
        return False
    if _ANY_KEY.search(said):
        return looks_random(value) and not _NAME.fullmatch(value)
    if len(value) >= 4 and _ASSIGNED.search(_before(match) + said):
        return not _PATH.fullmatch(value)  # FOO_TOKEN=abcdefgh: nobody names another thing so
    return len(value) >= 6 and not value.isalpha() and not _PATH.fullmatch(value) and not _CODE.match(value)


def _given(_match: re.Match[str], word: str) -> bool:
    value = unquoted(word).strip("'\"")
    return not is_reference(word) and not is_placeholder(value) and not value.startswith("-")


def _header(_match: re.Match[str], value: str) -> bool:
    return not is_reference(value) and not is_example(value)


def _written_header(match: re.Match[str], value: str) -> bool:
    return _header(match, value) and looks_random(value)


def _in_url(_match: re.Match[str], value: str) -> bool:
    # https://localhost:80@elsewhere has a port there.
    return not is_reference(value) and not is_placeholder(value) and not (value.isdigit() and len(value) < 6)


def _in_written_url(match: re.Match[str], value: str) -> bool:
    host = match.string[match.end() : match.end() + 100]
    return _in_url(match, value) and len(value) > 3 and not is_example(value) and not _EXAMPLE_HOST.match(host)


def _drawn(_match: re.Match[str], value: str) -> bool:
    return looks_random(value) and not is_example(value)


def _wandb(_match: re.Match[str], value: str) -> bool:
    return not is_example(value)


def _written(match: re.Match[str], word: str) -> bool:
    """Whether a value after a telling name is the secret itself, in a file of source or settings."""
    value = unquoted(word)
    before = _before(match)
    if is_reference(word) or is_example(value.rstrip("0123456789")) or is_example(value):
        return False
    if is_word_of_models(before) or re.search(r"(?i)pub(?:lic)?[-_]?(?:key[-_]?)?$", before[-14:]):
        return False
    if _PATH.fullmatch(value) or " " in value or "://" in value:
        return False
    is_quoted = word[:1] in {"'", '"', "\\"}
    if is_identity(value):
        # A digest is 40 letters of hex; so is an older key of W&B.
        return "-" not in value and re.search(r"(?i)key|secret|passw", match[0][: -len(word)]) is not None
    if _IS_PASSWORD.search(match[0][: -len(word)]) and is_quoted:
        return (
            len(value) >= 8
            and bool(re.search(r"[A-Za-z][^A-Za-z]|[^A-Za-z][A-Za-z]", value))
            and entropy(value) >= 2.5
            and not _CODE.match(value)
        )
    return looks_random(value) and (is_quoted or not _CODE.match(value)) and not _NAME.fullmatch(value)


def _written_quoted(match: re.Match[str], word: str) -> bool:
    """The same in a programming language, where a word without quotes is a name."""
    return word[:1] in {"'", '"', "\\"} and _written(match, word)


def _rule(
    id_: str,
    what: str,
    needs: tuple[str, ...],
    pattern: str,
    accepts: Callable[[re.Match[str], str], bool],
    rotate: str = _CHANGE,
    also: tuple[str, ...] = (),
) -> Rule:
    return Rule(id_, what, needs, re.compile(pattern), rotate, accepts, also=also)


def _authorization(accepts: Callable[[re.Match[str], str], bool]) -> Rule:
    return _rule(
        "authorization",
        "authorization header",
        ("authorization", "x-goog-api-key", "cookie"),
        r"(?i:(?:authorization|x-goog-api-key|set-cookie|cookie)[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?"
        r"(?:(?:bearer|basic|token|apikey|digest)[ \t]{1,4})?+)"
        r"([^\s\"',;\\(){}]{6,4096}+)",
        accepts,
    )


def _url(accepts: Callable[[re.Match[str], str], bool]) -> Rule:
    return _rule(
        "url-password",
        "password in a URL",
        ("://",),
        r"://[^\s/:@\"'<>|]{0,128}+:([^\s/@\"'<>|]{1,512}+)@",
        accepts,
    )


_GIVES = r"[ \t]{0,4}(?::=|=>|[=:])(?!=)[ \t]{0,4}"
# One value of JSON or of a dict, also with its quotes escaped for a shell.
_VALUE = r"""(\\"[^"\n]*+"?|"(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?|[^\s,"'}\]]++)"""
# From a name to its value: `NAME=word`, `"name": value`, `["name"] = value`.
_IS = rf"(?:_?[0-9]{{1,2}})?(?:\\?[\"']\]?{_GIVES}{_VALUE}|{_GIVES}({WORD}))"

AROUND: tuple[Rule, ...] = (
    _rule(
        "bearer",
        "bearer token",
        ("bearer",),
        r"(?<![A-Za-z])(?i:bearer)[ \t]{1,4}([A-Za-z0-9._~+/=-]{16,4096}+)",
        _drawn,
    ),
    _rule(
        "url-token",
        "token in a URL",
        ("://",),
        r"://([A-Za-z0-9_-]{30,255}+)@",
        _drawn,
    ),
    _rule(
        "wandb-key",
        "Weights & Biases key",
        ("wandb", "weights"),
        r"(?i:wandb)[^\n]{0,60}?(?<![0-9a-f])([0-9a-f]{40})(?![0-9a-f])",
        _wandb,
        "https://wandb.ai/authorize (User settings > API keys), then: wandb login --relogin",
    ),
)

TYPED: tuple[Rule, ...] = (
    _authorization(_header),
    _url(_in_url),
    _rule(
        "netrc",
        "password of a .netrc",
        ("password",),
        r"\blogin[ \t]{1,8}\S{1,200}+[ \t]{1,8}password[ \t]{1,8}(\S{1,512}+)[ \t]{0,8}$",
        _given,
    ),
    _rule(
        "assignment",
        "value of a telling variable",
        _NEEDS,
        rf"(?i:{_TELLING}|(?<=[A-Za-z])_key){_IS}",
        _typed,
        also=("=", ":"),
    ),
    _rule(
        "option",
        "value of a telling option",
        _NEEDS,
        rf"(?<![A-Za-z0-9-])--?(?:[A-Za-z0-9]{{1,24}}[-_]){{0,3}}(?i:{_TELLING}|(?<=[-_])key)[ \t]{{1,8}}({WORD})",
        _typed,
        also=(" -",),
    ),
    _rule(
        "set-command",
        "value given to set or configure",
        _NEEDS,
        rf"(?<![A-Za-z0-9])(?:set|setenv|config|configure)[ \t][^\n;|&]{{0,100}}?(?i:{_TELLING})[ \t]{{1,8}}({WORD})",
        _typed,
        also=("set", "conf"),
    ),
    _rule(
        "mysql-password",
        "password of a database command",
        ("mysql", "mariadb", "mycli"),
        rf"(?:mysql|mariadb|mycli)[a-z_-]{{0,12}}[ \t](?:[^\n;|&]{{0,300}}?[ \t])?-p({WORD})",
        _given,
        also=(" -p",),
    ),
    _rule(
        "short-option",
        "password after a short option",
        ("sshpass", "login", "mongo", "redis-cli", "ldap", "zip", "7z", "twine", "az "),
        r"(?:(?<![A-Za-z0-9])(?:sshpass|7za?)[ \t](?:[^\n;|&]{0,200}?[ \t])?-p[ \t]{0,4}"
        r"|(?<=[ \t])login[ \t]"
        r"(?:[^\n;|&]{0,200}?[ \t])?-p[ \t]{1,4}"
        r"|(?:twine|az)[ \t](?:[^\n;|&]{0,200}?[ \t])?-p[ \t]{1,4}"
        r"|mongo(?:sh|dump|restore|import|export)?[ \t](?:[^\n;|&]{0,200}?[ \t])?-p[ \t]{1,4}"
        r"|redis-cli[ \t](?:[^\n;|&]{0,200}?[ \t])?-a[ \t]{1,4}"
        r"|ldap(?:search|modify|add|delete|passwd|whoami)[ \t](?:[^\n;|&]{0,300}?[ \t])?-w[ \t]{1,4}"
        rf"|(?<![A-Za-z0-9])(?:un)?zip[ \t](?:[^\n;|&]{{0,200}}?[ \t])?-P[ \t]{{1,4}})({WORD})",
        _given,
        also=(" -p", " -a", " -w"),
    ),
    _rule(
        "command-password",
        "password given to a command",
        (
            *(
                "openssl",
                "gh secret",
                "vault",
                "smbclient",
                "lftp",
                "useradd",
                "usermod",
                "htpasswd",
                "ipmitool",
                "nmcli",
            ),
            *("wpa_passphrase", "snmp"),
        ),
        r"(?<![A-Za-z0-9])(?:openssl[ \t](?:[^\n;|&]{0,300}?[ \t])?-[kK][ \t]{1,4}"
        r"|gh[ \t]{1,4}secret[ \t]{1,4}set[ \t](?:[^\n;|&]{0,200}?[ \t])?(?:--body|-b)[ \t=]{1,4}"
        r"|vault[ \t]{1,4}login[ \t]{1,4}"
        r"|smbclient[ \t](?:[^\n;|&]{0,200}?[ \t])?-U[ \t]{0,4}[^\s%]{1,128}%"
        r"|lftp[ \t](?:[^\n;|&]{0,200}?[ \t])?-u[ \t]{0,4}[^\s,]{1,128},"
        r"|user(?:add|mod)[ \t](?:[^\n;|&]{0,200}?[ \t])?-p[ \t]{1,4}"
        r"|htpasswd[ \t]{1,4}(?:-[A-Za-z]{1,6}[ \t]{1,4}){0,4}-[A-Za-z]{0,5}b[A-Za-z]{0,5}[ \t]{1,4}"
        r"(?:[^\s-]\S{0,200}[ \t]{1,4}){1,2}"
        r"|ipmitool[ \t](?:[^\n;|&]{0,200}?[ \t])?-P[ \t]{1,4}"
        r"|nmcli[ \t](?:[^\n;|&]{0,200}?[ \t])?password[ \t]{1,4}"
        r"|wpa_passphrase[ \t]{1,4}\S{1,200}[ \t]{1,4}"
        rf"|snmp[a-z]{{1,12}}[ \t](?:[^\n;|&]{{0,200}}?[ \t])?-[AX][ \t]{{1,4}})({WORD})",
        _given,
    ),
    _rule(
        "user-and-password",
        "user:password of an HTTP command",
        ("curl", "http", "xh ", "wget"),
        r"(?<![A-Za-z0-9])(?:curl|https?|xh|wget)[ \t](?:[^\n;|]{0,600}?[ \t])?"
        r"(?:-u|-U|-a|--user|--proxy-user|--auth)[ \t=]{0,4}"
        rf"(?:\"[^:\"\n$]{{0,128}}+:([^\"\n]*+)|'[^:'\n]{{0,128}}+:([^'\n]*+)|[^\s:\"'$]{{0,128}}+:({WORD}))",
        _given,
        also=(":",),
    ),
    _rule(
        "wandb-login",
        "Weights & Biases key",
        ("wandb",),
        r"wandb[ \t]{1,4}login[ \t](?:[^\n;|&]{0,100}?[ \t])?([A-Za-z0-9_-]{40,255}+)",
        _header,
        "https://wandb.ai/authorize (User settings > API keys), then: wandb login --relogin",
    ),
    _rule(
        "piped-password",
        "password piped into a command",
        ("echo", "printf", "<<<"),
        r"(?:(?<![A-Za-z0-9])(?:echo|printf)[ \t]{1,8}"
        r"(?:-[neE]{1,3}[ \t]{1,8}|[\"']?%s(?:\\n)?[\"']?[ \t]{1,8})?([^|\n]{1,300}?)[ \t]{0,8}\|"
        r"(?=[^|\n]{0,120}?(?:sudo[ \t][^|\n]{0,40}?-[A-Za-z]{0,3}S|--password-stdin|chpasswd|passwd[ \t]|--with-token"
        r"|cryptsetup|auth[ \t]login|--passphrase-fd|su[ \t]-)))"
        r"|(?:-S|--password-stdin|chpasswd|--with-token|--passphrase-fd)[^\n|]{0,120}?<<<[ \t]{0,4}"
        rf"({WORD})",
        _given,
        also=("|", "<<<"),
    ),
)

# `NAME = value` and `"name": "value"`, as settings and programs have it.
_NAMED = rf"(?i:{_TELLING}|(?<=[A-Za-z])_key)(?:_?[0-9]{{1,2}})?(?:\\?[\"']\]?)?{_GIVES}[bBfFrRuU]{{0,2}}{_VALUE}"


def _generic(accepts: Callable[[re.Match[str], str], bool]) -> Rule:
    return _rule("generic-secret", "drawn value beside a telling name", _NEEDS, _NAMED, accepts)


WRITTEN: tuple[Rule, ...] = (
    _authorization(_written_header),
    _url(_in_written_url),
    _generic(_written),
)

CODE: tuple[Rule, ...] = (*WRITTEN[:2], _generic(_written_quoted))
