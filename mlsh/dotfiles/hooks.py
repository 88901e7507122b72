"""The one line of ours in each file of a person's own: where it goes, and how it comes out again, byte for byte.

All of it is pure: the text of a file in, the text of a file out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mlsh.dotfiles.leaving import may_leave

FOLDER = ".config/mlsh"
MARK = "mlsh dotfiles"


class Hook(NamedTuple):
    """One kind of file that can read another.

    `reads`: the file of ours, in FOLDER. `places`: where the person's own may be, the one that counts first.
    `line`: ours. `at`: `top`, so that the person's settings, which come later, win; `end`, where the first
    setting wins; `shell`, see `insert`; `whole`, for a file that is ours alone. `tool`: it is not made where
    that is not installed.
    """

    name: str
    reads: str
    places: tuple[str, ...]
    line: str
    at: str
    tool: str = ""
    mode: int = 0o644


def _sh(file: str) -> str:
    return f"if [ -r ~/{FOLDER}/{file} ]; then . ~/{FOLDER}/{file}; fi # {MARK}"


# Debian's own .bashrc sets the prompt and cuts the history: where nothing keeps the end from being reached, ours comes
# after that. `bashrc` itself leaves alone what a person has chosen.
_LOGIN = f'if [ -n "${{BASH_VERSION-}}" ] && [ -r ~/{FOLDER}/bashrc ]; then . ~/{FOLDER}/bashrc; fi # {MARK}'
_LOGIN_ALONE = f'if [ -n "${{BASH_VERSION-}}" ] && [ -r ~/.bashrc ]; then . ~/.bashrc; fi # {MARK}'
_VIM = f"silent! source ~/{FOLDER}/vimrc"
_NVIM_LUA = f"pcall(vim.cmd, 'source ~/{FOLDER}/vimrc') -- {MARK}"

HOOKS: tuple[Hook, ...] = (
    Hook("bash", "bashrc", (".bashrc",), _sh("bashrc"), "shell"),
    # bash reads the first of these at a login, and .bashrc only if that says so.
    Hook("login", "bashrc", (".bash_profile", ".bash_login", ".profile"), _LOGIN, "shell", tool="bash"),
    Hook("zsh", "zshrc", (".zshrc",), _sh("zshrc"), "top", tool="zsh"),
    Hook(
        "fish",
        "config.fish",
        (".config/fish/conf.d/mlsh.fish",),
        f"if test -r ~/{FOLDER}/config.fish; source ~/{FOLDER}/config.fish; end # {MARK}",
        "whole",
        tool="fish",
    ),
    Hook(
        "tmux",
        "tmux.conf",
        (".tmux.conf", ".config/tmux/tmux.conf"),
        f"source-file -q ~/{FOLDER}/tmux.conf # {MARK}",
        "top",
    ),
    # git reads the one in .config first; what is in ~/.gitconfig then wins over it.
    Hook(
        "git",
        "gitconfig",
        (".config/git/config", ".gitconfig"),
        f"[include] path = ~/{FOLDER}/gitconfig # {MARK}",
        "top",
    ),
    Hook("vim", "vimrc", (".vimrc", ".vim/vimrc"), f'{_VIM} " {MARK}', "top"),
    Hook("nvim", "vimrc", (".config/nvim/init.lua", ".config/nvim/init.vim"), f'{_VIM} " {MARK}', "top", tool="nvim"),
    # The rest of such a line is the file's name: no mark fits on it.
    Hook("readline", "inputrc", (".inputrc",), f"$include ~/{FOLDER}/inputrc", "top"),
    # ssh takes the first value that it meets, so ours come last; `Match all` ends the block of the last host.
    Hook("ssh", "ssh_config", (".ssh/config",), f"Match all\nInclude ~/{FOLDER}/ssh_config", "end", mode=0o600),
)
# Made where there is none: the last place of `login` and of `git`, the first of the others but nvim.
_MADE = {"login": ".profile", "git": ".gitconfig", "nvim": ".config/nvim/init.vim"}


def made_at(hook: Hook) -> str:
    """Where the file is made if the person has none."""
    return _MADE.get(hook.name, hook.places[0])


def line_for(hook: Hook, path: str, is_made: bool) -> str:
    """Our line as that file has to spell it; `is_made` for a file that holds nothing else."""
    if path.endswith(".lua"):
        return _NVIM_LUA
    if hook.name == "login" and is_made:
        return _LOGIN_ALONE
    return hook.line


def _spellings(hook: Hook) -> list[str]:
    return [hook.line] + [_LOGIN_ALONE] * (hook.name == "login") + [_NVIM_LUA] * (hook.name == "nvim")


class Inserted(NamedTuple):
    """A file's text with our line in it. `newline`: whether its last line had no end, and has one now."""

    text: bytes
    newline: bool
    at: str


def insert(hook: Hook, path: str, text: bytes | None) -> Inserted:
    """The text of a file (None: there is none) with our line in it, which it does not have yet.

    In a bash file the line goes to the end, unless something before may end the file there also for a person at
    a terminal (`return`, `exit`, `exec fish`): then to the top, where nothing can keep it from being read.
    """
    # In a shell a carriage return at the end would be part of our command; elsewhere a file wants one kind of line end.
    crlf = b"\r\n" in (text or b"")[: (text or b"").find(b"\n") + 1] and hook.name not in {"bash", "zsh", "login"}
    end = b"\r\n" if crlf else b"\n"
    line = line_for(hook, path, is_made=text is None).encode().replace(b"\n", end) + end
    if not text:
        return Inserted(line, newline=False, at="top")
    at = hook.at
    if at == "shell":
        at = "top" if may_leave(text.decode(errors="replace")) else "end"
    if at == "end":
        newline = not text.endswith(b"\n")
        return Inserted(text + (end if newline else b"") + line, newline, at)
    start = 0
    if text.startswith(b"#!"):
        start = text.find(b"\n") + 1
        if start == 0:
            return Inserted(text + end + line, newline=True, at="end")
    return Inserted(text[:start] + line + text[start:], newline=False, at="top")


def _find(hook: Hook, text: bytes) -> tuple[int, int] | None:
    """Where our line stands, its end included."""
    for spelling in _spellings(hook):
        for end in (b"\n", b"\r\n"):
            line = spelling.encode().replace(b"\n", end)
            at = text.find(line)
            while at >= 0:
                after = at + len(line)
                begins = at == 0 or text[at - 1 : at] == b"\n"
                if begins and text[after : after + 2] == b"\r\n":
                    return at, after + 2
                if begins and text[after : after + 1] == b"\n":
                    return at, after + 1
                if begins and after == len(text):
                    return at, after
                at = text.find(line, at + 1)
    return None


def is_in(hook: Hook, text: bytes) -> bool:
    """Whether our line is there."""
    return _find(hook, text) is not None


def take_out(hook: Hook, text: bytes, newline: bool) -> bytes:
    """The text without our line, however often it is there, and whatever else was changed meanwhile.

    `newline`: whether we gave the line before it its end; it loses that again if nothing came after ours.
    """
    while found := _find(hook, text):
        start, after = found
        is_last = after == len(text)
        text = text[:start] + text[after:]
        if newline and is_last:
            text = text[: -2 if text.endswith(b"\r\n") else -1]
            newline = False
    return text


def reads_bashrc(text: str) -> bool:
    """Whether a login file leads to .bashrc by itself."""
    return any("bashrc" in line and not line.lstrip().startswith("#") for line in text.splitlines())


def which(names: Sequence[str]) -> tuple[Hook, ...]:
    """The hooks for which a source has a file, by the names of its files in FOLDER."""
    return tuple(hook for hook in HOOKS if hook.reads in names)
