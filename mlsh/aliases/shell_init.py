"""What `mlsh shell init SHELL` prints, and the files of aliases for boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlsh.aliases import book, fish, posix, store
from mlsh.aliases.shape import Alias

_PLAIN_WORDS = re.compile(r"[A-Za-z][\w.-]*(?: [\w./:=@%+,-]+)* ?")
SHELLS = ("bash", "zsh", "fish")
_HERE = Path(__file__).parent / "shell"


class Wanted(NamedTuple):
    """What to set up in a shell: completion and aliases always, and what of mlsh's history is asked for.

    `ctrl_r`: its picker on Ctrl-R. `record`: notes of how each command ended, and where.
    """

    shell: str
    ctrl_r: bool = False
    record: bool = False

    @property
    def command(self) -> str:
        """The command that prints it."""
        return f"mlsh shell init {self.shell}{' --ctrl-r' * self.ctrl_r}{' --record' * self.record}"


def every(shell: str) -> list[Wanted]:
    """All that can be wanted for a shell."""
    return [Wanted(shell, ctrl_r, record) for ctrl_r in (True, False) for record in (True, False)]


def text(shell: str, *, ctrl_r: bool = False, record: bool = False) -> str:
    """What a shell is to read at its start: the person's aliases, completion of mlsh, and what is asked for.

    `shell` is bash, zsh or fish. Reading it runs nothing but definitions. Raises ConfigError where the file of aliases
    is wrong.
    """
    return for_aliases(shell, store.load()) + once(Wanted(shell, ctrl_r, record))


def for_aliases(shell: str, aliases: Sequence[Alias]) -> str:
    """The part that may be read again and again: aliases, and their completion."""
    parts = [definitions(shell, aliases)]
    if shell == "bash" and (completed := [alias.name for alias in aliases if _is_prefix(alias)]):
        parts.append(_packaged("complete_alias.bash"))
        parts.append(f"complete -o bashdefault -o default -F _mlsh_complete_alias {' '.join(completed)}\n")
    return "\n".join(parts)


def once(wanted: Wanted) -> str:
    """The part that is read once a shell: completion of mlsh, the picker. What is sourced ends well: `true`."""
    parts = [_packaged("mlsh.fish" if wanted.shell == "fish" else "mlsh.sh"), _completion(wanted.shell)]
    if wanted.ctrl_r:
        parts.append(_of_history(f"bind.{wanted.shell}"))
    if wanted.record:
        parts.append(_of_history(f"record.{wanted.shell}"))
    return "\n".join(["", *parts, "true\n"])


def definitions(shell: str, aliases: Sequence[Alias]) -> str:
    """The aliases as text for a shell; `sh` is for bash and zsh alike. Read twice, it forgets those that are gone."""
    names = [alias.name for alias in aliases]
    parts = [_packaged("begin.fish" if shell == "fish" else "begin.sh")]
    if shell == "fish":
        parts.append(f"set -g _mlsh_names {' '.join(names)}\n")
    else:
        parts.append(f"_mlsh_names='{' '.join(names)}'\n")
        if taken := [alias.name for alias in aliases if alias.is_function]:
            # A function can't be defined, or found, where an alias has its name: the shell puts that in its place.
            parts.append(f"alias {' '.join(f'{name}=:' for name in taken)}\nunalias {' '.join(taken)}\n")
    group = None
    for alias in aliases:
        if alias.group != group:
            group = alias.group
            parts.append(f"\n# {_comment(group)}\n")
        if alias.about:
            parts.append(f"# {_comment(alias.about)}\n")
        parts.append(fish.define(alias) if shell == "fish" else posix.define(alias, shell))
    return "".join(parts)


def box_files() -> dict[str, str]:
    """The files for a box's `~/.config/mlsh/`: name to text. Those of the person's aliases that are meant for boxes.

    `aliases.sh` is for bash and zsh, `aliases.fish` for fish. Raises ConfigError.
    """
    aliases = book.of_boxes(store.load())
    head = "# Your aliases, from `aliases.toml` on your own machine; mlsh writes this file anew when it sends them.\n"
    return {"aliases.sh": head + definitions("sh", aliases), "aliases.fish": head + definitions("fish", aliases)}


def _comment(text: str) -> str:
    return " ".join(text.split())


def _packaged(name: str) -> str:
    return (_HERE / name).read_text()


def _completion(shell: str) -> str:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows the three
    lines = found(None, {}, "mlsh", "_MLSH_COMPLETE").source()  # type: ignore[arg-type]
    return _packaged("completion.zsh").replace("@COMPLETION@", lines) if shell == "zsh" else lines


def _is_prefix(alias: Alias) -> bool:
    """Whether what is typed behind an alias are arguments of its program, which is another than itself."""
    return bool(_PLAIN_WORDS.fullmatch(alias.run)) and alias.run.split()[0] != alias.name


def _of_history(name: str) -> str:
    import mlsh.history

    return Path(mlsh.history.__file__).with_name(name).read_text()
