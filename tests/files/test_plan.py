"""What is decided about the paths of a box, without any box: safety, and what has to come."""

import os
import posixpath
import stat
import subprocess

from hypothesis import given
from hypothesis import strategies as st

from mlsh.files import plan as planning
from mlsh.files.manifest import Entry, Kind, parse
from mlsh.files.paths import leads_out, refusal
from mlsh.files.patterns import Patterns
from mlsh.files.plan import BATCH_BYTES, MEBIBYTE, SMALL_BYTES, asks, plan, program

EVERYTHING = Patterns(["."])
NAME = st.sampled_from(
    [b"a", b"b", b"c d", b"..", b".", b"", b".git", b".GIT", b"-rf", b"x\ny", b"\xff", b".mlsh-pull"]
)
PATH = st.lists(NAME, min_size=1, max_size=5).map(b"/".join)
KIND = st.sampled_from(list(Kind))


def entry(path: bytes, kind: Kind = Kind.FILE, size: int = 1, target: bytes = b"", mtime_ns: int = 5) -> Entry:
    return Entry(path, kind, 0o644, size, mtime_ns, True, b"stamp", target)


def stat_of(size: int, mtime_ns: int) -> os.stat_result:
    numbers = [stat.S_IFREG | 0o644, 1, 1, 1, 0, 0, size, 0, 0, 0, 0.0, 0.0, 0.0, mtime_ns, mtime_ns, mtime_ns]
    return os.stat_result(numbers)


@given(PATH)
def test_no_path_that_may_be_written_leads_out(path: bytes) -> None:
    if refusal(path) is None:
        joined = posixpath.normpath(posixpath.join(b"/target", path))
        assert joined == b"/target/" + path
        assert b".git" not in path.lower().split(b"/")
        assert not joined.startswith(b"/target/.mlsh-pull")


@given(st.lists(NAME, min_size=0, max_size=3), st.lists(NAME, min_size=1, max_size=5), st.booleans())
def test_no_link_that_comes_leads_out(above: list[bytes], target: list[bytes], absolute: bool) -> None:
    path = b"/".join([*above, b"link"])
    if refusal(path) is not None:
        return
    link = entry(path, Kind.LINK, target=(b"/" if absolute else b"") + b"/".join(target))
    if not leads_out(link):
        at = posixpath.normpath(posixpath.join(b"/t", posixpath.dirname(path), link.target))
        assert at == b"/t" or at.startswith(b"/t/")
        assert b".." not in link.target.lstrip(b"./").split(b"/")


@given(st.lists(st.tuples(PATH, KIND), max_size=12))
def test_nothing_is_written_below_what_is_no_folder_nor_twice(paths: list[tuple[bytes, Kind]]) -> None:
    made = plan([entry(path, kind, target=b"a") for path, kind in paths], EVERYTHING, lambda _: None)
    solid = [one.path for one in (*made.fetch, *made.compare, *made.links)]
    written = [*solid, *(one.path for one in made.folders)]
    assert len(set(written)) == len(written)
    assert not any(path.startswith(other + b"/") for path in written for other in solid)
    assert all(refusal(path) is None for path in written)


def test_every_path_is_accounted_for() -> None:
    kinds = [entry(b"f"), entry(b"d", Kind.FOLDER), entry(b"l", Kind.LINK, target=b"f"), entry(b"o", Kind.OTHER)]
    bad = [entry(b"../x"), entry(b"out", Kind.LINK, target=b"/etc")]
    made = plan([*kinds, *bad], EVERYTHING, lambda _: None)
    assert [one.path for one in made.fetch] == [b"f"]
    assert [one.path for one in made.folders] == [b"d"]
    assert [one.path for one in made.links] == [b"l"]
    assert [path for path, _ in made.skipped] == [b"o", b"out"]
    assert [path for path, _ in made.refused] == [b"../x"]


def test_only_what_differs_has_to_come() -> None:
    big = SMALL_BYTES + 1
    here = {b"same": stat_of(1, 5), b"size": stat_of(2, 5), b"time": stat_of(1, 6), b"big": stat_of(big, 6)}
    found = [entry(b"same"), entry(b"size"), entry(b"time"), entry(b"big", size=big), entry(b"new")]
    made = plan(found, EVERYTHING, here.get)
    assert [one.path for one in made.same] == [b"same"]
    assert [one.path for one in made.fetch] == [b"size", b"time", b"new"]
    assert [one.path for one in made.compare] == [b"big"]


@given(st.lists(st.integers(0, 3 * BATCH_BYTES), max_size=40), st.booleans(), st.integers(0, 2 * BATCH_BYTES))
def test_every_file_is_asked_for_once_and_no_batch_is_too_large(sizes: list[int], alone: bool, have: int) -> None:
    found = [entry(b"%d" % number, size=size) for number, size in enumerate(sizes)]
    calls = asks(found, [], lambda _: have, alone)
    assert sorted(one.path for call in calls for one in call.entries) == sorted(one.path for one in found)
    for call in calls:
        if call.is_large:
            assert call.bytes == call.entries[0].size - call.skip * MEBIBYTE >= 0
        else:
            assert call.bytes <= BATCH_BYTES
            assert not alone or len(call.entries) == 1


@given(st.lists(st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"\0", b"x")), min_size=1, max_size=4))
def test_any_name_reaches_the_box_as_it_is(names: list[bytes]) -> None:
    text = program(asks([entry(name) for name in names], [], lambda _: 0, alone=False))
    script = b"batch() { printf '%s\\0' \"$@\"; }\nfinish() { :; }\n" + text
    ran = subprocess.run(["dash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C"})
    assert ran.stdout == b"".join(b"./" + name + b"\0" for name in names)


NONCE = b"0123456789abcdef"


@given(st.lists(st.tuples(PATH, st.integers(0, 99), st.binary(max_size=9)), max_size=5, unique=True))
def test_records_with_any_name_come_apart_again(found: list[tuple[bytes, int, bytes]]) -> None:
    text = b""
    for path, size, target in found:
        name = b"./" + path
        text += b"%s a1ff 7 %d 12.5 13.5 %s/%s%s -> %s\n" % (NONCE, size, name, NONCE, name, target)
    entries = parse(text + NONCE + b" end\n", NONCE)
    whole = dict.fromkeys((path, size, target) for path, size, target in found)
    assert [(one.path, one.size, one.target) for one in entries] == list(whole)
    assert all(one.kind is Kind.LINK and one.mtime_ns == 12_500_000_000 for one in entries)


def test_a_batch_of_a_pull_is_no_longer_than_a_command_may_be() -> None:
    names = [entry(b"x" * 200 + b"%d" % number, size=0) for number in range(1000)]
    assert max(len(line) for line in program(asks(names, [], lambda _: 0, False)).splitlines()) < 128 * 1024
    assert planning.mebibytes(0) == 0
