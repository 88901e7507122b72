"""The aliases of a file: read from TOML, checked, and as TOML again.

[git]                                                          # a group
gs = "git status --short --branch"                             # an alias, and what it is about
gco = "git checkout {1}"                                       # a function: the argument in its place
groot = { run = 'cd "$(git rev-parse --show-toplevel)"', fish = "cd (git rev-parse --show-toplevel)" }
jl = { run = "mlsh ps", boxes = false }                        # not on boxes
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

from mlsh.aliases import shape, toml_lines
from mlsh.aliases.shape import Alias
from mlsh.errors import ConfigError, RefusedInput

_FIELDS = {"run": str, "fish": str, "boxes": bool}


def parse(text: str, where: str) -> list[Alias]:
    """The aliases of a file in their order; `where` is its name for errors. Raises ConfigError."""
    try:
        table = toml_lines.parse(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(where, str(error)) from error
    comments = {(line.group, line.name): line.comment for line in toml_lines.statements(text)}
    found: dict[str, Alias] = {}
    for group, entries in table.items():
        if not isinstance(entries, dict):
            raise _wrong(where, f"`{group}` stands outside of a group: put a line like [mine] above it")
        for name, value in entries.items():
            alias = _alias(group, name, value, comments.get((group, name), ""), where)
            if name in found:
                raise _wrong(where, f"`{name}` is there twice: in [{found[name].group}] and in [{group}]")
            found[name] = alias
    return list(found.values())


def _alias(group: str, name: str, value: Any, about: str, where: str) -> Alias:
    fields = {"run": value} if isinstance(value, str) else value
    if not isinstance(fields, dict) or not isinstance(fields.get("run"), str):
        raise _wrong(where, f'[{group}] {name} must be a command in quotes, or {{ run = "...", boxes = false }}')
    for field, inside in fields.items():
        if field not in _FIELDS:
            raise _wrong(where, f"[{group}] {name} has no setting `{field}` (there are: {', '.join(_FIELDS)})")
        if not isinstance(inside, _FIELDS[field]):
            raise _wrong(
                where, f"[{group}] {name}: {field} must be {'text in quotes' if field != 'boxes' else 'true or false'}"
            )
    alias = Alias(name, group=group, about=about, **fields)
    try:
        shape.check(alias)
    except RefusedInput as error:
        raise _wrong(where, f"[{group}] {error.what}") from error
    return alias


def _wrong(where: str, what: str) -> ConfigError:
    return ConfigError(f"{where}: {what}", "mend it: mlsh alias edit")


def value(alias: Alias) -> str:
    """The TOML of an alias, without its name and comment."""
    fields = []
    if alias.fish:
        fields.append(f"fish = {toml_lines.string(alias.fish)}")
    if not alias.boxes:
        fields.append("boxes = false")
    run = toml_lines.string(alias.run)
    return "{ " + ", ".join([f"run = {run}", *fields]) + " }" if fields else run


def add(text: str, alias: Alias) -> str:
    """The text of a file with one more alias in it."""
    return toml_lines.add(text, alias.group, alias.name, value(alias), alias.about)


def replace(text: str, old: Alias, new: Alias) -> str:
    """The text of a file with `new` in the place of `old`, or at the end of its own group where that is another."""
    if old.group == new.group:
        return toml_lines.replace(text, old.group, old.name, value(new), new.about)
    return add(toml_lines.remove(text, old.group, old.name), new)


def remove(text: str, alias: Alias) -> str:
    """The text of a file without an alias."""
    return toml_lines.remove(text, alias.group, alias.name)


_GROUPS = {
    "git": ("git", "gh", "tig", "lazygit"),
    "gpu": ("nvidia-smi", "nvitop", "nvtop", "rocm-smi", "gpustat"),
    "tmux": ("tmux",),
    "slurm": ("squeue", "sbatch", "srun", "salloc", "scancel", "sinfo", "sacct", "scontrol"),
    "docker": ("docker", "docker-compose", "podman"),
    "jobs": ("mlsh",),
}


def group_for(run: str) -> str:
    """The group that a command belongs to by its program; `mine` for most."""
    from mlsh.aliases.scanning import command_words

    words = [word for word in command_words(run) if word not in {"sudo", "watch", "env"}]
    return next((group for group, programs in _GROUPS.items() if words[:1] and words[0] in programs), "mine")


def of_boxes(aliases: Iterable[Alias]) -> list[Alias]:
    """Those that go to boxes: not what calls mlsh, which is not installed there."""
    from mlsh.aliases.scanning import command_words

    return [alias for alias in aliases if alias.boxes and "mlsh" not in command_words(alias.run)]
