"""Which paths a pattern means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.errors import RefusedInput
from mlsh.files.patterns import Patterns, check


@pytest.mark.parametrize(
    ("pattern", "meant", "not_meant"),
    [
        (".", [b"a", b"a/b", b".hidden"], []),
        ("runs", [b"runs", b"runs/a", b"runs/a/b"], [b"runs2", b"a/runs"]),
        ("./runs//", [b"runs/a"], [b"a"]),
        ("*.pt", [b"a.pt", b".pt", b"dir.pt/x"], [b"a/b.pt", b"a.ptx"]),
        ("ck/*.pt", [b"ck/1.pt"], [b"ck/a/1.pt"]),
        ("**/*.pt", [b"1.pt", b"a/1.pt", b"a/b/1.pt"], [b"a/1.pt2"]),
        ("a/**", [b"a/b", b"a/b/c"], [b"ab"]),
        ("step?", [b"step1"], [b"step", b"step12", b"a/step1"]),
        ("s[0-2]", [b"s1", b"s[0-2]"], [b"s3", b"s/"]),
        ("s[!0]", [b"s1"], [b"s0", b"s/a"]),
        ("a[1].txt", [b"a1.txt", b"a[1].txt"], [b"a2.txt"]),
        ("a\nb*", [b"a\nb", b"a\nbc"], [b"a"]),
        ("caf\udce9", [b"caf\xe9"], [b"caf"]),
        ("s[z-a]", [b"s[z-a]"], [b"sz"]),
    ],
)
def test_meaning(pattern: str, meant: list[bytes], not_meant: list[bytes]) -> None:
    patterns = Patterns([pattern])
    assert [path for path in meant if not patterns.matches(path)] == []
    assert [path for path in not_meant if patterns.matches(path)] == []


@pytest.mark.parametrize("pattern", ["", "/a", "~/a", "..", "a/..", "a/../b", "a\0b"])
def test_a_pattern_that_leads_out_is_refused(pattern: str) -> None:
    with pytest.raises(RefusedInput):
        check(pattern)


NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1).filter(
    lambda name: name not in {".", "..", "~"}
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).filter(lambda path: not path.startswith("~/"))


@given(PATHS)
def test_every_path_means_itself_and_lies_at_or_below_a_root(path: str) -> None:
    patterns = Patterns([path])
    assert patterns.matches(path.encode())
    assert patterns.matches(path.encode() + b"/below")
    assert any(f"./{path}/".startswith(f"{root}/") for root in patterns.roots())


@given(st.lists(st.text("ab*?[]!-/.", min_size=1, max_size=8), min_size=1, max_size=3), st.text("ab/-!]", min_size=1))
def test_what_is_meant_lies_below_the_roots_that_the_box_is_asked_for(texts: list[str], path: str) -> None:
    try:
        patterns = Patterns(texts)
    except RefusedInput:
        return
    clean = "/".join(part for part in path.split("/") if part)
    if clean and patterns.matches(clean.encode()):
        assert any(f"./{clean}/".startswith(f"{root}/") for root in patterns.roots())
