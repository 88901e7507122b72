"""What the shells wrote is read as they meant it."""

from __future__ import annotations

import pytest

from mlsh.history.entry import Entry
from mlsh.history.formats import parse_bash, parse_fish, parse_zsh


def commands(entries: object) -> list[str]:
    return [entry.command for entry in entries]  # type: ignore[attr-defined]


# bash


def test_plain_bash_lines_are_commands_in_order_and_repeated_ones_stay() -> None:
    assert list(parse_bash("ls\n\ncd /tmp\nls\n")) == [
        Entry("ls", source="bash"),
        Entry("cd /tmp", source="bash"),
        Entry("ls", source="bash"),
    ]


def test_bash_times_belong_to_the_command_below_them() -> None:
    assert [(e.command, e.when_s) for e in parse_bash("old\n#1700000000\nls\n#1700000009\ncd\n")] == [
        ("old", None),
        ("ls", 1700000000.0),
        ("cd", 1700000009.0),
    ]


MULTI = [
    "echo 'a\n\nb' \\\n  c",
    "cat <<'EOF' > x\nit's; (open\n#123\nEOF",
    "cat <<-E\n\tx\n\tE",
    "for i in 1 2\ndo\n  echo $i\ndone",
    "if true; then\n  case $x in a) echo 1;; esac\nfi",
    "f() {\n  ls |\n    wc\n}",
    "a &&\nb",
    "x=$(\nls\n)",
    "echo $'it\\'s\nb'",
    'python - <<"END"\nprint("a")\nEND',
]


@pytest.mark.parametrize("command", MULTI)
def test_a_bash_command_of_several_lines_stays_one(command: str) -> None:
    text = f"#1700000000\nbefore\n#1700000001\n{command}\n#1700000002\nafter\n"
    assert commands(parse_bash(text)) == ["before", command, "after"]


SINGLE = [
    'echo "it\'s"',
    "echo it\\'s",
    "ls # it's (open",
    "echo ${x:-a} {a,b} $(ls)",
    "cat <<< 'x'",
    "echo if for case",
    "for i in 1; do ls; done",
    "echo a#b",
    "sleep 5 &",
    "git commit -m 'done for'",
    "[ -d x ] && for-each",
]


@pytest.mark.parametrize("command", SINGLE)
def test_commands_of_a_shell_without_times_are_not_glued_to_the_last_stamped_one(command: str) -> None:
    entries = list(parse_bash(f"#1700000000\n{command}\nls -l\nwho\n"))
    assert [(e.command, e.when_s) for e in entries] == [(command, 1700000000.0), ("ls -l", None), ("who", None)]


def test_a_bash_file_cut_in_the_middle_of_a_command_is_read_to_its_end() -> None:
    assert commands(parse_bash("#1700000000\necho 'a\nb")) == ["echo 'a\nb"]


# zsh


def test_zsh_extended_lines_tell_begin_and_duration() -> None:
    assert list(parse_zsh(b": 1700000000:5;make -j\n: 1700000010:0;ls; cd\nplain\n")) == [
        Entry("make -j", 1700000000.0, None, 5.0, source="zsh"),
        Entry("ls; cd", 1700000010.0, source="zsh"),
        Entry("plain", source="zsh"),
    ]


def test_zsh_newlines_in_a_command() -> None:
    assert commands(parse_zsh(b": 1700000000:0;for i in 1; do\\\necho $i\\\ndone\n: 1700000001:0;ls\n")) == [
        "for i in 1; do\necho $i\ndone",
        "ls",
    ]


def test_zsh_backslash_at_the_end_of_a_command() -> None:
    assert commands(parse_zsh(b": 1700000000:0;echo a\\ \nls\n")) == ["echo a\\", "ls"]


@pytest.mark.parametrize("text", ["echo 'héllo — 日本語'", "echo ’ñ\u0083x", "echo 안녕"])
def test_zsh_metafied_bytes(text: str) -> None:
    meta = b"".join(bytes([0x83, b ^ 32]) if 0x83 <= b <= 0xA2 else bytes([b]) for b in text.encode())
    assert commands(parse_zsh(b": 1700000000:0;" + meta + b"\nls\n")) == [text, "ls"]


# fish


def test_fish_escapes_times_and_paths() -> None:
    text = "- cmd: echo a\\nb \\\\n\n  when: 1700000000\n  paths:\n    - x\n- cmd: ls\n- cmd: cut\n  when: bad\n"
    assert list(parse_fish(text)) == [
        Entry("echo a\nb \\n", 1700000000.0, source="fish"),
        Entry("ls", source="fish"),
        Entry("cut", source="fish"),
    ]
