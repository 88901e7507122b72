"""Our line goes in and comes out, and the person's text is the same to the byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.dotfiles.hooks import HOOKS, Hook, insert, is_in, made_at, reads_bashrc, take_out

BY_NAME = {hook.name: hook for hook in HOOKS}
TEXTS = [
    b"",
    b"\n",
    b"alias a=b",
    b"alias a=b\n",
    b"alias a=b\r\nalias c=d\r\n",
    b"alias a=b\r\nalias c=d",
    b"#!/bin/bash\nalias a=b\n",
    b"#!/bin/bash",
    b"return\n",
    b"\xff\xfe\x00\n",
    b"a\n" * 10_000,
]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_was_put_in_comes_out_to_the_byte(hook: Hook, text: bytes) -> None:
    for path in hook.places:
        made = insert(hook, path, text)
        assert is_in(hook, made.text)
        assert take_out(hook, made.text, made.newline) == text


@given(st.binary(max_size=200), st.sampled_from(HOOKS))
def test_any_text_is_given_back(text: bytes, hook: Hook) -> None:
    if is_in(hook, text):
        return
    made = insert(hook, hook.places[0], text)
    assert take_out(hook, made.text, made.newline) == text


def test_a_person_s_own_settings_come_after_ours_where_the_last_one_wins() -> None:
    for name in ("tmux", "git", "vim", "readline", "zsh", "nvim"):
        hook = BY_NAME[name]
        assert insert(hook, hook.places[-1], b"theirs\n").text.endswith(b"\ntheirs\n"), name


def test_a_person_s_own_settings_come_before_ours_where_the_first_one_wins() -> None:
    hook = BY_NAME["ssh"]
    assert insert(hook, ".ssh/config", b"Host a\n  User b\n").text.startswith(b"Host a\n  User b\nMatch all\n")


def test_a_bashrc_that_returns_early_gets_the_line_before_that() -> None:
    made = insert(BY_NAME["bash"], ".bashrc", b"alias a=b\nreturn\n")
    assert made.at == "top"
    assert made.text.endswith(b"\nalias a=b\nreturn\n")


def test_a_bashrc_of_a_distribution_gets_the_line_last_since_it_sets_the_prompt_itself() -> None:
    made = insert(BY_NAME["bash"], ".bashrc", b"case $- in *i*) ;; *) return ;; esac\nPS1=x\n")
    assert made.text.startswith(b"case $- in *i*) ;; *) return ;; esac\nPS1=x\nif [ -r ")


def test_a_line_stays_a_line_of_its_own_where_the_file_has_no_final_newline() -> None:
    made = insert(BY_NAME["bash"], ".bashrc", b"alias a=b")
    assert made.text.startswith(b"alias a=b\nif ")
    assert made.newline


def test_windows_line_ends_are_kept_where_the_program_takes_the_file_as_a_whole() -> None:
    # vim takes a file for a Windows one by its first line.
    assert insert(BY_NAME["vim"], ".vimrc", b"set nu\r\n").text.startswith(b'silent! source ~/.config/mlsh/vimrc " ')
    assert b"dotfiles\r\nset nu\r\n" in insert(BY_NAME["vim"], ".vimrc", b"set nu\r\n").text


def test_in_a_shell_s_file_with_windows_line_ends_our_own_line_has_none() -> None:
    made = insert(BY_NAME["bash"], ".bashrc", b"alias a=b\r\n")
    assert made.text.split(b"\n")[1].endswith(b"# mlsh dotfiles")


def test_of_a_file_that_was_edited_meanwhile_only_our_line_goes() -> None:
    for hook in HOOKS:
        made = insert(hook, hook.places[0], b"before")
        edited = b"first\n" + made.text + b"last\n"
        left = take_out(hook, edited, made.newline)
        assert not is_in(hook, left)
        assert left.startswith(b"first\n")
        assert b"before" in left
        assert left.endswith(b"last\n")


def test_a_line_that_only_looks_like_ours_stays() -> None:
    hook = BY_NAME["readline"]
    for near in (b"# $include ~/.config/mlsh/inputrc\n", b"$include ~/.config/mlsh/inputrc.mine\n"):
        assert take_out(hook, near, newline=False) == near


def test_the_line_is_found_whatever_an_editor_made_of_the_line_ends() -> None:
    for hook in HOOKS:
        made = insert(hook, hook.places[0], b"a\n").text
        assert take_out(hook, made.replace(b"\n", b"\r\n"), newline=False) == b"a\r\n"
        assert take_out(hook, made.rstrip(b"\n"), newline=False).rstrip(b"\n") == b"a"


def test_a_lua_file_gets_lua() -> None:
    made = insert(BY_NAME["nvim"], ".config/nvim/init.lua", b"vim.o.number = true\n")
    assert made.text.startswith(b"pcall(vim.cmd, 'source ~/.config/mlsh/vimrc') -- mlsh dotfiles\n")


def test_a_login_file_that_leads_to_bashrc_needs_no_line() -> None:
    assert reads_bashrc('if [ -f "$HOME/.bashrc" ]; then\n. "$HOME/.bashrc"\nfi\n')
    assert not reads_bashrc("# see .bashrc\nexport A=b\n")


def test_nothing_that_other_tools_would_choose_for_themselves_is_made() -> None:
    # A .bash_profile would keep bash from ever reading a .profile that an installer makes later.
    assert made_at(BY_NAME["login"]) == ".profile"
    assert made_at(BY_NAME["git"]) == ".gitconfig"
