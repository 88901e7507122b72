"""The encrypted file as bytes: what it hides, what it notices, what it refuses."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.errors import ConfigError, SecretsLocked
from mlsh.secrets import vault


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key takes half a second by design; these tests make a hundred."""
    monkeypatch.setattr(vault, "_N", 1 << 10)


def sealed(values: dict[str, str], passphrase: str = "correct horse") -> bytes:  # noqa: S107
    made = vault.create(passphrase)
    return vault.seal(vault.Opened(values, dict.fromkeys(values, 7), made.cost, made.key))


def test_a_value_comes_back_and_is_nowhere_in_the_file() -> None:
    raw = sealed({"HF_TOKEN": "hf_s3cr3t Ω\n2"})
    assert b"s3cr3t" not in raw
    assert vault.unseal(raw, "correct horse", "f").values == {"HF_TOKEN": "hf_s3cr3t Ω\n2"}
    assert vault.head(raw, "f").names == {"HF_TOKEN": 7}


def test_a_file_of_an_mlsh_with_another_cost_is_written_so_that_it_still_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = sealed({"A": "b"})
    monkeypatch.setattr(vault, "_N", 1 << 11)
    opened = vault.unseal(raw, "correct horse", "f")
    again = vault.seal(opened)
    assert vault.unseal(again, "correct horse", "f").values == {"A": "b"}
    reopened = vault.reopen(again, opened, "f")
    assert reopened is not None
    assert reopened.values == {"A": "b"}


def test_the_same_secrets_look_different_each_time() -> None:
    opened = vault.create("correct horse")
    assert vault.seal(opened) != vault.seal(opened)


def test_a_wrong_passphrase_is_said_and_no_value_leaks() -> None:
    with pytest.raises(SecretsLocked, match="the passphrase is wrong"):
        vault.unseal(sealed({"A": "b"}), "wrong horse", "f")


@pytest.mark.parametrize("field", ["names", "salt", "nonce", "data", "n"])
def test_a_file_that_somebody_changed_does_not_open(field: str) -> None:
    fields = json.loads(sealed({"A": "b"}))
    fields[field] = {
        "names": {"A": 7, "B": 7},
        "n": fields["n"] * 2,
        "salt": "AAAAAAAAAAAAAAAAAAAAAA==",
        "nonce": "AAAAAAAAAAAAAAAA",
        "data": "A" * len(fields["data"].rstrip("=")) + "=" * fields["data"].count("="),
    }[field]
    with pytest.raises(SecretsLocked):
        vault.unseal(json.dumps(fields).encode(), "correct horse", "f")


@pytest.mark.parametrize(
    "change", [{"n": 1 << 40}, {"n": 1000}, {"r": 10_000}, {"kdf": "md5"}, {"n": -4}, {"nonce": "AA=="}]
)
def test_a_file_cannot_make_mlsh_take_all_memory(change: dict) -> None:
    fields = json.loads(sealed({"A": "b"})) | change
    with pytest.raises(ConfigError):
        vault.unseal(json.dumps(fields).encode(), "correct horse", "f")


def test_a_file_of_a_newer_mlsh_is_not_taken_for_a_broken_one() -> None:
    with pytest.raises(ConfigError, match="newer mlsh"):
        vault.head(b'{"mlsh_secrets": 2, "kdf": "argon9"}', "f")


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_garbage_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(ConfigError):
        vault.head(raw, "f")
