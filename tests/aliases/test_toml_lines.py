"""Adding and removing an alias leaves every other byte of the person's file as it is."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlsh.aliases import book, toml_lines
from mlsh.aliases.shape import Alias
from mlsh.errors import ConfigError, RefusedInput

FILE = '''\
# Mine.  Since 2019.

[git]   # what I type all day
gs   =   "git status"      # short # and sweet
"g.l" = 'git log --format="%h # %s"'  # 'quoted'

# apart from those
gd = """
git diff "$@" # not a comment
"""   # three lines

[gpu]
nv = { run = "nvidia-smi", boxes = false }  # here only
'''


def test_an_added_line_goes_to_the_end_of_its_group_and_nothing_else_changes() -> None:
    new = book.add(FILE, Alias("gp", "git push", "git", "send"))
    assert new == FILE.replace('"""   # three lines\n', '"""   # three lines\ngp = "git push"  # send\n')
    new = book.add(FILE, Alias("dps", "docker ps", "docker"))
    assert new == FILE + '\n[docker]\ndps = "docker ps"\n'


@pytest.mark.parametrize("name", ["gs", "g.l", "gd", "nv"])
def test_a_removed_alias_takes_its_own_lines_along_and_no_other(name: str) -> None:
    old = {one.name: one for one in book.parse(FILE, "f")}
    new = book.remove(FILE, old[name])
    assert [one.name for one in book.parse(new, "f")] == [other for other in old if other != name]
    gone = [line for line in FILE.splitlines() if line not in new.splitlines()]
    assert all(line in new or line in gone for line in FILE.splitlines())
    assert len(gone) == (3 if name == "gd" else 1)
    # And back again, it is the same file but for the place of the line.
    again = book.add(new, old[name])
    assert sorted(book.parse(again, "f"), key=lambda one: one.name) == sorted(old.values(), key=lambda one: one.name)


def test_a_replaced_alias_keeps_its_place_and_its_comment() -> None:
    old = {one.name: one for one in book.parse(FILE, "f")}
    new = book.replace(FILE, old["gs"], Alias("gs", "git status -sb", "git"))
    assert 'gs = "git status -sb"  # short # and sweet\n' in new
    assert len(new.splitlines()) == len(FILE.splitlines())


def test_comments_beside_values_are_what_an_alias_is_about() -> None:
    about = {one.name: one.about for one in book.parse(FILE, "f")}
    assert about == {"gs": "short # and sweet", "g.l": "'quoted'", "gd": "three lines", "nv": "here only"}


def test_windows_line_ends_and_a_missing_last_newline_stay_what_they_are() -> None:
    windows = FILE.replace("\n", "\r\n")
    new = book.add(windows, Alias("gp", "git push", "git"))
    assert new.replace('gp = "git push"\r\n', "") == windows
    short = '[mine]\na1 = "x"'
    assert book.add(short, Alias("b1", "y", "mine")) == '[mine]\na1 = "x"\nb1 = "y"\n'
    assert book.add(short, Alias("b1", "y", "new")) == '[mine]\na1 = "x"\n\n[new]\nb1 = "y"\n'
    assert book.remove(short, Alias("a1", "x", "mine")) == "[mine]"


def test_a_form_that_lines_can_not_tell_is_refused_and_not_damaged() -> None:
    for text in ('[git.gs]\nrun = "git status"\n', 'git.gs = "git status"\n', 'git = { gs = "git status" }\n'):
        with pytest.raises(RefusedInput, match="a form of its own"):
            book.remove(text, Alias("gs", "git status", "git"))


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("'\"\\#\n"), max_size=20)


@settings(max_examples=150, deadline=None)
@example(run="", comment="", group="\n", there=False)
@given(run=text, comment=st.text(st.sampled_from("ab #'\"[]{}="), max_size=8), group=text, there=st.booleans())
def test_any_text_comes_back_as_it_was_put(run: str, comment: str, group: str, there: bool) -> None:
    before = FILE if there else ""
    alias = Alias("zz", run, group)
    said = " ".join(comment.split())
    new = toml_lines.add(before, group, "zz", book.value(alias), said)
    assert tomllib.loads(new)[group]["zz"] == run
    lines = [line for line in toml_lines.statements(new) if (line.group, line.name) == (group, "zz")]
    assert [line.comment for line in lines] == [said]
    assert toml_lines.parse(toml_lines.remove(new, group, "zz"))[group] == toml_lines.parse(before).get(group, {})


@pytest.mark.parametrize(
    ("text_", "says"),
    [
        ("[git", "Expected ']'"),
        ('gs = "x"', "outside of a group"),
        ("[git]\ngs = 3\n", "must be a command"),
        ('[git]\ngs = { rum = "x" }\n', "must be a command"),
        ('[git]\ngs = { run = "x", on = 1 }\n', "no setting `on`"),
        ('[git]\ngs = { run = "x", boxes = "no" }\n', "true or false"),
        ('[git]\ngs = "x"\n[b]\ngs = "y"\n', "there twice: in [git] and in [b]"),
        ('[git]\n"-x" = "y"\n', "read as an option"),
        ('[git]\ngs = "a \'b"\n', "a single quote is not closed"),
        ('[git]\ngs = "x {2}"\n', "a {2} and no {1}"),
        ('[git]\ngs = ""\n', "there is no command"),
    ],
)
def test_a_wrong_file_is_told_with_the_place_and_the_way_to_mend_it(text_: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        book.parse(text_, "aliases.toml")
    assert says in caught.value.what
    assert caught.value.what.startswith("aliases.toml: ")
    assert caught.value.hint == "mend it: mlsh alias edit"
