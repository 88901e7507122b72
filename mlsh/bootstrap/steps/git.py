"""Who commits on the box. In a file of its own, which the dotfiles' git settings include; nothing of the person's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Facts, Watched
from mlsh.bootstrap.step import Planned, Step, file_of_ours

IDENTITY = "~/.config/mlsh/identity.gitconfig"


class GitIdentity(Step):
    """Writes user.name, user.email, and what signing needs."""

    name = "git"
    summary = "who you are for git"
    facts = Path(__file__).with_suffix(".sh").read_text()

    def watched(self, desired: Desired) -> Sequence[Watched]:
        """The file of ours."""
        del desired
        return [Watched(IDENTITY)]

    def plan(self, desired: Desired, facts: Facts) -> Planned:
        """The identity, where git on the box has none but ours."""
        git = desired.git
        if not facts.one("git.version"):
            return Planned(notes=("there is no git on the box",))
        theirs = [facts.one("git.name"), facts.one("git.email")]
        is_ours = facts.ours(IDENTITY) is not None
        if all(theirs) and not is_ours:
            return Planned(has=f"{theirs[0]} <{theirs[1]}>, as the box's own settings say")
        if not (git.name and git.email):
            return Planned(
                notes=(
                    "who you are is not known here either: git config --global user.name NAME; … user.email ADDRESS",
                )
            )
        lines = [
            "# Made by mlsh bootstrap (git).",
            "[user]",
            f"\tname = {_quoted(git.name)}",
            f"\temail = {_quoted(git.email)}",
        ]
        notes: tuple[str, ...] = ()
        if git.signing and git.signing_key:
            lines.append(f"\tsigningKey = {_quoted(git.signing_key)}")
            lines += ["[gpg]", "\tformat = ssh", "[commit]", "\tgpgSign = true"]
            notes = ("signing needs your agent on the box: ForwardAgent yes, for boxes that you trust",)
        elif git.signing:
            notes = ("no signing: git on this machine signs with no ssh key (gpg.format ssh, user.signingKey)",)
        why = f"{git.name} <{git.email}>" + (", signing" if git.signing and git.signing_key else "")
        made = file_of_ours(facts, IDENTITY, "\n".join(lines) + "\n", why)
        return Planned(
            changes=made.changes, notes=(*made.notes, *(notes if made.changes else ())), has=made.has and why
        )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


STEP = GitIdentity()
