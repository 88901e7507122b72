"""Names that an alias may have: safe to write into bash, zsh and fish without quotes, and harmless to lose."""

from __future__ import annotations

import re

from mlsh.errors import RefusedInput
from mlsh.shell.visible import printable

LONGEST = 64
_NAME = re.compile(r"[A-Za-z0-9_.,][A-Za-z0-9_.,-]*\Z")

# Words of the shells' grammars. An alias of such a name breaks every script line that is read after it.
_GRAMMAR_WORDS = """
if then else elif fi case esac for foreach select while until do done in function time coproc repeat end
nocorrect noglob begin switch and or not"""
_GRAMMAR = frozenset(_GRAMMAR_WORDS.split())
# Builtins that shells, prompts and the text that mlsh generates rely on.
_RELIED_ON_WORDS = """
. : alias argparse bg bind break builtin cd command complete contains continue count declare dirs disown echo
emulate enable eval exec exit export false fc fg getopts hash history jobs kill let local logout mlsh popd printf
pushd pwd read readonly return set shift shopt source status string sudo test times trap true type typeset ulimit
umask unalias unset wait autoload compdef bindkey setopt unsetopt zle functions path set_color"""
_RELIED_ON = frozenset(_RELIED_ON_WORDS.split())


def why_not(name: str) -> str:
    """Why an alias can't have this name; "" if it can."""
    if not name:
        return "it is empty"
    if len(name) > LONGEST:
        return f"it has more than {LONGEST} characters"
    if name.startswith("-"):
        return "it begins with -, so it would be read as an option"
    if not _NAME.match(name):
        return "letters, digits, and _ . , - inside it, are what all three shells can have in a name"
    if name in _GRAMMAR:
        return "it is a word of the shell's own grammar"
    if name in _RELIED_ON:
        return "other things in the shell rely on that command"
    if name == "_" or name.startswith(("_mlsh", "__")):
        return "names like this are the shell's, or mlsh's own"
    return ""


def check(name: str) -> None:
    """Raises RefusedInput where an alias can't have this name."""
    if why := why_not(name):
        raise RefusedInput(
            f"an alias can't be called `{printable(name[: LONGEST + 8])}`: {why}", "another name, as in: gs"
        )
