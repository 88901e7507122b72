"""Files of ~/.ssh, written whole or not at all, each with its way back.

A file is written beside its place, fsynced, and renamed; its mode stays, and a symlink stays a symlink.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from mlsh.errors import ConfigError, MlshError


def read(path: str | Path) -> bytes | None:
    """The bytes of a file, or None where there is none. Raises ConfigError where it can't be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def why_not_writable(path: str | Path) -> str:
    """Why a file is not to be replaced, in words; "" if it may be. A file without write permission is meant so."""
    real = Path(os.path.realpath(path))
    shown = f"{path}, a link to {real}," if Path(path).is_symlink() else f"{path}"
    try:
        mode = real.stat().st_mode
    except FileNotFoundError:
        mode = 0o600
    except OSError as error:
        return f"{shown} can't be read: {error.strerror}"
    if not mode & 0o222:
        return f"{shown} is read-only"
    folder = next((parent for parent in real.parents if parent.exists()), real.parent)
    if not os.access(folder, os.W_OK) or (real.exists() and not os.access(real, os.W_OK)):
        return f"{shown} can't be written by you"
    return ""


def put(path: str | Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file; `mode` is for a new one. Raises ConfigError, and then the file is as it was."""
    real = Path(os.path.realpath(path))
    aside = None
    try:
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(real.stat().st_mode)
        descriptor, aside = tempfile.mkstemp(dir=real.parent, prefix=".mlsh-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(aside, real)
        aside = None
        _sync_folder(real.parent)
    except OSError as error:
        raise ConfigError(f"{path} was not written: {error.strerror}") from error
    finally:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_back(path: Path, before: bytes | None, after: bytes | None, mode: int) -> None:
    """Make a file what it was before; lines that ssh or an editor has added at its end meanwhile stay.

    Raises ConfigError where it was changed otherwise; then it is left alone.
    """
    now, wanted = read(path), before
    if now == before:
        return
    if now != after:
        old = before or b""
        if not (now and after and now.startswith(after) and after.startswith(old) and after.endswith(b"\n")):
            raise ConfigError("something else changed it meanwhile, so it stays as it is now")
        gap = b"" if not old or old.endswith(b"\n") else b"\n"
        wanted = old + gap + now[len(after) :]
    if wanted is None:
        Path(os.path.realpath(path)).unlink(missing_ok=True)
    else:
        put(path, wanted, mode)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C does nothing meanwhile. Signals are the main thread's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


class Changes:
    """What was done so far, here and on a box, and how to take it back in reverse."""

    def __init__(self) -> None:
        self._back: list[tuple[str, Callable[[], None]]] = []

    def later(self, what: str, back: Callable[[], None]) -> None:
        """Note a change that was made: in words what is left if it can't be taken back, and the way back."""
        self._back.append((what, back))

    def folder(self, path: Path) -> None:
        """Have a private folder, and those above it."""
        missing = [one for one in (path, *path.parents) if not one.exists()]
        for one in reversed(missing):
            try:
                one.mkdir(mode=0o700)
            except OSError as error:
                raise ConfigError(f"{one} could not be made: {error.strerror}") from error
            self.later(f"the folder {one}", one.rmdir)

    def put(self, path: Path, data: bytes | None, mode: int = 0o600) -> None:
        """Write a file, or remove it where `data` is None."""
        before = read(path)
        if data is None and before is None:
            return
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
        removes = data is None and not path.is_symlink()
        # A link is the person's, so it stays: what it leads to is emptied.
        after = None if removes else data or b""
        what = f"{path}, which was removed" if removes else f"what was changed in {path}"
        # Noted first: a signal may come at any moment.
        self.later(f"the file {path}" if before is None else what, lambda: _put_back(path, before, after, mode))
        try:
            if after is None:
                path.unlink()
            else:
                put(path, after, mode)
        except (OSError, ConfigError):
            self._back.pop()
            raise

    def keep(self) -> None:
        """From here on nothing is taken back any more."""
        self._back.clear()

    def undo(self) -> list[str]:
        """Take everything back, the last first. Returns in words what could not be."""
        left = []
        with _undisturbed():
            while self._back:
                what, back = self._back.pop()
                try:
                    back()
                except Exception as error:  # noqa: BLE001 - whatever it is, the others are still to be taken back
                    why = error.what if isinstance(error, MlshError) else getattr(error, "strerror", "") or str(error)
                    left.append(f"{what} ({why or type(error).__name__})")
        return left

    @property
    def count(self) -> int:
        """How many changes there are."""
        return len(self._back)
