"""What is typed most, and what an alias would save: the same counts as the shell's own tools, and no secret in it."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.aliases import counting, suggesting, usage
from mlsh.aliases.shape import Alias
from mlsh.aliases.suggesting import Suggestion

PIPELINE = """\
HISTFILE=$1 HISTSIZE=100000; history -r
history | awk '{$1="";print substr($0,2)}' | LC_ALL=C sort | uniq -c | LC_ALL=C sort -n
"""


def by_pipeline(path: Path) -> list[str]:
    ran = subprocess.run(
        ["bash", "--norc", "-c", PIPELINE, "bash", str(path)],
        capture_output=True, check=True, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )  # fmt: skip
    return ran.stdout.decode().splitlines()


word = st.sampled_from(
    ["git", "status", "ls", "-la", "|", "é", "'a  b'", "$HOME", "*", "!x", "\\", "12", "#1", "a\tb", "  "]
)
command = st.lists(word, min_size=1, max_size=4).map(" ".join).filter(lambda text: text.strip() and text[:1] != "#")


@settings(max_examples=20, deadline=None)
@given(commands=st.lists(command, max_size=40))
def test_the_counts_are_those_of_the_lectures_pipeline(
    tmp_path_factory: pytest.TempPathFactory, commands: list[str]
) -> None:
    path = tmp_path_factory.mktemp("history") / "bash_history"
    path.write_text("".join(f"{one}\n" for one in commands))
    assert counting.lines(counting.of_files([counting.file(path)], tell=lambda _: None)) == by_pipeline(path)


def test_a_command_that_two_records_hold_is_counted_once_and_a_broken_file_is_named(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    (tmp_path / ".bash_history").write_text("make\nmake\nls\n")
    (tmp_path / ".zsh_history").write_bytes(b": 1700000000:0;make\n: 1700000001:0;for x in 1\\\ndo y\\\ndone\n")
    recorded = tmp_path / ".local/state/mlsh/recorded"
    recorded.mkdir(parents=True)
    (recorded / "one").write_bytes(
        b"1700000000 1700000001 0\x1f/\x1fmake\x1e\n1700000000 1700000001 0\x1f/\x1ftop\x1e\n"
    )
    broken = tmp_path / ".local/share/atuin/history.db"
    broken.parent.mkdir(parents=True)
    broken.write_text("no database, but long enough to be looked at" * 10)
    from mlsh.history import sources

    told: list[str] = []
    counts = counting.of_files(sources.find_local(home), told.append)
    assert counts == {"make": 3, "ls": 1, "top": 1, "for x in 1\ndo y\ndone": 1}
    assert len(told) == 1
    assert "history.db" in told[0]
    assert counting.lines(counts)[-1] == "      3 make"


def best(counts: dict[str, int], *aliases: Alias, taken: frozenset[str] = frozenset()) -> list[Suggestion]:
    return suggesting.suggest(counts, aliases, lambda name: name in taken, lambda text: "SECRET" in text)


def test_the_keys_that_are_saved_decide() -> None:
    counts = {"git status": 50, "nvidia-smi": 20, "git stash pop": 2, "ls": 500}
    assert best(counts) == [Suggestion("gs", "git status", 50, 400), Suggestion("ns", "nvidia-smi", 20, 160)]


def test_what_commands_begin_with_is_proposed_where_their_ends_differ() -> None:
    found = best({f"git checkout branch{at}": 1 for at in range(30)})
    assert found == [Suggestion("gc", "git checkout", 30, 300)]


def test_a_word_that_varies_in_the_middle_becomes_an_argument() -> None:
    found = best({f"ssh gpu{at} nvidia-smi": 4 for at in range(5)})
    assert found[0] == Suggestion("sn", "ssh {1} nvidia-smi", 20, 20 * (len("ssh  nvidia-smi") - 1 - len("sn")))


def test_what_one_proposal_saves_is_not_promised_again_by_the_next() -> None:
    counts = {"docker compose up": 10, "docker compose down": 10, "docker compose logs": 10}
    found = best(counts)
    total = sum(one.saved for one in found)
    typed = sum(len(command) * count for command, count in counts.items())
    shortest = 3 * 10 * 2
    assert 0 < total <= typed - shortest
    assert found[0].run == "docker compose"


@pytest.mark.parametrize(
    "command",
    [
        "export TOKEN=SECRET-value", "rm -rf build/cache", "git reset --hard HEAD~1", "pkill -9 python",
        "for x in 1\ndo y\ndone", "echo 'not closed and so on", "printf '\x1b[2J' and so on", "x" * 200,
    ],
)  # fmt: skip
def test_secrets_dangers_and_several_lines_are_never_proposed(command: str) -> None:
    assert best({command: 100}) == []


def test_no_piece_of_a_command_with_a_secret_is_proposed() -> None:
    assert best({f"login-to --password SECRET{at} --here {at}": 20 for at in range(9)}) == []


def test_names_that_are_taken_typed_or_refused_are_not_proposed() -> None:
    counts = {"git status": 50, "if something then": 40, "gst -x y": 3}
    names_ = {one.name for one in best(counts, Alias("gs", "other"), taken=frozenset({"ist"}))}
    assert names_.isdisjoint({"gs", "gst", "if", "ist"})
    assert best({"git status": 50}, Alias("q", "git status")) == []
    assert best({"q --long --options --here": 50}, Alias("q", "git status")) == []


def test_text_that_looks_like_an_argument_is_kept_as_text() -> None:
    found = best({"awk '{1}' some-file | sort": 10})
    assert found[0].run == "awk '{{1}}' some-file | sort"


def test_a_hundred_thousand_commands_are_read_in_time() -> None:
    """No figure: a candidate for each pair of commands would take hours."""
    counts = Counter({f"command{at % 977} argument{at} --option {at % 13}": 1 + at % 3 for at in range(100_000)})
    assert suggesting.suggest(counts, [], lambda _: False, lambda _: False)


def test_uses_are_counted_wherever_a_command_can_stand() -> None:
    aliases = [Alias("gs", "git status"), Alias("g", "git"), Alias("gc", "git checkout {1}"), Alias("ls", "ls -h")]
    counts = {
        "gs": 3, "gs -v | cat": 2, "cd x && gs": 1, "echo gs": 5, "echo 'a; gs'": 5, "A=1 gc main": 4, "git status": 7,
        "git status -v": 1, "git push": 2, "gsx": 9, "ls": 6,
    }  # fmt: skip
    found = {one.name: one for one in usage.usage(counts, aliases)}
    assert (found["gs"].used, found["gs"].saved) == (6, 6 * 8)
    assert (found["gs"].in_full, found["gs"].could_have_saved) == (8, 64)
    assert (found["g"].used, found["g"].in_full) == (0, 2)
    assert (found["gc"].used, found["gc"].saved) == (4, 4 * (len("git checkout ") - 2))
    assert (found["ls"].used, found["ls"].in_full) == (6, 0)
