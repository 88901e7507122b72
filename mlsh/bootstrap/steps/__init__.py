"""The steps, one a file: facts, plan, apply, remove. The order is that in which they are done."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable

from mlsh.bootstrap.step import GROUP, Step
from mlsh.errors import ConfigError, UsageError

# The short helps are here too, so that `--help` imports none of them.
BUILT_IN = {
    "dotfiles": "shells, tmux, git, vim and readline set up, behind one line in each file of yours",
    "env": "the shells of the box read what the other steps set; ~/.local/bin on the PATH",
    "aliases": "your aliases (mlsh alias), in the shells of the box too",
    "uv": "uv, and a Python where the box has none of 3.9 or newer",
    "tools": "rg, fd, fzf, zoxide, just, and nvitop where there is an NVIDIA GPU",
    "git": "who you are for git, and on request signing by your forwarded agent",
    "locale": "locale and time zone, where they are named in the settings",
    "caches": "caches of Hugging Face, pip, uv and PyTorch on the large disk, where there is one",
    "secrets": "token files from the keyring, where they are named in the settings",
    "linger": "systemd keeps tmux alive after you log out, where it would not",
    "gpu": "a real kernel runs on each GPU, where torch or nvcc is there",
}
# A name goes into the receipt, and into the name of a function.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def every() -> list[Step]:
    """All steps: ours, then those of other packages by name. Raises ConfigError where one of those can't be used."""
    found = [_built_in(name) for name in BUILT_IN]
    if not _has_others():
        return found
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            made = point.load()()
        except Exception as error:
            raise ConfigError(
                f"the step {point.name} of {point.value} can't be loaded: {error}", "remove its package, or --skip it"
            ) from error
        if not isinstance(made, Step) or not _NAME.fullmatch(made.name) or made.name in BUILT_IN:
            raise ConfigError(f"{point.value} is no step of bootstrap", "see docs/how-to/bootstrap.md")
        found.append(made)
    return found


def _has_others() -> bool:
    """Whether an installed package names a step. importlib.metadata takes 25 ms to say so, this 2."""
    import sys
    from glob import iglob

    needle = f"[{GROUP}]".encode()
    for folder in sys.path:
        for kind in ("dist-info", "egg-info"):
            for file in iglob(f"*.{kind}/entry_points.txt", root_dir=folder or "."):
                try:
                    with open(f"{folder or '.'}/{file}", "rb") as text:
                        if needle in text.read():
                            return True
                except OSError:
                    continue
    return False


def _built_in(name: str) -> Step:
    step = importlib.import_module(f"mlsh.bootstrap.steps.{name}").STEP
    assert isinstance(step, Step)  # noqa: S101
    return step


def chosen(steps: Iterable[Step], only: Iterable[str], skip: Iterable[str], wanted: Iterable[str] | None) -> list[Step]:
    """The steps to take. `only` and `skip` are from the command line, `wanted` from the settings; pure.

    Raises UsageError for a name that is none.
    """
    steps = list(steps)
    known = [step.name for step in steps]
    only, skip = list(only), list(skip)
    for name in [*only, *skip, *(wanted or ())]:
        if name not in known:
            raise UsageError(f"there is no step `{name}`", f"there are: {', '.join(known)}")
    keep = set(only or (wanted if wanted is not None else known)) - set(skip)
    return [step for step in steps if step.name in keep]
