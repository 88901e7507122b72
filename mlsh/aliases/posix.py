"""Aliases as text for bash and zsh (and dash, as far as it has them)."""

from __future__ import annotations

import re

from mlsh.aliases.scanning import BRACE, DOLLAR_SINGLE, DOUBLE, PLAIN, SINGLE, scan
from mlsh.aliases.shape import Alias, Arguments, arguments, fill

# Commands of plain words, with pipes and redirections between them: what may stand in a function's braces as it is,
# since it can't end or break the function.
_WORD = r"[A-Za-z0-9_./:@%+,=^~*?$-]+"
_REDIRECT = rf"[0-9]?(?:>>?|<)(?:&[0-9]|[ \t]*{_WORD})"
_COMMAND = rf"{_WORD}(?:[ \t]+(?:{_REDIRECT}|{_WORD}))*"
_TAME = re.compile(rf"[ \t]*{_COMMAND}(?:[ \t]*(?:&&|\|\||[|;&])[ \t]*{_COMMAND})*[ \t]*\Z")
_SAFE_EXPANSION = re.compile(r"\$\{(?:\*|_?[1-9](?::-[A-Za-z0-9_./:@%+,=-]*)?)\}")
_GRAMMAR = re.compile(
    r"(?<![\w./-])(?:if|then|else|elif|fi|case|esac|for|foreach|select|while|until|do|done|in|function|time|coproc|repeat"
    r"|end|alias|nocorrect)(?![\w./-])"
)


def quote(text: str) -> str:
    """`text` as one word that bash, zsh and dash read as it is."""
    if re.fullmatch(r"[A-Za-z0-9_./:@%+,-]+", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def define(alias: Alias, shell: str = "sh") -> str:
    """The lines that define an alias; whatever its text is, reading them runs nothing of it.

    `shell` is bash, zsh, or `sh` for what all of them read.
    """
    if not alias.is_function:
        # `alias name=value` needs the quotes also where a word would not: a zsh option expands `=` in words.
        text = fill(alias.run, _never, scan(alias.run).contexts)
        return f"alias {alias.name}='" + text.replace("'", "'\\''") + "'\n"
    # zsh reads all that `eval` is given before it runs a line, so that `unalias` comes too late for `name ()`.
    head = f"function {alias.name} {{" if shell == "zsh" else f"{alias.name} () {{"
    whole = "\n".join([head, *(f"  {line}" for line in _body(alias)), "}"])
    if shell == "sh" and not alias.name.isidentifier():
        # dash has no function of such a name, and reads nothing more after it.
        return f'[ -z "${{BASH_VERSION-}}${{ZSH_VERSION-}}" ] || eval {quote(whole)}\n'
    return whole + "\n"


def function_body(alias: Alias) -> str:
    """The body of a function as sh, for `sh -c`."""
    return "\n".join(_body(alias))


def is_tame(text: str) -> bool:
    """Whether `text` can stand in a function's braces without a quote around it: it can't end or break it."""
    text = _SAFE_EXPANSION.sub(lambda found: "x" * len(found[0]), text)
    scanned = scan(text)
    if scanned.unclosed or set(scanned.contexts) - {PLAIN, SINGLE, DOUBLE}:
        return False
    doubles = "".join(char for char, label in zip(text, scanned.contexts, strict=True) if label == DOUBLE)
    bare = scanned.bare(text)
    return bool(_TAME.match(bare)) and not _GRAMMAR.search(bare) and not re.search(r"[`\\]", doubles)


def _never(which: str, context: str) -> str:
    raise AssertionError((which, context))


def _body(alias: Alias) -> list[str]:
    wants = arguments(alias.run)
    text = _filled(alias.run, wants)
    return [*_prologue(alias, wants), text if is_tame(text) else f"eval {quote(text)}"]


def _prologue(alias: Alias, wants: Arguments) -> list[str]:
    """Too few and too many are an error, since a command with a hole in it can be a dangerous one."""
    lines = []
    says = quote(f"{alias.name} stands for: {alias.run}")
    if "\n" in alias.run and not wants.named and not wants.rest:
        return []
    if wants.required:
        lines.append(f'[ "$#" -ge {wants.required} ] || {{ _mlsh_wants {wants.required} {says}; return 2; }}')
    if not wants.rest:
        lines.append(f'[ "$#" -le {wants.named} ] || {{ _mlsh_takes {wants.named} {says}; return 2; }}')
    elif wants.named:
        values = [f'_{number}="{_value(number, wants)}"' for number in range(1, wants.named + 1)]
        lines.append("local " + " ".join(values))
        count = wants.named
        lines.append(f'shift "$(($# < {count} ? $# : {count}))"' if wants.defaults else f"shift {count}")
    return lines


def _value(number: int, wants: Arguments) -> str:
    """The expansion of an argument before any shift."""
    if number <= wants.required:
        return f"${number}"
    return f"${{{number}:-{wants.defaults[number - wants.required - 1]}}}"


def _filled(run: str, wants: Arguments) -> str:
    def place(which: str, context: str) -> str:
        if which == "@":
            bare, text = '"$@"', "$*"
        else:
            number = int(which)
            text = f"${{_{number}}}" if wants.rest else _value(number, wants)
            bare = f'"{text}"'
        if context == PLAIN:
            return bare
        if context == SINGLE:
            return f"'\"{text}\"'"
        if context == DOLLAR_SINGLE:
            return f"'\"{text}\"$'"
        assert context in {DOUBLE, BRACE}  # noqa: S101 - shape.check refuses the others
        # With braces, since in zsh a `[` behind it would be an index.
        return text if text.startswith("${") else f"${{{text[1:]}}}"

    return fill(run, place, scan(run).contexts)
