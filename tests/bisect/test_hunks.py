"""A difference in pieces: all of them give the bad end, none the good end, and any others can be made."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsh.bisect.hunks import REFS, Difference, NoDifference
from mlsh.bisect.repository import Repository
from tests.bisect.histories import History

LINES = st.lists(
    st.sampled_from(["a", "b", "c", "", "tab\t", "\x1b[1m", "+x", "@@ -1 +1 @@", "index 0..1"]), max_size=12
)


def files(folder: Path, commit: str) -> dict[str, str]:
    listed = History.git(here(folder), "ls-tree", "-r", "-z", commit)
    return {name: about for about, _, name in (one.partition("\t") for one in listed.split("\0") if one)}


def here(folder: Path) -> History:
    found = object.__new__(History)
    found.folder = folder
    return found


def difference(history: History, owner: str = "test") -> Difference:
    return Difference(Repository(history.folder), history.sha["good"], history.sha["bad"], owner)


def all_but_ends(cut: Difference) -> Difference:
    """The same, which has forgotten that both ends are there, so that it makes them."""
    cut._made = {-1: ""}
    return cut


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(LINES, LINES), st.booleans(), st.booleans(), st.integers(0, 2**30))
def test_lines_put_together_again_are_what_they_were(
    own_home: Path,
    tmp_path_factory: pytest.TempPathFactory,
    sides: tuple[list[str], list[str]],
    old_ends: bool,
    new_ends: bool,
    seed: int,
) -> None:
    history = History(tmp_path_factory.mktemp("lines") / "repo")
    old, new = ("\n".join(lines) + "\n" * ends for lines, ends in zip(sides, (old_ends, new_ends), strict=True))
    history.write({"good": [], "bad": ["good"]}, files={"good": {"f": old, "g": "1"}, "bad": {"f": new, "g": "2"}})
    cut = all_but_ends(difference(history))
    n = len(cut.pieces)
    assert files(history.folder, cut.commit(0) or "") == files(history.folder, history.sha["good"])
    assert files(history.folder, cut.commit((1 << n) - 1) or "") == files(history.folder, history.sha["bad"])
    some = random.Random(seed).getrandbits(n)
    made = cut.commit(some) or ""
    # The pieces that are left out are the difference to the bad end, line by line.
    left = Difference(Repository(history.folder), made, history.sha["bad"], "left") if some != (1 << n) - 1 else None
    lines = sum(piece.new_lines + piece.old_lines for piece in cut.pieces)
    taken = sum(piece.new_lines + piece.old_lines for at, piece in enumerate(cut.pieces) if some >> at & 1)
    assert (sum(piece.new_lines + piece.old_lines for piece in left.pieces) if left else 0) <= lines - taken


def test_each_kind_of_change_is_a_piece_of_its_own(history: History) -> None:
    text = "".join(f"{number}\n" for number in range(30))
    top = history.folder
    for name, content in {
        "lines": text,
        "moved": text + "m",
        "gone": "g",
        "script": "s",
        'odd "\n\\name': "x\ny\n",
    }.items():
        (top / name).write_text(content)
    (top / "binary").write_bytes(b"\0one")
    (top / "link").symlink_to("lines")
    (top / "becomes").write_text("a file")
    history.git("add", "-A")
    history.git("commit", "-qm", "good")
    (top / "lines").write_text(text.replace("3\n", "three\n", 1).replace("\n20\n", "\n"))
    (top / "moved").unlink()
    (top / "sub").mkdir()
    (top / "sub/moved").write_text("first\n" + text + "m")
    (top / "gone").unlink()
    (top / "new").write_text("new")
    (top / "script").chmod(0o755)
    (top / "binary").write_bytes(b"\0two")
    (top / "link").unlink()
    (top / "link").symlink_to("moved")
    (top / "becomes").unlink()
    (top / "becomes").symlink_to("lines")
    (top / 'odd "\n\\name').write_text("x\nz\n")
    history.git("add", "-A")
    history.git("commit", "-qm", "bad")
    history.sha |= {"good": history.git("rev-parse", "HEAD~"), "bad": history.git("rev-parse", "HEAD")}
    cut = all_but_ends(difference(history))
    kinds = sorted((piece.kind, piece.path.decode()) for piece in cut.pieces)
    assert kinds == sorted([
        ("lines", "lines"), ("lines", "lines"), ("renamed", "sub/moved"), ("lines", "sub/moved"), ("deleted", "gone"),
        ("added", "new"), ("mode", "script"), ("binary", "binary"), ("link", "link"), ("type", "becomes"),
        ("lines", 'odd "\n\\name'),
    ])  # fmt: skip
    n = len(cut.pieces)
    assert files(top, cut.commit((1 << n) - 1) or "") == files(top, history.sha["bad"])
    # One piece alone, and all without one: together they are the whole.
    for at, piece in enumerate(cut.pieces):
        alone = Difference(Repository(top), history.sha["good"], cut.commit(1 << at) or "", "alone")
        assert len(alone.pieces) == 1, piece
        rest = Difference(Repository(top), cut.commit((1 << n) - 1 & ~(1 << at)) or "", history.sha["bad"], "rest")
        assert len(rest.pieces) == 1, piece
    assert b"three" in cut.patch((1 << n) - 1)


def test_a_submodule_that_moved_is_one_piece(history: History) -> None:
    inner = History(history.folder.parent / "inner")
    inner.line("one", "two")
    history.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.folder), "inner")
    history.git("-C", "inner", "checkout", "-q", inner.sha["one"])
    history.git("add", "-A")
    history.git("commit", "-qm", "good")
    history.git("-C", "inner", "checkout", "-q", inner.sha["two"])
    (history.folder / "f").write_text("new")
    history.git("add", "-A")
    history.git("commit", "-qm", "bad")
    history.sha |= {"good": history.git("rev-parse", "HEAD~"), "bad": history.git("rev-parse", "HEAD")}
    cut = all_but_ends(difference(history))
    assert {piece.kind for piece in cut.pieces} == {"submodule", "added"}
    assert files(history.folder, cut.commit(3) or "") == files(history.folder, history.sha["bad"])


def test_a_file_that_becomes_a_folder_is_not_made_half(history: History) -> None:
    history.write({"good": []}, files={"good": {"a": "file"}})
    (history.folder / "a").unlink()
    (history.folder / "a").mkdir()
    (history.folder / "a/b").write_text("quite another text")
    history.git("add", "-A")
    history.git("commit", "-qm", "bad")
    history.sha["bad"] = history.git("rev-parse", "HEAD")
    cut = all_but_ends(difference(history))
    by_kind = {piece.kind: 1 << at for at, piece in enumerate(cut.pieces)}
    assert cut.commit(by_kind["added"]) is None
    assert files(history.folder, cut.commit(by_kind["deleted"]) or "") == {}
    assert files(history.folder, cut.commit(3) or "") == files(history.folder, history.sha["bad"])


def test_gc_keeps_what_is_made_until_it_is_let_go_and_no_hook_runs(history: History, tmp_path: Path) -> None:
    history.write({"good": [], "bad": ["good"]}, files={"good": {"f": "1\n2\n3\n"}, "bad": {"f": "one\n2\nthree\n"}})
    ran = tmp_path / "ran"
    for name in ("reference-transaction", "post-commit"):
        hook = history.folder / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >>{ran}\n")
        hook.chmod(0o755)
    cut = difference(history)
    commit = cut.commit(1) or ""
    history.git("-c", "core.hooksPath=/dev/null", "gc", "-q", "--prune=now")
    assert history.git("cat-file", "-p", f"{commit}:f") == "one\n2\n3"
    cut.let_go()
    assert history.git("for-each-ref", REFS) == ""
    assert not ran.exists()


def test_commits_with_the_same_files_are_refused(history: History) -> None:
    history.write({"good": [], "bad": ["good"]}, files={"bad": {"f-good": "good"}})
    with pytest.raises(NoDifference):
        difference(history)
