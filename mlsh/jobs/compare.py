"""What differs between two jobs."""

from __future__ import annotations

import shlex
from pathlib import Path

from mlsh.errors import NotFound
from mlsh.git.plumbing import Git
from mlsh.git.shadow import shadow_of
from mlsh.jobs.durations import show
from mlsh.jobs.onbox import OnBox
from mlsh.records import Code, Job, Spec


def differences(first: Spec, second: Spec) -> list[tuple[str, str, str]]:
    """What was asked for differently, as (what, first, second); the code is not among it."""
    left, right = _asked(first), _asked(second)
    return [(what, left[what], right[what]) for what in left if left[what] != right[what]]


def _asked(spec: Spec) -> dict[str, str]:
    code = spec.code
    return {
        "command": shlex.join(spec.argv),
        "box": spec.box,
        "variables": " ".join(spec.env),
        "secrets": " ".join(spec.secrets),
        "folder": spec.workdir or (code.subdir if code else ""),
        "setup": spec.setup,
        "time limit": "" if spec.time_limit_s is None else show(spec.time_limit_s),
        "shell": spec.shell,
        "repository": code.repo if code else "",
        "based on": code.base[:12] if code else "",
        "branch": code.branch if code else "",
    }


def code_diff(first: Job, second: Job, on_boxes: tuple[OnBox, OnBox], options: list[str]) -> bytes:
    """`git diff` between the code of two jobs: from the laptop's snapshots, else from the box that has both.

    Raises NotFound where neither has both.
    """
    one, two = first.spec.code, second.spec.code
    if one is None or two is None or one.commit == two.commit:
        return b""
    git, other = _local(one), _local(two)
    if git is not None and other is not None:
        # Two folders have a shadow each; of one folder it is one and the same.
        git.env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = _quoted(shadow_of(Path(two.folder)) / "objects")
    git = git or other
    if git is not None and all(_has(git, commit) for commit in (one.commit, two.commit)):
        return git("diff", "--no-ext-diff", "--no-textconv", *options, one.commit, two.commit, "--")
    if first.box == second.box and one.repo == two.repo:
        return on_boxes[0].call("compare", one.repo, one.commit, two.commit, *options)
    raise NotFound(
        f"the code of {first.id} and {second.id} is not in one place",
        "run this on the laptop that launched them, while its cache still has their snapshots",
    )


def patch_of(job: Job, colour: bool) -> bytes:
    """What a job's code had over the commit that it was based on. Raises NotFound without either here."""
    code = job.spec.code
    git = _local(code) if code else None
    if code is None or git is None or not code.base or not _has(git, code.commit):
        raise NotFound(f"{job.id}: its snapshot, or the commit below it, is not on this machine")
    common = Git(None, Path(code.folder)).answer("rev-parse", "--path-format=absolute", "--git-common-dir")
    git.env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = _quoted(Path(common) / "objects")
    flags = ["--color=always"] if colour else []
    return git("diff", "--no-ext-diff", "--no-textconv", *flags, code.base, code.commit, "--")


def _quoted(path: Path) -> str:
    """A path for git's list of object directories, where a colon would end it."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _local(code: Code) -> Git | None:
    shadow = shadow_of(Path(code.folder))
    # The folder itself may be gone by now; its shadow is enough.
    return Git(shadow, shadow) if shadow.exists() else None


def _has(git: Git, commit: str) -> bool:
    return git.answer("cat-file", "-t", commit) == "commit"
