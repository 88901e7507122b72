"""The system's keyring, where there is a real one: macOS Keychain, GNOME Keyring, KWallet.

`keyring` also finds backends that keep values in a plain file, or nowhere. Those are not used, and a person is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mlsh.errors import SecretsLocked

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")
SERVICE = "mlsh"
# A locked one may ask in a window; where nobody sees that, it would wait for ever.
LIMIT_S = 120.0
_KNOWN = frozenset(f"keyring.backends.{name}" for name in ("SecretService", "libsecret", "kwallet", "macOS", "Windows"))
_NOTHING = frozenset(f"keyring.backends.{name}" for name in ("fail", "null"))
_PLAIN = ("plaintext", "uncrypted", "jsonfile")


class Judged(NamedTuple):
    """Whether a backend may keep secrets; where not, `why`."""

    is_fit: bool
    why: str = ""


def judge(module: str, name: str, was_chosen: bool) -> Judged:
    """Whether a backend, by its class, keeps values where others can't read them.

    The system's own are known. Others that people add (`pass`, 1Password) are taken where the person chose them
    (`was_chosen`) by PYTHON_KEYRING_BACKEND or keyringrc.cfg, but never one that writes plain text.
    """
    spelled = f"{module}.{name}"
    if module in _NOTHING:
        return Judged(False, "this machine has no keyring that mlsh can reach")
    if any(word in spelled.lower() for word in _PLAIN):
        return Judged(False, f"the keyring that is set up here, {spelled}, writes plain text")
    if module in _KNOWN or was_chosen:
        return Judged(True)
    return Judged(
        False, f"the keyring found here, {spelled}, is not one of the system's; PYTHON_KEYRING_BACKEND chooses it"
    )


class Keyring:
    """The keyring of this machine, as the person's session has it; found when first asked."""

    def __init__(self) -> None:
        self._backend: KeyringBackend | None = None
        self._why = ""
        self._is_known = False

    @property
    def why_not(self) -> str:
        """Why there is none to use; "" where there is one."""
        self._find()
        return self._why

    @property
    def name(self) -> str:
        """What a person knows it by."""
        self._find()
        backend = self._backend
        return "" if backend is None else _NAMES.get(type(backend).__module__, type(backend).__module__)

    def get(self, name: str) -> str | None:
        """The value, or None. Raises SecretsLocked where the keyring does not open."""
        backend = self._fit()
        return self._within(lambda: backend.get_password(SERVICE, name))

    def put(self, name: str, value: str) -> None:
        """Store, and read back: some backends drop what they can't hold without a word."""
        backend = self._fit()
        self._within(lambda: backend.set_password(SERVICE, name, value), has_value=True)
        if self._within(lambda: backend.get_password(SERVICE, name)) != value:
            raise SecretsLocked(
                f"{self.name} took {name} and gives something else back",
                f"keep it in a file: mlsh secret set {name} --in file",
            )

    def remove(self, name: str) -> bool:
        """Delete; False where there was none."""
        backend = self._fit()
        if self._within(lambda: backend.get_password(SERVICE, name)) is None:
            return False
        self._within(lambda: backend.delete_password(SERVICE, name))
        return True

    def _fit(self) -> KeyringBackend:
        self._find()
        if self._backend is None:
            raise SecretsLocked(self._why, "secrets go into an encrypted file there: mlsh secret set NAME --in file")
        return self._backend

    def _find(self) -> None:
        if not self._is_known:
            self._backend, self._why = self._within(_choose)
            self._is_known = True

    def _within(self, act: Callable[[], T], *, has_value: bool = False) -> T:
        """What `act` returns, in time. Its errors as ours.

        `has_value`: it was given the value, which a backend that runs a program repeats with its command line.
        """
        ended: list[tuple[bool, Any]] = []

        def run() -> None:
            try:
                ended.append((True, act()))
            except BaseException as error:  # noqa: BLE001 - backends raise what they like; it is reported below
                ended.append((False, error))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(LIMIT_S)
        if not ended:
            raise SecretsLocked(
                f"the keyring gave no answer in {LIMIT_S:g} s: it may ask to be unlocked in a window that nobody sees",
                "unlock it there, or keep secrets in a file: mlsh secret set NAME --in file",
            )
        is_well, result = ended[0]
        if is_well:
            return result  # type: ignore[no-any-return]
        if isinstance(result, KeyboardInterrupt | SecretsLocked):
            raise result
        said = "" if has_value else f": {str(result)[:200]}"
        raise SecretsLocked(
            f"the keyring does not open: {type(result).__name__}{said}",
            "unlock it, or keep secrets in a file: mlsh secret set NAME --in file",
        )


_NAMES = {
    "keyring.backends.SecretService": "the system keyring (Secret Service)",
    "keyring.backends.libsecret": "the system keyring (Secret Service)",
    "keyring.backends.kwallet": "the system keyring (KWallet)",
    "keyring.backends.macOS": "the macOS Keychain",
    "keyring.backends.Windows": "the Windows Credential Locker",
}


def _choose() -> tuple[KeyringBackend | None, str]:
    """The backend to use, or None and why."""
    import os

    import keyring
    from keyring import core

    chosen = core.load_config() if not os.environ.get("PYTHON_KEYRING_BACKEND") else core.load_env()
    found = chosen or keyring.get_keyring()
    why = ""
    # A chain stores into its first member, whichever that is.
    for backend in getattr(type(found), "backends", None) or [found]:
        kind = type(backend)
        judged = judge(kind.__module__, kind.__qualname__, backend is chosen)
        if judged.is_fit:
            return backend, ""
        why = why or judged.why
    return None, why or judge("keyring.backends.fail", "Keyring", False).why
