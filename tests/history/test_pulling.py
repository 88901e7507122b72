"""The histories of boxes are brought here: each line once, whatever the box did meanwhile."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsh.errors import MlshError
from mlsh.history import atuin
from mlsh.history.local import read_atuin_on
from mlsh.history.position import Position
from mlsh.history.pulling import Answer, parse
from tests.bed import Box, Laptop
from tests.history.test_sources import ATUIN

NONCE = b"0" * 32


def lines(begin: int, end: int, stamped: bool = True) -> str:
    stamp = 1_790_000_000
    return "".join((f"#{stamp + n}\n" if stamped else "") + f"command {n}\n" for n in range(begin, end))


def sync(laptop: Laptop, *boxes: str, check: bool = True) -> dict[str, dict[str, object]]:
    said = laptop.run("history", "sync", "--json", *boxes, check=check)
    return {one["box"]: one for one in map(json.loads, said.stdout.splitlines())}


def on(laptop: Laptop, box: str) -> list[str]:
    said = laptop.run("history", "--plain", "--on", box, "-n", "99999", "--runs", check=False)
    return said.stdout.splitlines()[::-1]


def test_a_box_is_searched_once_its_history_is_here_and_only_what_is_new_comes(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    gpu1.write("~/.bash_history", lines(0, 500) + "export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH\n")
    gpu1.write("~/.zsh_history", ": 1700000000:7;from zsh\n")
    gpu1.write("~/.local/share/fish/fish_history", "- cmd: from fish\n  when: 1700000009\n")
    gpu1.write("~/.local/state/mlsh/recorded/gpu1", "1700000020 1700000023.5 3\x1f/data\x1frecorded\x1e\n")
    assert sync(laptop, "gpu1")["gpu1"]["runs"] == 504
    gpu1.write("~/.bash_history", gpu1.path("~/.bash_history").read_text() + lines(500, 510))
    (found,) = sync(laptop, "gpu1").values()
    assert (found["runs"], found["files"], found["error"]) == (10, 4, None)
    assert sync(laptop)["gpu1"]["runs"] == 0
    assert len(on(laptop, "gpu1")) == 514
    (fields,) = map(json.loads, laptop.run("history", "--json", "recorded").stdout.splitlines())
    assert (fields["exit_code"], fields["duration_s"], fields["folder"]) == (3, 3.5, "/data")
    assert laptop.run("history", "--plain", "HF_TOKEN").stdout == "export HF_TOKEN=***\n"
    held = b"".join(file.read_bytes() for file in (laptop.home / ".local/state/mlsh/history").iterdir())
    assert b"hf_abcdef" not in held


@pytest.mark.parametrize("stamped", [True, False])
def test_a_file_that_was_cut_or_written_anew_there_brings_each_line_once(
    laptop: Laptop, fresh_box: Box, stamped: bool
) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bash_history", lines(0, 1000, stamped))
    sync(laptop, "fresh")
    fresh_box.write("~/.bash_history", lines(700, 1020, stamped))
    assert sync(laptop, "fresh")["fresh"]["runs"] == 20
    fresh_box.write("~/.bash_history", lines(1015, 1030, stamped))
    sync(laptop, "fresh")
    assert sorted(on(laptop, "fresh")) == sorted(f"command {n}" for n in range(1030))


def test_a_dead_box_is_named_and_delays_nobody(laptop: Laptop, many_boxes: Callable[[int], list[Box]]) -> None:
    dead, alive = many_boxes(2)
    for box in (dead, alive):
        laptop.add(box)
    alive.write("~/.bash_history", lines(0, 3))
    dead.stop_sshd()
    said = laptop.run("history", "sync", dead.name, alive.name, check=False)
    assert said.returncode == 69
    assert said.stdout == f"{alive.name}: 3 new, 3 of them for the first time\n"
    assert "nothing listens for ssh" in said.stderr


def test_atuin_of_a_box_with_what_is_still_in_its_log(laptop: Laptop, fresh_box: Box, tmp_path: Path) -> None:
    laptop.add(fresh_box)
    folder = fresh_box.path("~/.local/share/atuin")
    folder.mkdir(parents=True)
    database = sqlite3.connect(folder / "history.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(ATUIN)
    add = "INSERT INTO history VALUES (?, ?, ?, ?, ?, '/src', 's', 'fresh:me', NULL)"
    database.execute(add, ("1", 1700000000 * 10**9, 5 * 10**9, 1, "make"))
    database.commit()
    assert sync(laptop, "fresh")["fresh"]["runs"] == 1
    database.execute(add, ("2", int(time.time()) * 10**9, -1, -1, "sleep 99"))
    database.commit()
    assert sync(laptop, "fresh")["fresh"]["runs"] == 1
    database.execute("UPDATE history SET exit = 130, duration = 7000000000 WHERE id = '2'")
    database.commit()
    assert sync(laptop, "fresh")["fresh"]["runs"] == 0
    database.close()
    (fields,) = map(json.loads, laptop.run("history", "--json", "sleep").stdout.splitlines())
    assert (fields["exit_code"], fields["duration_s"], fields["box"]) == (130, 7.0, "fresh")


# Each of a box that means harm.
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
HOSTILE = [
    f"CREATE VIEW history AS {ENDLESS} SELECT 'x' AS command, i AS timestamp, i AS rowid FROM n",  # noqa: S608
    "CREATE VIRTUAL TABLE history USING fts5(command)",
    "CREATE TABLE history (timestamp, command AS (hex(zeroblob(9))))",
    # A view that says of itself that it is a table.
    f"CREATE VIEW history AS {ENDLESS} SELECT 'x' AS command, i AS rowid FROM n WHERE i < 0;"  # noqa: S608
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET type = 'table', rootpage = 1 WHERE name = 'history'",
]


@pytest.mark.parametrize("schema", HOSTILE)
def test_a_history_that_has_no_end_does_not_hold_the_sync(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "history.db"
    database = sqlite3.connect(path)
    database.executescript(schema)
    database.close()
    with pytest.raises(MlshError):
        read_atuin_on(Position(), path, seen="", mtime_s=0)


def test_a_history_that_takes_more_steps_than_its_size_tells_is_left(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    database = sqlite3.connect(path)
    database.execute(ATUIN)
    database.commit()
    database.close()
    opened = atuin._open(path)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        opened.execute(f"{ENDLESS} SELECT count(*) FROM n").fetchone()  # noqa: S608
    opened.close()


def test_a_long_history_of_atuin_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atuin, "_STEPS", 100_000)
    path = tmp_path / "history.db"
    database = sqlite3.connect(path)
    database.execute(ATUIN)
    rows = ((str(n), n + 1, 0, 0, "a", "", "", "", None) for n in range(20_000))
    database.executemany("INSERT INTO history VALUES (?,?,?,?,?,?,?,?,?)", rows)
    database.commit()
    database.close()
    assert sum(1 for _ in atuin.read_rows(path)) == 20_000


def test_what_a_box_writes_cannot_reach_the_terminal_or_another_file(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bashrc", r"printf 'hi\033]52;c;aGk=\007\n'" + "\n")
    fresh_box.write("~/.bash_history", "echo \x1b]0;owned\x07 hi\n")
    fresh_box.path("~/.local/state/mlsh/recorded").mkdir(parents=True)
    fresh_box.path("~/.local/state/mlsh/recorded/a\x1b[2Jb").write_text("")
    fresh_box.path("~/.local/state/mlsh/recorded/a\nb").write_text("")
    said = laptop.run("history", "sync", "fresh")
    shown = laptop.run("history", "owned")
    assert "\x1b" not in said.stdout + said.stderr + shown.stdout + shown.stderr


def test_a_box_without_any_history_says_so(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.path("~/.bash_history").unlink(missing_ok=True)
    assert laptop.run("history", "sync", "fresh").stdout == "fresh: no history there\n"
    assert laptop.run("history", "sync", "--", "-oProxyCommand=touch owned", check=False).returncode == 65
    assert laptop.run("history", "sync", check=False).returncode == 2


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_the_script_says_the_same_under_each_sh(tmp_path: Path, shell: str) -> None:
    script = Path(__file__).parents[2] / "mlsh/history/box/pull.sh"
    (tmp_path / ".bash_history").write_text("a\nb\n")
    (tmp_path / ".histfile").symlink_to(".bash_history")
    fish = tmp_path / ".local/share/fish"
    fish.mkdir(parents=True)
    (fish / "with space_history").write_text("- cmd: c\n")

    def ask(*known: str) -> Answer:
        words = [*shell.split(), str(script), NONCE.decode(), "1000", *known]
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        ran = subprocess.run(words, env=env, capture_output=True, check=True)
        assert ran.stderr == b""
        return parse(ran.stdout.partition(b"\n")[2], NONCE)

    answer = ask()
    assert [(told.kind, told.data) for told in answer.files] == [("bash", b"a\nb\n"), ("fish", b"- cmd: c\n")]
    known = [word for told in answer.files for word in (told.path, "2", told.seen)]
    assert ask(*known).unchanged == 2
    known[2] = "-"
    (told,) = ask(*known).files
    assert (told.start, told.data) == (2, b"b\n")


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_an_answer_that_was_cut_is_not_taken_for_a_whole_one(cut: int) -> None:
    answer = NONCE + b" file bash 4 1 0 x /h\na\nb\n\n" + NONCE + b" end\n"
    assert parse(answer, NONCE).files[0].data == b"a\nb\n"
    with pytest.raises(ValueError, match="cut short"):
        parse(answer[:-cut], NONCE)


def test_what_a_box_no_longer_has_is_saved_from_a_damaged_database(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bash_history", lines(0, 50))
    sync(laptop, "fresh")
    fresh_box.write("~/.bash_history", "")
    path = laptop.home / ".local/state/mlsh/history/history.db"
    data = bytearray(path.read_bytes())
    database = sqlite3.connect(path)
    (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'command_digest'").fetchone()
    database.close()
    at = (root - 1) * 4096
    data[at : at + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    (laptop.home / ".bash_history").write_text("#1790000000\nsomething new\n")
    said = laptop.run("history", "--plain", "--on", "fresh", "-n", "999")
    assert "damaged" in said.stderr
    assert sorted(said.stdout.splitlines()) == sorted(f"command {n}" for n in range(50))
    assert "damaged" not in laptop.run("history").stderr
    laptop.run("history", "forget", "-y", "--on", "fresh")
    assert on(laptop, "fresh") == []
