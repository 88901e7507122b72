"""A small change is taken without git's help: what it makes is byte for byte what git would have made."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsh.box import process
from mlsh.git import pack, quick
from mlsh.git.objects import Entry, Unfit, nest
from mlsh.git.snapshot import BigFile, Snapshot, take
from tests.git.folders import content, everything, git_in, on_disk, yes


def commands(repo: Path) -> tuple[Snapshot, list[str]]:
    """A snapshot, and the git commands that it took, by name."""
    said: list[str] = []
    listener = said.append
    process.log.listen(listener)
    try:
        snapshot = take(repo, yes)
    finally:
        process.log._listeners.remove(listener)
    known = {"ls-files", "update-index", "write-tree", "diff-tree", "status", "read-tree", "commit-tree", "config"}
    return snapshot, [next(word for word in line.split() if word in known) for line in said]


def by_git(snapshot: Snapshot, repo: Path) -> str:
    """The commit that git alone makes of the folder, in a shadow without a past."""
    aside = Path(snapshot.git_dir).with_suffix(".aside")
    os.rename(snapshot.git_dir, aside)
    try:
        return take(repo, yes).commit
    finally:
        shutil.rmtree(snapshot.git_dir)
        os.rename(aside, snapshot.git_dir)


def check(repo: Path, git_commands: list[str] | None = None) -> Snapshot:
    """Take it, and hold it against the disk, against git, and against the person's own status."""
    before = everything(repo)
    snapshot, ran = commands(repo)
    assert everything(repo) == before
    assert content(snapshot) == on_disk(repo)
    assert ran == (["ls-files"] * 3 if git_commands is None else git_commands)
    fsck = ["git", f"--git-dir={snapshot.git_dir}", "fsck", "--strict", "--no-dangling"]
    done = subprocess.run(fsck, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done
    assert by_git(snapshot, repo) == snapshot.commit
    listed = git_in(repo)("status", "--porcelain", "-uall", "--no-renames").splitlines()
    # A file that is kept and no longer tracked is listed twice.
    assert snapshot.changed == len(listed) - 2 * sum(line == "D  tool" for line in listed)
    return snapshot


@pytest.fixture
def known(repo: Path) -> Path:
    """A repository with some depth, whose first snapshot has been taken."""
    for name in ("pkg/deep/x.py", "pkg/deep/y.py", "pkg/z.py", "pkg-a", "pkg.b", "pkg0", "tool"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(f"{name}\n" * 20)
    (repo / "link").symlink_to("tool")
    git_in(repo)("add", "-A")
    git_in(repo)("commit", "-qm", "more")
    take(repo, yes)
    return repo


def edited(repo: Path) -> None:
    (repo / "pkg/deep/x.py").write_text("edited\n")


def same_size(repo: Path) -> None:
    about = (repo / "pkg/z.py").stat()
    (repo / "pkg/z.py").write_bytes((repo / "pkg/z.py").read_bytes().swapcase())
    os.utime(repo / "pkg/z.py", ns=(about.st_atime_ns, about.st_mtime_ns))


def new_files(repo: Path) -> None:
    (repo / "pkg/new").write_text("")
    (repo / "a/b/c").mkdir(parents=True)
    (repo / "a/b/c/d").write_text("d")


def removed(repo: Path) -> None:
    shutil.rmtree(repo / "pkg/deep")
    (repo / "tool").unlink()


def renamed(repo: Path) -> None:
    (repo / "pkg").rename(repo / "lib")


def mode(repo: Path) -> None:
    (repo / "tool").chmod(0o755)


def only_other_modes(repo: Path) -> None:
    (repo / "tool").chmod(0o640)


def link(repo: Path) -> None:
    (repo / "link").unlink()
    (repo / "link").symlink_to("pkg0")


def link_to_file(repo: Path) -> None:
    (repo / "link").unlink()
    (repo / "link").write_text("tool")


def file_to_link(repo: Path) -> None:
    (repo / "tool").unlink()
    (repo / "tool").symlink_to(b"\xff")


def file_to_folder(repo: Path) -> None:
    (repo / "tool").unlink()
    (repo / "tool").mkdir()
    (repo / "tool/inside").write_text("1")


def folder_to_file(repo: Path) -> None:
    shutil.rmtree(repo / "pkg")
    (repo / "pkg").write_text("a file, sorted elsewhere\n")


def touched(repo: Path) -> None:
    os.utime(repo / "tool", ns=(1, 1))


def staged(repo: Path) -> None:
    (repo / "pkg/staged").write_text("1")
    git_in(repo)("add", "-A")
    git_in(repo)("rm", "-q", "--cached", "tool")


@pytest.mark.parametrize(
    "arrange",
    [edited, same_size, new_files, removed, renamed, mode, only_other_modes, link, link_to_file, file_to_link,
     file_to_folder, folder_to_file, touched, staged],
)  # fmt: skip
def test_every_kind_of_small_change_is_as_git_would_have_it(known: Path, arrange: Callable[[Path], None]) -> None:
    arrange(known)
    first = check(known)
    assert take(known, yes).commit == first.commit
    (known / "another").write_text("on top of it")
    check(known)
    (known / "another").unlink()
    assert check(known).commit == first.commit


def test_edits_that_come_back_give_the_commit_that_was(known: Path) -> None:
    first = take(known, yes)
    text = (known / "tool").read_bytes()
    seen = {first.commit}
    for number in range(5):
        (known / "tool").write_bytes(b"%d" % number + text[1:])  # of one size, in one instant
        seen.add(check(known).commit)
    (known / "tool").write_bytes(text)
    last = check(known)
    assert (last.commit, last.changed, len(seen)) == (first.commit, 0, 6)


@pytest.mark.parametrize("large", [False, True])
def test_a_folder_that_became_a_link_is_taken_as_a_link(known: Path, large: bool) -> None:
    shutil.copytree(known / "pkg/deep", known / "elsewhere")
    (known / "elsewhere/x.py").write_text("another text\n")
    take(known, yes)
    shutil.rmtree(known / "pkg/deep")
    (known / "pkg/deep").symlink_to("../elsewhere")
    if large:
        (known / "large").write_bytes(os.urandom(1 << 20))
    assert content(take(known, yes)) == on_disk(known)


def test_head_that_moves_is_counted_from(known: Path) -> None:
    git = git_in(known)
    (known / "tool").write_text("2")
    (known / "fresh").write_text("1")
    assert check(known).changed == 2
    git("commit", "-qam", "the tool")
    assert check(known, [*["ls-files"] * 3, "diff-tree"]).changed == 1
    (known / "tool").write_text("3")
    assert check(known).changed == 2
    git("checkout", "-q", "HEAD~1", "--", "tool")
    assert check(known).changed == 2
    git("add", "-A")
    git("commit", "-qm", "all")
    assert check(known, [*["ls-files"] * 3, "diff-tree"]).changed == 0


@pytest.mark.parametrize("how", ["many", "large"])
def test_what_is_not_small_is_gits_work_and_is_remembered_by_the_index(known: Path, how: str) -> None:
    for number in range(100 if how == "many" else 1):
        (known / f"file{number}").write_bytes(os.urandom(10 if how == "many" else 1 << 20))
    check(known, [*["ls-files"] * 3, "update-index", "write-tree", "diff-tree"])
    (known / "file0").write_text("now it is small")
    check(known)


def test_rules_that_change_between_small_changes_hold_at_once(known: Path, tmp_path: Path) -> None:
    names = [f"x{number}" for number in range(5)]
    for name in names:
        (known / "pkg" / name).write_text(name)
    check(known)
    exclude = known / ".git/info/exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text("x0\n")
    (known / ".gitignore").write_text("x1\n")
    (known / "pkg/.gitignore").write_text("x2\n")
    (known / ".mlshignore").write_text("x3\n")
    git_in(known)("config", "core.excludesFile", str(tmp_path / "global"))
    (tmp_path / "global").write_text("x4\n")
    assert not {f"pkg/{name}".encode() for name in names} & content(take(known, yes)).keys()
    for path in (exclude, known / ".gitignore", known / "pkg/.gitignore", known / ".mlshignore", tmp_path / "global"):
        path.unlink()
    check(known, ["config", *["ls-files"] * 3])


def test_a_file_that_appears_in_a_folder_seen_before_is_found(known: Path) -> None:
    before = (known / "pkg/deep").stat()
    (known / "pkg/deep/appeared").write_text("1")
    os.utime(known / "pkg/deep", ns=(before.st_atime_ns, before.st_mtime_ns))
    check(known)


@pytest.mark.parametrize("harm", ["empty", "gone", "garbage"])
def test_a_damaged_tree_is_left_to_git_to_find(known: Path, harm: str) -> None:
    snapshot = take(known, yes)
    tree = git_in(Path(snapshot.git_dir))("rev-parse", f"{snapshot.commit}:pkg")
    path = Path(snapshot.git_dir) / "objects" / tree[:2] / tree[2:]
    path.chmod(0o644)
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if harm == "empty" else os.urandom(100))
    (known / "pkg/z.py").write_text("changed\n")
    assert content(take(known, yes)) == on_disk(known)


def test_new_files_are_asked_about_once_before_they_are_kept(known: Path) -> None:
    asked: list[tuple[int, list[BigFile]]] = []

    class Refused(Exception):
        pass

    def refuse(size: int, largest: list[BigFile]) -> None:
        asked.append((size, largest))
        if size > 100:
            raise Refused

    (known / "new").write_text("n" * 50)
    (known / "too much").write_text("m" * 51)
    for _ in range(2):
        with pytest.raises(Refused):
            take(known, refuse)
    assert asked[0] == asked[1] == (101, [BigFile("too much", 51), BigFile("new", 50)])
    take(known, yes)
    (known / "third").write_text("t")
    take(known, refuse)
    assert asked[2:] == [(1, [BigFile("third", 1)])]


def unpacked(snapshot: Snapshot, base: Snapshot, target: Path) -> dict[bytes, tuple[str, bytes]]:
    """What a box that has `base` has after the small pack: by git alone."""
    git = ["git", f"--git-dir={target}"]
    subprocess.run(["git", "init", "-q", "--bare", str(target)], check=True)
    with pack.packed(base, None) as (file, _, _objects):
        subprocess.run([*git, "index-pack", "--stdin"], input=file.read(), check=True, capture_output=True)
    made = pack.small(snapshot, base.commit)
    assert made is not None
    whole, objects = made
    subprocess.run([*git, "unpack-objects", "-q", "--strict"], input=whole, check=True)
    assert int.from_bytes(whole[8:12], "big") == objects
    return content(snapshot._replace(git_dir=str(target)))


def test_the_small_pack_is_what_a_box_lacks(known: Path, tmp_path: Path) -> None:
    base = take(known, yes)
    for name, text in {"tool": "2", "pkg/deep/x.py": "x" * 3000, "pkg/same": "2", "empty": ""}.items():
        (known / name).write_text(text)
    (known / "pkg0").unlink()
    second = take(known, yes)
    assert unpacked(second, base, tmp_path / "one") == on_disk(known)
    (known / "tool").chmod(0o755)
    third = take(known, yes)
    assert unpacked(third, base, tmp_path / "two") == on_disk(known)
    assert unpacked(base, third, tmp_path / "three") == content(base)


def test_a_pack_that_would_be_large_is_gits_work(known: Path) -> None:
    base = take(known, yes)
    (known / "noise").write_bytes(os.urandom(100_000))
    assert pack.small(take(known, yes), base.commit) is None
    assert pack.small(base, "0" * 40) is None


ONE = Entry(b"100644", "1" * 40)


@pytest.mark.parametrize(
    ("changes", "nested"),
    [
        ({b"a": None, b"a/x": ONE}, {b"a": {b"x": ONE}}),
        ({b"a/x": None, b"a": ONE}, {b"a": ONE}),
        ({b"a/x/y": None, b"a/x": ONE}, {b"a": {b"x": ONE}}),
        ({b"a/x": ONE, b"a/y": None}, {b"a": {b"x": ONE, b"y": None}}),
        ({b"a/x": ONE, b"a": ONE}, None),
        ({b"a": ONE, b"a/x/y": ONE}, None),
    ],
)
def test_files_and_folders_of_one_name(changes: dict[bytes, Entry | None], nested: object) -> None:
    if nested is None:
        with pytest.raises(Unfit):
            nest(changes)
    else:
        assert nest(changes) == nested


@pytest.mark.parametrize("name", [".git/config", "a/.GIT", ".gitmodules", "a/../b", "a//b"])
def test_names_that_git_minds_are_left_to_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unfit):
        quick.read_changes(tmp_path, {name: 1}, [])


def test_a_pipe_or_a_growing_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "grown").write_text("more than it was")
    (tmp_path / "folder").mkdir()
    for name, size in {"pipe": 0, "grown": 4, "folder": 0, "not here": 1}.items():
        with pytest.raises(Unfit):
            quick.read_changes(tmp_path, {name: size}, [])
