"""Real shells that read what mlsh generates, and a program that tells what it was given."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlsh.aliases import fish, posix, shell_init
from mlsh.aliases.shape import Alias

SHELLS = ("bash", "zsh", "fish")
# Each argument, then the end of the call.
RECEIVER = "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done; printf '\\001\\0'\n"
_START = {
    "bash": ["bash", "--norc", "--noprofile"],
    "zsh": ["zsh", "-f"],
    "fish": ["fish", "--no-config"],
    "dash": ["dash"],
    "sh": ["bash", "--norc", "--noprofile"],
}


class Said(NamedTuple):
    """What a shell printed."""

    stdout: bytes
    stderr: str
    code: int

    def calls(self) -> list[list[str]]:
        """The arguments of each call of the receiver."""
        found: list[list[str]] = [[]]
        for word in self.stdout.split(b"\0")[:-1]:
            if word == b"\1":
                found.append([])
            else:
                found[-1].append(word.decode())
        return found[:-1]


class Shells:
    """A folder with the receiver `recv` in it, which is the PATH's first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.program("recv", RECEIVER)

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def read(self, shell: str, aliases: Sequence[Alias], lines: Sequence[str]) -> Said:
        """Have a shell read the definitions, and then run lines."""
        text = shell_init.definitions("sh" if shell == "dash" else shell, aliases)
        return self.run(shell, text, lines)

    def run(self, shell: str, text: str, lines: Sequence[str]) -> Said:
        """Have a shell read a text, and then run lines."""
        definitions = self.folder / "definitions"
        definitions.write_text(text)
        script = self.folder / "script"
        begin = "shopt -s expand_aliases\n" if shell in {"bash", "sh"} else ""
        script.write_text(f"{begin}. {definitions}\n" + "\n".join(lines) + "\n")
        ran = subprocess.run(
            [*_START[shell], str(script)],
            cwd=self.folder, capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
            env={"PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"},
        )  # fmt: skip
        return Said(ran.stdout, ran.stderr.decode(errors="replace"), ran.returncode)


def typed(shell: str, name: str, words: Sequence[str]) -> str:
    """A call as a person would type it in a shell."""
    quote = fish.quote if shell == "fish" else posix.quote
    return " ".join([name, *(quote(word) for word in words)])
