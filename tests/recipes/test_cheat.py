"""navi's format: read as navi reads it, written so that navi and mlsh read the same."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.errors import RefusedInput
from mlsh.recipes.cheat import Hint, Options, Recipe, Variable, parse, slug
from mlsh.recipes.written import write

NAVI = """\
% git, code

# Change branch
git checkout <branch>

$ branch: git branch | awk '{print $NF}'

; a comment of the editor
# Multiline
true \\
   && echo yes \\
   || echo no

```sh
echo $x: no variable line
```

# Remove an image
docker rmi <image_id>

$ image_id: docker images --- --column 3 --header-lines 1 --delimiter '\\s\\s+' --preview 'x {}'
$ long: printf '%s\\n' \\
  a b \\
  --- --multi --expand

% other
@ git, code

# Uses it
echo <branch>
"""


def test_a_file_of_navi_means_what_navi_makes_of_it() -> None:
    sheet = parse(NAVI)
    assert sheet.problems == ()
    names = [recipe.name for recipe in sheet.recipes]
    assert names == ["change-branch", "multiline", "remove-an-image", "uses-it"]
    change, multi, remove, uses = sheet.recipes
    assert change.variables["branch"] == Variable("branch", "git branch | awk '{print $NF}'")
    assert multi.text.splitlines()[-1] == "echo $x: no variable line"
    options = remove.variables["image_id"].options
    assert options == Options(column=3, header_lines=1, delimiter=r"\s\s+", passed=("--preview", "x {}"))
    assert remove.variables["long"].command == "printf '%s\\n'   a b"
    assert remove.variables["long"].options == Options(multi=True, expand=True)
    assert uses.variables["branch"] == change.variables["branch"]


def test_what_makes_no_sense_is_named_by_line_and_the_rest_still_works() -> None:
    sheet = parse("# a\necho\n\n$ : no name\n$ x: ls --- --column many\n; mlsh: name -rf\n; mlsh: <p> frob\n# b\nls\n")
    assert [problem.line for problem in sheet.problems] == [4, 5, 6, 7]
    assert [recipe.text for recipe in sheet.recipes] == ["echo", "ls"]


@pytest.mark.parametrize("name", ["-rf", "$(id)", "a b", "*", "!prod", "..", "x" * 65, "-oProxyCommand=x", "", "a\x1b"])
def test_a_hostile_name_is_not_taken(name: str) -> None:
    from mlsh.recipes.collection import check_name

    [recipe] = parse(f"# plain\n; mlsh: name '{name}'\nls\n").recipes
    assert recipe.name == "plain"
    with pytest.raises(RefusedInput):
        check_name(name)


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_commands() -> None:
    [recipe] = parse("\ufeff% x\r\n# say\r\necho a\r\necho b\r\n").recipes
    assert (recipe.tags, recipe.text) == ("x", "echo a\necho b")


def test_two_recipes_of_one_name_can_be_told_apart() -> None:
    assert [one.name for one in parse("# Same\nls\n\n# Same!\npwd\n").recipes] == ["same", "same-2"]


def test_hints_before_the_first_recipe_are_for_the_whole_block() -> None:
    text = "% a\n; mlsh: <p> default=1 about='The port'\n\n# x\n; mlsh: <p> default=2\nls <p>\n\n# y\nls <p>\n"
    x, y = parse(text).recipes
    assert x.hints["p"] == Hint(default="2")
    assert y.hints["p"] == Hint(default="1", about="The port")


def test_circles_of_extension_end() -> None:
    text = "% a\n@ b\n$ x: echo a\n# one\nls <x>\n% b\n@ a\n$ x: echo b\n# two\nls <x>\n"
    assert [one.variables["x"].command for one in parse(text).recipes] == ["echo a", "echo b"]


LINE = st.text(string.ascii_letters + " <>$'\"\\#%;@|&(){}`=~*-", min_size=1, max_size=30)


@given(st.lists(LINE, min_size=1, max_size=5), st.text(max_size=20))
def test_what_is_written_reads_back_the_same(lines: list[str], description: str) -> None:
    recipe = Recipe("name", description, "tag, name", "\n".join(lines), hints={"p": Hint("a b'c", "e", "it's", True)})
    try:
        text = write(recipe)
    except RefusedInput:
        return
    found = parse(text).recipes
    if not recipe.text.strip() or not " ".join(description.split()):
        return
    # A blank before a command is what a character that means something in the format costs.
    assert [line.strip() for line in found[0].text.splitlines()] == [
        line.strip() for line in recipe.text.rstrip().split("\n")
    ]
    assert found[0].hints == recipe.hints
    assert found[0].name == "name"


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    for recipe in parse(text).recipes:
        assert recipe.name
    assert slug(text) == slug(text).lower()


def test_a_line_that_would_mean_something_else_inside_a_command_is_refused() -> None:
    with pytest.raises(RefusedInput):
        write(Recipe("x", "x", "", "cat <<EOF\n# heading\nEOF"))
    assert "\n # comes first" not in write(Recipe("x", "x", "", "$HOME/bin/a: b"))
    assert parse(write(Recipe("x", "x", "", "$HOME/bin/a: b"))).recipes[0].text == " $HOME/bin/a: b"
