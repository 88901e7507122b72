"""The text of `mlsh shell init` as a file that a shell reads by itself, since starting mlsh costs what ten shells do.

The file looks at its own age: where the aliases are newer, or this version of mlsh is gone, reading it fails, and the
line in the shell's rc file asks mlsh, which writes it anew.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import mlsh
from mlsh import config
from mlsh.aliases import fish, posix, shell_init, store
from mlsh.aliases.shell_init import SHELLS, Wanted
from mlsh.errors import MlshError

_OURS = "  # mlsh: cached"


def path(wanted: Wanted) -> Path:
    """Where the text for a shell is kept."""
    return config.cache_dir() / f"init{'.ctrl-r' * wanted.ctrl_r}{'.record' * wanted.record}.{wanted.shell}"


def line(wanted: Wanted) -> str:
    """The line for the shell's rc file: read the file if it is good, else ask mlsh, if that is here."""
    name = path(wanted).name
    if wanted.shell == "fish":
        file = f"(set -q XDG_CACHE_HOME; and echo $XDG_CACHE_HOME; or echo ~/.cache)/mlsh/{name}"
        return (
            f"set -l f {file}; test -r $f; and source $f; or begin; command -q mlsh; and {wanted.command} | source; end"
        )
    file = f'"${{XDG_CACHE_HOME:-$HOME/.cache}}/mlsh/{name}"'
    return f'if [ -r {file} ] && . {file}; then :; elif command -v mlsh >/dev/null; then eval "$({wanted.command})"; fi'


def ready(wanted: Wanted) -> str:
    """The text for a shell, kept for the next one.

    Raises ConfigError where the file of aliases is wrong, and MlshError where the text can't be kept.
    """
    where = path(wanted)
    again = shell_init.for_aliases(wanted.shell, store.load())
    once = shell_init.once(wanted)
    named = fish.quote(str(where)) if wanted.shell == "fish" else posix.quote(str(where))
    if wanted.shell == "fish":
        again = f"set -g _mlsh_cache {named}\n{again}"
        rest = f"if set -q _mlsh_again; return 0; end{_OURS}\n"
    else:
        again = f"_mlsh_cache={named}\n{again}"
        rest = f'[ -z "${{_mlsh_again-}}" ] || return 0{_OURS}\n'
    head = f"# Made by `{wanted.command}`, and made anew by mlsh: what you change here is lost.{_OURS}\n"
    _keep(where, head + _guard(wanted.shell, where) + again + rest + once)
    return again + once


def last(wanted: Wanted) -> str | None:
    """The text as it was kept the last time; None where there is none."""
    try:
        kept = path(wanted).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    return "".join(line for line in kept.splitlines(keepends=True) if not line.rstrip("\n").endswith(_OURS))


def refresh() -> None:
    """Make anew what is kept, for the shells that use it. Raises MlshError where that fails."""
    for shell in SHELLS:
        for wanted in shell_init.every(shell):
            if path(wanted).exists():
                ready(wanted)


def source_command(shell: str) -> str | None:
    """What to type in a shell that runs already, to have the aliases in it; None where nothing is kept for it."""
    found = [path(wanted) for wanted in shell_init.every(shell) if path(wanted).exists()]
    return f"source {posix.quote(str(found[0]))}" if found else None


def _guard(shell: str, where: Path) -> str:
    toml, kept, mark = (str(one) for one in (store.path(), where, _mark()))
    quote = fish.quote if shell == "fish" else posix.quote
    parts = [f"-e {quote(mark)}"]
    if store.path().exists():
        parts += [f"-e {quote(toml)}", f"! {quote(toml)} -nt {quote(kept)}"]
    else:
        parts.append(f"! -e {quote(toml)}")
    if shell == "fish":
        tests = "; and ".join(f"test {part}" for part in parts)
        return f"if not begin; {tests}; end; return 1; end{_OURS}\n"
    return f"[[ {' && '.join(parts)} ]] || return 1{_OURS}\n"


def _mark() -> Path:
    """A path that goes when this version of mlsh goes."""
    package = Path(mlsh.__file__).parent
    installed = package.parent / f"mlsh-{mlsh.__version__}.dist-info"
    return installed if installed.is_dir() else package / "__init__.py"


def _keep(where: Path, text: str) -> None:
    data = text.encode()
    try:
        where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            if where.read_bytes() == data:
                _set_age(where)
                return
    except OSError as error:
        raise MlshError(f"{where} could not be kept: {error.strerror}") from error
    store.write(where, data, mode=0o600)
    _set_age(where)


def _set_age(where: Path) -> None:
    """A file of aliases with a time in the future must not make this one too old for ever."""
    newest = time.time_ns()
    with contextlib.suppress(FileNotFoundError):
        newest = max(newest, store.path().stat().st_mtime_ns)
    os.utime(where, ns=(newest, newest))
