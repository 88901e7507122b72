"""Where a placeholder stands in shell text, and where a command ends. Pure; it runs nothing and knows no variables.

A value that is put into `echo <x>`, `echo "<x>"` and `echo '<x>'` must be quoted in three ways, so the text is walked
through once with a stack of what is open. What can't be told (a quote that nobody closes) makes one step of it all.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# `<name>`, as navi has it; not the end of `<<EOF>file`, and not `\<name>`.
PLACEHOLDER = re.compile(r"(?<![<\\])<(\w[\w-]*)>")
_HEREDOC = re.compile(r"<<(-?)[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|([^\s'\"<>|&;()]+))")
_OPENS = {"if": "fi", "for": "done", "while": "done", "until": "done", "select": "done", "case": "esac", "{": "}"}
# After these a command begins anew.
_LEADS = {"if", "then", "else", "elif", "do", "while", "until", "!", "time", "{"}


class Slot(NamedTuple):
    """A placeholder: from `start` to `end`, inside of `context`.

    One of plain, double, single, ansi ($'…'), backtick, arithmetic, brace (in "${…}"), dollar (right behind
    one), comment, heredoc (expanded), literal (a heredoc that is not). `ends_at` is the line that ends the heredoc.
    """

    name: str
    start: int
    end: int
    context: str
    ends_at: str = ""


class Scan(NamedTuple):
    """`breaks` are the offsets of the newlines that end a command; `is_whole` whether all that opens is closed."""

    slots: tuple[Slot, ...]
    breaks: tuple[int, ...]
    is_whole: bool


class _Walk:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.stack: list[str] = []
        self.slots: list[Slot] = []
        self.breaks: list[int] = []
        self.heredocs: list[tuple[str, bool, bool]] = []
        self.word = ""
        self.is_command = True
        self.is_open = False
        self.is_broken = False

    @property
    def top(self) -> str:
        return self.stack[-1] if self.stack else ""

    def context(self) -> str:
        for below, name in reversed(list(enumerate(self.stack))):
            if name == "${" and "double" in self.stack[:below]:
                return "brace"  # "${x:-…}", where a ' opens a quote that \' does not hide
            if name in {"double", "single", "ansi"}:
                return name
            if name == "$(":
                return "plain"
            if name in {"((", "((…("}:
                return "arithmetic"  # where even '…' is expanded
        return "plain"

    def slot(self, context: str = "", ends_at: str = "") -> bool:
        """Take a placeholder that begins here."""
        match = PLACEHOLDER.match(self.text, self.at)
        if match is None:
            return False
        inside = "backtick" if "`" in self.stack else context or self.context()
        if inside == "plain" and self.text[self.at - 1 : self.at] == "$":
            inside = "dollar"  # `$'…'` is not `'…'`
        self.slots.append(Slot(match[1], match.start(), match.end(), inside, ends_at))
        self.at = match.end()
        if not context:
            self.word += "x"
        return True

    def end_word(self) -> None:
        """A word is over: a reserved one, where a command begins, opens or closes something."""
        word, self.word = self.word, ""
        if not word:
            return
        if not self.is_command:
            return
        if word in _OPENS:
            self.stack.append(_OPENS[word])
        elif word in {"fi", "done", "esac", "}"}:
            if self.top == word:
                self.stack.pop()
            else:
                self.is_broken = True
        self.is_command = word in _LEADS or (self.top == "esac" and word == "in")

    def run(self) -> Scan:
        text = self.text
        while self.at < len(text):
            top = self.top
            if top == "single":
                self.quoted("'", escapes=False)
            elif top == "ansi":
                self.quoted("'", escapes=True)
            elif top == "double":
                self.double()
            elif top == "${":
                self.brace()
            elif top in {"((", "((…("}:
                self.arithmetic()
            else:
                self.plain()
        self.end_word()
        # `esac` may be the last word of all.
        whole = not self.stack and not self.heredocs and not self.is_open and not self.is_broken
        return Scan(tuple(self.slots), tuple(self.breaks), whole)

    def quoted(self, end: str, escapes: bool) -> None:
        char = self.text[self.at]
        if char == "<" and self.slot():
            return
        if char == end:
            self.stack.pop()
        self.at += 2 if escapes and char == "\\" else 1

    def expansion(self) -> bool:
        """`$(`, `${`, or a backtick, which mean the same in and out of double quotes."""
        if self.text.startswith("$((", self.at):
            self.stack.append("((")
            self.at += 3
            return True
        if self.text.startswith("$(", self.at):
            self.stack.append("$(")
            self.at += 2
            self.word, self.is_command = "", True
            return True
        if self.text.startswith("${", self.at):
            self.stack.append("${")
            self.at += 2
            return True
        if self.text[self.at] == "`":
            if "`" in self.stack:
                while self.stack.pop() != "`":
                    pass
                self.is_command = False
            else:
                self.stack.append("`")
                self.word, self.is_command = "", True
            self.at += 1
            return True
        return False

    def double(self) -> None:
        char = self.text[self.at]
        if char == "\\":
            self.at += 2
        elif char == '"':
            self.stack.pop()
            self.at += 1
        elif not ((char == "<" and self.slot()) or self.expansion()):
            self.at += 1

    def brace(self) -> None:
        char = self.text[self.at]
        if char == "\\":
            self.at += 2
        elif char == "}":
            self.stack.pop()
            self.at += 1
        elif char in "'\"" and not (char == "'" and "double" in self.stack):
            self.stack.append("double" if char == '"' else "single")
            self.at += 1
        elif not ((char == "<" and self.slot()) or self.expansion()):
            self.at += 1

    def arithmetic(self) -> None:
        char = self.text[self.at]
        if self.top == "((" and self.text.startswith("))", self.at):
            self.stack.pop()
            self.at += 2
            self.is_command = False
        elif char == "(":
            self.stack.append("((…(")
            self.at += 1
        elif char == ")" and self.top == "((…(":
            self.stack.pop()
            self.at += 1
        elif not ((char == "<" and self.slot()) or self.expansion()):
            self.at += 1

    def plain(self) -> None:
        char = self.text[self.at]
        if char == "\n":
            self.newline()
            return
        if char in " \t":
            self.end_word()
            self.at += 1
            return
        if char == "#" and not self.word and (self.at == 0 or self.text[self.at - 1] in " \t\n;|&("):
            self.comment()
            return
        self.is_open = False
        if char == "<" and (self.slot() or self.redirection()):
            return
        if char == "\\":
            if self.text[self.at : self.at + 2] == "\\\n":
                # The line goes on; where nothing follows it is open.
                self.is_open = self.at + 2 >= len(self.text)
            else:
                self.word += "\\"
            self.at += 2
        elif self.text.startswith("$'", self.at):
            self.open("ansi", 2)
        elif char in "'\"":
            self.open("double" if char == '"' else "single", 1)
        elif self.expansion():
            if self.top in {"${", "(("} or char == "`":
                self.word += "x"
        else:
            self.operator(char)

    def redirection(self) -> bool:
        """`<<EOF` and `<<<`, of which the first has a body below."""
        if self.text.startswith("<<<", self.at):
            self.end_word()
            self.at += 3
            return True
        heredoc = _HEREDOC.match(self.text, self.at)
        if heredoc is None:
            return False
        self.end_word()
        quoted = heredoc[4] is None or "\\" in heredoc[4]
        delimiter = (heredoc[2] or heredoc[3] or heredoc[4] or "").replace("\\", "")
        self.heredocs.append((delimiter, heredoc[1] == "-", quoted))
        self.at = heredoc.end()
        return True

    def open(self, context: str, length: int) -> None:
        self.word += "x"
        self.stack.append(context)
        self.at += length

    def operator(self, char: str) -> None:
        if char in ";&|":
            self.end_word()
            self.is_command = True
            self.is_open = self.text[self.at : self.at + 2] in {"&&", "||"} or (
                char == "|" and self.text[self.at - 1 : self.at] != ">"
            )
            self.at += 2 if self.text[self.at : self.at + 2] in {"&&", "||", ";;"} else 1
        elif self.text.startswith("((", self.at):
            self.end_word()
            self.stack.append("((")
            self.at += 2
        elif char == "(":
            # `f()` is a word and a pair that closes at once.
            self.end_word()
            self.stack.append("(")
            self.is_command = True
            self.at += 1
        elif char == ")":
            self.end_word()
            if self.top in {"(", "$("}:
                was = self.stack.pop()
                # After `f()` a body may follow; after `$(…)` the word goes on.
                self.is_command = was == "("
                self.word = "x" if was == "$(" else ""
            elif self.top == "esac":
                self.is_command = True  # the end of a pattern
            else:
                self.is_broken = True
            self.at += 1
        elif char in "<>":
            self.end_word()
            self.at += 1
        else:
            self.word += char
            self.at += 1

    def comment(self) -> None:
        while self.at < len(self.text) and self.text[self.at] != "\n":
            if not (self.text[self.at] == "<" and self.slot("comment")):
                self.at += 1

    def newline(self) -> None:
        self.end_word()
        if self.heredocs:
            self.at += 1
            while self.heredocs:
                if not self.heredoc(*self.heredocs[0]):
                    return
                self.heredocs.pop(0)
            self.at -= 1  # the newline that ends the last one ends the command too
        if not self.stack and not self.is_open:
            self.breaks.append(self.at)
        self.is_command = True
        self.at += 1

    def heredoc(self, delimiter: str, strips: bool, quoted: bool) -> bool:
        """Go over the body; False where it does not end."""
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            if (line.lstrip("\t") if strips else line) == delimiter:
                self.at = min(end + 1, len(self.text) + 1)
                return True
            while self.at < end:
                if not (self.text[self.at] == "<" and self.slot("literal" if quoted else "heredoc", delimiter)):
                    self.at += 1
            self.at = end + 1
        return False


def scan(text: str) -> Scan:
    """Walk through shell text."""
    return _Walk(text).run()


def logical_lines(text: str) -> list[tuple[int, str]]:
    """The commands of a text, each with the number of its first line from 0, without blank ones and mere comments.

    A loop, a here-document or a line that goes on is one command. All is one where the text makes no sense.
    """
    found = scan(text)
    if not found.is_whole:
        return [(0, text)] if text.strip() else []
    commands = []
    start = 0
    for end in (*found.breaks, len(text)):
        command = text[start:end]
        bare = command.strip()
        if bare and not (bare.startswith("#") and "\n" not in bare):
            skipped = len(command) - len(command.lstrip("\n"))
            commands.append((text.count("\n", 0, start + skipped), command.strip("\n")))
        start = end + 1
    return commands
