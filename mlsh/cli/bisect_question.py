"""What was typed after `mlsh bisect run`, checked, as a question; and the values of its variables."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlsh.bisect.question import Question
    from mlsh.bisect.repository import Repository
    from mlsh.jobs.launch import Values


def question_of_words(repository: Repository, argv: tuple[str, ...], asked: dict[str, Any]) -> Question:
    """What was typed, checked."""
    from mlsh.bisect import metric as metrics
    from mlsh.bisect.question import Question, measures_time
    from mlsh.box import check_name
    from mlsh.cli.queue_options import wanted
    from mlsh.cli.talk import say
    from mlsh.cli.typed import check_word
    from mlsh.errors import UsageError
    from mlsh.jobs.durations import parse

    for word in (*argv, asked["setup"], *asked["overlay"], *asked["path"]):
        check_word(word)
    boxes = list(dict.fromkeys(asked["on"])) or ["local"]
    for box in boxes:
        check_name(box)
    if repository.top is None:
        raise UsageError("this repository has no files of its own (bare)", "search in a clone of it: git clone")
    if "\n" in f"{repository.top}{repository.common}":
        # A worktree's `.git` names its repository in one line, and a worker reads it as one.
        raise UsageError("the repository's path has a line break in it", "rename that folder, or search in a clone")
    question = Question(
        argv=list(argv),
        good=list(asked["good"]),
        bad=asked["bad"],
        first_parent=asked["first_parent"],
        paths=list(asked["path"]),
        subdir=_subdir(repository.top),
        boxes=tuple(boxes),
        workers=asked["workers"] or len(boxes),
        confidence=asked["confidence"],
        flaky=asked["flaky"],
        controls=asked["controls"],
        max_runs=asked["max_runs"],
        metric=asked["metric"],
        metric_regex=asked["metric_regex"],
        metric_file=asked["metric_file"],
        bad_if=asked["bad_if"],
        overlay=[_below(repository.top, path) for path in asked["overlay"]],
        setup=asked["setup"],
        timeout_s=parse(asked["timeout"]) if asked["timeout"] else None,
        clean=asked["clean"],
        **wanted(**{name: asked[name] for name in ("gpus", "gpu_ids", "gpu_memory", "slots", "priority")}),
    )
    oracle = question.oracle()
    if oracle.metric is not None:
        metrics.check(oracle.metric)
        name = oracle.metric.name or oracle.metric.regex
        if measures_time(name) and question.workers > len(boxes) and not asked["share_box"]:
            import msgspec

            say(f"{name} is a time, which other runs on the same machine would change: one run a box at a time")
            say("if the machine has room for more, say so: --share-box")
            question = msgspec.structs.replace(question, workers=len(boxes))
    elif asked["metric_file"]:
        raise UsageError("--metric-file says where a number is: which one?", "--metric val_loss")
    return question


def _subdir(top: Path) -> str:
    inside = os.path.relpath(Path.cwd().resolve(), top.resolve())
    return "" if inside == "." else inside


def _below(top: Path, path: str) -> str:
    """An overlay as a path below the top of the work tree. Raises UsageError where it is not below, or not there."""
    from mlsh.errors import UsageError
    from mlsh.shell.visible import printable

    inside = os.path.relpath((Path.cwd() / path).absolute(), top.resolve())
    shown = f"--overlay {printable(path)}"
    if inside == ".":
        raise UsageError(f"{shown} is the whole repository: each commit would be what is here now", "name what is new")
    if inside == ".." or inside.startswith("../"):
        raise UsageError(f"{shown}: it must lie in the repository's folder", "copy it there first")
    if inside.split("/")[0] == ".git":
        raise UsageError(f"{shown}: what is git's own is no part of a commit", "name a file beside .git")
    if not os.path.lexists(top / inside):
        raise UsageError(f"{shown}: there is no such file", "paths are taken from this folder on: ls")
    return inside


def values_for(
    question: Question, env: tuple[str, ...], env_files: tuple[Path, ...], secrets: tuple[str, ...]
) -> Callable[[str], Values]:
    """The variables of the command, for a worker on each box."""
    from mlsh.cli.typed import values_of

    first = values_of("local", env, env_files, secrets)
    missing = [name for name in question.env if name not in {**first.plain, **first.secret}]
    if missing:
        from mlsh.errors import UsageError

        raise UsageError(f"--env {missing[0]}: it has no value here any more", f"--env {missing[0]}=...")

    def on(box: str) -> Values:
        from mlsh.jobs.launch import Values

        return Values(first.plain, first.secret, first.inherited if box == "local" else {})

    return on


def with_names(question: Question, values: Callable[[str], Values]) -> Question:
    """The question with the names of its variables; their values are nowhere written down."""
    import msgspec

    found = values("local")
    return msgspec.structs.replace(question, env=sorted(found.plain), secrets=sorted(found.secret))
