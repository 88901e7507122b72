"""Who sits in front of a first contact: prompts on the terminal, answers from `--password-stdin` or SSH_ASKPASS."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlsh.cli.talk import say
from mlsh.errors import LoginRefused, RefusedInput
from mlsh.shell.visible import printable

if TYPE_CHECKING:
    from mlsh.contact.hostkeys import HostKey
    from mlsh.contact.reach import Way

_LONGEST = 300
_MOST_LINES = 20


class Talk:
    """Questions and answers. `is_sure`: -y, which answers yes, but never for a host key."""

    def __init__(self, box: str, *, is_sure: bool, password: str | None, may_ask: bool | None = None) -> None:
        self._box = box
        self._is_sure = is_sure
        self._password = password
        self._password_used = False
        self._may_ask = sys.stdin.isatty() if may_ask is None else may_ask

    # What it hears

    def tell(self, text: str) -> None:
        """Say how far it is."""
        say(f"{self._box}: {text}")

    def wrong(self, left: int) -> None:
        """Say that a password was refused."""
        say(f"{self._box}: that was refused; {left} more {'try' if left == 1 else 'tries'}")

    # What it is asked

    def trusts(self, way: Way, key: HostKey, picture: str) -> bool:
        """Show the host key, and hear whether it is the right one."""
        where = f"{way.host} port {way.port}"
        say(f"{self._box}: you have not been at {where} before. It shows this {key.kind} host key:")
        print(f"\n{key.fingerprint}\n{picture}\n", file=sys.stderr, flush=True)
        if not self._may_ask:
            raise LoginRefused(
                self._box,
                "nobody is here to confirm its host key, so nothing was sent to it",
                f"ask who runs the box for the fingerprint; if it is the one above: --fingerprint {key.fingerprint}",
            )
        print(
            "Compare it with what the owner of the machine told you, or with what the machine itself says:\n"
            "  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
            file=sys.stderr,
        )
        return self._compared(key)

    def trusts_instead(self, way: Way, old: Sequence[HostKey], key: HostKey, picture: str) -> bool:
        """Show the old host keys and the new one, and hear whether that is right."""
        say(f"{self._box}: {way.host} port {way.port} shows another host key than before.")
        for known in dict.fromkeys(old):
            print(f"  old: {known.fingerprint} ({known.kind})", file=sys.stderr)
        print(f"  new: {key.fingerprint} ({key.kind})\n{picture}\n", file=sys.stderr, flush=True)
        if not self._may_ask:
            raise LoginRefused(
                self._box,
                "nobody is here to confirm its new host key, so nothing was changed",
                f"ask who runs the box; if the new one is right: mlsh box trust {self._box} --fingerprint "
                f"{key.fingerprint}",
            )
        print(
            "Was it reinstalled? Then the new one is right if the machine itself says so:\n"
            "  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n"
            "If nobody changed that machine, something sits in between: say no.",
            file=sys.stderr,
        )
        return self._compared(key)

    def _compared(self, key: HostKey) -> bool:
        while True:
            answer = self._read("Is it the same? (yes, no, or paste the fingerprint) ", echo=True).strip()
            if answer.lower() in {"yes", "no", "n", ""}:
                return answer.lower() == "yes"
            if answer.removeprefix("SHA256:").rstrip("=") == key.fingerprint.removeprefix("SHA256:"):
                return True
            if len(answer) > 20:
                say("that is another fingerprint: this may be another machine than the one you mean")
                return False
            print("Type yes in full, or no.", file=sys.stderr)

    def agrees(self, question: str) -> bool:
        """Ask for a yes; -y is one, and where nobody is there it is no."""
        if self._is_sure:
            return True
        if not self._may_ask:
            return False
        return self._read(f"{printable(question)} [y/N] ", echo=True).strip().lower() in {"y", "yes"}

    @property
    def can_answer(self) -> bool:
        """Whether a password can be had at all."""
        return self._password is not None or self.can_retry

    @property
    def can_retry(self) -> bool:
        """Whether another answer may come."""
        return self._password is None and (self._may_ask or self._askpass() is not None)

    def answer(self, prompt: str, echo: bool, about: Sequence[str]) -> str:
        """The answer to a question of the machine, whose words are shown as its own."""
        shown = printable(prompt.strip())[:_LONGEST]
        if self._password is not None and not echo and not self._password_used:
            self._password_used = True
            return self._password
        for line in about[:_MOST_LINES]:
            print(f"({self._box}) {printable(line)[:_LONGEST]}", file=sys.stderr)
        question = f"({self._box}) {shown or 'Answer:'} "
        if (program := self._askpass()) is not None:
            return _ask_program(program, question)
        if not self._may_ask:
            what = f"it asks `{shown}`, and nobody is here to answer"
            hint = "again at a terminal, or with --password-stdin"
            if self._password_used:
                hint = "again at a terminal: a one-time code, or a new password, is the person's to type"
            raise LoginRefused(self._box, what, hint)
        return self._read(question, echo)

    def _askpass(self) -> str | None:
        """The program that asks for passwords: where no terminal is there, or where it is to be preferred."""
        program = os.environ.get("SSH_ASKPASS")
        wish = os.environ.get("SSH_ASKPASS_REQUIRE", "")
        if not program or wish == "never":
            return None
        wanted = wish in {"force", "prefer"} or (not self._may_ask and bool(os.environ.get("DISPLAY")))
        return program if wanted else None

    @staticmethod
    def _read(prompt: str, echo: bool) -> str:
        if not echo:
            import getpass

            return getpass.getpass(prompt)
        print(prompt, end="", file=sys.stderr, flush=True)
        if sys.stdin.isatty():
            line = sys.stdin.readline()
        else:
            with open("/dev/tty", encoding="utf-8", errors="replace") as terminal:
                line = terminal.readline()
        if not line:
            raise KeyboardInterrupt
        return line.rstrip("\r\n")


def _ask_program(program: str, question: str) -> str:
    from mlsh.box import process

    ran = process.run([program, question], timeout_s=180)
    if ran.returncode != 0:
        raise KeyboardInterrupt
    return _utf8(ran.stdout.partition(b"\n")[0])


def _utf8(word: bytes) -> str:
    """A password as text: that is how ssh sends it. Raises RefusedInput without showing it."""
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedInput(
            "the password is not UTF-8, as ssh sends it", "where it comes from latin-1: ... | iconv -f latin1 -t utf-8"
        ) from None


def has_terminal() -> bool:
    """Whether a person can be asked although stdin is taken."""
    if sys.stdin.isatty():
        return True
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def read_password() -> str:
    """The password for --password-stdin: the first line. Raises RefusedInput where there is none."""
    if sys.stdin.isatty():
        raise RefusedInput("--password-stdin wants a password from a pipe", "leave it out to be asked")
    line = sys.stdin.buffer.readline(4096)
    if not line.strip(b"\r\n"):
        raise RefusedInput("no password came through the pipe", "pass show gpu1 | mlsh box add ... --password-stdin")
    return _utf8(line.rstrip(b"\r\n"))
