"""Logins in which a machine asks for more than a password.

The machine is paramiko's own server in a thread: which questions a real sshd asks is up to PAM modules, and none that
asks for a one-time code, or that lies, is installed here.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import paramiko
import pytest

from mlsh.contact import login
from mlsh.contact.greeting import Greeting, greet
from mlsh.contact.reach import Way
from mlsh.errors import LoginRefused


class Server(paramiko.ServerInterface):
    """Asks for a password and a code in one round, then for nothing more."""

    def __init__(self, prompts: Sequence[tuple[str, bool]], right: list[str], rounds: int) -> None:
        self.prompts, self.right, self.rounds = prompts, right, rounds
        self.heard: list[list[str]] = []

    def get_allowed_auths(self, username: str) -> str:
        return "keyboard-interactive"

    def check_auth_interactive(self, username: str, submethods: str) -> paramiko.InteractiveQuery:
        return paramiko.InteractiveQuery("Bank\x1b]0;x\x07", "Enter\nboth", *self.prompts)

    def check_auth_interactive_response(self, responses: list[str]) -> object:
        self.heard.append([one.decode() if isinstance(one, bytes) else one for one in responses])
        if self.heard[-1] == self.right:
            return paramiko.AUTH_SUCCESSFUL
        return paramiko.AUTH_FAILED


class Person:
    """Answers in order, and keeps what it was asked."""

    def __init__(self, answers: list[str]) -> None:
        self.answers, self.asked, self.told = answers, [], []  # type: ignore[var-annotated]
        self.can_retry = True

    def answer(self, prompt: str, echo: bool, about: Sequence[str]) -> str:
        self.asked.append((prompt, echo, tuple(about)))
        if not self.answers:
            raise LoginRefused("box", "nobody is here")
        return self.answers.pop(0)

    def wrong(self, left: int) -> None:
        self.told.append(left)


Serve = Callable[[Server], Greeting]


@pytest.fixture
def serve() -> Iterator[Serve]:
    made: list[object] = []

    def start(server: Server) -> Greeting:
        listener = socket.create_server(("127.0.0.1", 0))
        key = paramiko.ECDSAKey.generate(bits=256)

        def work() -> None:
            sock, _ = listener.accept()
            transport = paramiko.Transport(sock)
            made.append(transport)
            transport.add_server_key(key)
            transport.start_server(server=server)

        threading.Thread(target=work, daemon=True).start()
        greeting = greet(Way("box", "127.0.0.1", listener.getsockname()[1], "me", "", "", "none"))
        made.extend([greeting, listener])
        return greeting

    yield start
    for one in made:
        one.close()  # type: ignore[attr-defined]


PROMPTS = [("Password: ", False), ("Code: ", True)]


def test_a_password_and_a_code_in_one_round(serve: Serve) -> None:
    server = Server(PROMPTS, ["secret", "123456"], 1)
    person = Person(["secret", "123456"])
    assert login.log_in(serve(server), person) == "keyboard-interactive"
    about = ("Bank\x1b]0;x\x07", "Enter", "both")
    assert person.asked == [("Password: ", False, about), ("Code: ", True, ())]


def test_never_more_than_three_tries_over_one_connection(serve: Serve) -> None:
    server = Server(PROMPTS, ["secret", "123456"], 1)
    person = Person(["wrong", "0"] * 9)
    with pytest.raises(LoginRefused, match="refused 3 times"):
        login.log_in(serve(server), person)
    assert len(server.heard) == 3
    assert person.told == [2, 1]


def test_a_machine_that_asks_for_ever_is_left(serve: Serve) -> None:
    server = Server([(f"{number}?", True) for number in range(100)], [], 1)
    with pytest.raises(LoginRefused, match="one question after the other"):
        login.log_in(serve(server), Person(["x"] * 200))
    assert server.heard == []


def test_where_nobody_can_answer_the_code_nothing_is_sent(serve: Serve) -> None:
    server = Server(PROMPTS, [], 1)
    with pytest.raises(LoginRefused, match="nobody is here"):
        login.log_in(serve(server), Person(["secret"]))
    assert server.heard == []


def test_a_prompt_cannot_paint_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from mlsh.cli.contact_talk import Talk

    talk = Talk("box", is_sure=False, password=None, may_ask=False)
    with pytest.raises(LoginRefused) as refused:
        talk.answer("Code\x1b]0;owned\x07" + "x" * 9999, True, ["Bank\x1b[2J"] * 99)
    said = capsys.readouterr().err + refused.value.what
    assert "\x1b" not in said
    assert len(said) < 3000
    # A password that was given goes to the first hidden question, and to no second one.
    given = Talk("box", is_sure=True, password="secret", may_ask=False)  # noqa: S106
    assert given.answer("Password: ", False, ()) == "secret"
    with pytest.raises(LoginRefused):
        given.answer("Password: ", False, ())
