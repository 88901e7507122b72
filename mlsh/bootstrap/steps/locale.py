"""Locale and time zone, for this person's shells alone. Nothing of the machine is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, file_of_ours

ENV = "~/.config/mlsh/env.d/locale.sh"
_ZONES = "/usr/share/zoneinfo/"


class Locale(Step):
    """Exports LANG and TZ."""

    name = "locale"
    summary = "locale and time zone"
    facts = Path(__file__).with_suffix(".sh").read_text()

    def script(self, desired: Desired) -> str:
        """Which locales there are, if one is asked for."""
        return self.facts if desired.locale else ""

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """The file with the variables, and the box's file of the time zone."""
        zone = [Watched(_ZONES + desired.timezone, "stat")] if desired.timezone else []
        return [Watched(ENV), *zone]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """The lines that are right on this box, in one file."""
        lines, notes = [], []
        if desired.timezone:
            if not facts.at(_ZONES + desired.timezone).is_absent:
                lines.append(f"export TZ={desired.timezone}")
            else:
                notes.append(f"the box knows no time zone {desired.timezone}")
        if desired.locale:
            known = {_plain(name): name for name in facts.said.get("locales", ())}
            if _plain(desired.locale) in known:
                lines.append(f"export LANG={desired.locale}")
            elif "cutf8" in known:
                lines.append("export LANG=C.UTF-8")
                notes.append(
                    f"the box has no locale {desired.locale}: C.UTF-8 instead (an admin can add it: locale-gen)"
                )
            else:
                notes.append(f"the box has neither the locale {desired.locale} nor C.UTF-8")
        if not lines:
            return Planned(notes=tuple(notes), has="" if notes else "none is asked for")
        made = file_of_ours(
            facts, ENV, "\n".join(["# Made by mlsh bootstrap (locale).", *lines]) + "\n", ", ".join(lines)
        )
        return Planned(changes=made.changes, notes=(*notes, *made.notes), has=made.has and ", ".join(lines))


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace(".", "")


STEP = Locale()
