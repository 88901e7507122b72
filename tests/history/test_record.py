"""The recording hook in real shells: begin, end, exit code and folder of each command, and of none that is private."""

from __future__ import annotations

import json
import re
import statistics
from typing import Any

import pytest

from mlsh.history.recorded import parse_recorded
from tests.bed import Laptop
from tests.bed.waiting import wait_for
from tests.history.shells import shell
from tests.history.test_bind import BIND, start

NAMES = ["bash", "zsh", "fish"]

LINES = (
    "cd 'there here'",
    "sleep 0.3; sh -c 'exit 3'",
    " echo private-line",
    "echo plain",
    "",
    "echo 'two\nlines'",
    "echo last",
)


def recorded(laptop: Laptop) -> bytes:
    folder = laptop.home / ".local/state/mlsh/recorded"
    files = [file for file in folder.glob("*") if not file.name.endswith(".now")] if folder.exists() else []
    return b"".join(file.read_bytes() for file in files)


def found(laptop: Laptop, *words: str) -> list[dict[str, Any]]:
    said = laptop.run("history", "--json", "--runs", *words, check=False)
    return [json.loads(line) for line in said.stdout.splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_how_a_command_ended_where_and_how_long_it_took(laptop: Laptop, name: str) -> None:
    (laptop.home / "there here").mkdir()
    with shell(laptop, *start(laptop, name, "record"), env={"PROMPT_COMMAND": ":"}) as at:
        at.shows("ready>")
        for line in LINES:
            at.type(line + "\r")
        at.shows("last\r\n", 1)
        wait_for(lambda: b"echo last" in recorded(laptop), 30, "the last command in the notes")
        at.type("exit\r")
        at.ends()
    notes = recorded(laptop)
    assert b"private-line" not in notes
    entries = {entry.command: entry for entry in parse_recorded(notes)}
    assert set(entries) >= {"cd 'there here'", "sleep 0.3; sh -c 'exit 3'", "echo plain", "echo last"}
    slept = entries["sleep 0.3; sh -c 'exit 3'"]
    assert (slept.exit_code, slept.folder) == (3, str(laptop.home / "there here"))
    assert slept.duration_s is not None
    assert 0.25 <= slept.duration_s < 20
    assert entries["cd 'there here'"].folder in {str(laptop.home), str(laptop.home / "there here")}
    assert "echo 'two\nlines'" in entries
    (fields,) = found(laptop, "sleep 0.3", "exit 3")
    assert (fields["exit_code"], fields["box"], fields["folder"]) == (3, "local", str(laptop.home / "there here"))
    assert found(laptop, "private-line") == []
    folder = laptop.home / ".local/state/mlsh/recorded"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", NAMES)
def test_notes_that_cannot_be_written_are_told_once_and_the_shell_goes_on(laptop: Laptop, name: str) -> None:
    (laptop.home / ".local/state/mlsh").mkdir(parents=True)
    (laptop.home / ".local/state/mlsh/recorded").write_text("a file in the place of the folder")
    with shell(laptop, *start(laptop, name, "record")) as at:
        at.shows("ready>")
        at.type("echo 1 | tr 1 A\r")
        at.shows("A\r\n")
        at.shows("can not be written")
        at.type("echo 1 | tr 1 B\r")
        at.shows("B\r\n")
        at.type("exit\r")
        at.ends()
        assert at.seen.count(b"can not be written") == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_exit_code_is_left_for_the_person(laptop: Laptop, name: str) -> None:
    with shell(laptop, *start(laptop, name, "record")) as at:
        at.shows("ready>")
        at.type("sh -c 'exit 7'\r")
        at.type("echo code=$status=\r" if name == "fish" else "echo code=$?=\r")
        at.shows("code=7=")


def test_bash_without_a_history_notes_nothing(laptop: Laptop) -> None:
    with shell(laptop, *start(laptop, "bash", "record")) as at:
        at.shows("ready>")
        at.type("set +o history\r")
        at.type("echo hid''den\r")
        at.shows("hidden\r\n")
        at.type("set -o history\r")
        at.type("echo shown''again\r")
        at.shows("shownagain\r\n")
        wait_for(lambda: b"again" in recorded(laptop), 30, "the notes")
    assert b"den" not in recorded(laptop)


def test_torn_notes_lose_only_themselves() -> None:
    good = b"1700000000.5 1700000001,75 0\x1f/src\x1fmake\x1e\n"
    torn = b"1700000000.5 17000" + good
    assert [entry.command for entry in parse_recorded(good + torn + b"\x1e\n\x1e\n" + good + b"170")] == [
        "make",
        "make",
    ]
    (entry,) = parse_recorded(b"1700000000.5 1700000001,75 0 h\x1f/a b\x1f   12  echo a\n b\n\x1e\n")
    assert (entry.command, entry.duration_s, entry.folder) == ("echo a\n b", 1.25, "/a b")
    assert list(parse_recorded(b"1 2 0 h\x1f/\x1f   12   echo private\n\x1e\n")) == []


def test_a_prompt_of_bash_starts_no_process(laptop: Laptop) -> None:
    """Counted with strace where it is; its own cost is that of one small write."""
    text = (BIND / "record.bash").read_text()
    body = re.search(r"__mlsh_note\(\) \{.*?\n\t\}", text, re.DOTALL)
    assert body is not None
    assert "$(" not in body[0]
    assert "`" not in re.sub(r"#.*", "", body[0])
    assert "|" not in re.sub(r"\|\||#.*|case.*|\*:ignorespace.*", "", body[0])
    timed = (
        f"set -o history; source {BIND}/record.bash; __mlsh_number=0; n=0; t=$EPOCHREALTIME; "
        "while ((n++ < 500)); do __mlsh_begun=1700000000000000; __mlsh_number=x$n; __mlsh_note; done; "
        'u=$EPOCHREALTIME; echo "took $(( (${u/./} - ${t/./}) / 500 ))"'
    )
    ran = [laptop.command("bash", "--norc", "-i", "-c", timed).stdout for _ in range(3)]
    took_us = statistics.median(int(out.split("took ")[1]) for out in ran)
    assert took_us < 5000, "half of a prompt's budget, on a machine that does much else"
    assert len(list(parse_recorded(recorded(laptop)))) >= 0
