"""What a person looks for, and which pieces of three characters find it soonest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

GRAM = 3
# Each further piece narrows less than it costs to read.
_PIECES = 4


class Query(msgspec.Struct, frozen=True):
    """Words that must all be in a command, in any order, and what must be true of one of its runs.

    A word with a capital letter means it as it is; others mean both cases. `folder` is that of the run. `since_s` is
    in seconds since 1970.
    """

    words: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    folder: str = ""
    is_failed: bool = False
    since_s: float | None = None

    @property
    def asks_of_runs(self) -> bool:
        """Whether the text alone does not decide."""
        return bool(self.boxes or self.folder or self.is_failed)


class Matcher:
    """Whether a command has every word."""

    def __init__(self, words: Sequence[str]) -> None:
        self._exact = [word for word in words if word != word.lower()]
        self._folded = [word.lower() for word in words if word == word.lower()]

    def __call__(self, text: str) -> bool:
        """Whether `text` has them all."""
        if self._folded:
            low = text.lower()
            for word in self._folded:
                if word not in low:
                    return False
        return all(word in text for word in self._exact)


def pieces_of(word: str) -> list[str]:
    """The pieces of three characters in a word, each once; none where it is shorter."""
    return list(dict.fromkeys(word[at : at + GRAM] for at in range(len(word) - GRAM + 1)))


def chosen(words: Sequence[str], common: Mapping[str, int]) -> list[str]:
    """The pieces to look up: the rarest one of each word, then the rarest of all, four or one a word.

    `common` is how often a piece was counted; one that was never counted is rare. What these pieces find must still
    be compared with the words.
    """

    def rarity(piece: str) -> int:
        return common.get(piece.lower(), 0)

    each = [sorted(pieces, key=rarity) for word in words if (pieces := pieces_of(word))]
    first = dict.fromkeys(pieces[0] for pieces in each)
    rest = sorted((piece for pieces in each for piece in pieces[1:]), key=rarity)
    picked = list(first)
    picked += [piece for piece in dict.fromkeys(rest) if piece not in first][: max(0, _PIECES - len(picked))]
    return sorted(picked, key=rarity)


def expression(pieces: Sequence[str], joined: str = " AND ") -> str:
    """An FTS5 expression that asks for the pieces."""
    return joined.join('"' + piece.replace('"', '""') + '"' for piece in pieces)
