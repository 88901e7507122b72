"""bash, zsh and fish do with an alias what its text says, whatever is in the text and in the arguments."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from mlsh.aliases import shape
from mlsh.aliases.shape import Alias
from mlsh.errors import RefusedInput
from tests.aliases.shells import SHELLS, Shells, typed

few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
ODD = "'\"\\$`!*?#~{}[]()<>|&;=%^@,.:-+ aZ0é한"
odd_text = st.text(st.sampled_from(ODD), max_size=12) | st.sampled_from(
    [
        "{1}",
        "{@}",
        "{{1}}",
        "HEAD@{1}",
        "$(id)",
        "`id`",
        "!!",
        "-n",
        "--",
        "",
        "~",
        "$HOME",
        "a'b",
        "\\",
        "''",
        "#x",
        "=ls",
    ]
)
name = st.from_regex(r"q[a-z0-9_.,-]{1,8}", fullmatch=True)


def quoted(text: str) -> str:
    """A word with quotes around it, also where sh needs none: zsh expands a bare `=ls`."""
    return "'" + text.replace("'", "'\\''") + "'"


@few
@given(words=st.lists(odd_text, max_size=4), given_=st.lists(odd_text, max_size=3), called=name)
@pytest.mark.parametrize("shell", SHELLS)
def test_an_alias_hands_its_program_every_word_as_it_was_written(
    shells: Shells, shell: str, words: list[str], given_: list[str], called: str
) -> None:
    run = shape.keep_literal(" ".join(["recv", *map(quoted, words)]))
    alias = Alias(called, run)
    shape.check(alias)
    assert not alias.is_function
    said = shells.read(shell, [alias], [typed(shell, called, given_)])
    assert said.stderr == ""
    assert said.calls() == [[*words, *given_]]


def double(text: str) -> str:
    return "".join("\\" + char if char in '\\"$`' else char for char in text)


# Pieces of a command: as it is written, and what it comes to for some arguments.
Piece = tuple[str, str, str, str]
number = st.sampled_from("123")
pieces = st.lists(
    st.tuples(st.just("lit"), odd_text, st.just(""), st.just(""))
    | st.tuples(st.just("bare"), st.just(""), number, st.just(""))
    | st.tuples(st.sampled_from(["double", "single"]), odd_text, number | st.just("@"), odd_text)
    | st.tuples(st.just("rest"), st.just(""), st.just("@"), st.just("")),
    min_size=1,
    max_size=6,
)


def written(piece: Piece) -> str:
    kind, before, which, after = piece
    before, after = shape.keep_literal(before), shape.keep_literal(after)
    if kind == "lit":
        return quoted(before)
    if kind in {"bare", "rest"}:
        return f"{{{which}}}"
    if kind == "double":
        return f'"{double(before)}{{{which}}}{double(after)}"'
    return f"'{before}{{{which}}}{after}'"


def meant(piece: Piece, named: list[str], rest: list[str]) -> list[str]:
    kind, before, which, after = piece
    if kind == "lit":
        return [before]
    if kind == "rest":
        return rest
    value = " ".join(rest) if which == "@" else named[int(which) - 1]
    return [value] if kind == "bare" else [before + value + after]


@few
@example(parts=[("double", "", "@", "["), ("double", "", "1", "[1]")], values=["a", "b", "c"], rest=["d"])
@given(parts=pieces, values=st.lists(odd_text, min_size=3, max_size=3), rest=st.lists(odd_text, max_size=3))
@pytest.mark.parametrize("shell", [*SHELLS, "dash"])
def test_arguments_in_the_middle_arrive_whole_inside_and_outside_of_quotes(
    shells: Shells, shell: str, parts: list[Piece], values: list[str], rest: list[str]
) -> None:
    for kind, before, _, after in parts:
        assume(kind != "single" or "'" not in before + after)
        # What ends in @ or $ makes the text behind it git's, and a brace more makes it literal.
        assume(not before.endswith(("@", "$", "{")) and not after.startswith("}"))
    run = " ".join(["recv", *map(written, parts)])
    highest = max((int(which) for _, _, which, _ in parts if which.isdigit()), default=0)
    used = {which for _, _, which, _ in parts}
    assume({str(number) for number in range(1, highest + 1)} <= used)
    alias = Alias("qfn", run)
    assume(alias.is_function)
    shape.check(alias)
    named, more = values[:highest], rest if "@" in used else []
    said = shells.read(shell, [alias], [typed(shell, "qfn", [*named, *more])])
    assert said.stderr == ""
    assert said.calls() == [[word for piece in parts for word in meant(piece, named, more)]]


FRAGMENTS = [
    "}",
    "{",
    "; echo OOPS",
    "$(echo OOPS)",
    "`echo OOPS`",
    "'",
    '"',
    "{1}",
    "{@}",
    "{1:x}",
    "\n",
    "fi",
    "done",
    ")",
    "(",
    "&&",
    "||",
    "|",
    ";;",
    "&",
    "end",
    "; }; echo OOPS; x () {",
    "echo OOPS #",
    "\\",
    "$((1+",
    "<<E",
    ">",
    "recv",
    " ",
    "${x",
    "case x in",
    "then",
    "!",
    "esac",
    "<(echo OOPS)",
    "$'",
    "\t",
    "function z",
    "=",
    "[[",
    "alias x=y",
    "\n}\necho OOPS\n",
    "end; echo OOPS; function z",
]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=7), min_size=1, max_size=6))
@pytest.mark.parametrize("shell", [*SHELLS, "dash"])
def test_reading_an_alias_runs_nothing_and_costs_no_other_alias(
    shells: Shells, shell: str, texts: list[list[str]]
) -> None:
    aliases = []
    for at, fragments in enumerate(texts):
        alias = Alias(f"q{at}", "".join(fragments), about="'; echo OOPS \" $(echo OOPS)")
        try:
            shape.check(alias)
        except RefusedInput:
            continue
        aliases.append(alias)
    last = Alias("qlast", "recv {1} end")
    said = shells.read(shell, [*aliases, last], ["qlast 'it is here'"])
    assert said.stderr == ""
    assert said.calls() == [["it is here", "end"]]


@pytest.mark.parametrize("shell", [*SHELLS, "dash"])
def test_a_command_with_a_hole_in_it_is_not_run(shells: Shells, shell: str) -> None:
    aliases = [
        Alias("q1", "recv rm {1}/cache"),
        Alias("q2", "recv {1} {2:main}"),
        Alias("q3", "recv {1:a} '{@}'"),
        Alias("q4", "recv {1} {2} {@}"),
    ]
    lines = ["q1", "q1 a b", "q2 x", "q2 x y", "q2 x y z", "q3", "q3 b c d", "q4 x", "q4 x y"]
    said = shells.read(shell, aliases, lines)
    assert said.calls() == [["x", "main"], ["x", "y"], ["a", ""], ["b", "c d"], ["x", "y"]]
    assert said.stderr.count("too few arguments") == 2
    assert said.stderr.count("too many arguments") == 2
    assert "q1 stands for: recv rm {1}/cache" in said.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_pipes_lines_and_programs_of_the_same_name_work_in_each_shell(shells: Shells, shell: str) -> None:
    shells.program("qwrap", '#!/bin/sh\nexec recv wrapped "$@"\n')
    aliases = [
        Alias("qwrap", "qwrap --colour"),
        Alias("qpipe", "printf '%s\\n' {1} b a | sort | xargs recv"),
        Alias("qlines", "recv one {1}\nif [ {1} = x ]; then\n  recv two\nfi"),
        Alias("qcd", "mkdir -p {1} && cd {1}"),
        Alias("qenv", "QVALUE={1} sh -c 'recv \"$QVALUE\"'"),
        Alias("qquiet", "ls /nowhere-at-all 2>/dev/null || recv none"),
        Alias("qown", "recv posix", fish="recv own"),
        Alias("..", "cd .."),
    ]
    for alias in aliases:
        shape.check(alias)
    lines = [
        "qwrap -x",
        "qpipe c",
        "qlines x",
        "qcd made",
        "recv (pwd)" if shell == "fish" else 'recv "$PWD"',
        "..",
        "qenv 'a b'",
        "qquiet",
        "qown",
    ]
    said = shells.read(shell, aliases, lines)
    assert said.stderr == ""
    assert said.calls() == [
        ["wrapped", "--colour", "-x"],
        ["a", "b", "c"],
        ["one", "x"],
        ["two"],
        [str(shells.folder / "made")],
        ["a b"],
        ["none"],
        ["own" if shell == "fish" else "posix"],
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_reading_again_forgets_what_is_gone(shells: Shells, shell: str) -> None:
    from mlsh.aliases import shell_init

    old = shell_init.definitions(
        shell, [Alias("qold", "recv old"), Alias("qboth", "recv {1}"), Alias("qturn", "recv a")]
    )
    new = shell_init.definitions(shell, [Alias("qboth", "recv new"), Alias("qturn", "recv {1}")])
    (shells.folder / "new").write_text(new)
    said = shells.run(shell, old, [f". {shells.folder}/new", "qboth x", "qturn y", "qold"])
    assert said.calls() == [["new", "x"], ["y"]]
    assert "qold" in said.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "dash"])
def test_the_file_for_boxes_is_for_each_shell_that_reads_it(shells: Shells, shell: str) -> None:
    from mlsh.aliases import shell_init

    text = shell_init.definitions(
        "sh", [Alias("qfn", "recv {1}"), Alias("q-f", "recv {1} x"), Alias("qlast", "recv last")]
    )
    (shells.folder / "inner").write_text(text)
    lines = [f". {shells.folder}/inner", "qfn x", *(["q-f y"] if shell != "dash" else []), "qlast"]
    said = shells.run(shell, "alias qfn='echo theirs' q-f='echo theirs'\n", lines)
    assert (said.stderr, said.calls()) == ("", [["x"], *([["y", "x"]] if shell != "dash" else []), ["last"]])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_an_alias_of_the_person_in_the_way_breaks_nothing(shells: Shells, shell: str) -> None:
    """zsh and bash put an alias in the place of a function's name, also where the function is defined."""
    from mlsh.aliases import shell_init

    text = shell_init.definitions(shell, [Alias("qfn", "recv {1}"), Alias("qlast", "recv last")])
    (shells.folder / "inner").write_text(text)
    lines = [f'eval "$(cat {shells.folder}/inner)"', "qfn x", "qlast"]
    said = shells.run(shell, "alias qfn='echo theirs'\n", lines)
    assert (said.stderr, said.calls()) == ("", [["x"], ["last"]])
