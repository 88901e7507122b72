"""`mlsh dotfiles` as a person and as a script use it, on this machine as the box."""

import json
import os
from pathlib import Path

import pytest

from tests.bed import Box, CommandError, Laptop, Sit
from tests.dotfiles.trees import tree

ESCAPE = "\x1b]0;owned\x07"


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def own(laptop: Laptop, **texts: str) -> Path:
    """A chezmoi folder of the person's own; `/` is spelled `__`."""
    folder = laptop.home / "own"
    for name, text in texts.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_round_on_this_machine(laptop: Laptop) -> None:
    (laptop.home / ".bashrc").write_text("alias a=b")
    before = {path: entry for path, entry in tree(laptop.home).items() if not path.startswith((".cache", ".local"))}
    shown = laptop.run("dotfiles", "diff", "local")
    assert "+++ ~/.config/mlsh/bashrc" in shown.stdout
    assert " alias a=b" not in shown.stdout.split("~/.bashrc")[0]
    assert shown.stderr == ""
    assert laptop.run("dotfiles", "push", "--dry-run", "local").stdout == shown.stdout
    assert not (laptop.home / ".config").exists()
    said = laptop.run("dotfiles", "push", "local")
    assert "local  new           ~/.config/mlsh/bashrc\n" in said.stdout
    assert "local  one line      ~/.bashrc\n" in said.stdout
    again = laptop.run("dotfiles", "push", "local")
    assert (again.stdout, again.stderr) == ("", "mlsh: local: nothing to do\n")
    standing = laptop.run("dotfiles", "list", "local").stdout
    assert "  ours     ~/.config/mlsh/bashrc\n" in standing
    assert "  line in  ~/.bashrc\n" in standing
    assert "-if [ -r ~/.config/mlsh/bashrc ]" in laptop.run("dotfiles", "remove", "--dry-run", "local").stdout
    laptop.run("dotfiles", "remove", "local")
    after = {path: entry for path, entry in tree(laptop.home).items() if not path.startswith((".cache", ".local"))}
    assert after == before
    assert "nothing of mlsh's" in laptop.run("dotfiles", "list", "local").stderr


def test_the_same_for_scripts(laptop: Laptop) -> None:
    files = objects(laptop.run("dotfiles", "list", "--json").stdout)
    assert {"path", "origin", "only", "bytes"} == set(files[0])
    (planned,) = objects(laptop.run("dotfiles", "diff", "--json", "local").stdout)
    assert (planned["box"], planned["applied"], planned["error"]) == ("local", False, None)
    assert {"path", "what", "verb", "diff"} == set(planned["changes"][0])
    (pushed,) = objects(laptop.run("dotfiles", "push", "--json", "local").stdout)
    assert (pushed["applied"], len(pushed["changes"])) == (True, len(planned["changes"]))
    (stands,) = objects(laptop.run("dotfiles", "list", "--json", "local").stdout)
    assert {one["state"] for one in stands["files"]} == {"ours"}
    assert ".gitconfig" in stands["lines"]
    said = laptop.run("dotfiles", "push", "--json", "nowhere.invalid", check=False)
    (failed,) = objects(said.stdout)
    assert said.returncode in {69, 77}
    assert failed["error"]


def test_what_was_changed_on_a_box_is_taken_back_and_goes_to_the_others(laptop: Laptop) -> None:
    folder = own(laptop, dot_bashrc="one\n# mlsh: only elsewhere\nx\n# mlsh: end\n", dot_config__htop__htoprc="a\n")
    source = ("--from", str(folder))
    laptop.run("dotfiles", "push", *source, "local")
    ours = laptop.home / ".config/mlsh/bashrc"
    assert ours.read_text() == "one\n"
    ours.write_text("one\ntwo\n")
    said = laptop.run("dotfiles", "push", *source, "local", check=False)
    assert said.returncode == 71
    assert "adopt local" in said.stderr
    with pytest.raises(CommandError, match="no terminal"):
        laptop.run("dotfiles", "adopt", *source, "local")
    shown = laptop.run("dotfiles", "adopt", *source, "--dry-run", "local")
    assert "+two" in shown.stdout
    assert "two" not in (folder / "dot_bashrc").read_text()
    laptop.run("dotfiles", "adopt", *source, "-y", "local")
    assert (folder / "dot_bashrc").read_text() == "one\ntwo\n# mlsh: only elsewhere\nx\n# mlsh: end\n"
    assert laptop.run("dotfiles", "push", *source, "local").returncode == 0
    assert "nothing was changed" in laptop.run("dotfiles", "adopt", *source, "-y", "local").stderr


def test_a_built_in_file_that_was_changed_becomes_one_of_one_s_own(laptop: Laptop) -> None:
    laptop.run("dotfiles", "push", "local")
    ours = laptop.home / ".config/mlsh/vimrc"
    ours.write_text(ours.read_text() + "set nonumber\n")
    laptop.run("dotfiles", "adopt", "-y", "local")
    kept = laptop.home / ".config/mlsh/dotfiles/dot_config/mlsh/vimrc"
    assert kept.read_text() == ours.read_text()
    assert laptop.run("dotfiles", "push", "local").returncode == 0
    assert ours.read_text().endswith("set nonumber\n")


def test_a_new_file_is_adopted_by_name(laptop: Laptop) -> None:
    (laptop.home / ".config/htop").mkdir(parents=True)
    (laptop.home / ".config/htop/htoprc").write_text("a\n")
    laptop.run("dotfiles", "adopt", "-y", "local", "~/.config/htop/htoprc")
    kept = laptop.home / ".config/mlsh/dotfiles/dot_config/htop/htoprc"
    assert kept.read_text() == "a\n"
    for wrong in ("../x", "/etc/passwd", "a/../../b"):
        assert laptop.run("dotfiles", "adopt", "-y", "local", wrong, check=False).returncode == 65
    said = laptop.run("dotfiles", "adopt", "-y", "local", ".bashrc", ".gone", check=False)
    assert said.returncode == 71
    assert "~/.gone is not on the box" in said.stderr


def test_adopt_shows_the_difference_and_asks(laptop: Laptop, sit_down: Sit) -> None:
    laptop.run("dotfiles", "push", "local")
    ours = laptop.home / ".config/mlsh/vimrc"
    ours.write_text(f"set number {ESCAPE}\n")
    terminal = sit_down("dotfiles", "adopt", "local")
    terminal.shows("Write it to")
    assert ESCAPE.encode() not in terminal.seen
    terminal.type("n\n")
    assert terminal.ends() == 0
    assert not (laptop.home / ".config/mlsh/dotfiles").exists()


def test_templates_are_named_and_refused_unless_they_are_to_be_left_out(laptop: Laptop) -> None:
    folder = own(laptop, dot_bashrc="a\n", **{"dot_gitconfig.tmpl": "{{ .email }}\n"})
    said = laptop.run("dotfiles", "push", "--from", str(folder), "local", check=False)
    assert said.returncode == 65
    assert "dot_gitconfig.tmpl: is a template" in said.stderr
    assert not (laptop.home / ".config/mlsh").exists()
    said = laptop.run("dotfiles", "push", "--from", str(folder), "--skip-unsupported", "local")
    assert "left out: dot_gitconfig.tmpl" in said.stderr
    assert (laptop.home / ".config/mlsh/bashrc").read_text() == "a\n"
    assert "email" not in "".join(str(entry.text) for entry in tree(laptop.home / ".config").values())


def test_a_git_repository_is_copied_and_followed(laptop: Laptop) -> None:
    repo = laptop.project({"dot_bashrc": "one\n"}, "repo")
    address = f"file://{repo}"
    laptop.run("dotfiles", "push", "--from", address, "local")
    assert (laptop.home / ".config/mlsh/bashrc").read_text() == "one\n"
    (repo / "dot_bashrc").write_text("two\n")
    laptop.command("git", "commit", "-qam", "two", cwd=repo)
    laptop.run("dotfiles", "push", "--from", address, "local")
    assert (laptop.home / ".config/mlsh/bashrc").read_text() == "two\n"
    (laptop.home / ".config/mlsh/bashrc").write_text("mine\n")
    said = laptop.run("dotfiles", "adopt", "-y", "--from", address, "local", check=False)
    assert said.returncode == 71
    assert "not written to" in said.stderr
    said = laptop.run("dotfiles", "list", "--from", f"file://{repo}-gone", check=False)
    assert said.returncode == 66
    assert "could not be copied" in said.stderr


def test_the_setting_names_the_source(laptop: Laptop) -> None:
    folder = own(laptop, dot_bashrc="mine\n")
    (laptop.home / ".config/mlsh").mkdir(parents=True)
    (laptop.home / ".config/mlsh/config.toml").write_text(f'dotfiles = "{folder}"\n')
    laptop.run("dotfiles", "push", "local")
    assert (laptop.home / ".config/mlsh/bashrc").read_text() == "mine\n"
    said = laptop.run("dotfiles", "push", "--from", "built-in", "local")
    assert f"those of built-in in place of those of {folder}" in said.stderr
    assert "__mlsh_prompt" in (laptop.home / ".config/mlsh/bashrc").read_text()
    laptop.run("dotfiles", "remove", "local")
    assert (laptop.home / ".config/mlsh/config.toml").exists()


def test_overwriting_asks_shows_what_is_lost_and_can_be_taken_back(laptop: Laptop, sit_down: Sit) -> None:
    folder = own(laptop, dot_htoprc="ours\n")
    (laptop.home / ".htoprc").write_text("mine\n")
    source = ("--from", str(folder), "--overwrite", "local")
    assert laptop.run("dotfiles", "push", *source, check=False).returncode == 2
    terminal = sit_down("dotfiles", "push", *source)
    terminal.shows("Change local so?")
    assert b"-mine" in terminal.seen
    terminal.type("n\n")
    assert terminal.ends() == 130
    assert (laptop.home / ".htoprc").read_text() == "mine\n"
    laptop.run("dotfiles", "push", "-y", *source)
    assert (laptop.home / ".htoprc").read_text() == "ours\n"
    laptop.run("dotfiles", "remove", "local")
    assert (laptop.home / ".htoprc").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["-oProxyCommand=touch pwned", "$(touch pwned)", "a\nb", "*", "!prod", ""])
def test_a_name_that_is_none_runs_nothing(laptop: Laptop, name: str) -> None:
    for verb in ("push", "diff", "remove", "list", "adopt"):
        said = laptop.run("dotfiles", verb, "--", name, check=False)
        assert said.returncode in {2, 65}
        assert "Traceback" not in said.stderr
    assert not (laptop.home / "pwned").exists()


def test_what_a_box_says_sends_nothing_to_the_terminal(laptop: Laptop, sit_down: Sit) -> None:
    laptop.run("dotfiles", "push", "local")
    record = laptop.home / ".config/mlsh/.dotfiles"
    record.write_text(record.read_text().replace("from\tbuilt-in", f"from\t{ESCAPE}"))
    assert ESCAPE not in laptop.run("dotfiles", "list", "local").stdout
    (laptop.home / ".tmux.conf").write_text(f"{ESCAPE}\n")
    terminal = sit_down("dotfiles", "diff", "local", env={"PAGER": ""})
    terminal.ends()
    assert ESCAPE.encode() not in terminal.seen


def test_files_for_some_boxes_reach_only_those(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1, alias="trainer")
    folder = own(
        laptop,
        dot_bashrc="all\n# mlsh: only trainer\nby alias\n# mlsh: end\n# mlsh: only gpu*\nby node\n# mlsh: end\n",
        **{"hosts__gpu*__dot_only": "x\n", "hosts__other__dot_not": "x\n"},
    )
    before = tree(gpu1.path("~"))
    laptop.run("dotfiles", "push", "--from", str(folder), "trainer", "local")
    assert gpu1.path("~/.config/mlsh/bashrc").read_text() == "all\nby alias\nby node\n"
    assert gpu1.path("~/.only").exists()
    assert not gpu1.path("~/.not").exists()
    assert (laptop.home / ".config/mlsh/bashrc").read_text() == "all\n"
    assert not (laptop.home / ".only").exists()
    laptop.run("dotfiles", "remove", "trainer")
    assert tree(gpu1.path("~")) == before
    assert os.path.exists(laptop.home / ".config/mlsh/bashrc")
