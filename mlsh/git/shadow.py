"""The shadow of a folder: a git directory of mlsh's own in the cache, whose work tree is that folder.

It is only a cache: whatever is wrong with it, it can be thrown away and made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlsh import config
from mlsh.git.plumbing import Git

# Whatever the person's own settings say: files as they are, no signing, no daemon, no collecting in the
# middle, and nothing spared in looking for changes.
_SETTINGS = """\
[core]
\trepositoryFormatVersion = 0
\tbare = false
\tautocrlf = false
\tsafecrlf = false
\tfsmonitor = false
\tuntrackedCache = false
\tsplitIndex = false
\tsparseCheckout = false
\tlooseCompression = 1
\tfsyncMethod = batch
\thooksPath = /dev/null
\tfileMode = true
\tsymlinks = true
\tignoreCase = false
\tprecomposeUnicode = false
\tprotectHFS = false
\tprotectNTFS = false
\ttrustctime = true
\tcheckStat = default
\tignoreStat = false
[commit]
\tgpgSign = false
[gc]
\tauto = 0
"""
_NO_FILTERS = "* -text -ident -filter -working-tree-encoding -eol\n"
_DAMAGE = (
    r"corrupt|bad index|bad signature|smaller than expected|invalid object|unable to read|missing|bad object|"
    r"error building trees|not a git repository|loose object|invalid sha1|bad tree|cache entry|null sha1|"
    r"unable to find|unknown index entry|does not match|not a valid object|could not parse|not a tree object"
)
_LEFTOVERS = ("*.lock", "graft.*", "*.new", "refs/mlsh/*.lock", "objects/??/tmp_obj_*", "objects/pack/tmp_*")


def shadow_of(top: Path) -> Path:
    """Where the shadow of a folder is: named by the folder's path, so that two clones never mix."""
    digest = hashlib.sha256(os.fsencode(top)).hexdigest()[:16]
    return config.cache_dir() / "snapshots" / f"{repo_name(top)}-{digest}.git"


def repo_name(top: Path) -> str:
    """The folder's name as a name on the box: letters, digits, dots, dashes."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", top.name).strip("-.")[:60].removesuffix(".git").rstrip("-.")
    return name or "code"


@contextmanager
def locked(shadow: Path) -> Iterator[int]:
    """Hold the shadow's lock; yields its descriptor, for the commands that work on the shadow.

    Those keep the lock too: after a `kill -9` of mlsh nobody comes in before they have ended. So whatever
    lock of git's is found here belongs to nobody (see `sweep`).
    """
    shadow.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{shadow}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def sweep(shadow: Path) -> None:
    """Remove what a git left that was killed, by us or by a file that shrank while it read it."""
    if any(True for pattern in _LEFTOVERS[:4] for _ in shadow.glob(pattern)):
        for pattern in _LEFTOVERS:
            for left in shadow.glob(pattern):
                left.unlink(missing_ok=True)


def ensure(shadow: Path, top: Path) -> None:
    """Make the shadow if there is none, or none of use."""
    attributes = shadow / "info" / "attributes"
    try:
        sound = (shadow / "config").read_text() == _SETTINGS and attributes.read_text() == _NO_FILTERS
    except OSError:
        sound = False
    whole = (shadow / "HEAD").exists() and (shadow / "objects").is_dir()
    if sound and whole:
        return
    if not whole:
        discard(shadow)
        Git(None, top)("init", "-q", "--bare", "--template=", str(shadow))
    (shadow / "config").write_text(_SETTINGS)
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text(_NO_FILTERS)


def discard(shadow: Path) -> None:
    """Throw a shadow away. Not its lock, which others may be waiting for."""
    import shutil  # only damage needs it: start-up is a budget

    shutil.rmtree(shadow, ignore_errors=True)


def is_damage(said: str) -> bool:
    """Whether git's complaint is about the shadow, and not about a file of the person's."""
    return re.search(_DAMAGE, said) is not None


def put(path: Path, text: bytes) -> None:
    """Write a small file whole, or not at all."""
    aside = path.with_name(f"{path.name}.new")
    aside.write_bytes(text)
    os.replace(aside, path)


def get(path: Path) -> bytes:
    """A small file, or nothing where there is none."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return b""
