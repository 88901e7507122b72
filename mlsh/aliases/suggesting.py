"""Propose aliases for what is typed most, by the keys that they would have saved. Pure.

A candidate is a whole command, the words that many commands begin with (`git checkout`), or a command in which one
word in the middle varies (`ssh {1} nvidia-smi`). They overlap, so they are chosen one after the other, each by what it
saves over those that are chosen already. That greedy choice is within 1 - 1/e of the best one (Nemhauser, Wolsey,
Fisher 1978: what a set of aliases saves is submodular).
"""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from mlsh.aliases import names, shape
from mlsh.aliases.scanning import scan
from mlsh.aliases.shape import PLACE, Alias
from mlsh.errors import RefusedInput

LEAST_COUNT = 3
LEAST_SAVED = 12
_MOST_COMMANDS = 30_000
_MOST_CANDIDATES = 4_000
_LONGEST = 160
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=^~-]+\Z")
# One key more or less is no matter where a slip of the finger deletes something.
_DANGEROUS = frozenset(
    {"rm", "dd", "mkfs", "shutdown", "reboot", "poweroff", "halt", "kill", "killall", "pkill", "shred"}
)
_DANGEROUS_WORDS = frozenset({"--force", "--hard", "-rf", "-fr", "--delete", "rm", "kill", "-9"})
_SKIPPED = frozenset({"cd", "exit", "clear", "history", "alias", "export", "sudo", "time", "echo", "mlsh"})


class Suggestion(msgspec.Struct, frozen=True):
    """An alias that would have saved `saved` keys in `count` uses."""

    name: str
    run: str
    count: int
    saved: int


def suggest(
    counts: Mapping[str, int],
    aliases: Sequence[Alias],
    is_taken: Callable[[str], bool],
    is_secret: Callable[[str], bool],
    limit: int = 10,
) -> list[Suggestion]:
    """The best few, most saved first.

    `counts` are from `counting`. `is_taken` says whether a name is a program; `is_secret` whether a text holds what
    must not be kept: such a command is never proposed.
    """
    usual = [(command, count) for command, count in counts.items() if _is_usual(command)]
    usual.sort(key=lambda pair: (-pair[1] * len(pair[0]), pair[0]))
    # Nothing of such a command is looked at: cut short, a secret might no longer look like one.
    usual = [pair for pair in usual[:_MOST_COMMANDS] if not is_secret(pair[0])]
    ours = {alias.name for alias in aliases}
    known = {alias.run for alias in aliases}
    covered = _covered(usual, ours)
    bounds = {run: sum(count for _, count in uses) * max(0, _fixed(run) - 2) for run, uses in covered.items()}
    best = heapq.nlargest(_MOST_CANDIDATES, bounds, key=lambda run: (bounds[run], run))
    heap = [(-bounds[run], run) for run in best if run not in known and bounds[run] >= LEAST_SAVED]
    heapq.heapify(heap)
    used_names = ours | {command.partition(" ")[0] for command, _ in usual}
    gains: dict[str, int] = defaultdict(int)
    chosen: list[Suggestion] = []
    while heap and len(chosen) < limit:
        bound, run = heapq.heappop(heap)
        name = propose_name(run, lambda name: name in used_names or is_taken(name))
        if not name or not _can_be(name, run):
            continue
        gain = _fixed(run) - len(name)
        new = [(command, count) for command, count in covered[run] if gain > gains[command]]
        saved = sum(count * (gain - gains[command]) for command, count in new)
        if heap and saved < -heap[0][0] and saved < -bound:
            heapq.heappush(heap, (-saved, run))
            continue
        uses = sum(count for _, count in new)
        if saved < LEAST_SAVED or uses < LEAST_COUNT:
            continue
        for command, _ in new:
            gains[command] = gain
        used_names.add(name)
        chosen.append(Suggestion(name, run, uses, saved))
    return sorted(chosen, key=lambda one: (-one.saved, one.run))


def _is_usual(command: str) -> bool:
    return 4 <= len(command) <= _LONGEST and command.isprintable()


def _covered(usual: Sequence[tuple[str, int]], ours: set[str]) -> dict[str, list[tuple[str, int]]]:
    """Each candidate with the commands that it would stand for."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    values: dict[str, set[str]] = defaultdict(set)
    for command, count in usual:
        words = command.split(" ")
        if words[0] in ours or words[0] in _DANGEROUS or _DANGEROUS_WORDS & set(words):
            continue
        for run, value in _candidates(command, words):
            found[run].append((command, count))
            values[run].add(value)
    return {
        run: uses
        for run, uses in found.items()
        if sum(count for _, count in uses) >= LEAST_COUNT and len(values[run] - {""}) not in {1, 2}
    }


def _candidates(command: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    plain = next((at for at, word in enumerate(words) if not _PLAIN.match(word)), len(words))
    for end in range(1, min(plain, 6, len(words) - 1) + 1):
        run = " ".join(words[:end])
        if len(run) >= 5 and run not in _SKIPPED:
            yield run, ""
    yield shape.keep_literal(command), ""
    if plain == len(words) and 3 <= len(words) <= 7:
        for at in range(1, len(words) - 1):
            if not words[at].startswith("-"):
                yield " ".join([*words[:at], "{1}", *words[at + 1 :]]), words[at]


def _fixed(run: str) -> int:
    """The keys of a text that its alias spares, less those of the name: without arguments and the blank before each."""
    literal = PLACE.sub(lambda found: found["literal"] or "", run)
    return len(literal) - sum(found["literal"] is None for found in PLACE.finditer(run))


def _can_be(name: str, run: str) -> bool:
    try:
        shape.check(Alias(name, run))
    except RefusedInput:
        return False
    return not scan(run).unclosed


def propose_name(run: str, is_taken: Callable[[str], bool]) -> str:
    """A short name for a text: the initials of its words where they are free; "" where no good one is."""
    lettered = (re.sub(r"\A[^a-z]+|[^a-z0-9]", "", word.lower()) for word in run.split(" ") if word != "{1}")
    words = [word for word in lettered if word]
    if not words:
        return ""
    if len(words) == 1:
        parts = [part for part in re.split(r"[^a-z0-9]+", run.lower()) if part]
        words = parts if len(parts) > 1 else words
    initials = "".join(word[0] for word in words)
    options = [initials[:4], initials[:3], initials[:2]]
    if len(words) == 1:
        options = [words[0][0], words[0][:2], words[0][:3]]
    options += [words[0][0] + words[-1][:2], initials[:4] + words[-1][1:2], words[0][:2] + initials[1:3]]
    options += [left + right[:3] for left, right in pairwise([words[0][0], *words[1:]])]
    options += [f"{initials[:3]}{number}" for number in range(2, 10)]
    for name in options:
        if (
            name
            and not name[0].isdigit()
            and len(name) + 1 < len(run)
            and not names.why_not(name)
            and not is_taken(name)
        ):
            return name
    return ""
