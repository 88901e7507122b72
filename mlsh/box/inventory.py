"""The boxes that a person has: `local`, and the aliases of the ssh config file in force.

Only the names are read here, as OpenSSH reads them (readconf.c): completion needs them at each Tab, so a
listing costs no process, and not the import of msgspec either, which takes longer than all the rest.
What a name means is asked of `ssh -G`, never worked out.
"""

from __future__ import annotations

import glob
import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mlsh.box import LOCAL, check_name, process
from mlsh.config import Settings
from mlsh.errors import ConfigError, RefusedInput, Unreachable

RESOLVE_TIMEOUT_S = 10.0
_DEEPEST = 16
# ssh stops at a depth of 16, which two Includes in each file would turn into 65,536 reads.
_MOST_FILES = 1024
_LARGEST_FILE = 4 << 20
_KEYWORD = re.compile(r'[ \t\r]*(?:"([^"]*)"|([^ \t\r="]+))[ \t\r]*=?[ \t\r]*(.*)', re.DOTALL)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Alias(NamedTuple):
    """A name that can be typed for a box, and where it is defined; `local` has no file. Lines count from 1."""

    name: str
    file: str = ""
    line: int = 0


class Resolved(NamedTuple):
    """What an alias means to ssh. `hostname` is the name or address that ssh would connect to."""

    name: str
    hostname: str
    user: str
    port: int
    identity_files: tuple[str, ...] = ()
    proxy_jump: str = ""
    proxy_command: str = ""
    host_key_alias: str = ""
    known_hosts_files: tuple[str, ...] = ()


def config_path(settings: Settings) -> str:
    """The ssh config file in force."""
    # ssh goes by the account's home and ignores $HOME here, but not in Include.
    return settings.ssh_config or os.path.join(_account_home(), ".ssh", "config")


def aliases(settings: Settings) -> list[Alias]:
    """Every box that has a name: `local`, then the aliases in the order of the config file.

    Each name once, where ssh meets it first. Patterns are not names, and neither is what no box can be
    called (see `check_name`). Never raises: a file that can't be read has no aliases.
    """
    found = {LOCAL: Alias(LOCAL)}
    for alias in _Reader().read(config_path(settings), (), 0):
        if alias.name not in found and _is_name(alias.name):
            found[alias.name] = alias
    return list(found.values())


def names(settings: Settings) -> list[str]:
    """The names of `aliases`, for completion."""
    return [alias.name for alias in aliases(settings)]


def resolve(name: str, settings: Settings) -> Resolved:
    """What ssh makes of a name, as `ssh -G` says; nothing is connected, but a `Match exec` runs.

    Raises RefusedInput for what can't be a name, ConfigError where ssh can't read its config, Unreachable
    where it gives no answer.
    """
    own = ["-F", settings.ssh_config] if settings.ssh_config else []
    argv = ["ssh", *own, "-G", "--", check_name(name)]
    try:
        ran = process.run(argv, timeout_s=RESOLVE_TIMEOUT_S)
    except process.TimedOut as error:
        raise Unreachable(name, str(error), f"does a `Match exec` in {config_path(settings)} hang?") from None
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        first = "".join(char for char in said[0] if char.isprintable()) if said else "ssh gave no reason"
        raise ConfigError(f"ssh can't say what {name} is: {first}", f"see all that it says: ssh -G {name}")
    return parse_resolved(name, ran.stdout.decode(errors="replace"))


def parse_resolved(name: str, text: str) -> Resolved:
    """Read the output of `ssh -G`."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        values.setdefault(key, []).append(value)

    def one(key: str) -> str:
        value = values.get(key, [""])[0]
        return "" if value == "none" else value

    port = one("port")
    return Resolved(
        name=name,
        hostname=one("hostname") or name,
        user=one("user"),
        port=int(port) if port.isdigit() else 22,
        identity_files=tuple(path for path in values.get("identityfile", []) if path != "none"),
        proxy_jump=one("proxyjump"),
        proxy_command=one("proxycommand"),
        host_key_alias=one("hostkeyalias"),
        known_hosts_files=tuple(one("userknownhostsfile").split()),
    )


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The one of `candidates` that a mistyped `name` was probably meant to be, or None."""
    import difflib  # only a mistake needs it

    folded = {candidate.casefold(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


# Reading the file as ssh does

_Patterns = tuple[str, ...]


class _Reader:
    """One reading of a config file and of all that it includes."""

    def __init__(self) -> None:
        self._files = 0

    def read(self, path: str, around: tuple[_Patterns, ...], depth: int) -> Iterator[Alias]:
        """The aliases of a file. `around` are the Host lines that enclose it: ssh obeys all of them."""
        self._files += 1
        if self._files > _MOST_FILES:
            return
        host: _Patterns | None = None
        for number, line in enumerate(_lines(path), 1):
            keyword, words = split_line(line)
            if keyword == "host":
                host = tuple(words)
                for word in words:
                    if _is_plain(word) and all(matches(word, patterns) for patterns in (*around, host)):
                        yield Alias(word, path, number)
            elif keyword == "match":
                # Who it is for can't be told without running it; what it includes may be for anybody.
                host = None
            elif keyword == "include" and depth < _DEEPEST:
                inside = (*around, host) if host is not None else around
                for word in words:
                    for included in _included(word):
                        yield from self.read(included, inside, depth + 1)


def split_line(line: str) -> tuple[str, list[str]]:
    """The keyword of a config line in lower case, and its words; `("", [])` for what ssh would not take."""
    line = line.partition("\0")[0].rstrip(" \t\r\n\f")
    match = _KEYWORD.fullmatch(line)
    if not match:
        return "", []
    keyword = match[1] if match[1] is not None else match[2]
    if keyword.startswith("#"):
        return "", []
    words = _split_words(match[3])
    return (keyword.lower(), words) if words else ("", [])


def _split_words(text: str) -> list[str]:
    """Split as OpenSSH's `argv_split` does; no words at all where a quote is left open."""
    words: list[str] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            break
        word, quote = "", ""
        while at < end:
            char = text[at]
            if char == "\\" and at + 1 < end and (text[at + 1] in "'\"\\" or (not quote and text[at + 1] == " ")):
                at += 1
                word += text[at]
            elif not quote and char in " \t":
                break
            elif not quote and char in "\"'":
                quote = char
            elif quote and char == quote:
                quote = ""
            else:
                word += char
            at += 1
        if quote:
            return []
        words.append(word)
    return words


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a `Host` line with these patterns is for a name: one matches, and no negated one does."""
    hit = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        if _fits(name, pattern[negated:]):
            if negated:
                return False
            hit = True
    return hit


def _fits(name: str, pattern: str) -> bool:
    """Match `*` and `?`. No regular expression: a pattern of many `*` would take it for ever."""
    at = spot = star = 0
    resume = -1
    while at < len(name):
        if spot < len(pattern) and pattern[spot] == "*":
            star, resume = spot, at
            spot += 1
        elif spot < len(pattern) and pattern[spot] in ("?", name[at]):
            at, spot = at + 1, spot + 1
        elif resume >= 0:
            resume += 1
            at, spot = resume, star + 1
        else:
            return False
    return not pattern[spot:].strip("*")


def _is_plain(word: str) -> bool:
    return not word.startswith("!") and "*" not in word and "?" not in word


def _is_name(word: str) -> bool:
    try:
        check_name(word)
    except RefusedInput:
        return False
    return True


def _included(word: str) -> list[str]:
    """The files that an Include's word names. A relative one is in ~/.ssh, whatever -F says, as in ssh."""
    word = _VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), word)
    if not word.startswith(("/", "~")):
        word = f"~/.ssh/{word}"
    return sorted(glob.glob(os.path.expanduser(word)))


def _account_home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return os.path.expanduser("~")


def _lines(path: str) -> list[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return []
    try:
        # A pipe or a device would keep a completion waiting, or never end.
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        data = os.read(descriptor, _LARGEST_FILE) if regular else b""
    except OSError:
        return []
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "surrogateescape").split("\n")
