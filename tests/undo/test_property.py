"""Whatever is done to a repository, in whatever order: undo is exact for what it claims, and nothing is lost."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsh.undo import rescue
from mlsh.undo.plan import CannotUndo
from tests.undo.playground import Playground

NAMES = ("file1", "file2", "new")
BRANCHES = ("main", "topic", "other")
# What leaves a trace in git by which the state before it is known; the rest only changes files and index.
TRACED = {
    "commit": ("commit", "-q", "-m", "step {number}"),
    "amend": ("commit", "-q", "--amend", "-m", "amended in step {number}"),
    "reset": ("reset", "-q", "{how}", "HEAD~1"),
    "merge": ("merge", "-q", "--no-edit", "{which}"),
    "rebase": ("rebase", "-q", "{which}"),
    "pick": ("cherry-pick", "{which}"),
    "revert": ("revert", "--no-edit", "{which}"),
    "switch": ("switch", "-q", "{which}"),
    "create": ("switch", "-q", "-c", "made{number}"),
    "branch": ("branch", "made{number}", "{which}"),
    "force": ("branch", "-f", "{which}", "HEAD~1"),
    "delete": ("branch", "-q", "-D", "{which}"),
    "rename": ("branch", "-m", "{which}", "renamed{number}"),
    # Named: two of the same changes in the same second would be the same stash, and git keeps one.
    "stash": ("stash", "push", "-q", "-m", "step {number}"),
    "drop": ("stash", "drop", "-q"),
}

step = st.one_of(
    st.tuples(st.sampled_from(["edit", "add"]), st.sampled_from(NAMES), st.sampled_from(["a\n", "b\n"])),
    st.tuples(
        st.sampled_from(sorted(TRACED)), st.sampled_from(BRANCHES), st.sampled_from(["--hard", "--soft", "--mixed"])
    ),
)


def take(play: Playground, word: str, which: str, how: str, number: int) -> None:
    """Do one step; what git refuses is no step."""
    if word == "edit":
        play.write(which, how)
    elif word == "add":
        play.git("add", "-A")
    else:
        play.git(*(part.format(which=which, how=how, number=number) for part in TRACED[word]), check=False)


def clean(play: Playground, how: str) -> None:
    """A reset loses what is not committed, and a mixed one what is staged: that is not claimed."""
    if how == "--hard":
        play.git("reset", "-q", "--hard")
        play.git("reset", "-q", "--soft")
    elif how == "--mixed":
        play.git("reset", "-q")


def reachable(play: Playground) -> set[str]:
    stashes = play.git("stash", "list", "--format=%H").split()
    return set(play.git("rev-list", "--exclude=refs/mlsh/*", "--all", "HEAD", *stashes, check=False).split())


def abandoned(play: Playground) -> set[str]:
    """The commits that rescue leads to."""
    tips = [item.name for item in rescue.find(play.repo).items if item.kind in {"commit", "branch", "stash"}]
    return set(play.git("rev-list", *tips).split()) if tips else set()


@settings(
    max_examples=int(os.environ.get("MLSH_EXAMPLES", "10")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(step, min_size=3, max_size=10))
def test_undo_is_exact_for_what_it_claims_and_nothing_is_lost(steps: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play = Playground.make(Path(folder) / "repo")
        seen = reachable(play)
        for number, (word, which, how) in enumerate(steps):
            if word == "reset":
                clean(play, how)
            before = play.state()
            logs = play.git("reflog", "show", "--all")
            take(play, word, which, how, number)
            after = play.state()
            seen |= reachable(play)
            if word in {"edit", "add"} or after == before:
                if in_progress(play):  # an empty pick: what comes next would be undone as part of it
                    play.git("cherry-pick", "--quit")
                continue
            if not claims(play):
                assert play.state() == after, logs
                continue
            undone = play.state()
            if word in {"switch", "merge", "rebase", "pick", "revert"} and absorbed(before, after):
                assert [undone[key] for key in ("HEAD", "refs", "stash")] == [
                    before[key] for key in ("HEAD", "refs", "stash")
                ]
            else:
                assert undone == before, (word, which, how, logs)
            play.redo()
            assert play.state() == after, (word, which, how, logs)
            if in_progress(play):
                play.git("reset", "-q", "--hard", check=False)
                play.undo()
        assert seen <= reachable(play) | abandoned(play)


def claims(play: Playground) -> bool:
    """Undo, if that is possible."""
    try:
        play.undo()
    except CannotUndo:
        return False
    return True


def absorbed(before: dict[str, object], after: dict[str, object]) -> bool:
    """Whether git took a change that was not committed for its own, since the other commit has just that file.

    Nobody can tell then that it was there before; the commit has it.
    """
    was, now = (set(str(state["status"]).split("\0")) for state in (before, after))
    return not was <= now


def in_progress(play: Playground) -> bool:
    return any((play.git_dir() / name).exists() for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge"))
