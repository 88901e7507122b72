"""Arrays and sweeps: which tasks there are, what each is given, and how the box is told. Pure."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlsh.errors import RefusedInput, UsageError
from mlsh.records import Spec

MOST = 10_000
"""Tasks in one array."""

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6})(?::(\d{1,6}))?)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_SPAN = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})(?::(\d{1,9}))?", re.ASCII)
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# What the shell, the loader or mlsh itself goes by: a sweep over one of these would not do what it says.
_NOT_OURS = re.compile(
    r"_|PATH|HOME|PWD|OLDPWD|SHELL|SHELLOPTS|SHLVL|TERM|IFS|ENV|PS[1-4]|OPTIND|OPTARG|LINENO|UID|EUID|PPID|TMUX|TMUX_PANE"
    r"|USER|LOGNAME|CUDA_VISIBLE_DEVICES|CUDA_DEVICE_ORDER|ROCR_VISIBLE_DEVICES|BASH\w*|(?:LD|MLSH|mlsh|DYLD)_.*"
)


class Task(NamedTuple):
    """One task: its number, and its parameters by name, as text."""

    number: int
    params: Mapping[str, str]


class Tasks(NamedTuple):
    """The tasks of an array, and how many of them may run side by side (0: as many as fit the box)."""

    tasks: Sequence[Task]
    at_once: int = 0


def array(text: str) -> Tasks:
    """`--array 0-99%4`, `1,3,7-9`, `0-10:2`: Slurm's notation."""
    numbers, found, limit = text.partition("%")
    if found and not (limit.isascii() and limit.isdigit() and 0 < int(limit[:6]) <= MOST):
        raise UsageError(f"--array {text[:40]}: after % stands how many may run at a time", "--array 0-99%4")
    chosen: list[int] = []
    for part in numbers.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise UsageError(f"--array {text[:40]} is no list of numbers", "say 0-99, 0-99%4, 1,3,7-9 or 0-10:2")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if last < first or step < 1:
            raise UsageError(f"--array {part} goes backwards", "the smaller number first, and a step of 1 or more")
        if (last - first) // step >= MOST:
            raise UsageError(f"--array {part} has more than {MOST} tasks")
        chosen += range(first, last + 1, step)
    _check(len(chosen))
    if len(set(chosen)) != len(chosen):
        raise UsageError(f"--array {text[:40]} names a number twice")
    return Tasks([Task(number, {}) for number in chosen], int(limit[:6]) if found else 0)


def sweep(texts: Sequence[str], mode: str, at_once: int, seed: int) -> Tasks:
    """`--sweep lr=1e-3,1e-4 --sweep seed=0..4`: each value with each (`grid`), the first with the first (`zip`), or
    `random:N` of the grid, chosen by `seed`.
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        name, values = _axis(text)
        if name in axes:
            raise UsageError(f"--sweep {name} is given twice", f"all its values in one: --sweep {name}=1,2,3")
        axes[name] = values
    names = list(axes)
    if mode == "zip":
        lengths = {len(values) for values in axes.values()}
        if len(lengths) > 1:
            counts = ", ".join(f"{name} has {len(values)}" for name, values in axes.items())
            raise UsageError(f"--sweep-mode zip takes the first with the first: {counts} values")
        rows = list(zip(*axes.values(), strict=True))
    else:
        total = 1
        for values in axes.values():
            total *= len(values)
        if mode.startswith("random:"):
            wanted = int(mode.removeprefix("random:"))
            _check(min(wanted, total))
            picks = _draw(min(wanted, total), total, seed)
            rows = [_row(list(axes.values()), pick) for pick in picks]
        else:
            _check(total)
            rows = list(itertools.product(*axes.values()))
    _check(len(rows))
    return Tasks([Task(number, dict(zip(names, row, strict=True))) for number, row in enumerate(rows)], at_once)


def whole(spec: Spec) -> Tasks:
    """All tasks of the array or sweep that was asked for first; none where it is a single job."""
    if spec.array:
        return array(spec.array)
    if spec.sweep:
        return sweep(spec.sweep, spec.sweep_mode, spec.at_once, spec.sweep_seed)
    return Tasks(())


def tasks_of(spec: Spec) -> Tasks:
    """The tasks of an array as its spec says: all, or those that are run again."""
    found = whole(spec)
    if not spec.only:
        return found
    wanted = set(spec.only)
    return Tasks([task for task in found.tasks if task.number in wanted], found.at_once)


def check_mode(text: str) -> str:
    """`grid`, `zip` or `random:N`, or UsageError."""
    if text in {"grid", "zip"} or re.fullmatch(r"random:[1-9]\d{0,4}", text, re.ASCII):
        return text
    raise UsageError(f"--sweep-mode {text[:40]}: there is no such mode", "grid, zip or random:N")


def _draw(count: int, total: int, seed: int) -> list[int]:
    """So many different places in a grid, in the order in which they were drawn: the first ten are a sample too."""
    import random

    dice = random.Random(seed)  # noqa: S311
    if total < 1 << 31:
        return dice.sample(range(total), count)
    # Too large for a range of Python's; nearly all that is drawn is new.
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        drawn[dice.randrange(total)] = None
    return list(drawn)


def _row(axes: list[list[str]], pick: int) -> tuple[str, ...]:
    """The row of a grid at a place, the last axis running fastest."""
    row: list[str] = []
    for values in reversed(axes):
        pick, at = divmod(pick, len(values))
        row.append(values[at])
    return tuple(reversed(row))


def _axis(text: str) -> tuple[str, list[str]]:
    name, found, given = text.partition("=")
    if not found or not _NAME.fullmatch(name) or not given:
        raise UsageError(
            f"--sweep {text[:60]!r}: what takes which values?", "--sweep lr=1e-3,1e-4 or --sweep seed=0..4"
        )
    if _NOT_OURS.fullmatch(name):
        raise UsageError(
            f"--sweep {name}: the shell or mlsh itself goes by a variable of that name", "choose another name"
        )
    if span := _SPAN.fullmatch(given):
        first, last, step = int(span[1]), int(span[2]), int(span[3] or 1)
        if step < 1 or last < first or (last - first) // step >= MOST:
            raise UsageError(f"--sweep {text[:60]}: from the smaller number to the larger, {MOST} at most")
        return name, [str(number) for number in range(first, last + 1, step)]
    values = given.split(",")
    for value in values:
        if "\0" in value or not value.isprintable():
            raise RefusedInput(f"--sweep {name}: {value[:40]!r} holds a character that can't be shown")
    return name, values


def _check(count: int) -> None:
    if not 0 < count <= MOST:
        raise UsageError(f"that would be {count} tasks; {MOST} is the most")


def describe(task: Task) -> str:
    """`lr=1e-3 seed=0`; for a task of --array its number."""
    return " ".join(f"{name}={value}" for name, value in task.params.items()) or str(task.number)


def words_of(argv: Sequence[str], task: Task) -> list[str]:
    """The command with `{lr}` replaced by the task's value, and `{task}` by its number.

    A parameter called `task` wins; other braces stay.
    """
    known = {"task": str(task.number), **task.params}
    return [_PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), word) for word in argv]


def listing(argv: Sequence[str], tasks: Sequence[Task]) -> bytes:
    """The file `tasks.list` of the box: a line a task, with number, assignments and command between tabs."""
    lines = []
    for task in tasks:
        given = {"MLSH_PARAMS": describe(task), **task.params}
        assigned = " ".join(f"{name}={_word(value)}" for name, value in given.items())
        command = " ".join(_word(word) for word in words_of(argv, task))
        lines.append(f"{task.number}\t{assigned}\texec {command}\n")
    return "".join(lines).encode()


def _word(text: str) -> str:
    """A word for sh that stays on its line and within its field."""
    quoted = shlex.quote(text)
    if "\n" in quoted or "\t" in quoted:
        # Such a word is in single quotes: out of them for a moment.
        quoted = quoted.replace("\n", "'\"$mlsh_nl\"'").replace("\t", "'\"$mlsh_tab\"'")
    return quoted
