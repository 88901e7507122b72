"""The passphrase of the encrypted file: from a key file that only its owner can read, else asked for, unseen."""

from __future__ import annotations

import os
from pathlib import Path

from mlsh import config
from mlsh.errors import ConfigError, NotFound, RefusedInput, SecretsLocked

VARIABLE = "MLSH_SECRETS_PASSPHRASE_FILE"
SHORTEST = 8


def key_file() -> Path | None:
    """The key file: what the variable names, else `secrets-passphrase` in mlsh's config folder where there is one."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(os.path.expanduser(named))
    usual = config.config_dir() / "secrets-passphrase"
    return usual if usual.exists() else None


def existing(path: str) -> str:
    """The passphrase of the file at `path`. Raises SecretsLocked where nobody can be asked."""
    return _from_file() or ask(f"Passphrase of {path}: ", why=f"{path} needs its passphrase")


def new(path: str, *, from_file: bool = True) -> str:
    """A passphrase for a file that is to be made: asked for twice. Raises RefusedInput for one that is too short.

    `from_file`: the key file's, where there is one.
    """
    given = _from_file() if from_file else None
    if given is None:
        given = ask(f"A passphrase for {path} (new): ", why=f"{path} needs a passphrase")
        if len(given) >= SHORTEST and ask("The same again: ", why="") != given:
            raise RefusedInput("the two passphrases differ; nothing was stored", "try again")
    if len(given) < SHORTEST:
        raise RefusedInput(
            f"a passphrase of fewer than {SHORTEST} letters is guessed in no time; nothing was stored",
            "four words that have nothing to do with each other are good",
        )
    return given


def ask(prompt: str, why: str) -> str:
    """Ask at the terminal, without an echo; never standard input, which may be the secret itself.

    Raises SecretsLocked, which says `why`, where there is no terminal.
    """
    import getpass

    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise SecretsLocked(
            f"{why}, and there is no terminal to ask at",
            f"put it into a file that only you can read, and name that: export {VARIABLE}=FILE",
        ) from None
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise SecretsLocked(f"{why}, and none was given") from None


def _from_file() -> str | None:
    path = key_file()
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno())
            raw = file.read(1 << 16)
    except FileNotFoundError:
        raise NotFound(f"{path}, which {VARIABLE} names, does not exist") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if mode.st_mode & 0o077 or mode.st_uid not in {os.getuid(), 0}:
        raise ConfigError(
            f"{path} holds the passphrase of your secrets, and others can read it", f"chmod 600 {path}; make a new one"
        )
    try:
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    if not text or "\n" in text:
        raise ConfigError(f"{path} must hold one line, the passphrase")
    return text
