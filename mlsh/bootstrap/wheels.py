"""The wheels that bootstrap may bring: which, for which machine, and how one is fetched and looked into.

They are fetched here and pushed, for a box often has no network. Each is pinned: a wheel with another SHA-256 is thrown
away, wherever it came from.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mlsh.bootstrap.changes import Wheel
from mlsh.digest import sha256
from mlsh.errors import ConfigError, ExitCode, MlshError

_BUILT_IN = Path(__file__).with_name("pins.toml")
_TIMEOUT_S = 30.0
_LARGEST = 200 << 20


class NotFetched(MlshError):
    """A wheel that can't be had now."""

    exit_code = ExitCode.TRY_AGAIN


class Pin(Wheel, frozen=True, kw_only=True):
    """A wheel, and the machines that it runs on: `uname -m`, and glibc or musl; any for all."""

    machine: str
    libc: str = "any"


def pins(path: str = "") -> tuple[Pin, ...]:
    """The pinned wheels: the built-in ones, or those of a file of the person's. Raises ConfigError."""
    import tomllib

    file = Path(os.path.expanduser(path)) if path else _BUILT_IN
    try:
        table: dict[str, Any] = tomllib.loads(file.read_bytes().decode())
        found = msgspec.convert(table.get("wheel", []), tuple[Pin, ...])
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", "`pins` of [bootstrap] names a file of wheels") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{file}: {error}", "how it is written: docs/how-to/bootstrap.md") from error
    for pin in found:
        if not re.fullmatch(r"[0-9a-f]{64}", pin.sha256):
            raise ConfigError(f"{file}: the sha256 of {pin.project} is none")
        if not pin.url.startswith(("https://", "http://", "file://")):
            raise ConfigError(f"{file}: the url of {pin.project} must begin with https:// or file://")
    return found


def choose(pinned: Sequence[Pin], project: str, machine: str, libc: str) -> Wheel | None:
    """The wheel of a project for a machine, or None. `libc` is as the box says it: `musl`, or `glibc 2.36`. Pure."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(machine, machine)
    kind, _, version = libc.partition(" ")
    for pin in pinned:
        if pin.project != project or pin.machine not in {"any", machine} or pin.libc not in {"any", kind}:
            continue
        if pin.libc == "glibc" and tuple(map(int, re.findall(r"\d+", version)[:2])) < (2, 17):
            continue
        return pin
    return None


def fetch(wheel: Wheel, cache: Path) -> Path:
    """A wheel's file in the cache, fetched if it is not there. Raises NotFetched.

    A file of another SHA-256 is never kept: not one that was fetched, and not one that lay there.
    """
    target = cache / f"{wheel.sha256}.whl"
    with contextlib.suppress(OSError):
        if sha256(target.read_bytes()).hexdigest() == wheel.sha256:
            return target
    data = _download(wheel)
    if (got := sha256(data).hexdigest()) != wheel.sha256:
        raise NotFetched(
            f"{wheel.project} {wheel.version} from {wheel.url} is not what was pinned: SHA-256 {got}",
            "it was thrown away; is there a proxy in between?",
        )
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    import tempfile

    descriptor, aside = tempfile.mkstemp(dir=cache, prefix=".fetching-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, target)
    finally:
        Path(aside).unlink(missing_ok=True)
    return target


def _download(wheel: Wheel) -> bytes:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(wheel.url, timeout=_TIMEOUT_S) as answer:  # noqa: S310  (checked in `pins`)
            data: bytes = answer.read(_LARGEST)
    except (OSError, urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NotFetched(
            f"{wheel.project} {wheel.version} can't be fetched from {wheel.url.partition('/packages/')[0]}: {reason}",
            "it is fetched by this machine, not by the box: does this one reach it? (https_proxy is respected)",
        ) from error
    return data


def files(path: Path) -> dict[str, tuple[int, bytes]]:
    """The files in a wheel: name, mode and bytes; a program under its bare name. Raises NotFetched for a bad one."""
    import zipfile

    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as wheel:
            for info in wheel.infolist():
                if info.is_dir():
                    continue
                name = info.filename
                if ".data/scripts/" in name:
                    found[name.rpartition("/")[2]] = (0o755, wheel.read(info))
                elif not name.startswith("/") and ".." not in name.split("/"):
                    found[name] = (0o644, wheel.read(info))
    except (OSError, zipfile.BadZipFile) as error:
        raise NotFetched(f"{path} can't be read: {error}", f"remove it: rm {path}") from error
    return found
