"""Aliases as text for fish: in its own words where they mean the same there, else handed to `sh`."""

from __future__ import annotations

import re

from mlsh.aliases import posix
from mlsh.aliases.scanning import DOUBLE, PLAIN, SINGLE, command_words, scan
from mlsh.aliases.shape import PLACE, Alias, Arguments, arguments, fill

# Commands of plain words that mean in fish what they mean in sh. Not `*` and `?`: what matches nothing is an error in
# fish. Not `X=1`, which alone is no command there.
_WORD = r"(?![A-Za-z_]\w*=)[A-Za-z0-9_./:@%+,=~^-]+"
_REDIRECT = rf"[12]?(?:>>?|<)(?:&[12]|[ \t]*{_WORD})"
_COMMAND = rf"{_WORD}(?:[ \t]+(?:{_REDIRECT}|{_WORD}))*"
_SAME = re.compile(rf"[ \t]*{_COMMAND}(?:[ \t]*(?:&&|\|\||[|;\n])[ \t]*{_COMMAND})*[ \t\n]*\Z")
_SAFE_DOLLAR = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*(?!\[)")
# In the place of a command these are other commands in fish, or none.
_OTHER_WORDS = """
if then else elif fi case esac for select while until do done in function time coproc export local declare typeset
set unset shift alias eval read trap source . readonly getopts return begin end and or not switch status string
test argparse emulate bind complete"""
_OTHERS = frozenset(_OTHER_WORDS.split())


def quote(text: str) -> str:
    """`text` as one word of fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def is_same_in_fish(run: str) -> bool:
    """Whether a line of sh means the same in fish."""
    scanned = scan(run)
    if scanned.unclosed or set(scanned.contexts) - {PLAIN, SINGLE, DOUBLE}:
        return False
    # A place for an argument is a quoted word, wherever it stands.
    text = PLACE.sub(lambda found: found[0] if found["literal"] else "x" * len(found[0]), run)
    pairs = list(zip(text, scanned.contexts, strict=True))
    doubles = "".join(char for char, label in pairs if label == DOUBLE)
    words = command_words(text)
    return (
        bool(_SAME.match(scanned.bare(text)))
        and "$" not in _SAFE_DOLLAR.sub("", doubles)
        and not re.search(r"[\\`]", doubles)
        and not any(char == "\\" for char, label in pairs if label == SINGLE)
        and not any(word in _OTHERS or not re.fullmatch(r"[\w.~/+-]+", word) for word in words)
    )


def define(alias: Alias) -> str:
    """The lines that define an alias as a function of fish; whatever its text is, reading them runs nothing of it."""
    head = f"function {alias.name}"
    if not alias.is_function:
        plain = fill(alias.run, _never, scan(alias.run).contexts)
        head += f" --wraps {quote(plain)}"
    head += f" --description {quote(alias.about or alias.run)}"
    return "\n".join([head, *(f"  {line}" for line in _body(alias)), "end"]) + "\n"


def _never(which: str, context: str) -> str:
    raise AssertionError((which, context))


def _body(alias: Alias) -> list[str]:
    if alias.fish:
        # Somebody's own words, which may be wrong: a mistake in them must not cost the other aliases.
        return [f"eval {quote(alias.fish if '$argv' in alias.fish else alias.fish + ' $argv')}"]
    words = command_words(alias.run)
    if not is_same_in_fish(alias.run) or alias.name in words[1:]:
        return [_by_sh(alias)]
    if not alias.is_function:
        text = fill(alias.run, _never, scan(alias.run).contexts).strip()
        # In fish an alias is a function, and `ls` in a function ls is the function again.
        return [f"{'command ' if words[0] == alias.name else ''}{text} $argv"]
    wants = arguments(alias.run)
    return [*_prologue(alias, wants), *_filled(alias.run, wants).splitlines()]


def _by_sh(alias: Alias) -> str:
    if alias.is_function:
        # `return` and `local` are for functions.
        text = f'{_SH_WORDS}run () {{\n{posix.function_body(alias)}\n}}\nrun "$@"'
    else:
        text = fill(alias.run, _never, scan(alias.run).contexts) + ' "$@"'
    return f"command sh -c {quote(text)} {alias.name} $argv"


_SH_WORDS = """\
_mlsh_wants () { printf '%s\\n' "mlsh: too few arguments (it wants $1): $2" >&2; }
_mlsh_takes () { printf '%s\\n' "mlsh: too many arguments (it takes $1): $2" >&2; }
"""


def _prologue(alias: Alias, wants: Arguments) -> list[str]:
    lines = []
    says = quote(f"{alias.name} stands for: {alias.run}")
    if "\n" in alias.run and not wants.named and not wants.rest:
        return []
    if wants.required:
        lines += _refuse("-lt", wants.required, "_mlsh_wants", says)
    if not wants.rest:
        lines += _refuse("-gt", wants.named, "_mlsh_takes", says)
    for at, default in enumerate(wants.defaults, wants.required + 1):
        lines.append(f'test -n "$argv[{at}]"; or set argv[{at}] {quote(default)}')
    if wants.rest and wants.named:
        lines += [f"set -l _{number} $argv[{number}]" for number in range(1, wants.named + 1)]
        lines.append(f"set -e argv[1..{wants.named}]")
    return lines


def _refuse(compare: str, count: int, word: str, says: str) -> list[str]:
    return [f"if test (count $argv) {compare} {count}", f"  {word} {count} {says}", "  return 2", "end"]


def _filled(run: str, wants: Arguments) -> str:
    def place(which: str, context: str) -> str:
        if which == "@":
            bare, text = "$argv", "$argv"
        else:
            text = f"$_{which}" if wants.rest else f"$argv[{which}]"
            bare = f'"{text}"'
        return {PLAIN: bare, DOUBLE: f'""{text}""', SINGLE: f"'\"{text}\"'"}[context]

    return fill(run, place, scan(run).contexts)
