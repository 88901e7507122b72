"""What past bisections of a repository say of a commit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from mlsh.bisect.events import standing
from mlsh.bisect.journal import identities, read
from mlsh.bisect.question import Question
from mlsh.errors import MlshError


def question_that_named(common: Path, commits: Collection[str]) -> Question | None:
    """The question of the newest bisection that ended with one of these commits as the culprit, if there is one.

    One whose record can't be read is passed over: this is an offer, and nothing depends on it.
    """
    for identity in identities(common):
        try:
            stands = standing(read(common, identity).events)
        except MlshError:
            continue
        if stands.begun is None or stands.verdict is None or stands.verdict.kind != "culprit":
            continue
        if stands.begun.argv and set(stands.verdict.commits) & set(commits):
            return msgspec.convert(stands.begun.options, Question, strict=False)
    return None
