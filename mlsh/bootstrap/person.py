"""What this machine knows of the person: who commits, with which key, and the secrets that were named."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlsh.bootstrap.desired import Git
from mlsh.box import process
from mlsh.errors import MlshError


def git_of_here(asked: Git) -> Git:
    """The identity for boxes: what the settings say, else what git says here. With the key, if asked for."""
    if asked.name and asked.email and not asked.signing:
        return asked
    said = _git_settings()
    key = _public_key(said) if asked.signing else ""
    return Git(asked.name or said.get("user.name", ""), asked.email or said.get("user.email", ""), asked.signing, key)


def _git_settings() -> dict[str, str]:
    argv = ["git", "config", "--global", "-z", "--get-regexp", r"^(user\.(name|email|signingkey)|gpg\.format)$"]
    try:
        # From the root: a repository that we stand in has no say in who the person is.
        ran = process.run(argv, timeout_s=5, cwd="/")
    except (MlshError, process.TimedOut):
        return {}
    items = (item.partition("\n") for item in ran.stdout.decode(errors="replace").split("\0") if item)
    return {key: value for key, _, value in items if value.isprintable()}


def _public_key(said: Mapping[str, str]) -> str:
    """The public key that signs here, as git takes it literally; "" where none can be told."""
    key = said.get("user.signingkey", "")
    if said.get("gpg.format") != "ssh" or not key:
        return ""
    if key.startswith(("key::", "ssh-", "ecdsa-", "sk-")):
        return key if key.startswith("key::") else f"key::{key}"
    path = Path(os.path.expanduser(key))
    try:
        text = (path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
    first = text.strip().partition("\n")[0]
    return f"key::{first}" if first.startswith(("ssh-", "ecdsa-", "sk-")) and first.isprintable() else ""


def secrets_of_here(names: Mapping[str, str]) -> dict[str, bytes | None]:
    """What the keyring has under the names of a table; None where it has nothing. Raises what the store does."""
    if not names:
        return {}
    from mlsh.secrets import store

    return {name: value.encode() if (value := store.get(name)) is not None else None for name in names}
