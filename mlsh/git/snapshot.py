"""Take the code as it is now: uncommitted and untracked files included, the person's repository untouched.

Each folder has a shadow (see `shadow.py`). Its index remembers what was there last time, so only what
changed is read. Nothing is ever written to the person's `.git`, not even an object; and the shadow's own
attributes switch every filter off, so that files travel byte for byte (an LFS file as its content, where it
was pulled).

What belongs to a snapshot is what `git add -A` would take, and what is tracked although it is ignored;
`.mlshignore` (same syntax) has the last word both ways. A repository inside the folder (a submodule, a
clone) is taken along as plain files. As in git, empty folders are not part of it, nor are pipes and sockets.

A snapshot is a commit without parents, with a fixed author and date: the same files give the same
commit, on every laptop. So "is this code on the box already?" is one name to compare.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mlsh.errors import MlshError, NotFound, RefusedInput, SnapshotRefused
from mlsh.git import shadow as shadows
from mlsh.git.ignore import IGNORE_FILE
from mlsh.git.plumbing import GitFailed
from mlsh.git.shadow import shadow_of
from mlsh.git.taking import BigFile, Confirm, Snapshot, Taking, shown

__all__ = ["Begun", "BigFile", "Snapshot", "take", "too_large", "top_of"]

_ATTEMPTS = 6


def top_of(folder: Path) -> tuple[Path, bool]:
    """The repository that holds `folder`, or `folder` itself; and whether it is a repository."""
    for candidate in (folder, *folder.parents):
        if os.path.exists(candidate / ".git"):
            return candidate, True
    return folder, False


def take(folder: Path, confirm: Confirm) -> Snapshot:
    """Take a snapshot of the repository around `folder`, or of `folder` where there is none.

    `confirm(bytes, ten largest)` is called before new or changed files are kept, and refuses by raising.
    Raises SnapshotRefused where git can't read a file, where the folder is the home or `/`, and where mlsh's
    cache can't be written; RefusedInput for a folder whose name is not UTF-8.
    """
    return Begun(folder).take(confirm)


class Begun:
    """A snapshot of `folder` that is being taken: git looks at the folder while the caller does something else.

    Whoever begins one takes it or closes it, and soon: nobody else can take one of this folder until then.
    What goes wrong is raised by `take`.
    """

    def __init__(self, folder: Path) -> None:
        self._open = contextlib.ExitStack()
        self._taking: Taking | None = None
        self._shadow = self._subdir = ""
        self._failed: Exception | None = None
        try:
            self._begin(folder.resolve())
        except (MlshError, OSError) as error:
            self._failed = error

    def _begin(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder}")
        top, is_repo = top_of(folder)
        _refuse_folder(folder, top)
        shadow = shadow_of(top)
        self._shadow = str(shadow)
        self._subdir = "" if folder == top else str(folder.relative_to(top))
        lock = self._open.enter_context(shadows.locked(shadow))
        self._taking = Taking(shadow, top, lock, is_repo)
        self._open.callback(self._taking.stop)
        # What git says against it now, it says again when the snapshot is taken.
        with contextlib.suppress(GitFailed):
            self._taking.look()

    def close(self) -> None:
        """Give it up, or back."""
        self._open.close()

    def take(self, confirm: Confirm) -> Snapshot:
        """As the function `take`, which says what is raised."""
        try:
            if self._failed is not None:
                raise self._failed
            assert self._taking is not None  # noqa: S101
            return _patiently(self._taking, self._subdir, confirm)
        except OSError as error:
            where = shown(os.fsdecode(error.filename)) if error.filename else self._shadow
            inside_cache = where.startswith(os.path.dirname(os.path.dirname(self._shadow)))
            hint = "mlsh keeps its copies of code there; to name another place: export XDG_CACHE_HOME=..."
            raise SnapshotRefused(f"{where}: {error.strerror}", hint if inside_cache else "") from error
        finally:
            self.close()


def _patiently(taking: Taking, subdir: str, confirm: Confirm) -> Snapshot:
    """Take it again after a file changed under git's hands, and from the start after damage to the shadow."""
    for attempt in range(_ATTEMPTS):
        try:
            return taking.snapshot(subdir, confirm)
        except GitFailed as error:
            if attempt + 1 == _ATTEMPTS or error.hint:
                raise
            if shadows.is_damage(error.said):
                shadows.discard(taking.shadow)
    raise AssertionError("the last attempt returns or raises")


def _refuse_folder(folder: Path, top: Path) -> None:
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise RefusedInput(
            f"the name of the folder {shown(str(folder))} is not valid UTF-8, so it can't be recorded as it is",
            "rename it, or work in a folder above it",
        ) from None
    home = Path(os.path.expanduser("~")).resolve()
    if (top == home or top in home.parents) and not (top / IGNORE_FILE).exists():
        raise SnapshotRefused(
            f"{shown(str(top))} is {'your home folder' if top == home else 'no project of yours'}, "
            "and all of it would be sent",
            f"cd to the project; or send no code: --no-code (or say in {top / IGNORE_FILE} what is to be left out)",
        )


def too_large(size: int, largest: list[BigFile], limit: int) -> SnapshotRefused:
    """The error that names the ten largest files."""
    listed = "\n".join(f"  {file.size / 2**20:9.1f} MiB  {shown(file.path)}" for file in largest)
    total = f"{size / 2**20:.0f} MiB, more than {limit / 2**20:.0f} MiB"
    return SnapshotRefused(
        f"the snapshot would send {total}; the largest files:\n{listed}",
        f"name what the job does not need in {IGNORE_FILE} (same syntax as .gitignore), or add --allow-large",
    )
