"""Token files from this machine's keyring: only those that the settings name. Their text is shown nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from mlsh.bootstrap.changes import Put
from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step
from mlsh.digest import sha256


class Secrets(Step):
    """Writes each secret into its file, 0600."""

    name = "secrets"
    summary = "token files from the keyring"

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """The files; their text does not travel."""
        return [Watched(path, "sum") for path in desired.secrets.values()]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """Those that are not there, or older ones of ours."""
        if not desired.secrets:
            return Planned(has="none is asked for")
        changes, notes, has = [], [], []
        for name, path in desired.secrets.items():
            value = desired.secret_values.get(name)
            if value is None:
                notes.append(f"there is no secret {name} here; set it: mlsh secret set {name}")
                continue
            at = facts.at(path)
            if at.state == f"file 600 {sha256(value).hexdigest()}":
                has.append(path)
            elif at.is_absent or (at.is_mine and at.state == facts.ours(path)):
                why = f"the secret {name}"
                changes.append(Put(path=path, content=value, mode=0o600, before=at.state, secret=True, why=why))
            else:
                notes.append(f"{path} is there and not from mlsh: it stays as it is")
        return Planned(changes=tuple(changes), notes=tuple(notes), has=", ".join(has))


STEP = Secrets()
