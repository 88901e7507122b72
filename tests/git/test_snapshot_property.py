"""Whatever is done to a folder, its snapshot is what lies there, less what git would ignore."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlsh.git.snapshot import take
from tests.git.folders import content, everything, git_in, on_disk, yes

RULE_FILES = [".gitignore", "d/.gitignore", ".git/info/exclude"]
NAMES = ["a", "b", "d", "d/a", "d/b", "d/e/a", "b.log", "d/b.log", "é", "d/-x"]
RULES = ["*.log\n", "d/\n", "/a\n", "*\n!a\n!.gitignore\n", "e\n!d/b.log\n", "\n"]
EDITS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(["1", "22", "33"])),
    st.tuples(st.just("link"), st.sampled_from(NAMES), st.sampled_from(["a", "nowhere", "d"])),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("exec"), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("rules"), st.sampled_from(RULE_FILES), st.sampled_from(RULES)),
    st.tuples(st.just("git"), st.just(""), st.sampled_from(["add -A", "commit -qm x --allow-empty", "reset -q --hard",
                                                          "rm -rq --cached .", "add -f a", "stash -q"])),
    st.tuples(st.just("take"), st.just(""), st.just("")),
)  # fmt: skip


def edit(repo: Path, what: str, name: str, value: str) -> None:
    path = repo / name
    if what == "git":
        git_in(repo)(*value.split(), check=False)
    elif what == "take":
        take(repo, yes)
    elif what == "exec":
        if path.is_file() and not path.is_symlink():
            path.chmod(0o755)
    else:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
        if what == "remove":
            return
        for parent in reversed(path.relative_to(repo).parents):
            above = repo / parent
            if os.path.lexists(above) and (above.is_symlink() or not above.is_dir()):
                above.unlink()
            above.mkdir(exist_ok=True)
        if what == "link":
            path.symlink_to(value)
        else:
            path.write_text(value)


def wanted(repo: Path) -> dict[bytes, tuple[str, bytes]]:
    """What is on disk, less what is ignored and not tracked: by a walk, and `git check-ignore`."""
    there = on_disk(repo)
    asked = b"".join(name + b"\0" for name in there)
    said = subprocess.run(
        ["git", "check-ignore", "-z", "--stdin"], cwd=repo, input=asked, capture_output=True, check=False
    )
    ignored = {name for name in said.stdout.split(b"\0") if name}
    return {name: what for name, what in there.items() if name not in ignored}


@pytest.fixture(scope="module")
def arena() -> Iterator[Path]:
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(HOME=f"{folder}/home", XDG_CACHE_HOME=f"{folder}/cache", GIT_CONFIG_NOSYSTEM="1")
        os.mkdir(f"{folder}/home")
        Path(folder, "home/.gitconfig").write_text("[user]\n\tname = Ada\n\temail = a@example.org\n")
        yield Path(folder)
    os.environ.clear()
    os.environ.update(before)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(edits=st.lists(EDITS, min_size=1, max_size=12))
def test_the_snapshot_is_the_folder_whatever_was_done_to_it(arena: Path, edits: list[tuple[str, str, str]]) -> None:
    repo = arena / "repo"
    shutil.rmtree(repo, ignore_errors=True)
    repo.mkdir()
    git_in(repo)("init", "-q")
    (repo / ".git/info").mkdir(exist_ok=True)
    take(repo, yes)
    for what, name, value in edits:
        edit(repo, what, name, value)
    expected = wanted(repo)
    before = everything(repo)
    snapshot = take(repo, yes)
    assert everything(repo) == before
    assert content(snapshot) == expected
    # The same files give the same commit, whatever the way to them, and without what an older launch knew.
    shutil.rmtree(snapshot.git_dir)
    assert take(repo, yes).commit == snapshot.commit
