"""A bisection can be handed to git and taken from it, and means the same on both sides."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.bisect.events import Known, Marked, Observed, Skipped, standing
from mlsh.bisect.gitlog import Entry, GitLog, GitLogRefused, decided, read, write
from mlsh.errors import RefusedInput
from tests.bisect.histories import History

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)


@pytest.fixture
def line(history: History) -> History:
    history.line(*(f"c{number}" for number in range(20)))
    return history


def entries(history: History, *answers: tuple[str, str]) -> tuple[Entry, ...]:
    return tuple(Entry(kind, history.sha[name]) for kind, name in answers)  # type: ignore[arg-type]


def replay(history: History, text: str) -> str:
    file = history.folder.parent / "log"
    file.write_text(text)
    history.git("bisect", "replay", str(file))
    return history.git("bisect", "log")


SEARCH = (("bad", "c19"), ("good", "c0"), ("bad", "c9"), ("good", "c4"), ("skip", "c6"))


def test_git_goes_on_where_mlsh_stood(line: History) -> None:
    subjects = {line.sha["c9"]: "odd \x1b[31m subject\nwith a line"}
    text = write(GitLog(entries(line, *SEARCH)), subjects)
    assert "\x1b" not in text
    theirs = replay(line, text)
    assert read(theirs).entries == entries(line, *SEARCH)
    # Between good c4 and bad c9, and not the skipped c6.
    assert line.named([line.bisecting()])[0] in {"c5", "c7"}
    line.git("bisect", "good", line.sha["c7"])
    line.git("bisect", "bad", line.sha["c8"])
    assert f"first bad commit: [{line.sha['c8']}]" in line.git("bisect", "log")


def test_terms_first_parent_and_odd_paths_travel_to_git_and_back(history: History) -> None:
    history.write(
        {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]},
        files={name: {"it's a !path": name} for name in "abcd"},
    )
    log = GitLog(entries(history, ("bad", "d"), ("good", "a")), "fast", "slow", True, ("it's a !path",))
    theirs = read(replay(history, write(log, {})))
    assert theirs == log
    assert history.named([history.bisecting()])[0] in {"b", "c"}
    history.git("bisect", "slow", history.sha["c"])
    history.git("bisect", "slow", history.sha["b"])
    done = read(history.git("bisect", "log"))
    assert done.culprit == history.sha["b"]
    assert (done.bad, done.goods) == (history.sha["b"], (history.sha["a"],))
    assert read(write(done, {})) == done


@pytest.mark.parametrize(
    "words",
    [
        (("start", "main", "main~9"),),
        (("start", "--term-old", "fast", "--term-new=slow", "main", "main~9", "main~8", "--", "f-c12"),),
        (("start",), ("new", "main"), ("old", "main~9")),
        (("start", "main", "main~9"), ("skip", "main~5..main~3"), ("good",)),
        (("start", "main"), ("good", "main~9", "main~10"), ("bad",)),
        (("start", "main", "main~9", "f-c12", "f-c13"),),
    ],
)
def test_gits_own_log_is_understood(line: History, words: Sequence[Sequence[str]]) -> None:
    for command in words:
        line.git("bisect", *command)
    log = read(line.git("bisect", "log"))
    listed = line.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/bisect")
    refs = dict(row.split() for row in listed.splitlines())
    assert log.bad == refs[f"refs/bisect/{log.term_bad}"]
    assert {f"refs/bisect/{log.term_good}-{good}" for good in log.goods} == {
        ref for ref in refs if ref.startswith(f"refs/bisect/{log.term_good}-")
    }
    assert {f"refs/bisect/skip-{skip}" for skip in log.skips} == {ref for ref in refs if "/skip-" in ref}
    assert list(log.pathspecs) == [word for word in words[0] if word.startswith("f-")]


def test_a_head_that_moved_on_is_not_taken_for_the_one_that_was_meant() -> None:
    log = read(f"# bad: [{B}] x\n# good: [{A}] y\ngit bisect start 'HEAD' 'v1' 'src/it'\\''s'\n")
    assert (log.bad, log.goods, log.pathspecs) == (B, (A,), ("src/it's",))


def test_what_a_person_wrote_or_shortened_is_understood_too() -> None:
    log = read(
        "git bisect start\r\ngit bisect bad HEAD~3\r\n  git-bisect good v1 v2\n\ngit bisect skip v1..v2\n# note\n"
    )
    assert log.entries == (Entry("bad", "HEAD~3"), Entry("good", "v1"), Entry("good", "v2"), Entry("skip", "v1..v2"))
    assert read("git bisect start x y z", lambda word: word != "z").pathspecs == ("z",)


def test_a_second_start_begins_anew() -> None:
    log = read(f"git bisect start --first-parent\ngit bisect bad {A}\ngit bisect start\ngit bisect bad {B}\n")
    assert log == GitLog((Entry("bad", B),))


@pytest.mark.parametrize(
    ("text", "number", "what"),
    [
        ("", 1, "no `git bisect start`"),
        ("# only\n", 1, "no `git bisect start`"),
        ("git bisect good x\n", 1, "before `git bisect start`"),
        ("git bisect start\nrm -rf /\n", 2, "no command of git bisect"),
        ("git bisect start\ngit bisect run x\n", 2, "none of its words"),
        ("git bisect start\ngit bisect bad x\ngit bisect old y\n", 3, "good and bad"),
        ("git bisect start --term-old=fast\ngit bisect good x\n", 2, "fast and bad"),
        ("git bisect start\n\ngit bisect good\n", 3, "names no commit"),
        ("git bisect start 'x\n", 1, "quote"),
        ("git bisect start --evil=x\n", 1, "--evil"),
        ("git bisect start --term-old=reset\n", 1, "can't be a term"),
        ("git bisect start --term-old=a --term-new=a\n", 1, "same word"),
        ("git bisect start --term-old\n", 1, "can't be a term"),
        ("git bisect start\ngit bisect bad --output=/etc/x\n", 2, "is an option"),
        ("git bisect start x\0\n", 1, "no text"),
        ("git bisect start\ngit bisect \x1b]0;x\x07 y\n", 2, "none of its words"),
        ("git bisect start " + "x" * (1 << 20) + "\n", 1, "too long"),
    ],
)
def test_a_line_that_git_does_not_write_is_named(text: str, number: int, what: str) -> None:
    with pytest.raises(GitLogRefused, match=what) as caught:
        read(text)
    assert caught.value.line == number
    assert f"line {number} " in caught.value.what
    assert "\x1b" not in caught.value.what
    assert caught.value.hint


def test_a_path_that_no_log_can_hold_is_refused() -> None:
    with pytest.raises(RefusedInput, match="line end"):
        write(GitLog((), pathspecs=("a\nb",)), {})


def seen(number: int, commit: str, kind: str | None) -> Observed:
    return Observed(number=number, commit=commit, kind=kind)  # type: ignore[arg-type]


def test_git_is_told_one_answer_a_commit_and_the_oldest_bad_one_last() -> None:
    happened: list[Known] = [
        seen(1, D, "bad"),
        seen(2, A, "good"),
        seen(3, B, "bad"),
        seen(4, C, "bad"),
        seen(5, A, "unknown"),
        seen(6, "e" * 40, "unknown"),
        seen(7, "f" * 40, "good"),
        seen(8, "f" * 40, "bad"),
        seen(9, "9" * 40, None),
        Marked(number=10, commit="8" * 40, kind="good"),
        Skipped(number=11, commits=["7" * 40]),
    ]
    told = decided(standing(happened), {A: 0, B: 1, C: 2, D: 3})
    assert [one.revision for one in told.entries if one.kind == "bad"] == [D, C, B]
    assert [one.revision for one in told.entries if one.kind == "good"] == [A, "8" * 40]
    assert {one.revision for one in told.entries if one.kind == "skip"} == {"e" * 40, "7" * 40}
    assert told.contradictory == ("f" * 40,)
    text = write(GitLog(told.entries), {}, told.contradictory)
    assert f"# answers of both kinds, left out: [{'f' * 40}]\n" in text
    assert read(text).bad == B


def test_probes_that_answered_in_any_order_leave_git_the_same_range(line: History) -> None:
    happened: list[Known] = [
        seen(number, line.sha[name], kind)
        for number, (name, kind) in enumerate([("c19", "bad"), ("c0", "good"), ("c6", "bad"), ("c12", "bad")], 1)
    ]
    position = {line.sha[f"c{number}"]: number - 1 for number in range(1, 20)}
    replay(line, write(GitLog(decided(standing(happened), position).entries), {}))
    assert line.git("rev-parse", "refs/bisect/bad") == line.sha["c6"]


term = st.text("abcxyz-_!'0", min_size=1, max_size=8).filter(lambda word: word[0] != "-")


@given(
    st.lists(st.builds(Entry, st.sampled_from(["good", "bad", "skip"]), st.sampled_from([A, B, C])), max_size=6),
    st.just(("good", "bad")) | st.lists(term, min_size=2, max_size=2, unique=True),
    st.booleans(),
    st.lists(st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1), max_size=3),
    st.sampled_from(["", A]),
)
def test_what_is_written_is_read_back(
    told: list[Entry], terms: Sequence[str], first: bool, paths: list[str], culprit: str
) -> None:
    log = GitLog(tuple(told), terms[0], terms[1], first, tuple(paths), culprit)
    assert read(write(log, {A: "subject"})) == log


@given(st.text(max_size=60), st.sampled_from(["", "git bisect start\n", "git bisect start "]))
def test_any_text_is_understood_or_refused(text: str, before: str) -> None:
    try:
        read(before + text)
    except GitLogRefused as error:
        shown = error.what
    else:
        shown = ""
    assert not shown or shown.isprintable()
