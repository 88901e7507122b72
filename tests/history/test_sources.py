"""The histories of this machine are found and read."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from mlsh.errors import MlshError
from mlsh.history.atuin import read_atuin
from mlsh.history.sources import find_local, read_local

ATUIN = (
    "CREATE TABLE history (id text primary key, timestamp integer not null, duration integer not null, exit integer"
    " not null, command text not null, cwd text not null, session text not null, hostname text not null,"
    " deleted_at integer)"
)


def atuin(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    database.execute(ATUIN)
    rows = [
        ("1", 1700000000 * 10**9, 2_500_000_000, 1, "make", "/src", "s", "laptop:me", None),
        ("2", 1700000001 * 10**9, -1, -1, "still running", "/", "s", "laptop:me", None),
        ("3", 1700000002 * 10**9, 1, 0, "deleted", "/", "s", "laptop:me", 1700000003),
    ]
    database.executemany("INSERT INTO history VALUES (?,?,?,?,?,?,?,?,?)", rows)
    database.commit()
    return database


def test_every_shell_of_this_machine_is_read_and_a_linked_file_once(tmp_path: Path) -> None:
    (tmp_path / ".bash_history").write_text("from bash\n")
    (tmp_path / ".local/state/bash").mkdir(parents=True)
    (tmp_path / ".local/state/bash/history").symlink_to(tmp_path / ".bash_history")
    (tmp_path / ".histfile").write_text(": 1700000000:0;from zsh\n")
    (tmp_path / ".local/share/fish").mkdir(parents=True)
    (tmp_path / ".local/share/fish/fish_history").write_text("- cmd: from fish\n")
    (tmp_path / "elsewhere").write_text(": 1700000000:0;named by HISTFILE\n")
    atuin(tmp_path / ".local/share/atuin/history.db").close()
    environ = {"HOME": str(tmp_path), "HISTFILE": str(tmp_path / "elsewhere")}
    assert [(e.source, e.command) for e in read_local(environ)] == [
        ("atuin", "make"),
        ("atuin", "still running"),
        ("bash", "from bash"),
        ("zsh", "from zsh"),
        ("zsh", "named by HISTFILE"),
        ("fish", "from fish"),
    ]


def test_what_bash_with_our_dotfiles_keeps_is_read(tmp_path: Path) -> None:
    bashrc = Path(__file__).parents[2] / "dotfiles/dot_config/mlsh/bashrc"
    (tmp_path / ".bash_history").write_text("from before\n")
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TERM": "dumb"}
    typed = b"echo remembered\nexit\n"
    subprocess.run(["bash", "--rcfile", bashrc, "-i"], input=typed, env=environ, capture_output=True, check=True)
    assert "echo remembered" in [entry.command for entry in read_local(environ)]


def test_a_machine_with_no_history_has_no_entries(tmp_path: Path) -> None:
    assert find_local({"HOME": str(tmp_path)}) == []


def test_atuin_tells_all_it_knows(tmp_path: Path) -> None:
    atuin(tmp_path / "history.db").close()
    made, running = read_atuin(tmp_path / "history.db")
    assert made[1:] == (1700000000.0, 1, 2.5, "/src", "laptop", "atuin")
    assert running[2:4] == (None, None)


def test_atuin_of_another_version_is_read_by_the_columns_it_has(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE history (command text, timestamp integer)")
        database.execute("INSERT INTO history VALUES ('ls', 1700000000)")
    (entry,) = read_atuin(tmp_path / "a.db")
    assert (entry.command, entry.when_s, entry.exit_code, entry.folder) == ("ls", 1700000000.0, None, "")


@pytest.mark.parametrize("wal", [False, True])
def test_reading_atuin_leaves_its_folder_as_it_was(tmp_path: Path, wal: bool) -> None:
    database = atuin(tmp_path / "a.db")
    if wal:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("UPDATE history SET cwd = '/new' WHERE id = '1'")
        database.commit()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith("-shm")}
    entries = list(read_atuin(tmp_path / "a.db"))
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith("-shm")}
    assert after == before
    assert entries[0].folder == ("/new" if wal else "/src")
    database.close()


def test_a_broken_atuin_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + b"junk" * 4000)
    with pytest.raises(MlshError, match=r"a\.db"):
        list(read_atuin(tmp_path / "a.db"))
    (tmp_path / "b.db").write_bytes(b"")
    with pytest.raises(MlshError, match="no history of atuin"):
        list(read_atuin(tmp_path / "b.db"))
