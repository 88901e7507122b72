"""Jobs as the ends of a range: what they ran, with the changes that were never committed.

A job's snapshot has no history and lies in mlsh's cache. Here it becomes a commit of the person's repository, on top of
the commit that the job was based on:

    GOOD'S BASE ── commits ... ── BAD'S BASE ── "uncommitted changes of BAD"        the bad end, and a candidate
         └── "uncommitted changes of GOOD"                                            the good end
                  └── "without the uncommitted changes of GOOD"                       the first candidate

The last one has the files of the base again: where the good job's changes were what made it work, it is the culprit.
Every other candidate lacks those changes too, so it counts as their ancestor.

Only objects that the repository lacks are copied. A ref under `refs/mlsh/jobs` keeps each such commit until `let_go`;
the objects then go with git's next collecting that finds them two weeks old. The same job gives the same commits, so a
bisection that goes on another day finds them again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from mlsh import config
from mlsh.bisect import candidates as ranges
from mlsh.bisect.candidates import Candidates
from mlsh.bisect.hunks import refused
from mlsh.bisect.repository import Repository, UnknownRevision
from mlsh.box import process
from mlsh.errors import NotFound, RefusedInput, UsageError
from mlsh.git.plumbing import Git
from mlsh.git.shadow import shadow_of
from mlsh.jobs import journal
from mlsh.jobs.find import find
from mlsh.jobs.refs import choose
from mlsh.jobs.sending import kept_here
from mlsh.jobs.store import get_job
from mlsh.records import Code, Spec

REFS = "refs/mlsh/jobs"
_QUIETLY = ("-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0")
_OURS = re.compile(
    r"tree [0-9a-f]+\nparent (?P<base>[0-9a-f]+)\nauthor mlsh <> (?P<at_s>\d{1,12}) \+0000\n"
    r"committer mlsh <> (?P=at_s) \+0000\n\nuncommitted changes of (?P<job>[^\n]*)\n",
    re.ASCII,
)


def commits_of(repository: Repository, revisions: Sequence[str]) -> list[str]:
    """The revisions, those that are jobs of this laptop replaced by a commit of what they ran; git's names go first.

    Raises what `Repository.resolve` does for a revision that is no job either, NotFound where a job's code is not here
    any more, RefusedInput, UsageError, and what asking a box for a job raises.
    """
    found = []
    for revision in revisions:
        try:
            (commit,) = repository.resolve([revision])
        except UnknownRevision:
            spec = _job(revision)
            if spec is None:
                raise
            found.append(_commit(repository, spec))
        else:
            namesake = next((job for job in journal.read() if revision in {job.id, job.name}), None)
            if namesake is not None:
                process.log.warn(f"{revision} is {commit[:12]} here, and the job {namesake.id} too: git's is taken")
            found.append(revision)
    return found


def candidates(
    repository: Repository, goods: Sequence[str], bad: str, *, first_parent: bool = False, pathspecs: Sequence[str] = ()
) -> Candidates:
    """As `mlsh.bisect.candidates.candidates`, for ends of which some may come from `commits_of`."""
    taken = _taken_away(repository, goods[0]) if len(goods) == 1 else None
    if taken is not None and repository.resolve([bad])[0] == taken.base:
        return Candidates(taken.commit, (taken.good,), (taken.commit,), ((),), ((taken.good,),), (0,))
    found = ranges.candidates(repository, goods, bad, first_parent=first_parent, pathspecs=pathspecs)
    if taken is None or found.merge_bases != (taken.base,):
        return found
    return msgspec.structs.replace(
        found,
        commits=(taken.commit, *found.commits),
        parents=((), *(tuple(at + 1 for at in parents) or (0,) for parents in found.parents)),
        outside_parents=(
            (taken.good,),
            *(tuple(parent for parent in outside if parent != taken.base) for outside in found.outside_parents),
        ),
        git_order=(*(at + 1 for at in found.git_order), 0),
        merge_bases=(),
    )


def is_ours(repository: Repository, commit: str) -> bool:
    """Whether a commit was made here of a job, and not let go yet."""
    held = repository("for-each-ref", "--format=%(objectname)", f"{REFS}/").decode().split()
    return commit in held


def let_go(repository: Repository, commits: Iterable[str]) -> None:
    """Remove the refs that keep those of ours, and what was made of them."""
    wanted = set(commits)
    listed = repository("for-each-ref", "--format=%(refname)", f"{REFS}/").decode().split()
    gone = [name for name in listed if name.rpartition("/")[2].partition("-")[0] in wanted]
    if gone:
        _quietly(repository, "update-ref", "--stdin", stdin="".join(f"delete {name}\n" for name in gone).encode())


# A job's commit


def _job(text: str) -> Spec | None:
    """The job that is meant, of those launched from here: only their code is here. None where there is none."""
    choice = choose(text, journal.read())
    if choice.found is None:
        if isinstance(choice.problem, UsageError):
            raise choice.problem
        return None
    return get_job(*find(choice.id, config.load())).spec


def _commit(repository: Repository, spec: Spec) -> str:
    """What a job ran, as a commit: the one that it was based on, if nothing was changed."""
    code = spec.code
    if code is None:
        raise UsageError(f"the job {spec.id} took no code along, so it is no end of a range", "name a commit instead")
    if not code.base:
        raise UsageError(
            f"the job {spec.id} ran code that no commit lies below", "name a job that ran in this repository"
        )
    if repository.run("cat-file", "-e", f"{code.base}^{{commit}}").returncode != 0:
        raise NotFound(
            f"the commit below the job {spec.id}, {code.base[:12]}, is not in this repository",
            f"was it launched from another one? It ran from {code.folder}; or fetch what is lacking: git fetch",
        )
    if not code.changed:
        return code.base
    if kept_here(code) is None:
        raise NotFound(
            f"the code of the job {spec.id} is not on this machine any more",
            f"run this on the laptop that launched it, or take the commit below it: {code.base[:12]}",
        )
    tree = _bring(repository, code)
    if tree == repository("rev-parse", f"{code.base}^{{tree}}").decode().strip():
        return code.base
    name = f" ({spec.name})" if spec.name else ""
    commit = _made(repository, tree, code.base, int(spec.created), f"uncommitted changes of {spec.id}{name}")
    _quietly(repository, "update-ref", f"{REFS}/{commit}", commit)
    return commit


def _bring(repository: Repository, code: Code) -> str:
    """Copy what the repository lacks of a snapshot's files; returns its tree."""
    shadow = shadow_of(Path(code.folder))
    git = Git(shadow, shadow)
    # The shadow names objects by SHA-1.
    if len(code.base) != len(code.commit):
        raise RefusedInput(
            f"{repository.folder}: this repository names objects by SHA-256, the job's snapshot by SHA-1",
            "commit what the job ran, and name the commit",
        )
    quoted = str(repository.common / "objects").replace("\\", "\\\\").replace('"', '\\"')
    git.env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = f'"{quoted}"'
    tree = git("rev-parse", f"{code.commit}^{{tree}}").decode().strip()
    # By their trees: the snapshot has no history, and all of the repository's would be looked through for it.
    wanted = f"{tree}\n^{code.base}^{{tree}}\n".encode()
    pack = git("pack-objects", "--revs", "--stdout", "--delta-base-offset", "-q", stdin=wanted)
    _quietly(repository, "unpack-objects", "-q", stdin=pack)
    return tree


def _made(repository: Repository, tree: str, parent: str, at_s: int, subject: str) -> str:
    """A commit of ours. The same words give the same one."""
    who = f"mlsh <> {at_s} +0000"
    text = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{subject}\n"
    said = _quietly(repository, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())
    return said.decode("ascii").strip()


class _TakenAway(msgspec.Struct, frozen=True):
    """The commit that takes the good job's uncommitted changes away again."""

    good: str
    base: str
    commit: str


def _taken_away(repository: Repository, good: str) -> _TakenAway | None:
    """It, where the good end is one of ours."""
    with contextlib.suppress(UnknownRevision):
        (commit,) = repository.resolve([good])
        text = repository("cat-file", "commit", commit).decode(errors="replace")
        found = _OURS.fullmatch(text)
        if found is not None:
            tree = repository("rev-parse", f"{found['base']}^{{tree}}").decode().strip()
            subject = f"without the uncommitted changes of {found['job']}"
            made = _made(repository, tree, commit, int(found["at_s"]), subject)
            if repository.run("rev-parse", "-q", "--verify", f"{REFS}/{commit}").returncode == 0:
                _quietly(repository, "update-ref", f"{REFS}/{commit}-without", made)
            return _TakenAway(commit, found["base"], made)
    return None


def _quietly(repository: Repository, *words: str, stdin: bytes = b"") -> bytes:
    ran = repository.run(*_QUIETLY, *words, stdin=stdin)
    if ran.returncode != 0:
        raise refused(repository, ran)
    return ran.stdout
