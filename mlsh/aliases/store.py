"""The file of aliases, `aliases.toml` in the config folder: read, and written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mlsh import config
from mlsh.aliases import book
from mlsh.aliases.shape import Alias
from mlsh.errors import ConfigError, MlshError, RefusedInput

HEADER = """\
# Aliases for bash, zsh and fish, here and on your boxes: docs/how-to/aliases.md
# {1} is the first argument, {2:main} the second or "main", {@} the rest. `mlsh alias list` shows what there is.
"""


def path() -> Path:
    """Where the file is, or would be."""
    return config.config_dir() / "aliases.toml"


def text() -> str:
    """What stands in the file; "" where there is none. Raises ConfigError."""
    where = path()
    try:
        return where.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: it is not UTF-8: {error}", "mend it: mlsh alias edit") from error


def load() -> list[Alias]:
    """The aliases of the file, in its order; none where there is no file. Raises ConfigError."""
    return book.parse(text(), str(path()))


def starter() -> str:
    """The text of the starter set, which comes with mlsh."""
    return (Path(__file__).parent / "starter.toml").read_text()


def change(decide: Callable[[str], str]) -> tuple[str, str]:
    """Have `decide` make a new text of the old one, and write it; returns both.

    Nobody else of mlsh writes meanwhile. Nothing is written where the text is the same. Raises what `decide` raises,
    ConfigError where the result is no file of aliases, MlshError where it can't be written.
    """
    with _alone():
        old = text()
        new = decide(old)
        book.parse(new, str(path()))
        if new != old:
            write(path(), new.encode())
        return old, new


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    folder = path().parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise MlshError(f"{folder} can't be used: {error.strerror}", "mlsh keeps your settings there") from error
    try:
        # Two at once would each add a line to the same old text, and one line would be lost.
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(where: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all; the mode of an old one is kept, and a link stays one.

    Raises MlshError; the old file is as it was then.
    """
    import tempfile

    target = Path(os.path.realpath(where))
    aside = None
    try:
        with contextlib.suppress(FileNotFoundError):
            mode = target.stat().st_mode & 0o7777
            if not mode & 0o222:
                raise RefusedInput(f"{where} is read-only, and was left as it is", f"chmod u+w {target}")
        descriptor, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(aside, target)
        aside = None
    except OSError as error:
        raise MlshError(
            f"{where} was not written, and is as it was: {error.strerror}", f"look at: ls -ld {target.parent} {target}"
        ) from error
    finally:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)
