"""What was typed is found: by any piece of it, newest first, and no run is counted twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.history import search as module
from mlsh.history.database import opened, writing
from mlsh.history.entry import Entry
from mlsh.history.keeping import keep
from mlsh.history.query import Matcher, Query, chosen
from mlsh.history.search import Hit, Run, every_run, search
from mlsh.secrets.masking import mask
from tests.history.keeping import put


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with opened(tmp_path / "history.db") as database:
        yield database


def found(database: sqlite3.Connection, *words: str, limit: int = 50, **how: object) -> list[str]:
    return [hit.command for hit in search(database, Query(words, **how), limit=limit)]  # type: ignore[arg-type]


ENTRIES = [
    Entry("git push origin main", 1000.0, 0, 1.5, "/src", source="mlsh"),
    Entry("torchrun --nproc 8 train.py", 2000.0, 1, 3600.0, "/src", source="mlsh"),
    Entry("echo Häuser 日本語 100%", 3000.0, source="zsh"),
    Entry("ls", 4000.0, source="bash"),
    Entry('echo "a\nb"', 5000.0, 0, None, "/tmp", source="atuin"),
    Entry("git push --force", 6000.0, 128, 0.5, "/src", source="mlsh"),
]


def test_any_piece_in_any_order_finds_a_command(database: sqlite3.Connection) -> None:
    put(database, ENTRIES)
    assert found(database, "orchr") == ["torchrun --nproc 8 train.py"]
    assert found(database, "train", "torch") == ["torchrun --nproc 8 train.py"]
    assert found(database, "ls") == ["ls"]
    assert set(found(database, "s")) == {"ls", "git push --force", "echo Häuser 日本語 100%", "git push origin main"}
    assert found(database, "語") == found(database, "häuser") == found(database, "0%") == [ENTRIES[2].command]
    assert found(database, "a\nb") == [ENTRIES[4].command]
    assert found(database, "nothing of it") == []
    assert found(database) == [entry.command for entry in reversed(ENTRIES)]


def test_a_capital_letter_means_what_it_says(database: sqlite3.Connection) -> None:
    put(database, [Entry("make Install", 1.0), Entry("make install", 2.0)])
    assert found(database, "Install") == ["make Install"]
    assert len(found(database, "install")) == 2


@pytest.mark.parametrize("word", ['"', "'", "*", "a OR b", "NEAR(", "^x", "\\", "%", "--", "-", ":", "💥", "\x1b["])
def test_no_word_is_syntax(database: sqlite3.Connection, word: str) -> None:
    command = f"echo {word}{word} {word} end"
    put(database, [*ENTRIES, Entry(command, 7000.0)])
    assert command in found(database, word)
    assert found(database, f"{word}{word} {word}") == [command]


def test_filters_ask_of_runs(database: sqlite3.Connection) -> None:
    put(database, ENTRIES)
    put(database, [Entry("git push origin main", 6500.0, 1, source="bash")], box="gpu1")
    assert found(database, "git", boxes=("gpu1",)) == ["git push origin main"]
    assert found(database, boxes=("local",), is_failed=True) == ["git push --force", "torchrun --nproc 8 train.py"]
    assert found(database, "git", is_failed=True) == ["git push origin main", "git push --force"]
    assert found(database, folder="/src", boxes=("local",)) == [ENTRIES[5][0], ENTRIES[1][0], ENTRIES[0][0]]
    assert found(database, since_s=5500.0) == ["git push origin main", "git push --force"]
    assert found(database, "git", since_s=6400.0) == ["git push origin main"]
    assert found(database, boxes=("nowhere",)) == []


@pytest.mark.parametrize("few", [0, 20_000])
def test_filters_and_words_find_the_same_by_either_way(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(module, "_FEW_RUNS", few)
    put(database, ENTRIES)
    put(database, [Entry("git push origin main", 6500.0, 1, source="bash")], box="gpu1")
    assert found(database, "push", boxes=("gpu1",)) == ["git push origin main"]
    assert set(found(database, "push", boxes=("local",))) == {"git push origin main", "git push --force"}


def test_a_hit_tells_where_when_and_how_it_ended(database: sqlite3.Connection) -> None:
    put(database, ENTRIES)
    put(database, [Entry("git push --force", 6500.0, 0, 2.0, "/there", "node7", "mlsh")], box="gpu1")
    (hit,) = search(database, Query(("--force",)), limit=5)
    assert hit == Hit("git push --force", 2, Run(6500.0, 0, 2.0, "gpu1", "/there", "node7", "mlsh"))
    assert [run.run.box for run in every_run(database, Query(("--force",)), limit=9)] == ["gpu1", "local"]


def test_a_run_that_two_histories_know_is_one_with_all_that_they_know(database: sqlite3.Connection) -> None:
    put(database, [Entry("make", 1000.0, source="bash")])
    put(database, [Entry("make", 1000.4, 2, 7.0, "/src", "laptop", "atuin")])
    (hit,) = search(database, Query(("make",)), limit=5)
    assert (hit.uses, hit.run.exit_code, hit.run.duration_s, hit.run.folder) == (1, 2, 7.0, "/src")
    both = [Entry("ls", 5.0, source="bash"), Entry("ls", 5.3, 0, 1.0, "/x", source="mlsh")]
    assert put(database, both).runs == 1
    (hit,) = search(database, Query(("ls",)), limit=5)
    assert (hit.run.exit_code, hit.run.folder) == (0, "/x")


def test_the_same_entries_again_are_nothing_new(database: sqlite3.Connection) -> None:
    assert put(database, ENTRIES).runs == 6
    assert put(database, ENTRIES).runs == 0
    assert put(database, ENTRIES, box="gpu1") == (6, 0)


def test_a_rewritten_file_adds_no_second_run_of_what_has_no_time(database: sqlite3.Connection) -> None:
    put(database, [Entry("a"), Entry("b")])
    with writing(database):
        kept = keep(database, "local", [Entry("b"), Entry("c"), Entry("c")], [1.0, 2.0, 3.0], only_unknown=True)
    assert kept == (1, 1)


def test_a_history_without_times_adds_nothing_to_one_with_times(database: sqlite3.Connection) -> None:
    put(database, [Entry("make", 1000.0, 2, 7.0, "/src", "laptop", "mlsh")])
    assert put(database, [Entry("make", source="bash"), Entry("ls", source="bash")]).runs == 1
    assert put(database, [Entry("make", source="bash")], box="gpu1").runs == 1


def test_secrets_are_nowhere_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    secret = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"  # noqa: S105
    with opened(path) as database:
        put(database, [Entry(f"export HF_TOKEN={secret}", 1.0), Entry("mysql -phunter2secret db", 2.0)])
        assert found(database, "HF_TOKEN") == ["export HF_TOKEN=***"]
        assert found(database, secret[3:12]) == []
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"abcdefghij" not in held
    assert b"hunter2" not in held
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == {"0o600"}


def test_what_is_used_often_or_here_is_not_lost_behind_newer_matches(database: sqlite3.Connection) -> None:
    often = [Entry("run often", 100.0 + n) for n in range(60)]
    here = [Entry("run here", 200.0, folder="/here")]
    newer = [Entry(f"run {n}", 1000.0 + n) for n in range(700)]
    put(database, [*often, *here, *newer])
    top = [hit.command for hit in search(database, Query(("run",)), limit=20, folder="/here")]
    assert "run often" in top
    assert "run here" in top


def test_a_rare_short_word_behind_many_newer_commands_is_found(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SCANNED", 10)
    put(database, [Entry("echo zq", 1.0), Entry("echo 語", 2.0), *(Entry(f"ls {n}", 10.0 + n) for n in range(100))])
    assert found(database, "zq") == ["echo zq"]
    assert found(database, "語") == ["echo 語"]
    assert found(database, "q") == ["echo zq"]
    assert found(database, "qz") == []
    assert len(found(database, "ls", limit=500)) == 100
    assert len(found(database, "l", "s", limit=500)) == 100


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12).filter(
    str.strip
)


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, min_size=1, max_size=30), st.data())
def test_every_piece_of_every_command_finds_it(commands: list[str], data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "h.db") as database:
        put(database, [Entry(text, float(at + 1)) for at, text in enumerate(commands)])
        kept = [mask(text.strip()) for text in commands]
        text = data.draw(st.sampled_from(kept))
        begin = data.draw(st.integers(0, len(text) - 1))
        word = text[begin : data.draw(st.integers(begin + 1, len(text)))]
        expected = {one for one in kept if Matcher([word])(one)}
        assert set(found(database, word, limit=1000)) == expected


def test_each_word_has_a_piece_among_those_looked_up() -> None:
    common = {"git": 900, "it ": 800, "pus": 5, "ush": 7, "mai": 3, "ain": 50}
    assert chosen(["git", "push", "main"], common) == ["mai", "pus", "ush", "git"]
    assert chosen(["ab"], common) == []
