"""Log in by password, or by whatever else the machine asks for: one-time codes, a new password.

Three tries, over one connection: machines ban whoever comes back too often.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import paramiko

from mlsh.contact.greeting import Greeting
from mlsh.errors import LoginRefused, MlshError, Unreachable

TRIES = 3
_METHODS = ("keyboard-interactive", "password")
_MOST_QUESTIONS = 20


class Answers(Protocol):
    """Where answers come from: a person, or a password that was given."""

    def answer(self, prompt: str, echo: bool, about: Sequence[str]) -> str:
        """The answer to what the machine asks; `echo` is whether it may be seen. `about` is what it says before.

        All three are the machine's own words. Raises LoginRefused where there is nobody to ask.
        """

    @property
    def can_retry(self) -> bool:
        """Whether another answer may come when this one was wrong."""

    def wrong(self, left: int) -> None:
        """Hear that it was refused, and how many tries are left."""


def log_in(greeting: Greeting, answers: Answers) -> str:
    """Log in, and return by what: `none`, `password`, `keyboard-interactive`.

    The caller has made sure of the host key. Raises LoginRefused, and Unreachable where the connection ends.
    """
    transport = greeting.transport
    allowed = _methods(greeting)
    if allowed is None:
        return "none"
    tries, passed = 0, False
    skipped: set[str] = set()
    while True:
        method = next((one for one in _METHODS if one in allowed and one not in skipped), None)
        if method is None:
            raise _no_password(greeting, allowed, passed)
        asked = _Asked(greeting.way.box, answers)
        try:
            left = _attempt(greeting, method, asked)
        except paramiko.BadAuthenticationType as refused:
            allowed = refused.allowed_types
            skipped.add(method)
        except paramiko.AuthenticationException as error:
            if not asked.count and transport.is_active():
                skipped.add(method)  # it never got as far as a question
                continue
            tries += 1
            if tries == TRIES or not answers.can_retry or not transport.is_active():
                raise _refused(greeting, tries) from error
            answers.wrong(TRIES - tries)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if asked.count:
                raise _refused(greeting, tries + 1) from error
            raise _broken(greeting, error) from error
        else:
            if not left:
                return method
            # One of several factors was right.
            allowed, passed = left, True
            skipped.clear()


def _methods(greeting: Greeting) -> Sequence[str] | None:
    """What the machine takes; None where it lets anybody in."""
    try:
        greeting.transport.auth_none(greeting.way.user)
    except paramiko.BadAuthenticationType as refused:
        return list(refused.allowed_types)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise _broken(greeting, error) from error
    return None


class _Asked:
    """Counts what was asked, so that a machine that asks for ever is left."""

    def __init__(self, box: str, answers: Answers) -> None:
        self._box = box
        self._answers = answers
        self.count = 0

    def __call__(self, prompt: str, echo: bool, about: Sequence[str]) -> str:
        self.count += 1
        if self.count > _MOST_QUESTIONS:
            raise LoginRefused(self._box, "it asks one question after the other")
        return self._answers.answer(prompt, echo, about)


def _attempt(greeting: Greeting, method: str, asked: _Asked) -> Sequence[str]:
    """One try. Returns the methods that are still wanted after it; none where the login is done."""
    way, transport = greeting.way, greeting.transport
    if method == "password":
        word = asked(f"{way.user}@{way.host}'s password: ", False, ())
        return list(transport.auth_password(way.user, word, fallback=False))
    return _in_thread(lambda handler: transport.auth_interactive(way.user, handler), asked)


_Handler = Callable[[str, str, Sequence[tuple[str, bool]]], list[str]]


def _in_thread(log_in: Callable[[_Handler], Any], asked: _Asked) -> Sequence[str]:
    """Have the questions of a login asked here, in the thread that Ctrl-C reaches, and not in paramiko's."""
    questions: queue.Queue[tuple[str, str, Sequence[tuple[str, bool]]] | None] = queue.Queue()
    replies: queue.Queue[list[str] | None] = queue.Queue()
    outcome: list[Any] = []

    def handler(title: str, instructions: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
        questions.put((title, instructions, prompts))
        reply = replies.get()
        if reply is None:
            raise paramiko.AuthenticationException("nobody answers")
        return reply

    def work() -> None:
        try:
            outcome.append(log_in(handler))
        except Exception as error:  # noqa: BLE001 - raised again in the other thread
            outcome.append(error)
        questions.put(None)

    threading.Thread(target=work, daemon=True).start()
    try:
        while (question := questions.get()) is not None:
            title, instructions, prompts = question
            about = [line for text in (title, instructions) for line in text.splitlines() if line.strip()]
            said = []
            for number, (prompt, echo) in enumerate(prompts):
                said.append(asked(prompt, bool(echo), about if number == 0 else ()))
            replies.put(said)
    except BaseException:
        replies.put(None)
        raise
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return list(outcome[0] or ())


def _who(greeting: Greeting) -> str:
    return f"{greeting.way.user} on {greeting.way.host}"


def _refused(greeting: Greeting, tries: int) -> MlshError:
    times = "" if tries == 1 else f" {tries} times"
    return LoginRefused(
        greeting.way.box,
        f"the password of {_who(greeting)} was refused{times}; not tried again, for that may get you banned",
        "is the user right (USER@HOST)? Ask who gave you the password, or wait some minutes and try again",
    )


def _no_password(greeting: Greeting, allowed: Sequence[str], passed: bool) -> MlshError:
    with contextlib.suppress(Exception):
        greeting.transport.close()
    ways = ", ".join(allowed) or "nothing"
    also = "wants more than a password" if passed else "takes no password"
    return LoginRefused(
        greeting.way.box,
        f"it {also} from {_who(greeting)}, only: {ways}",
        "if you have a key for it: --key FILE. Else give your public key to who runs it",
    )


def _broken(greeting: Greeting, error: Exception) -> MlshError:
    return Unreachable(
        greeting.way.box,
        f"{greeting.way.host} broke the connection off before the login: {error or type(error).__name__}",
        "wait some minutes: it may turn away who connects too often",
    )
