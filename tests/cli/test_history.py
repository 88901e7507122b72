"""`mlsh history` on this machine."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from pathlib import Path

from tests.bed import Laptop
from tests.bed.waiting import wait_for


def database_of(laptop: Laptop) -> Path:
    return laptop.home / ".local/state/mlsh/history/history.db"


def write(laptop: Laptop, *commands: str) -> None:
    now = int(time.time())
    lines = "".join(f"#{now - 1000 + at}\n{command}\n" for at, command in enumerate(commands))
    (laptop.home / ".bash_history").write_text(lines)


def test_what_was_typed_is_found_and_what_was_typed_since(laptop: Laptop) -> None:
    write(laptop, "git push", "torchrun train.py")
    assert laptop.run("history", "--plain").stdout == "torchrun train.py\ngit push\n"
    with (laptop.home / ".bash_history").open("a") as file:
        file.write(f"#{int(time.time())}\ngit pull\n")
    said = laptop.run("history", "git")
    assert said.stdout.splitlines()[0].split() == ["WHEN", "BOX", "EXIT", "TOOK", "COMMAND"]
    assert [line.split()[-2:] for line in said.stdout.splitlines()[1:]] == [["git", "pull"], ["git", "push"]]
    (fields,) = map(json.loads, laptop.run("history", "--json", "torch").stdout.splitlines())
    assert set(fields) == {"command", "uses", "when", "exit_code", "duration_s", "box", "folder", "host", "source"}
    assert (fields["box"], fields["source"], fields["uses"]) == ("local", "bash", 1)


def test_nothing_found_is_said_and_is_no_success(laptop: Laptop) -> None:
    write(laptop, "ls")
    said = laptop.run("history", "git\x1b[2J", check=False)
    assert said.returncode == 66
    assert "there is no command" in said.stderr
    assert "\x1b" not in said.stderr


def test_words_that_are_commands_of_ours_can_be_searched(laptop: Laptop) -> None:
    write(laptop, "rsync -a", "sync")
    assert laptop.run("history", "--plain", "--", "sync").stdout == "sync\nrsync -a\n"


def test_since_takes_lengths_and_dates(laptop: Laptop) -> None:
    (laptop.home / ".bash_history").write_text(f"#1600000000\nold\n#{int(time.time()) - 60}\nnew\n")
    assert laptop.run("history", "--plain", "--since", "1h").stdout == "new\n"
    assert laptop.run("history", "--plain", "--since", "2020-01-01").stdout == "new\nold\n"
    said = laptop.run("history", "--since", "yesterdayish", check=False)
    assert said.returncode == 2
    assert "--since" in said.stderr


def test_a_damaged_database_is_named_kept_and_made_anew(laptop: Laptop) -> None:
    write(laptop, "git push")
    laptop.run("history")
    path = database_of(laptop)
    path.write_bytes(b"not a database " * 1000)
    said = laptop.run("history", "--plain")
    assert said.stdout == "git push\n"
    assert "damaged" in said.stderr
    (aside,) = path.parent.glob("history.db.damaged-*")
    assert aside.read_bytes() == b"not a database " * 1000
    assert str(aside) in said.stderr
    assert "damaged" not in laptop.run("history", "--plain").stderr


def test_a_page_of_the_database_that_went_bad_is_noticed(laptop: Laptop) -> None:
    write(laptop, *(f"command number {n}" for n in range(3000)))
    laptop.run("history")
    path = database_of(laptop)
    data = bytearray(path.read_bytes())
    for at in range(8192, len(data), 8192):
        data[at : at + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    said = laptop.run("history", "--plain", "number 2999")
    assert said.stdout == "command number 2999\n"
    assert "damaged" in said.stderr


def test_a_database_of_a_newer_mlsh_is_left_alone(laptop: Laptop) -> None:
    write(laptop, "git push")
    laptop.run("history")
    with contextlib.closing(sqlite3.connect(database_of(laptop))) as database:
        database.execute("PRAGMA user_version = 99")
    before = database_of(laptop).read_bytes()
    said = laptop.run("history", check=False)
    assert said.returncode == 78
    assert "newer mlsh" in said.stderr
    assert database_of(laptop).read_bytes() == before


def test_two_at_once_lose_nothing(laptop: Laptop) -> None:
    write(laptop, *(f"command {n}" for n in range(2000)))
    running = [laptop.spawn("history", "-n", "5", "--plain", "command") for _ in range(3)]
    for one in running:
        out, err = one.communicate(timeout=60)
        assert one.returncode in {0, 66}, err
        assert out or b"another mlsh" in err
    assert len(laptop.run("history", "--plain", "-n", "9999").stdout.splitlines()) == 2000


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(laptop: Laptop) -> None:
    write(laptop, "ls")
    atuin = laptop.home / ".local/share/atuin"
    atuin.mkdir(parents=True)
    (atuin / "history.db").write_bytes(b"junk" * 1000)
    said = laptop.run("history", "--plain")
    assert said.stdout == "ls\n"
    assert "atuin/history.db" in said.stderr


def test_a_full_or_read_only_disk_is_told(laptop: Laptop) -> None:
    write(laptop, "ls")
    folder = laptop.home / ".local/state/mlsh"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where a folder should be")
    said = laptop.run("history", check=False)
    assert said.returncode == 70
    assert ".local/state/mlsh" in said.stderr
    assert "Traceback" not in said.stderr


def test_what_is_forgotten_is_gone_from_the_file_and_does_not_come_back(laptop: Laptop) -> None:
    write(laptop, "git push", "mytool --login hunter-two-words", "ls")
    laptop.run("history")
    shown = laptop.run("history", "forget", "--dry-run", "hunter").stdout
    assert shown == "mytool --login hunter-two-words\n"
    refused = laptop.run("history", "forget", "hunter", check=False, input="n\n")
    assert refused.returncode == 0
    assert "mytool" in laptop.run("history", "--plain").stdout
    assert "1 forgotten" in laptop.run("history", "forget", "-y", "hunter").stderr
    held = b"".join(file.read_bytes() for file in database_of(laptop).parent.iterdir())
    assert b"hunter-two" not in held
    write(laptop, "mytool --login hunter-two-words", "git pull")
    assert set(laptop.run("history", "--plain").stdout.splitlines()) == {"git pull", "ls", "git push"}
    assert laptop.run("history", "forget", "-y", "hunter", check=False).returncode == 66
    assert laptop.run("history", "forget", check=False).returncode == 2


def test_what_is_forgotten_is_gone_from_the_notes_of_the_hook_and_no_other_note_is(laptop: Laptop) -> None:
    notes = laptop.home / ".local/state/mlsh/recorded/laptop"
    notes.parent.mkdir(parents=True)
    masked = "1700000020 1700000023.5 0\x1f/data\x1fexport HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH\x1e\n"
    bash = "1700000030 1700000033.5 0 h\x1f/data\x1f  999  mytool --login hunter-two-words\n\x1e\n"
    torn = "00023.5 0\x1f/data\x1fmytool --login hunter-two-words\x1e\n"
    last = "1700000040 1700000041 1\x1f/d\x1fgit push\x1e\n"
    notes.write_text(
        last + masked + bash + torn + last.replace("040", "042", 1).replace("push", "pull") + "1700000050 17"
    )
    with notes.open("ab") as shell:  # as one that writes just now has it open
        laptop.run("history")
        (notes.parent.parent / "history/history.db.damaged-1").write_text("x")
        said = laptop.run("history", "forget", "-y", "hunter").stderr
        assert "history.db.damaged-1" in said
        assert b"hunter" not in notes.read_bytes()
        assert b"hf_abc" in notes.read_bytes()
        laptop.run("history", "forget", "-y", "HF_TOKEN")
        assert b"hf_abc" not in notes.read_bytes()
        shell.write(b"00000051 0\x1f/d\x1fgit fetch\x1e\n")
    assert notes.read_text().count(last) == 1
    said = laptop.run("history", "--plain", "--runs")
    assert said.stdout == "git fetch\ngit pull\ngit push\n"


def test_the_same_line_is_used_again_on_a_box_only_after_a_yes(laptop: Laptop) -> None:
    write(laptop, "echo ran >>out", "echo other", "export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH")
    several = laptop.run("history", "--run-on", "local", "echo", check=False)
    assert several.returncode == 2
    assert "echo other" in several.stderr
    masked = laptop.run("history", "--run-on", "local", "-y", "HF_TOKEN", check=False)
    assert masked.returncode == 65
    refused = laptop.run("history", "--run-on", "local", "ran", check=False, input="n\n")
    assert refused.returncode == 1
    assert not (laptop.home / "out").exists()
    assert "echo ran >>out" in refused.stderr


def test_an_alias_and_a_recipe_are_made_of_a_line(laptop: Laptop) -> None:
    write(laptop, "nvidia-smi --query-gpu=memory.used --format=csv")
    laptop.run("history", "--alias", "gpumem", "nvidia-smi")
    assert "gpumem" in laptop.run("alias", "list").stdout
    laptop.run("history", "--recipe", "gpu-memory", "nvidia-smi")
    assert "--query-gpu=memory.used" in laptop.run("recipe", "show", "gpu-memory").stdout


def test_the_hook_is_printed_for_each_shell(laptop: Laptop) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "__mlsh_notes" in laptop.run("history", "hook", shell).stdout


def test_a_first_reading_that_was_killed_is_done_again_and_doubles_nothing(laptop: Laptop) -> None:
    (laptop.home / ".bash_history").write_text("".join(f"command number {n}\n" for n in range(20_000)))
    running = laptop.spawn("history", "-n", "1")
    log = database_of(laptop).with_name("history.db-wal")
    # Either it is killed in the middle of writing, or it was quicker: both must end the same.
    wait_for(lambda: running.poll() is not None or (log.exists() and log.stat().st_size > 200_000), 30, "its writing")
    running.kill()
    running.communicate()
    listed = [json.loads(line) for line in laptop.run("history", "--json", "-n", "99999").stdout.splitlines()]
    assert len(listed) == 20_000
    assert {one["uses"] for one in listed} == {1}


def test_a_secret_in_the_notes_of_the_hook_is_found_by_the_scan(laptop: Laptop) -> None:
    notes = laptop.home / ".local/state/mlsh/recorded/host"
    notes.parent.mkdir(parents=True)
    line = "export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"
    notes.write_text(f"1790000000.5 1790000001.5 0 h\x1f/src\x1f    5  {line}\n\x1e\n")
    assert "mlsh/recorded/host" in laptop.run("secret", "scan", check=False).stdout
    assert laptop.run("history", "--plain").stdout == "export HF_TOKEN=***\n"
