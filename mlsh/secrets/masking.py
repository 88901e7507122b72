"""Hide secrets in text: for what is stored, and for what a person is shown."""

from __future__ import annotations

import re

from mlsh.secrets.rule import Match

MASK = "***"

# Every secret has one of these, or 18 letters without a gap; most lines of a history have neither. The rules' own words
# are a hundred, and take ten times as long.
_GAPLESS = re.compile(r"[A-Za-z0-9_-]{18}")

_COMMANDS = re.compile(
    r"mysql|maria|mycli|twine|az |mongo|redis|ldap|zip|7z|curl|http|wget|xh |login"
    r"|smbclient|lftp|useradd|usermod|ipmitool|snmp"
)


def _may_hold(text: str) -> bool:
    if _GAPLESS.search(text):
        return True
    low = text.lower()
    return (
        "pass" in low
        or "tok" in low
        or "key" in low
        or "://" in low
        or "secret" in low
        or "pwd" in low
        or (
            (" -p" in low or " -u" in low or " -a" in low or " -w" in low or "--user" in low or "--proxy-u" in low)
            and _COMMANDS.search(low) is not None
        )
        or "auth" in low
        or "cookie" in low
        or "credential" in low
        or ("|" in low and ("echo" in low or "printf" in low))
        or "<<<" in low
        or "openssl" in low
        or "vault login" in low
        or "sig=" in low
        or "q~" in low
        or "bearer" in low
        or "hooks." in low
        or "whsec" in low
        or "private-lines" in low
    )


def mask(text: str) -> str:
    """`text` with each secret in it as `***`; the rest is as it was. For a command, a log line, a file."""
    if not _may_hold(text):
        return text
    from mlsh.secrets.rules import find

    parts = []
    done = 0
    for match in find(text):
        parts += [text[done : match.start], MASK]
        done = match.end
    parts.append(text[done:])
    return "".join(parts)


def preview(text: str, match: Match) -> str:
    """A secret as it may be shown to its owner: the prefix that tells what it is, where it has one, then `***`."""
    secret = text[match.start : match.end]
    known = re.match(r"[A-Za-z0-9]{2,10}(?:[_-][A-Za-z0-9]{2,8}){0,2}[_-]|AKIA|ASIA|AIza|eyJ", secret)
    prefix = known[0] if known and len(secret) >= len(known[0]) + 16 else ""
    return f"{prefix}{MASK}"
