"""Aliases are read out of what shells print and rc files say, and nothing of it runs."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsh.aliases import fish, importing, posix, shape
from tests.aliases.shells import Shells

RC = r"""
# alias no="a comment"
export PATH=$PATH:~/bin
alias ll='ls -lh' la="ls -A"   # two
if [ -x /usr/bin/dircolors ]; then
    alias grep='grep --color=auto'
fi
[[ -d ~/x ]] && alias cx='cd ~/x'
alias say='echo it'\''s "fine"' ; alias two=pwd
alias multi="git log \
  --oneline"
alias esc="echo \"\$HOME\""
alias now="echo $(date)" old=`id`
alias -g G='| grep'
alias cd='cd -P'
alias 'a b'=x
alias unclosed="echo '"
echo "; alias hidden=1"
alias ll='ls -l --again'
alias quotes='echo '\''a b'\'
alias ll
alias stash='git stash show stash@{0}' one='echo {1}'
"""


def test_an_rc_file_is_read_as_its_shell_would() -> None:
    found = importing.read(RC)
    taken = {one.name: one.alias.run for one in found if one.alias}
    assert taken == {
        "la": "ls -A", "grep": "grep --color=auto", "cx": "cd ~/x", "two": "pwd", "multi": "git log   --oneline",
        "esc": 'echo "$HOME"', "ll": "ls -l --again", "stash": "git stash show stash@{0}", "one": "echo {{1}}",
        "quotes": "echo 'a b'",
    }  # fmt: skip
    left = {one.name: one.why_not for one in found if not one.alias}
    assert set(left) == {"now", "old", "G", "cd", "a b", "unclosed", "say"}
    assert next(one.line for one in found if one.name == "now") == 13
    assert "alias -p" in left["now"]
    assert "zsh" in left["G"]
    assert "rely on" in left["cd"]


FISH = r"""
alias ll 'ls -lh'
alias --save gs='git status'
alias q 'echo it\'s \\ fine'
abbr -a -- gco 'git checkout'
abbr -a gp git push
alias up 'cd (git rev-parse --show-toplevel)'
"""


def test_fish_is_read_with_its_own_quotes_and_words() -> None:
    found = {one.name: one for one in importing.read(FISH)}
    runs = {name: one.alias.run for name, one in found.items() if one.alias}
    assert runs["ll"] == "ls -lh"
    assert runs["gs"] == "git status"
    assert runs["gco"] == "git checkout"
    assert runs["gp"] == "git push"
    assert found["up"].alias is not None
    assert found["up"].alias.fish == "cd (git rev-parse --show-toplevel)"
    assert found["q"].alias is None  # the quote in it is open in sh


few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
value = st.text(st.sampled_from("ab '\"\\$`!*?#{}[]()<>|&;=~\n\té"), min_size=1, max_size=12)


@few
@given(values=st.lists(value, min_size=1, max_size=6))
@pytest.mark.parametrize(("shell", "ask"), [("bash", "alias -p"), ("zsh", "alias"), ("zsh", "alias -L")])
def test_what_a_shell_prints_comes_back_as_it_was(shells: Shells, shell: str, ask: str, values: list[str]) -> None:
    lines = "".join(f"alias q{at}={posix.quote(text)}\n" for at, text in enumerate(values))
    printed = shells.run(shell, lines, [ask]).stdout.decode()
    found = {one.name: one for one in importing.read(printed)}
    assert set(found) == {f"q{at}" for at in range(len(values))}
    for at, text in enumerate(values):
        one = found[f"q{at}"]
        if one.alias is None:
            with pytest.raises(Exception, match="q"):
                shape.check(shape.Alias(one.name, shape.keep_literal(text)))
        else:
            assert one.alias.run == shape.keep_literal(text)


def test_what_fish_prints_comes_back_as_it_was(shells: Shells) -> None:
    texts = ["ls -l", 'echo "a b"', "git log | wc -l"]
    lines = "".join(f"alias q{at} {fish.quote(text)}\n" for at, text in enumerate(texts))
    printed = shells.run("fish", lines, ["alias"]).stdout.decode()
    assert [one.alias.run for one in importing.read(printed) if one.alias] == texts


def test_nothing_runs_on_being_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("stranger")
    text = f"alias x='touch {folder}/a' y=`touch {folder}/b` z=\"$(touch {folder}/c)\"\ntouch {folder}/d\n"
    assert len(importing.read(text)) == 3
    assert list(folder.iterdir()) == []
    assert subprocess.run(["true"], check=True).returncode == 0


@given(text=st.text(st.sampled_from("alias =xb'\"\\$(`-g\n;&|#{}"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_file_is_read_to_its_end(text: str) -> None:
    for one in importing.read(text):
        assert (one.alias is None) == bool(one.why_not)
