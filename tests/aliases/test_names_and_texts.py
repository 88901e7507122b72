"""What may not be an alias is refused before anything is written; what words of a text are commands."""

from __future__ import annotations

import pytest

from mlsh.aliases import names, shape
from mlsh.aliases.scanning import command_words, scan
from mlsh.aliases.shape import Alias
from mlsh.errors import RefusedInput

HOSTILE = [
    "",
    "-x",
    "-oProxyCommand=id",
    "a\nb",
    "*",
    "!prod",
    "$(id)",
    "`id`",
    "a b",
    "a;b",
    "a=b",
    "a/b",
    "x'",
    'x"',
    "a{1}",
    "\x1b[2J",
    "é",
    "if",
    "then",
    "function",
    "cd",
    "exit",
    "source",
    ".",
    ":",
    "_",
    "__git_ps1",
    "_mlsh_x",
    "mlsh",
    "end",
    "and",
    "status",
    "a" * 65,
    "[",
    "[[",
    "~",
    "a\\",
    "#x",
    "%1",
    "@",
    "a|b",
    "a&",
    "(x)",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused(name: str) -> None:
    with pytest.raises(RefusedInput):
        shape.check(Alias(name, "git status"))


@pytest.mark.parametrize("name", ["gs", "..", "...", ",w", "1", "g-s", "g.s", "_x", "A9", "a" * 64])
def test_a_usual_name_is_not(name: str) -> None:
    assert names.why_not(name) == ""


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ("  ", "there is no command"),
        ("echo 'a", "a single quote is not closed"),
        ('echo "$(a', "a $( is not closed"),
        ("echo a\\", "a backslash at the end is not closed"),
        ("echo \x1b[2J", "control characters"),
        ("echo \u202e", "control characters"),
        ("x" * 8193, "more than 8192"),
        ("echo ${x:-{1}}", "inside ${...}"),
        ("echo `a {1}`", "inside backticks"),
        ("echo {1} # {2}", "in a comment"),
        ("echo {1:a} {1:b}", "two defaults"),
        ("echo {2}", "a {2} and no {1}"),
        ("echo {1:a} {2}", "comes after one that may be missing"),
        ("cat <<E\n{1}\nE", "here-document"),
        ("gs {1}", "call itself"),
        ("cd /x && gs {1}", "call itself"),
    ],
)
def test_a_text_that_could_not_mean_what_it_says_is_refused(run: str, says: str) -> None:
    with pytest.raises(RefusedInput, match="gs: ") as caught:
        shape.check(Alias("gs", run))
    assert says in caught.value.what


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("git log | wc -l", ["git", "wc"]),
        ("A=1 B='x y' make && ./run", ["make", "./run"]),
        ("cd $(git rev-parse --show-toplevel)", ["cd", "git"]),
        ("echo 'a | b; c' && x", ["echo", "x"]),
        ('echo "$(date) | x"', ["echo", "date"]),
        ("X=1", []),
        ("X=1; y", ["y"]),
        ("a & b", ["a", "b"]),
        ("(cd x; y)", ["cd", "y"]),
        ("ls 2>&1 >/dev/null", ["ls"]),
        ("if true; then x; fi", ["if", "then", "fi"]),
    ],
)
def test_the_commands_of_a_line(text: str, words: list[str]) -> None:
    assert command_words(text) == words


def test_contexts_of_quotes_within_substitutions() -> None:
    text = """a "b $(c 'd' "e") f" g"""
    contexts = scan(text).contexts
    assert len(contexts) == len(text)
    assert [contexts[text.index(char)] for char in "abcdefg"] == ["p", "d", "p", "s", "d", "d", "p"]
    assert scan(text).unclosed == ""


def test_git_notation_is_not_an_argument() -> None:
    for run in ("git reset HEAD@{1}", "git show @{1}", "git log ${1}", "echo {{1}}", "echo {0} {a} {}"):
        assert not Alias("gx", run).is_function
        shape.check(Alias("gx", run))
