"""Which keyrings may hold a secret: one that writes plain text must never be used without a word."""

import subprocess

import pytest

from mlsh.errors import SecretsLocked
from mlsh.secrets import system_keyring
from mlsh.secrets.system_keyring import Keyring, judge


@pytest.mark.parametrize("module", ["SecretService", "libsecret", "kwallet", "macOS"])
def test_the_systems_own_are_used(module: str) -> None:
    assert judge(f"keyring.backends.{module}", "Keyring", False).is_fit


@pytest.mark.parametrize("was_chosen", [True, False])
@pytest.mark.parametrize(
    "spelled",
    ["keyring.backends.fail.Keyring", "keyring.backends.null.Keyring", "keyrings.alt.file.PlaintextKeyring"],
)
def test_nothing_and_plain_text_are_never_used(spelled: str, was_chosen: bool) -> None:
    module, _, name = spelled.rpartition(".")
    judged = judge(module, name, was_chosen)
    assert not judged.is_fit
    assert judged.why


def test_another_one_is_used_only_where_a_person_chose_it() -> None:
    assert judge("keyring_pass", "PasswordStoreBackend", True).is_fit
    assert not judge("keyring_pass", "PasswordStoreBackend", False).is_fit


class _Backend:
    """Stands for a desktop's keyring in its bad moments, which no test machine has."""

    priority = 5

    def __init__(self, act: object) -> None:
        self.act = act

    def get_password(self, service: str, name: str) -> str | None:
        assert callable(self.act)
        return self.act()

    def set_password(self, service: str, name: str, value: str) -> None:
        return None


def ring(act: object) -> Keyring:
    made = Keyring()
    made._is_known, made._backend = True, _Backend(act)  # type: ignore[assignment]
    return made


def test_a_keyring_that_asks_where_nobody_sees_it_is_not_waited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(system_keyring, "LIMIT_S", 0.1)
    with pytest.raises(SecretsLocked, match="no answer"):
        ring(threading.Event().wait).get("A")


def test_a_locked_keyring_is_said_in_words() -> None:
    def locked() -> str:
        raise RuntimeError("Failed to unlock the collection!")

    with pytest.raises(SecretsLocked, match="Failed to unlock"):
        ring(locked).get("A")


def test_a_keyring_that_drops_what_it_was_given_is_noticed() -> None:
    with pytest.raises(SecretsLocked, match="gives something else back") as caught:
        ring(lambda: None).put("A", "hunter2")
    assert "hunter2" not in caught.value.what + caught.value.hint


def test_a_keyring_that_repeats_its_command_line_does_not_repeat_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def tells(_self: object, _service: str, _name: str, value: str) -> None:
        raise subprocess.CalledProcessError(1, ["op", "item", "create", f"password={value}"])

    monkeypatch.setattr(_Backend, "set_password", tells)
    with pytest.raises(SecretsLocked, match="CalledProcessError") as caught:
        ring(lambda: None).put("A", "hunter2")
    assert "hunter2" not in f"{caught.value.what}{caught.value.hint}{caught.value.__cause__}{caught.value.__context__}"
