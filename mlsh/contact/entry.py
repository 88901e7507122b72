"""mlsh's own file of ssh settings, and the line of ~/.ssh/config that includes it. Pure: text in, text out.

A person may edit the file. So nothing but the one entry that is meant is ever touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from mlsh.box.inventory import split_line

FILE = "mlsh_config"
_HEAD = "# The boxes that mlsh added. You may edit an entry; `mlsh box remove NAME` takes it away.\n"
_WHY = "# The boxes that mlsh added (mlsh box add). At the top, so that nothing hides them."


class Entry(NamedTuple):
    """What is written for one box. Empty fields are left to the rest of the person's settings.

    `identity` is the path of a private key, or of a public one whose private half an agent or a security key has.
    """

    name: str
    host: str
    port: int
    user: str = ""
    identity: str = ""
    jump: str = ""

    def text(self) -> str:
        """The entry as lines of ssh_config."""
        lines = [f"Host {self.name}", f"HostName {self.host.replace('%', '%%')}", f"Port {self.port}"]
        if self.user:
            lines.append(f"User {self.user}")
        if self.identity:
            # IdentitiesOnly: an agent with many keys would use up the tries that a box allows.
            lines += [f"IdentityFile {quoted(self.identity.replace('%', '%%'))}", "IdentitiesOnly yes"]
        if self.jump:
            lines.append(f"ProxyJump {self.jump}")
        return "\n  ".join(lines) + "\n"


def quoted(path: str) -> str:
    """A path as a word of ssh_config."""
    return f'"{path}"' if any(char in path for char in " \t#") else path


def with_entry(text: str, entry: Entry) -> str:
    """The file with one entry more, at its end."""
    before = text or _HEAD
    gap = "\n" if before.endswith("\n") else "\n\n"
    return f"{before}{gap}{entry.text()}"


def without_entry(text: str, name: str) -> str:
    """The file without an entry, and "" where no other is left and nothing else was written there."""
    lines = text.splitlines(keepends=True)
    for begin, end in _blocks(lines, name):
        if begin > 0 and not lines[begin - 1].strip():
            begin -= 1  # noqa: PLW2901 - the empty line that `with_entry` put before it
        rest = "".join(lines[:begin] + lines[end:])
        return "" if rest == _HEAD else rest
    return text


def renamed(text: str, old: str, new: str, keys: tuple[str, str] | None = None) -> str:
    """The file with another name for an entry, and, by `keys`, another path in its IdentityFile."""
    lines = text.splitlines(keepends=True)
    for begin, end in _blocks(lines, old):
        lines[begin] = f"Host {new}\n"
        for number in range(begin + 1, end):
            keyword, words = split_line(lines[number])
            if keys and keyword == "identityfile" and words == [keys[0].replace("%", "%%")]:
                lines[number] = f"  IdentityFile {quoted(keys[1].replace('%', '%%'))}\n"
    return "".join(lines)


def jumping_by(text: str, old: str, new: str) -> str:
    """The file with every ProxyJump through a box by its new name."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        keyword, words = split_line(line)
        if keyword == "proxyjump" and len(words) == 1 and number + 1 in lines_by_way_of(text, old):
            hops = [_hop(hop) for hop in words[0].split(",")]
            lines[number] = f"  ProxyJump {','.join(a + (new if host == old else host) + z for a, host, z in hops)}\n"
    return "".join(lines)


def lines_by_way_of(text: str, name: str) -> list[int]:
    """The numbers (from 1) of the lines of a config file that lead through a box: ProxyJump, ssh in ProxyCommand."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        keyword, words = split_line(line)
        if keyword == "proxyjump":
            hosts = [_hop(hop)[1] for word in words for hop in word.split(",")]
        elif keyword == "proxycommand":
            hosts = [one.rpartition("@")[2] for word in words for one in word.split()]
        else:
            continue
        if name in hosts:
            found.append(number)
    return found


def _hop(text: str) -> tuple[str, str, str]:
    """What is before the host in a hop of ProxyJump (`[ssh://][USER@]HOST[:PORT]`), the host, and what is after it."""
    before, at, rest = text.rpartition("@")
    if not at and rest.startswith("ssh://"):
        before, rest = "ssh://", rest[len("ssh://") :]
    if rest.startswith("["):
        return before + at, rest, ""
    host, colon, port = rest.partition(":")
    return before + at, host, colon + port


def names(text: str) -> list[str]:
    """The boxes in the file that are mlsh's: each has an entry of its own."""
    found = []
    for line in text.splitlines():
        keyword, words = split_line(line)
        if keyword == "host" and len(words) == 1:
            found.append(words[0])
    return found


def settings_of(text: str, name: str) -> dict[str, str]:
    """The settings in an entry, keywords in lower case; empty where there is no such entry."""
    lines = text.splitlines(keepends=True)
    for begin, end in _blocks(lines, name):
        pairs = (split_line(line) for line in lines[begin + 1 : end])
        return {keyword: " ".join(words) for keyword, words in pairs if keyword}
    return {}


def _blocks(lines: list[str], name: str) -> Iterator[tuple[int, int]]:
    """Where the entry of a box begins, and where it ends: the empty lines and comments before the next are not its."""
    for begin, line in enumerate(lines):
        if split_line(line) != ("host", [name]):
            continue
        end = last = begin + 1
        while end < len(lines) and split_line(lines[end])[0] not in {"host", "match"}:
            end += 1
            if split_line(lines[end - 1])[0]:
                last = end
        yield begin, last
        return


# The line in the person's own file


def includes(config: bytes, word: str, path: str) -> bool:
    """Whether a config file includes ours for every box: before its first Host or Match line."""
    for line in config.decode("utf-8", "surrogateescape").split("\n"):
        keyword, words = split_line(line)
        if keyword in {"host", "match"}:
            return False
        if keyword == "include" and any(is_ours(one, word, path) for one in words):
            return True
    return False


def is_ours(included: str, word: str, path: str) -> bool:
    """Whether a word of an Include names our file."""
    return included == word or os.path.expanduser(included) == path


def with_include(config: bytes, word: str) -> bytes:
    """The config file with our line at its top, in the file's own line ends."""
    return _prefix(config, word) + config


def without_include(config: bytes, word: str) -> bytes:
    """The config file as it was before `with_include`; as it is where that line was edited since."""
    for end in (b"\r\n", b"\n"):
        prefix = _lines(word, end)
        if config.startswith(prefix):
            return config[len(prefix) :]
    return config


def _prefix(config: bytes, word: str) -> bytes:
    return _lines(word, b"\r\n" if config.partition(b"\n")[0].endswith(b"\r") else b"\n")


def _lines(word: str, end: bytes) -> bytes:
    return _WHY.encode() + end + f"Include {quoted(word)}".encode() + end + end
