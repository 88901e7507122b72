"""`mlsh secret scan` on real homes, repositories and boxes. What a user would lose: a key that nobody told them of."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.bed import Box, Laptop
from tests.secrets.samples import A36

TOKEN = "ghp_" + A36
OTHER = "hf_" + A36[:34]


def found(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def git(folder: Path, *words: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_DATE": "2024-05-06T12:00Z"}
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    ran = subprocess.run(["git", "-C", str(folder), *name, *words], check=True, capture_output=True, text=True, env=env)
    return ran.stdout.strip()


def test_histories_dotfiles_and_the_repository_are_looked_through(laptop: Laptop) -> None:
    folder = laptop.project({"train.py": f"token = '{TOKEN}'\n", "fine.py": "x = 1\n"})
    (folder / ".gitignore").write_text(".env\n")
    (folder / ".env").write_text(f"HF_TOKEN={OTHER}\n")
    (folder / "new.py").write_text(f"t = '{OTHER}'\n")
    (laptop.home / ".bash_history").write_text("ls\n#1700000000\nexport DB_PASSWORD=hunter2\n")
    (laptop.home / ".zshrc").write_text("# mine\nexport WANDB_API_KEY=" + "0a1b2c3d4e" * 4 + "\n")
    said = laptop.run("secret", "scan", cwd=folder, check=False)
    assert said.returncode == 71
    rows = said.stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["~/.bash_history:3", "~/.zshrc:2", "new.py:1", "train.py:1"]
    assert rows[0].split()[-1] == "2023-11-14"
    for secret in (TOKEN[8:], OTHER[8:], "hunter2", "0a1b2c3d4e"):
        assert secret not in said.stdout + said.stderr
    assert "https://github.com/settings/tokens" in said.stderr
    assert "wandb.ai/authorize" in said.stderr
    explained = laptop.run("secret", "scan", "--explain", "--json", cwd=folder, check=False)
    assert {one["kind"] for one in found(explained.stdout)} == {"history", "dotfile", "file"}
    assert TOKEN not in explained.stdout + explained.stderr


def test_the_database_of_atuin_is_looked_through(laptop: Laptop) -> None:
    path = laptop.home / ".local/share/atuin/history.db"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE history (id TEXT, timestamp INTEGER, command TEXT)")
        rows = [("1", 1600000000 * 10**9, "ls\nls"), ("2", 1700000000 * 10**9, f"gh {TOKEN}")]
        database.executemany("INSERT INTO history VALUES (?, ?, ?)", rows)
    (one,) = found(laptop.run("secret", "scan", "--json", check=False).stdout)
    assert (one["place"], one["line"], one["when_s"]) == ("~/.local/share/atuin/history.db", 2, 1700000000)
    path.write_bytes(b"no database")
    said = laptop.run("secret", "scan")
    assert "not looked at: ~/.local/share/atuin/history.db" in said.stderr


def test_nothing_found_is_said_and_exits_with_0(laptop: Laptop) -> None:
    said = laptop.run("secret", "scan", cwd=laptop.project())
    assert (said.stdout, said.stderr) == ("", "mlsh: no secrets found\n")


def test_a_secret_that_was_taken_out_again_is_still_in_the_past(laptop: Laptop) -> None:
    folder = laptop.project({"a.py": "x = 1\n", "ä b\t.py": "y = 1\n"})
    (folder / "a.py").write_text(f"x = 1\nkey = '{TOKEN}'\n")
    (folder / "ä b\t.py").write_text(f"t = '{OTHER}'\n")
    git(folder, "commit", "-qam", "oops")
    first = git(folder, "rev-parse", "HEAD")
    (folder / "a.py").write_text(f"x = 1\n\n\nkey = '{TOKEN}'\n")
    git(folder, "commit", "-qam", "moved")
    (folder / "ä b\t.py").write_text("t = 1\n")
    git(folder, "commit", "-qam", "gone")
    (folder / "big.txt").write_bytes(b"x\n" * (5 << 20) + TOKEN.encode())
    git(folder, "add", "big.txt")
    git(folder, "commit", "-qm", "large")
    git(folder, "rm", "-q", "big.txt")
    git(folder, "commit", "-qm", "large, gone")
    # On another branch, and in nobody's settings: nothing of the repository's may run.
    git(folder, "checkout", "-qb", "side", "HEAD~5")
    (folder / "side.py").write_text(f"t = '{TOKEN[::-1]}' + '{OTHER}'\n")
    git(folder, "add", "side.py")
    git(folder, "commit", "-qm", "side")
    git(folder, "checkout", "-q", "main")
    git(folder, "config", "diff.external", f"touch {laptop.home}/ran; false")
    git(folder, "config", "core.fsmonitor", f"touch {laptop.home}/ran; false")
    (folder / ".gitattributes").write_text("*.py diff=x\n")
    git(folder, "config", "diff.x.textconv", f"touch {laptop.home}/ran; cat")
    now = found(laptop.run("secret", "scan", ".", "--json", cwd=folder, check=False).stdout)
    assert [(one["place"], one["line"], one["commit"]) for one in now] == [("a.py", 4, None)]
    ever = found(laptop.run("secret", "scan", ".", "--history", "--json", cwd=folder, check=False).stdout)
    assert sorted((one["kind"], one["place"], one["line"]) for one in ever) == [
        ("commit", "side.py", 1),
        ("commit", "ä b\t.py", 1),
        ("file", "a.py", 4),
    ]
    assert {one["place"]: one["commit"] for one in ever}["a.py"] == first
    assert not (laptop.home / "ran").exists()


def test_what_is_ignored_is_looked_at_where_it_is_named_and_a_repository_within_is_told_of(laptop: Laptop) -> None:
    folder = laptop.project({"a.py": "x = 1\n", ".gitignore": "out/\n.env\n"})
    (folder / "out").mkdir()
    (folder / "out/log.txt").write_text(f"token: {TOKEN}\n")
    (folder / ".env").write_text(f"HF_TOKEN={OTHER}\n")
    subprocess.run(["git", "init", "-q", str(folder / "inner")], check=True)
    (folder / "inner/x.py").write_text(f"t = '{TOKEN}'\n")
    whole = laptop.run("secret", "scan", ".", cwd=folder)
    assert "inner: a repository of its own" in whole.stderr
    named = laptop.run("secret", "scan", "out", ".env", "inner", cwd=folder, check=False)
    assert [row.split()[0] for row in named.stdout.splitlines()[1:]] == ["~/project/out/log.txt:1", ".env:1", "x.py:1"]


def test_what_was_looked_at_and_is_none_is_not_told_again(laptop: Laptop) -> None:
    folder = laptop.project({"t.py": f"a = '{TOKEN}'\nb = '{OTHER}'\n"})
    lines = laptop.run("secret", "scan", ".", "--fingerprints", cwd=folder, check=False).stdout.splitlines()
    assert len(lines) == 2
    (folder / ".mlshsecrets").write_text(lines[0] + "\n")
    said = laptop.run("secret", "scan", ".", cwd=folder, check=False)
    assert said.returncode == 71
    assert "1 more is in .mlshsecrets" in said.stderr
    assert len(said.stdout.splitlines()) == 2
    (laptop.home / ".mlshsecrets").write_text(lines[1] + "\n")
    assert laptop.run("secret", "scan", ".", cwd=folder).returncode == 0
    assert laptop.run("secret", "scan", "t.py", cwd=folder).returncode == 0


def test_job_logs_and_commands_are_looked_through(laptop: Laptop) -> None:
    folder = laptop.project()
    laptop.run("run", "sh", "-c", f"echo token is {TOKEN}", cwd=folder)

    each = found(laptop.run("secret", "scan", "train.py", "--jobs", "--json", cwd=folder, check=False).stdout)
    assert {one["place"].split("/")[1] for one in each} == {"log", "spec.json"}
    assert {one["kind"] for one in each} == {"log"}


def test_hostile_names_reach_no_terminal_and_no_option(laptop: Laptop) -> None:
    folder = laptop.home / "plain"
    folder.mkdir()
    (folder / "-rf").write_text(f"t = '{TOKEN}'\n")
    (folder / "x\x1b[2J\ny.py").write_text(f"t = '{TOKEN}'\n")
    said = laptop.run("secret", "scan", "--", "-rf", "x\x1b[2J\ny.py", cwd=folder, check=False)
    assert said.returncode == 71
    assert "\x1b" not in said.stdout + said.stderr
    assert "plain/-rf:1" in said.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nowhere"], 66, "there is no nowhere"),
        (["--history"], 66, "there is no repository here"),
        (["--on", "gpu1", "--jobs"], 2, "for this machine"),
        (["--on", "-oProxyCommand=x"], 65, "can't be the name of a box"),
    ],
)
def test_what_can_not_be_looked_at_is_said(laptop: Laptop, words: list[str], code: int, says: str) -> None:
    said = laptop.run("secret", "scan", *words, check=False)
    assert said.returncode == code
    assert says in said.stderr


def test_an_unreadable_history_of_git_is_an_error_and_not_nothing_found(laptop: Laptop) -> None:
    folder = laptop.project({"a.py": "x = 1\n"})
    for path in (folder / ".git/objects").rglob("*"):
        if path.is_file() and git(folder, "cat-file", "-t", path.parent.name + path.name) == "tree":
            path.unlink()
            break
    said = laptop.run("secret", "scan", "a.py", "--history", cwd=folder, check=False)
    assert said.returncode == 65
    assert "git does not show its history" in said.stderr


def test_the_home_on_a_box_is_looked_through_and_nothing_there_is_changed(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    gpu1.write("~/.bash_history", f"ls\ngit push https://{TOKEN}@github.com/a/b\n", 0o600)
    gpu1.write("~/.config/fish/config.fish", "set -gx API_TOKEN x7Kq2mZ9\n")
    gpu1.write("~/.netrc", "machine h login a password hunter2hunter2\n", 0o600)
    before = laptop.ssh("gpu1", "ls -laR --full-time ~ | grep -v '[.]ssh'").stdout
    said = laptop.run("secret", "scan", "--on", "gpu1", check=False)
    assert said.returncode == 71
    assert [row.split()[0] for row in said.stdout.splitlines()[1:]] == [
        "gpu1:~/.bash_history:2",
        "gpu1:~/.config/fish/config.fish:1",
    ]
    assert laptop.ssh("gpu1", "ls -laR --full-time ~ | grep -v '[.]ssh'").stdout == before
    gone = laptop.run("secret", "scan", "--on", "nobody.invalid", check=False)
    assert gone.returncode == 69
