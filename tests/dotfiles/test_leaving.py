"""Where in a .bashrc our line is read: a guess too low, and a person never sees their prompt."""

from pathlib import Path

import pytest

from mlsh.dotfiles.leaving import may_leave

STAYS = {
    "empty": "",
    "debian's case": "case $- in\n    *i*) ;;\n      *) return;;\nesac\nalias a=b\n",
    "on one line": "case $- in *i*) ;; *) return ;; esac\n",
    "PS1": '[ -z "$PS1" ] && return\nalias a=b\n',
    "brackets": "[[ $- != *i* ]] && return\n",
    "a block that asks": 'if [ -z "$PS1" ]; then\n  return\nfi\n',
    "a block in one that asks": "if [[ $- != *i* ]]; then\n  if true; then\n    exit\n  fi\nfi\n",
    "tty": "if ! tty -s; then exit; fi\n",
    "a function": "f() {\n  if true; then\n    return 1\n  fi\n}\n",
    "a function on one line": "f() { return 1; }\nfunction g { return 2; }\n",
    "a brace below": "f()\n{\n  return 1\n}\n",
    "quoted": "alias q='exit'\nalias x=\"exec bash\"\n",
    "a comment": "# exit 1\nalias a=b # return\n",
    "redirection": "exec 2>/dev/null\nexec 3<&-\n",
    "here-document": "cat <<EOF\nexit\nEOF\n",
    "names": "exit_code=1\nreturning=2\n",
    "conda": """\
# >>> conda initialize >>>
__conda_setup="$('/opt/conda/bin/conda' 'shell.bash' 'hook' 2> /dev/null)"
if [ $? -eq 0 ]; then
    eval "$__conda_setup"
else
    if [ -f "/opt/conda/etc/profile.d/conda.sh" ]; then
        . "/opt/conda/etc/profile.d/conda.sh"
    else
        export PATH="/opt/conda/bin:$PATH"
    fi
fi
unset __conda_setup
# <<< conda initialize <<<
""",
    "red hat": """\
if [ -f /etc/bashrc ]; then
	. /etc/bashrc
fi
if ! [[ "$PATH" =~ "$HOME/.local/bin:$HOME/bin:" ]]; then
    PATH="$HOME/.local/bin:$HOME/bin:$PATH"
fi
if [ -d ~/.bashrc.d ]; then
    for rc in ~/.bashrc.d/*; do
        if [ -f "$rc" ]; then . "$rc"; fi
    done
fi
unset rc
""",
    "nvm and the like": """\
export NVM_DIR="$HOME/.nvm"
[ -s "$NVM_DIR/nvm.sh" ] && \\. "$NVM_DIR/nvm.sh"  # This loads nvm
eval "$(direnv hook bash)"
mkcd() { mkdir -p "$1" && cd "$1" || return; }
extract() {
  case $1 in
    *.tar.gz) tar xzf "$1" ;;
    *) echo "what is $1?"; return 1 ;;
  esac
}
""",
    "windows": "case $- in\r\n *i*) ;;\r\n *) return;;\r\nesac\r\nalias a=b\r\n",
}
LEAVES = {
    "return": "alias a=b\nreturn\nalias c=d\n",
    "exit": "exit\n",
    "indented": "  exit 0\n",
    "exec fish": "[ -x /usr/bin/fish ] && exec fish\n",
    "exec in a block": "if [ -x /usr/bin/zsh ]; then\n  exec zsh -l\nfi\n",
    "on one line": "if [ -x /usr/bin/zsh ]; then exec zsh; fi\n",
    "tmux": '[ -n "$TMUX" ] || exec tmux\n',
    "an arm": "case $TERM in\n  dumb) return ;;\nesac\n",
    "after what asks": "case $- in *i*) ;; *) return ;; esac\nreturn\n",
    "windows": "alias a=b\r\nreturn\r\n",
    "not understood": "fi\nif true; then\n  return\n",
}


@pytest.mark.parametrize("name", STAYS)
def test_a_file_that_stops_for_nobody_at_a_terminal_is_read_to_its_end(name: str) -> None:
    assert not may_leave(STAYS[name])


@pytest.mark.parametrize("name", LEAVES)
def test_a_file_that_may_stop_for_a_person_is_not_trusted_to_reach_its_end(name: str) -> None:
    assert may_leave(LEAVES[name])


def test_the_bashrc_of_a_new_account_is_read_to_its_end() -> None:
    skeleton = Path("/etc/skel/.bashrc")
    assert not may_leave(skeleton.read_text())
