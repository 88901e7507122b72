"""`mlsh alias`: the file is changed by a line, or not at all; nobody's program is hidden unasked."""

import json
import os
import threading
from pathlib import Path

import pytest

from mlsh.errors import ExitCode
from tests.bed import Box, Laptop
from tests.conftest import Sit


def file(laptop: Laptop) -> Path:
    return laptop.home / ".config/mlsh/aliases.toml"


def put(laptop: Laptop, text: str) -> Path:
    path = file(laptop)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def listed(laptop: Laptop, *words: str) -> dict[str, dict[str, object]]:
    out = laptop.run("alias", "list", "--json", *words).stdout
    return {line["name"]: line for line in map(json.loads, out.splitlines())}


SECRET = "ghp_" + "q8Zr2LmX9vTn4KpW7sYc1HdB5jFgA3eU6oRi"
MINE = "# mine\n[git]\nqs = 'git status'  # what\n\n# end\n"


def test_added_listed_and_removed_with_the_rest_of_the_file_as_it_was(laptop: Laptop) -> None:
    path = put(laptop, MINE)
    path.chmod(0o600)
    laptop.run("alias", "add", "--about", "to another", "qw", "git switch {1}")
    laptop.run("alias", "add", "qp", "docker", "ps", "--format", "{{.Names}} {{.Image}}")
    assert path.read_text() == (
        "# mine\n[git]\nqs = 'git status'  # what\nqw = \"git switch {1}\"  # to another\n\n# end\n"
        "\n[docker]\nqp = \"docker ps --format '{{.Names}} {{.Image}}'\"\n"
    )
    assert path.stat().st_mode & 0o777 == 0o600
    found = listed(laptop)
    assert list(found) == ["qs", "qw", "qp"]
    assert found["qw"] == {
        "name": "qw", "group": "git", "run": "git switch {1}", "about": "to another", "kind": "function", "fish": None,
        "boxes": True, "hides": None,
    }  # fmt: skip
    shown = laptop.run("alias", "list", "-g", "git").stdout
    assert shown.splitlines() == ["git", "  qs  git status      # what", "  qw  git switch {1}  # to another"]
    laptop.run("alias", "remove", "qw", "qp")
    assert path.read_text() == MINE + "\n[docker]\n"
    assert sorted(path.parent.iterdir()) == [path]


def test_two_dashes_before_the_command_are_no_part_of_it(laptop: Laptop) -> None:
    laptop.run("alias", "add", "qd", "--", "git", "status")
    assert json.loads(laptop.run("alias", "list", "--json", "qd").stdout)["run"] == "git status"


def test_a_file_that_is_a_link_stays_one(laptop: Laptop) -> None:
    real = laptop.home / "dotfiles.toml"
    real.write_text(MINE)
    file(laptop).parent.mkdir(parents=True)
    file(laptop).symlink_to(real)
    laptop.run("alias", "add", "qx", "true x")
    assert file(laptop).is_symlink()
    assert 'qx = "true x"' in real.read_text()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["add", "--", "-x", "ls"], ExitCode.REFUSED, "read as an option"),
        (["add", "$(id)", "ls"], ExitCode.REFUSED, "can't be called"),
        (["add", "a\nb", "ls"], ExitCode.REFUSED, "can't be called `a\\nb`"),
        (["add", "*", "ls"], ExitCode.REFUSED, "can't be called"),
        (["add", "!prod", "ls"], ExitCode.REFUSED, "can't be called"),
        (["add", "cd", "ls"], ExitCode.REFUSED, "rely on"),
        (["add", "-g", "a\nb", "qx", "ls"], ExitCode.REFUSED, "a group can't be called `a\\nb`"),
        (["add", "-g", "", "qx", "ls"], ExitCode.REFUSED, "a group can't be called"),
        (["add", "--about", "x\x1b[2J", "qx", "ls"], ExitCode.REFUSED, "x\\x1b[2J"),
        (["add", "done", "ls"], ExitCode.REFUSED, "grammar"),
        (["add", "qs", "git status -sb"], ExitCode.REFUSED, "--replace"),
        (["add", "qx", "echo 'x"], ExitCode.REFUSED, "quote is not closed"),
        (["add", "sort", "git log"], ExitCode.REFUSED, "/sort"),
        (["add", "qx", f"curl -H 'Authorization: Bearer {SECRET}'"], ExitCode.REFUSED, "***"),
        (["add", "qx"], ExitCode.USAGE, "mlsh alias add -h"),
        (["remove", "qs", "nosuch"], ExitCode.NOT_FOUND, "nothing was changed"),
        (["import", "nosuch"], ExitCode.NOT_FOUND, "nosuch: No such file"),
        (["import", "/"], ExitCode.NOT_FOUND, "Is a directory"),
        (["suggest", "--history", "nosuch"], ExitCode.NOT_FOUND, "nosuch: No such file"),
        (["list", "nosuch"], ExitCode.NOT_FOUND, "mlsh alias list"),
    ],
)
def test_what_is_refused_changes_nothing(laptop: Laptop, words: list[str], code: ExitCode, says: str) -> None:
    path = put(laptop, MINE)
    ran = laptop.run("alias", *words, check=False)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert SECRET not in ran.stderr
    assert path.read_text() == MINE


def test_a_program_of_the_same_name_is_noticed(laptop: Laptop) -> None:
    laptop.run("alias", "add", "ls", "ls -h")  # itself, with an option: hides nothing
    laptop.run("alias", "add", "--shadow", "sort", "git log")
    found = listed(laptop)
    assert found["ls"]["hides"] is None
    assert str(found["sort"]["hides"]).endswith("/sort")
    assert "(hides /" in laptop.run("alias", "list").stdout


def test_a_person_at_a_terminal_is_asked_before_a_program_is_hidden(laptop: Laptop, sit_down: Sit) -> None:
    terminal = sit_down("alias", "add", "sort", "git log")
    terminal.shows("Add it? [y/N]")
    terminal.type("\n")
    assert terminal.ends() == ExitCode.INTERRUPTED
    assert not file(laptop).exists()
    terminal = sit_down("alias", "add", "sort", "git log")
    terminal.shows("Add it? [y/N]")
    terminal.type("y\n")
    assert terminal.ends() == 0
    assert 'sort = "git log"' in file(laptop).read_text()


def test_a_dry_run_shows_the_lines_and_writes_nothing(laptop: Laptop) -> None:
    path = put(laptop, MINE)
    out = laptop.run("alias", "add", "--dry-run", "--replace", "qs", "git status -sb").stdout
    assert "-qs = 'git status'  # what" in out
    assert '+qs = "git status -sb"  # what' in out
    assert "-qs" in laptop.run("alias", "remove", "--dry-run", "qs").stdout
    assert path.read_text() == MINE


def test_a_file_that_is_wrong_is_left_to_the_person(laptop: Laptop) -> None:
    path = put(laptop, "[git\n")
    for words in (["list"], ["add", "qx", "ls"], ["remove", "qx"]):
        ran = laptop.run("alias", *words, check=False)
        assert ran.returncode == ExitCode.CONFIG
        assert str(path) in ran.stderr
        assert "mlsh alias edit" in ran.stderr
    assert path.read_text() == "[git\n"


def test_a_read_only_file_is_left_as_it_is(laptop: Laptop) -> None:
    path = put(laptop, MINE)
    path.chmod(0o444)
    ran = laptop.run("alias", "add", "qx", "ls -l", check=False)
    assert ran.returncode == ExitCode.REFUSED
    assert "read-only" in ran.stderr
    assert path.read_text() == MINE


def test_of_many_at_once_none_is_lost(laptop: Laptop) -> None:
    put(laptop, MINE)
    threads = [threading.Thread(target=laptop.run, args=("alias", "add", f"q{at}", f"echo {at}")) for at in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(listed(laptop)) == {"qs", *(f"q{at}" for at in range(5))}


def editor(laptop: Laptop, script: str) -> dict[str, str | None]:
    path = laptop.directory / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"VISUAL": None, "EDITOR": f"{path} --wait"}


def test_an_edit_counts_once_it_is_right_and_what_was_written_is_never_lost(laptop: Laptop) -> None:
    path = put(laptop, MINE)
    env = editor(laptop, """[ "$1" = --wait ] && printf "qn = 'new one'\\n" >>"$2" """)
    laptop.run("alias", "edit", env=env)
    assert "qn" in listed(laptop)
    before = path.read_text()
    ran = laptop.run("alias", "edit", env=editor(laptop, 'echo "[broken" >>"$2"'), check=False)
    assert ran.returncode == ExitCode.CONFIG
    assert path.read_text() == before
    copy = Path(ran.stderr.split("what you wrote is in ")[1].split()[0])
    assert copy.read_text() == before + "[broken\n"
    copy.unlink()
    ran = laptop.run(
        "alias", "edit", env=editor(laptop, f"echo '# theirs' >>'{path}'; echo '# mine' >>$2"), check=False
    )
    assert ran.returncode == ExitCode.REFUSED
    assert path.read_text() == before + "# theirs\n"
    copy = Path(ran.stderr.split("what you wrote is in ")[1].split()[0])
    assert copy.read_text() == before + "# mine\n"
    copy.unlink()
    ran = laptop.run("alias", "edit", env=editor(laptop, "exit 3"), check=False)
    assert "ended with 3" in ran.stderr
    assert laptop.run("alias", "edit", env=editor(laptop, ":")).stderr == "mlsh: nothing was changed\n"


def test_a_broken_file_is_mended_by_the_edit_that_the_message_names(laptop: Laptop) -> None:
    path = put(laptop, "[git\n")
    laptop.run("alias", "edit", env=editor(laptop, """printf '[git]\\nqx = "git log"\\n' >"$2" """))
    assert path.read_text() == '[git]\nqx = "git log"\n'


def test_without_any_alias_the_ways_to_begin_are_told(laptop: Laptop) -> None:
    said = laptop.run("alias", "list")
    assert said.stdout == ""
    assert "mlsh alias import --starter" in said.stderr
    assert laptop.run("alias", "list", "--json").stdout == ""


@pytest.mark.root
def test_what_an_alias_would_hide_on_a_box_is_told(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    put(laptop, "[a]\nqnone = 'ls'\nsort = 'ls'\nls = 'ls -h'\nqps = 'mlsh ps'\nqhere = {run = 'x', boxes = false}\n")
    found = listed(laptop, "--on", "gpu1")
    assert {name: bool(one["hides"]) for name, one in found.items()} == {"qnone": False, "sort": True, "ls": False}


def test_the_home_may_be_read_only(laptop: Laptop) -> None:
    if os.getuid() == 0:
        blocker = laptop.home / ".config"
        blocker.write_text("a file where the folder should be")
    ran = laptop.run("alias", "add", "qx", "ls -l", check=False)
    assert ran.returncode == ExitCode.INTERNAL
    assert str(laptop.home / ".config/mlsh") in ran.stderr


def test_the_starter_set_comes_with_its_comments_and_hides_nothing(laptop: Laptop) -> None:
    binary = laptop.home / "bin"
    binary.mkdir()
    (binary / "gs").write_text("#!/bin/sh\n")
    (binary / "gs").chmod(0o755)
    laptop.env["PATH"] = f"{binary}:{laptop.env['PATH']}"
    ran = laptop.run("alias", "import", "--starter")
    assert f"left out: gs: it would hide {binary}/gs" in ran.stderr
    found = listed(laptop)
    assert "gs" not in found
    assert {one["group"] for one in found.values()} == {"git", "gpu", "tmux", "slurm", "docker", "jobs", "files"}
    assert not [name for name, one in found.items() if one["hides"]]
    assert file(laptop).read_text().startswith("# The starter set")
    before = file(laptop).read_text()
    assert "there already" in laptop.run("alias", "import", "--starter", "--dry-run").stderr
    assert file(laptop).read_text() == before
    laptop.run("alias", "import", "--starter", "--shadow", "-g", "git")
    assert "gs" in listed(laptop)


def test_a_part_of_the_starter_set_joins_what_is_there(laptop: Laptop) -> None:
    put(laptop, "[git]\ngd = 'mine'  # and it stays\n")
    ran = laptop.run("alias", "import", "--starter", "-g", "git", "-g", "tmux")
    assert "left out: gd: you have it for: mine" in ran.stderr
    text = file(laptop).read_text()
    assert text.startswith("[git]\ngd = 'mine'  # and it stays\n")
    assert 'tl = "tmux list-sessions"' in text
    assert "docker" not in text
    assert laptop.run("alias", "import", "--starter", "-g", "nosuch", check=False).returncode == ExitCode.NOT_FOUND


def test_aliases_of_a_shell_are_taken_over_and_the_others_told(laptop: Laptop) -> None:
    put(laptop, MINE)
    printed = f"alias qs='other'\nalias qn='git log -3'\nalias cd='cd -P'\nalias qt='curl -H \"X: {SECRET}\"'\n"
    ran = laptop.run("alias", "import", input=printed)
    assert {name: one["run"] for name, one in listed(laptop).items()} == {"qs": "git status", "qn": "git log -3"}
    for says in ("left out: qs: you have it for: git status", "left out: cd: line 3", "left out: qt: line 4"):
        assert says in ran.stderr
    assert SECRET not in ran.stderr
    laptop.run("alias", "import", "--replace", input=printed)
    assert listed(laptop)["qs"]["run"] == "other"
    ran = laptop.run("alias", "import", input="no alias here\n", check=False)
    assert ran.returncode == ExitCode.NOT_FOUND
    assert "alias -p | mlsh alias import" in ran.stderr


def test_proposals_come_from_the_history_and_can_be_added(laptop: Laptop) -> None:
    history = laptop.home / ".bash_history"
    history.write_text("git status\n" * 9 + f"export T={SECRET}\n" * 30 + "qs -v\n" * 2)
    put(laptop, MINE.replace("git status", "git status --short"))
    out = laptop.run("alias", "suggest", "--json").stdout
    assert [json.loads(line) for line in out.splitlines()] == [
        {"name": "gs", "run": "git status", "count": 9, "saved": 72}
    ]
    assert laptop.run("alias", "suggest").stdout.splitlines()[1].split() == ["72", "9", "gs", "git", "status"]
    laptop.run("alias", "suggest", "--add", "gs")
    assert listed(laptop)["gs"]["run"] == "git status"
    assert laptop.run("alias", "suggest").stdout == ""
    assert laptop.run("alias", "suggest", "--add", "gs", check=False).returncode == ExitCode.NOT_FOUND
    counts = laptop.run("alias", "suggest", "--counts").stdout
    assert counts.splitlines() == ["      2 qs -v", "      9 git status", "     30 export T=***"]
    stats = {one["name"]: one for one in map(json.loads, laptop.run("alias", "stats", "--json").stdout.splitlines())}
    assert stats["qs"]["used"] == 2
    assert (stats["gs"]["used"], stats["gs"]["in_full"], stats["gs"]["could_have_saved"]) == (0, 9, 72)
    assert "gs" in laptop.run("alias", "stats", "--unused").stdout
    assert "1 of 2 never used" in laptop.run("alias", "stats").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "dash"])
def test_every_shell_reads_the_starter_set_without_a_word(shell: str, tmp_path: Path) -> None:
    from mlsh.aliases import book, shell_init, store
    from tests.aliases.shells import Shells

    shells = Shells(tmp_path)
    aliases = book.parse(store.starter(), "starter")
    text = shell_init.definitions("sh" if shell == "dash" else shell, aliases)
    said = shells.run(shell, text, ["mkcd made/deep", "recv (pwd)" if shell == "fish" else 'recv "$PWD"', "..", "dfh"])
    assert (said.stderr, said.code) == ("", 0)
    assert b"made/deep\0" in said.stdout


@pytest.mark.root
def test_the_files_for_boxes_work_on_a_box(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    put(laptop, "[a]\nqhi = 'echo hello'\nqfn = 'echo in-{1}'\nqps = 'mlsh ps'\nqhere = { run = 'x', boxes = false }\n")
    code = "import json; from mlsh.aliases import shell_init; print(json.dumps(shell_init.box_files()))"
    import sys

    files = json.loads(laptop.command(sys.executable, "-c", code).stdout)
    assert set(files) == {"aliases.sh", "aliases.fish"}
    assert "mlsh ps" not in files["aliases.sh"]
    assert "qhere" not in files["aliases.fish"]
    for name, text in files.items():
        gpu1.write(f"~/.config/mlsh/{name}", text, 0o644)
    script = "shopt -s expand_aliases\n. ~/.config/mlsh/aliases.sh\nqhi there\nqfn x\n"
    gpu1.write("~/try.sh", script, 0o644)
    assert laptop.ssh("gpu1", "bash try.sh").stdout == "hello there\nin-x\n"
