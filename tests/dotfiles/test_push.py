"""What a push makes of a home, and that a removal gives every byte of it back."""

import os
from pathlib import Path

import pytest

from mlsh.box import Box as Reached
from mlsh.dotfiles import push
from mlsh.errors import BoxUnfit
from tests.dotfiles.trees import pushed, small, source_of, tree

HOMES: dict[str, dict[str, str]] = {
    "empty": {},
    "a new account's": {".bashrc": Path("/etc/skel/.bashrc").read_text(), ".profile": '. "$HOME/.bashrc"\n'},
    "no final newline": {
        ".bashrc": "alias a=b",
        ".zshrc": "a=b",
        ".ssh/config": "Host a\n  User b",
        ".vimrc": "set nu",
    },
    "windows": {".bashrc": "alias a=b\r\n", ".vimrc": "set nu\r\n", ".gitconfig": "[user]\r\n\tname = A\r\n"},
    "leaves early": {".bashrc": "alias a=b\nreturn\nalias c=d\n", ".bash_profile": "export A=b\n"},
    "long": {".bashrc": "alias a=b\n" * 10_000, ".inputrc": "set bell-style none\n" * 1000},
    "empty files": {".bashrc": "", ".tmux.conf": "", ".gitconfig": "", ".config/mlsh/config.toml": ""},
    "other places": {
        ".config/tmux/tmux.conf": "set -g mouse off\n",
        ".config/git/config": "[user]\n\tname = A\n",
        ".vim/vimrc": "set nu\n",
        ".config/nvim/init.lua": "vim.o.number = true\n",
        ".zshenv": 'export ZDOTDIR="$HOME/.config/zsh"\n',
        ".config/zsh/.zshrc": "alias a=b\n",
        ".config/fish/conf.d/mine.fish": "alias a b\n",
        ".bash_login": ". ~/.bashrc\n",
    },
}


def fill(home: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(text.encode())


@pytest.mark.parametrize("name", HOMES)
def test_a_home_is_given_back_to_the_byte(local: Reached, home: Path, name: str) -> None:
    fill(home, HOMES[name])
    before = tree(home)
    plan = pushed(local, small(bin__hello="#!/bin/sh\n"))
    assert plan.refused == ()
    assert (home / "bin/hello").read_text() == "#!/bin/sh\n"
    assert push.plan(local, small(bin__hello="#!/bin/sh\n")).is_empty, "the second time there is nothing to do"
    for path, text in HOMES[name].items():
        for line in text.split("\n")[:5]:
            assert line.encode() in (home / path).read_bytes(), "a person's own text is gone"
    removal = push.remove(local)
    assert removal.refused == ()
    assert tree(home) == before
    assert push.plan_removal(local).is_empty


@pytest.mark.parametrize("sh", ["dash", "bash", "busybox"])
def test_the_scripts_do_the_same_in_every_shell(
    local: Reached, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sh: str
) -> None:
    """busybox with its own applets for everything that it has."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to(f"/usr/bin/{sh}")
    if sh == "busybox":
        for applet in ("ls", "wc", "head", "tail", "sed", "tar", "cp", "mv", "rm", "mkdir", "rmdir", "chmod", "cat"):
            (tools / applet).symlink_to("/usr/bin/busybox")
        for applet in ("sha256sum", "readlink", "sync", "id", "uname"):
            (tools / applet).symlink_to("/usr/bin/busybox")
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    fill(home, HOMES["no final newline"] | HOMES["leaves early"])
    (home / "real").write_text("alias a=b\n")
    (home / ".zshrc").unlink()
    (home / ".zshrc").symlink_to("real")
    before = tree(home)
    pushed(local, small())
    assert "mlsh" in (home / "real").read_text()
    assert push.plan(local, small()).is_empty
    push.remove(local)
    assert tree(home) == before


def test_a_link_stays_a_link_and_what_it_leads_to_gets_the_line(local: Reached, home: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "bashrc"
    real.parent.mkdir()
    real.write_text("alias a=b\n")
    real.chmod(0o640)
    (home / ".bashrc").symlink_to(real)
    pushed(local, source_of(bashrc=""))
    assert (home / ".bashrc").readlink() == real
    assert real.read_text().startswith("alias a=b\nif ")
    assert real.stat().st_mode & 0o777 == 0o640
    push.remove(local)
    assert real.read_text() == "alias a=b\n"
    assert (home / ".bashrc").readlink() == real


def test_a_file_with_a_second_name_is_left_alone_and_said(local: Reached, home: Path) -> None:
    (home / "mine").write_text("alias a=b\n")
    os.link(home / "mine", home / ".bashrc")
    plan = pushed(local, source_of(bashrc=""))
    assert [one.path for one in plan.refused] == [".bashrc"]
    assert "hard link" in plan.refused[0].why
    assert (home / ".bashrc").read_text() == "alias a=b\n"
    assert (home / ".bashrc").samefile(home / "mine")


def test_more_files_than_fit_on_a_command_line_go_too(
    local: Reached, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit that eighty files reach: a thousand would take a minute."""
    monkeypatch.setattr(push, "_WORDS", 1000)
    source = small(**{f"bin__{'x' * 20}{number}": "x" for number in range(80)})
    assert pushed(local, source).refused == ()
    assert len(list((home / "bin").iterdir())) == 80
    assert push.plan(local, source).is_empty


def test_a_link_to_nothing_is_left_alone_and_said(local: Reached, home: Path) -> None:
    (home / ".bashrc").symlink_to("gone")
    plan = pushed(local, source_of(bashrc=""))
    assert [(one.path, one.why) for one in plan.refused if one.path == ".bashrc"] == [
        (".bashrc", "is a link to something that is not there")
    ]
    assert not (home / "gone").exists()


@pytest.mark.parametrize("mode", [0o444, 0o600, 0o755, 0o400])
def test_the_mode_of_a_person_s_file_is_kept(local: Reached, home: Path, mode: int) -> None:
    (home / ".bashrc").write_text("alias a=b\n")
    (home / ".bashrc").chmod(mode)
    before = tree(home)
    pushed(local, source_of(bashrc=""))
    assert (home / ".bashrc").stat().st_mode & 0o777 == mode
    push.remove(local)
    assert tree(home) == before


def test_what_a_person_wrote_meanwhile_stays(local: Reached, home: Path) -> None:
    (home / ".bashrc").write_text("alias a=b")
    pushed(local, small())
    with (home / ".bashrc").open("a") as file:
        file.write("alias later=on\n")
    with (home / ".tmux.conf").open("a") as file:
        file.write("set -g mouse off\n")
    push.remove(local)
    assert (home / ".bashrc").read_text() == "alias a=b\nalias later=on\n"
    assert (home / ".tmux.conf").read_text() == "set -g mouse off\n", "a file that we made is theirs by now"
    assert not (home / ".zshrc").exists()


def test_a_file_that_was_changed_on_the_box_is_not_overwritten(local: Reached, home: Path) -> None:
    pushed(local, source_of(bashrc="one\n"))
    ours = home / ".config/mlsh/bashrc"
    ours.write_text("mine\n")
    plan = pushed(local, source_of(bashrc="two\n"))
    assert [one.path for one in plan.refused] == [".config/mlsh/bashrc"]
    assert ours.read_text() == "mine\n"
    removal = push.remove(local)
    assert [one.path for one in removal.refused] == [".config/mlsh/bashrc"]
    assert ours.read_text() == "mine\n"
    pushed(local, source_of(bashrc="two\n"), overwrite=True)
    assert ours.read_text() == "two\n"
    assert push.remove(local).refused == ()
    assert tree(home) == {}


def test_somebody_s_own_file_in_the_way_stays_and_is_named(local: Reached, home: Path) -> None:
    fill(home, {".config/htop/htoprc": "mine\n"})
    before = tree(home)
    source = small(**{".config__htop__htoprc": "ours\n"})
    plan = pushed(local, source)
    assert [one.path for one in plan.refused] == [".config/htop/htoprc"]
    assert (home / ".config/htop/htoprc").read_text() == "mine\n"
    push.remove(local)
    assert tree(home) == before


def test_a_file_that_was_replaced_on_request_comes_back(local: Reached, home: Path) -> None:
    fill(home, {".config/htop/htoprc": "mine\n", ".netrc": "secret\n"})
    (home / ".netrc").chmod(0o600)
    before = tree(home)
    source = small(**{".config__htop__htoprc": "ours\n", ".netrc": "ours\n"})
    pushed(local, source, overwrite=True)
    assert (home / ".netrc").read_text() == "ours\n"
    assert push.plan(local, source).is_empty
    pushed(local, small(**{".netrc": "newer\n"}))
    assert (home / ".config/htop/htoprc").read_text() == "mine\n", "it left the source, so the person's came back"
    assert push.remove(local).refused == ()
    assert tree(home) == before


def test_a_file_of_a_person_s_own_that_is_the_same_stays_at_a_removal(local: Reached, home: Path) -> None:
    fill(home, {".config/htop/htoprc": "same\n"})
    before = tree(home)
    pushed(local, small(**{".config__htop__htoprc": "same\n"}))
    push.remove(local)
    assert tree(home) == before


def test_what_left_the_source_leaves_the_box(local: Reached, home: Path) -> None:
    pushed(local, small(bin__old="x\n"))
    plan = pushed(local, source_of(bashrc=""))
    assert not (home / "bin/old").exists()
    assert not (home / ".tmux.conf").exists()
    assert (home / ".bashrc").exists()
    assert plan.refused == ()
    push.remove(local)
    assert tree(home) == {}


def test_what_others_put_into_our_folder_stays(local: Reached, home: Path) -> None:
    pushed(local, source_of(bashrc=""))
    (home / ".config/mlsh/aliases.sh").write_text("alias a=b\n")
    push.remove(local)
    assert list(tree(home)) == [".config", ".config/mlsh", ".config/mlsh/aliases.sh"]


def test_a_change_between_the_look_and_the_push_is_noticed(local: Reached, home: Path) -> None:
    (home / ".bashrc").write_text("alias a=b\n")
    plan = push.plan(local, source_of(bashrc=""))
    (home / ".bashrc").write_text("alias a=b\nalias c=d\n")
    before = tree(home)
    with pytest.raises(push.Changed, match="changed meanwhile"):
        push.apply(local, plan)
    assert tree(home) == before


def test_a_file_that_appears_between_the_look_and_the_push_is_not_overwritten(local: Reached, home: Path) -> None:
    plan = push.plan(local, source_of(bashrc=""))
    (home / ".bashrc").write_text("alias new=1\n")
    with pytest.raises(push.Changed):
        push.apply(local, plan)
    assert tree(home)[".bashrc"].text == b"alias new=1\n"


def test_a_record_that_is_not_understood_stops_everything(local: Reached, home: Path) -> None:
    pushed(local, source_of(bashrc=""))
    (home / ".config/mlsh/.dotfiles").write_text("mlsh-dotfiles 9\nend\n")
    before = tree(home)
    for ask in (lambda: push.plan(local, source_of(bashrc="")), lambda: push.plan_removal(local)):
        with pytest.raises(BoxUnfit, match="can't be understood"):
            ask()
    assert tree(home) == before


def test_a_line_without_a_record_goes_too(local: Reached, home: Path) -> None:
    (home / ".bashrc").write_text("alias a=b\n")
    pushed(local, source_of(bashrc=""))
    (home / ".config/mlsh/.dotfiles").unlink()
    push.remove(local)
    assert (home / ".bashrc").read_text() == "alias a=b\n"


def test_a_zdotdir_that_is_not_understood_is_said_and_not_guessed(local: Reached, home: Path) -> None:
    (home / ".zshenv").write_text("export ZDOTDIR=$(somewhere)\n")
    plan = pushed(local, source_of(zshrc=""))
    assert "ZDOTDIR" in plan.refused[0].why
    assert not (home / ".zshrc").exists()


def test_a_source_that_has_the_login_file_itself_gets_no_line_in_it(local: Reached, home: Path) -> None:
    pushed(local, small(**{".bash_profile": "export A=b\n"}))
    assert (home / ".bash_profile").read_text() == "export A=b\n"
    assert not (home / ".profile").exists()
    assert push.plan(local, small(**{".bash_profile": "export A=b\n"})).is_empty
    push.remove(local)
    assert tree(home) == {}


def test_modes_arrive_and_a_folder_of_one_s_own_is_private(local: Reached, home: Path) -> None:
    pushed(local, small())
    assert (home / ".ssh").stat().st_mode & 0o777 == 0o700
    assert (home / ".config").stat().st_mode & 0o777 == 0o700
    assert (home / ".config/mlsh/.dotfiles").stat().st_mode & 0o777 == 0o600
