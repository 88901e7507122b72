"""Whether a command goes on in the next line, as a POSIX shell would see it."""

from __future__ import annotations

import re

_OPENS = {"if": "fi", "case": "esac", "for": "done", "while": "done", "until": "done", "select": "done"}
_CLOSES = {"fi", "esac", "done"}
_BEFORE_COMMAND = {"then", "do", "else", "elif", "if", "while", "until", "time", "!"}
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
    |(?P<continued>\\$)
    |(?P<escaped>\\.)
    |(?P<quote>\$'|['"`])
    |(?P<comment>(?<![^\s;&|()])\#.*)
    |(?P<herestring><<<)
    |(?P<heredoc><<(?P<tabs>-?)[ \t]*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|\\?(?P<bare>[^\s'"|&;()<>]+)))
    |(?P<open>[({])
    |(?P<close>[)}])
    |(?P<joins>\|\|?|&&)
    |(?P<ends>;;?|&)
    |(?P<word>[^\s\\'"`(){}|&;<>$]+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_REST_OF = {
    "'": re.compile(r"[^']*'"),
    "$'": re.compile(r"(?:[^\\']|\\.)*'"),
    '"': re.compile(r'(?:[^\\"]|\\.)*"'),
    "`": re.compile(r"(?:[^\\`]|\\.)*`"),
}


class Unfinished:
    """Lines of one command in, and after each whether there must be more.

    It knows quotes, a backslash at the end, here-documents, `( )`, `{ }`, compound commands, and a line that ends
    with an operator. It is no parser: what stands in `"$( )"` counts as text.
    """

    def __init__(self) -> None:
        self._quote = ""
        self._closers: list[str] = []
        self._heredocs: list[tuple[bool, str]] = []

    def feed(self, line: str) -> bool:
        """Whether the command is still open after this line."""
        asks_for_more = False
        if self._heredocs and not self._quote:
            tabs, end = self._heredocs[0]
            if (line.lstrip("\t") if tabs else line) == end:
                self._heredocs.pop(0)
        else:
            asks_for_more = self._scan(line)
        return bool(asks_for_more or self._quote or self._closers or self._heredocs)

    def _scan(self, line: str) -> bool:
        """Read a line outside of here-documents; True where its end asks for another."""
        at, last = 0, "ends"
        while at < len(line):
            if self._quote:
                rest = _REST_OF[self._quote].match(line, at)
                if rest is None:
                    return True
                self._quote, at, last = "", rest.end(), "quote"
                continue
            token = _TOKEN.match(line, at)
            assert token is not None  # noqa: S101 - the last alternative takes any character
            kind = str(token.lastgroup)
            if kind == "word" and last in {"ends", "joins", "open", "keyword"}:
                kind = self._first_word(token[0])
            elif kind == "comment":
                return last == "joins"
            self._take(token)
            at = token.end()
            last = last if kind == "space" else kind
        return last in {"joins", "continued"}

    def _first_word(self, word: str) -> str:
        """Note what a word does where a command begins; the kind of the token."""
        if word in _OPENS:
            self._closers.append(_OPENS[word])
        elif word in _CLOSES and word in self._closers:
            while self._closers.pop() != word:
                pass
        return "keyword" if word in _BEFORE_COMMAND else "word"

    def _take(self, token: re.Match[str]) -> None:
        kind = token.lastgroup
        if kind == "quote":
            self._quote = token[0]
        elif kind == "open":
            self._closers.append(")" if token[0] == "(" else "}")
        elif kind == "close" and self._closers and self._closers[-1] == token[0]:
            self._closers.pop()
        elif kind == "heredoc":
            self._heredocs.append((bool(token["tabs"]), token["single"] or token["double"] or token["bare"] or ""))
