"""The documentation says what the code does: links, commands, exit codes and fields."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlsh import records
from mlsh.box import process
from mlsh.cli import cli
from mlsh.config import Settings
from mlsh.errors import ExitCode
from tests.docs import commands_page
from tests.docs.pages import DOCS, ROOT, anchors, blocks, first_cells, links, pages, section, without_code

NAMES = [str(page.relative_to(ROOT)) for page in pages()]


@pytest.mark.parametrize("name", NAMES)
def test_every_internal_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for link in links(page.read_text()):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name} links to {link}"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{name} links to {link}"


def test_the_commands_page_is_the_real_help() -> None:
    """To write it anew: MLSH_WRITE_DOCS=1 pytest tests/docs."""
    if os.environ.get("MLSH_WRITE_DOCS"):
        commands_page.PAGE.write_text(commands_page.text())
    assert commands_page.PAGE.read_text() == commands_page.text()


def test_exit_codes_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (DOCS / "reference/exit-codes.md").read_text(), re.MULTILINE)
    assert {(name, int(code)) for code, name in rows} == {(code.name, int(code)) for code in ExitCode}


def test_states_are_those_of_the_code() -> None:
    table = section((DOCS / "how-to/why-did-it-fail.md").read_text(), "States")
    assert set(first_cells(table)) - {"state"} == {state.value for state in records.JobState}


def test_every_setting_on_the_page_is_read() -> None:
    from mlsh import config

    page = (DOCS / "reference/settings.md").read_text()
    toml = next(text for language, text in blocks(page) if language == "toml")
    import tomllib

    table = tomllib.loads(toml)
    config._check(table, Path("config.toml"))
    settings = Settings(table)
    assert settings.home("gpu1") == "/scratch/ada/.mlsh"
    assert (settings.shell("gpu1"), settings.multiplex("gpu1")) == ("login", False)


# Command lines


def command_lines(page: Path) -> Iterator[tuple[str, bool]]:
    """Each `mlsh ...` of a page, and whether it is whole: in prose, arguments may be left out."""
    text = page.read_text()
    for language, block in blocks(text):
        if language in {"sh", "console"}:
            for line in block.splitlines():
                yield from ((part, True) for part in _commands(line.strip().removeprefix("$ ")))
    for code in re.findall(r"`(mlsh [^`]+)`", without_code(text)):
        yield from ((part, False) for part in _commands(code))


def _commands(line: str) -> Iterator[str]:
    """The simple commands of a line of sh: around `id=$(...)`, pipes, `;` and redirections."""
    if (inner := re.search(r"\$\((mlsh [^)]*)\)", line)) and "eval" not in line:
        yield inner[1]
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;<>&")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return  # a command that goes on in the next line
    command: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set("|;<>&"):
            while command and re.fullmatch(r"\w+=.*|do|done", command[0]):
                command = command[1:]
            if command[:1] == ["mlsh"]:
                yield shlex.join(command)
            command = []
        else:
            command.append(word)


def parse(line: str) -> None:
    """Parse as click would, and run nothing. Raises click.UsageError."""
    words = [word for word in shlex.split(line) if word != "..."][1:]
    context = cli.make_context("mlsh", list(words)) if words[:1] and words[0].startswith("-") else click.Context(cli)
    rest = [*context.protected_args, *context.args] if words[:1] and words[0].startswith("-") else words
    command: click.Command = cli
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, line
        context, command = click.Context(found, info_name=name, parent=context), found
    if not isinstance(command, click.Group):
        command.make_context(context.info_name, list(rest), parent=context.parent)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_line_parses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "log", process.CommandLog())
    for line, is_whole in command_lines(ROOT / name):
        if re.search(r"\b(COMMAND|VERB)\b", line):
            continue
        try:
            parse(line)
        except click.exceptions.Exit:
            continue  # -h, --version
        except click.UsageError as error:
            if is_whole or not isinstance(error, click.MissingParameter):
                raise AssertionError(f"{name}: {line}: {error.format_message()}") from error


def test_command_lines_are_found() -> None:
    lines = [line for line, _ in command_lines(ROOT / "docs/how-to/scripts-and-ci.md")]
    assert "mlsh run --on gpu1 -d python train.py" in lines  # in id=$(...)
    assert "mlsh ps --json --state running" in lines  # before a pipe


def test_a_wrong_option_would_be_seen() -> None:
    for line in ("mlsh run --no-such true", "mlsh nosuch", "mlsh box nosuch", "mlsh ps --on"):
        with pytest.raises(click.UsageError):
            parse(line)
