"""How often each alias was used, and how often its command was typed in full. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from mlsh.aliases.scanning import command_words
from mlsh.aliases.shape import PLACE, Alias

_META = frozenset("|;&($`\n'\"\\")
_LONGEST_READ = 2_000


class Usage(msgspec.Struct, frozen=True):
    """Of an alias: how often it was typed, the keys that this saved, and how often its command was typed in full."""

    name: str
    run: str
    used: int
    saved: int
    in_full: int
    could_have_saved: int


def usage(counts: Mapping[str, int], aliases: Sequence[Alias]) -> list[Usage]:
    """Each alias, in the given order. `counts` are from `counting`."""
    names = {alias.name for alias in aliases}
    used: dict[str, int] = defaultdict(int)
    full: dict[str, int] = defaultdict(int)
    by_word: dict[str, list[Alias]] = defaultdict(list)
    for alias in aliases:
        if not alias.is_function:
            by_word[alias.run.split(" ")[0]].append(alias)
    for longest_first in by_word.values():
        longest_first.sort(key=lambda alias: -len(alias.run))
    for command, count in counts.items():
        for word in words_of(command):
            if word in names:
                used[word] += count
        for alias in by_word.get(command.partition(" ")[0], ()):
            # `ls` typed is no `ls -h` that was typed in full, and an alias of its own name can't be.
            if alias.name != command.partition(" ")[0] and (
                command == alias.run or command.startswith(alias.run + " ")
            ):
                full[alias.name] += count
                break
    found = []
    for alias in aliases:
        gain = max(0, keys(alias) - len(alias.name))
        times, typed = used[alias.name], full[alias.name]
        found.append(Usage(alias.name, alias.run, times, times * gain, typed, typed * gain))
    return found


def words_of(command: str) -> list[str]:
    """The words of a typed command that a shell would look up: each a program, or an alias."""
    if len(command) > _LONGEST_READ:
        return command.split(" ", 1)[:1]
    if _META.isdisjoint(command) and "=" not in command.partition(" ")[0]:
        return command.split(" ", 1)[:1]
    return command_words(command)


def keys(alias: Alias) -> int:
    """How many keys an alias spares: those of its text, without the arguments that are typed all the same."""
    return len(PLACE.sub(lambda found: found["literal"] or "", alias.run))
