"""The person's keys: one of mlsh's own for each box, made by ssh-keygen, or one that is there."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from mlsh.box import process
from mlsh.errors import ConfigError, NotFound, RefusedInput

_KEYGEN_S = 30.0
_PUBLIC = re.compile(r"(?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+=*(?: .*)?")


class Key(NamedTuple):
    """A key pair: what IdentityFile names, and the public line. `is_own`: mlsh made it for that one box."""

    identity: str
    public: str
    is_own: bool = False

    @property
    def is_security_key(self) -> bool:
        """Whether a FIDO key has to be touched."""
        return self.public.startswith("sk-")


def own_path(folder: Path, name: str) -> Path:
    """Where the key of a box lies."""
    return folder / name


def shown(path: str | Path) -> str:
    """A path for ssh_config: from `~` where that is the same on every machine of the person."""
    import pwd

    try:
        # ssh goes by the account's home, whatever $HOME says.
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return str(path)
    text = str(path)
    return f"~{text[len(home) :]}" if home != "/" and text.startswith(f"{home}/") else text


def read_public(path: Path) -> str | None:
    """The line of a public key file; None where there is none. Raises RefusedInput for another kind of file."""
    try:
        text = path.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return check_public(text, str(path))


def check_public(text: str, where: str) -> str:
    """Return a line that is a public key and nothing else; it goes into a file that grants access."""
    if not _PUBLIC.fullmatch(text) or not text.isprintable():
        raise RefusedInput(f"{where} holds no public key", "a public key is one line: ssh-ed25519 AAAA... comment")
    return text


def make(path: Path, comment: str, asks: bool) -> str:
    """Make an ed25519 key; returns its public line. `asks`: ssh-keygen asks the person for a passphrase.

    What is typed goes to ssh-keygen alone. Raises ConfigError.
    """
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-C", comment, "-f", str(path)]
    if asks:
        code, said = process.interact(argv), ""
    else:
        ran = process.run([*argv, "-N", ""], timeout_s=_KEYGEN_S)
        code, said = ran.returncode, ran.stderr.decode(errors="replace").strip()
    public = read_public(path.with_name(f"{path.name}.pub")) if code == 0 else None
    if public is None:
        path.unlink(missing_ok=True)
        raise ConfigError(f"ssh-keygen made no key {path}{': ' if said else ''}{said}")
    return public


def comment_for(box: str) -> str:
    """What a key's comment says: whose it is, for whoever reads authorized_keys on the box."""
    user = re.sub(r"[^A-Za-z0-9._-]", "", os.environ.get("USER", "")) or str(os.getuid())
    host = re.sub(r"[^A-Za-z0-9._-]", "", socket.gethostname()) or "somewhere"
    return f"mlsh:{box}:{user}@{host}"


def given(text: str) -> Key:
    """The key that `--key FILE` names, or its .pub where only an agent has the private half."""
    path = Path(os.path.expanduser(text)).absolute()
    if any(ord(char) < 32 or char == '"' for char in str(path)):
        raise RefusedInput(f"{text[:80]!r} can't be the name of a key file", "rename it")
    if path.name.endswith(".pub"):
        private = path.with_name(path.name[:-4])
        public = read_public(path)
        if public is None:
            raise NotFound(f"there is no key {path}", "your keys: ls ~/.ssh/*.pub")
        return Key(str(private if private.exists() else path), public)
    if not path.is_file():
        raise NotFound(f"there is no key {path}", "your keys: ls ~/.ssh/*.pub")
    public = read_public(path.with_name(f"{path.name}.pub"))
    return Key(str(path), public if public is not None else derive(path))


def derive(path: Path) -> str:
    """The public half of a private key file. Raises RefusedInput where it has a passphrase, or is none."""
    ran = process.run(["ssh-keygen", "-y", "-P", "", "-f", str(path)], timeout_s=_KEYGEN_S)
    if ran.returncode == 0:
        return check_public(ran.stdout.decode(errors="replace").strip(), str(path))
    said = ran.stderr.decode(errors="replace").strip().splitlines()
    if any("incorrect passphrase" in line for line in said):
        raise RefusedInput(
            f"{path} has a passphrase and no {path.name}.pub beside it",
            f"make that once: ssh-keygen -y -f {path} > {path}.pub",
        )
    raise RefusedInput(f"{path} is no private key: {said[-1] if said else 'ssh-keygen says nothing'}", "see: file KEY")


def is_locked(path: Path) -> bool:
    """Whether a private key has a passphrase."""
    return process.run(["ssh-keygen", "-y", "-P", "", "-f", str(path)], timeout_s=_KEYGEN_S).returncode != 0


def from_agent(which: str) -> str:
    """The public line of a key in the agent: the only one, or that whose comment or fingerprint is `which`."""
    ran = process.run(["ssh-add", "-L"], timeout_s=_KEYGEN_S)
    lines = [line for line in ran.stdout.decode(errors="replace").splitlines() if _PUBLIC.fullmatch(line)]
    if not lines:
        raise NotFound("your ssh agent has no key, or there is no agent", "see: ssh-add -l ; add one: ssh-add")
    from mlsh.contact.hostkeys import HostKey

    names = {line: (line.split(" ", 2)[2:] or [""])[0] for line in lines}
    if which:
        lines = [line for line in lines if which in {names[line], HostKey(*line.split(" ")[:2]).fingerprint}]
    if len(lines) != 1:
        found = "no key of that name" if not lines else "more than one key"
        raise RefusedInput(f"your agent has {found}", "name one by its comment: --key agent:COMMENT, see: ssh-add -l")
    return check_public(lines[0], "the agent")


def has_any(identities: list[str]) -> bool:
    """Whether the person has any key that ssh would try by itself."""
    if any(Path(os.path.expanduser(path)).exists() for path in identities):
        return True
    return bool(os.environ.get("SSH_AUTH_SOCK")) and process.run(["ssh-add", "-l"], timeout_s=_KEYGEN_S).returncode == 0


def can_ask() -> bool:
    """Whether ssh and ssh-keygen can ask a person."""
    return sys.stdin is not None and sys.stdin.isatty()
