"""A value is a value wherever it stands: what comes out is compared with what a real bash makes of it."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.errors import RefusedInput
from mlsh.recipes.cheat import Hint, Recipe
from mlsh.recipes.render import fill, is_secret, rendered, steps
from mlsh.recipes.scan import logical_lines, scan

BASH = shutil.which("bash") or "bash"
HOSTILE = "a'b\"c $(echo owned) `echo owned` \\ $HOME ; echo owned\n!prod * ~ \\"


def bash(script: str, **env: str) -> str:
    ran = subprocess.run([BASH, "-c", script], capture_output=True, text=True, check=False, env=env, timeout=30)
    assert ran.returncode == 0, (script, ran.stderr)
    return ran.stdout


PLACES = {
    "plain": "printf '%s' <x>",
    "part of a word": "printf '%s' a<x>b",
    "double": 'printf "%s" "a<x>b"',
    "single": "printf '%s' 'a<x>b'",
    "ansi": "printf '%s' $'a<x>b'",
    "in $()": "printf '%s' \"$(printf '%s' <x>; printf .)\"",
    "double in $() in double": "printf '%s' \"$(printf '%s' \"<x>\"; printf .)\"",
    "brace": 'printf "%s" ${nothing:-<x>}',
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_no_value_is_more_than_a_value(place: str) -> None:
    out = bash(fill(place, {"x": HOSTILE}, frozenset(), frozenset()))
    assert HOSTILE in out
    assert out.strip("ab.") in {HOSTILE, HOSTILE.strip("ab.")}


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30))
def test_any_value_arrives_byte_for_byte(value: str) -> None:
    text = "printf '%s\\0' <x> \"<x>\" '<x>' $'<x>'"
    assert bash(fill(text, {"x": value}, frozenset(), frozenset()), LC_ALL="C.UTF-8").split("\0")[:4] == [value] * 4


def test_a_value_in_a_here_document_can_not_end_it() -> None:
    text = "cat <<EOF\nsay <x>\nEOF\ncat <<'END'\nraw <x>\nEND"
    said = bash(
        "\n".join(fill(one, {"x": "$(id) `id` \\"}, frozenset(), frozenset()) for _, one in logical_lines(text))
    )
    assert said == "say $(id) `id` \\\nraw $(id) `id` \\\n"
    for bad in ("EOF\nid", "a\nb"):
        with pytest.raises(RefusedInput):
            fill("cat <<EOF\n<x>\nEOF", {"x": bad}, frozenset(), frozenset())
    with pytest.raises(RefusedInput):
        fill("cat <<'END'\n<x>\nEND", {"x": "END"}, frozenset(), frozenset())


@pytest.mark.parametrize(
    "place", ["echo `echo <x>`", "echo $((<x> + 1))", 'echo "$(( <x> ))"', "echo $<x>", "ls # <x>", 'echo "${y:-<x>}"']
)
def test_where_nothing_can_be_quoted_only_plain_values_are_taken(place: str) -> None:
    assert "8888" in fill(place, {"x": "8888"}, frozenset(), frozenset())
    with pytest.raises(RefusedInput):
        fill(place, {"x": "a[$(id)]\n'"}, frozenset(), frozenset())


@pytest.mark.parametrize(
    "place", ["echo <token>", 'echo "<token>"', "echo '<token>'", "echo $'<token>'", "cat <<E\n<token>\nE"]
)
def test_a_secret_is_never_part_of_the_text(place: str) -> None:
    recipe = Recipe("r", "r", "", place)
    [step] = rendered(recipe, {"token": "s3cret"})
    assert "s3cret" not in step.text
    assert bash(step.text, MLSH_SECRET_token="s3 cret*").strip() == "s3 cret*"  # noqa: S106


def test_what_a_recipe_says_is_raw_goes_in_as_it_is() -> None:
    recipe = Recipe("r", "r", "", "echo <args>", hints={"args": Hint(raw=True)})
    assert rendered(recipe, {"args": "-n a; b"})[0].text == "echo -n a; b"


def test_several_words_stay_several() -> None:
    assert fill("cat <f>", {"f": ["a b", "c"]}, frozenset(), frozenset()) == "cat 'a b' c"


@pytest.mark.parametrize(
    ("name", "secret"),
    [("token", True), ("hf_token", True), ("api-key", True), ("password", True), ("pw", True), ("passes", True),
     ("port", False), ("key", False), ("passage", False), ("tokenizer_path", True), ("keyword", False)],
)  # fmt: skip
def test_which_names_look_secret(name: str, secret: bool) -> None:
    assert is_secret(Recipe("r", "r", "", f"echo <{name}>"), name) is secret


SCRIPT = r"""
# a comment
echo one \
  two
if [ -e /etc/passwd ]; then
  echo yes
fi
for i in 1 2; do echo "$i"; done
while read -r line; do
  case $line in
    a*) echo a ;;
    (b) echo b ;;
  esac
done <<'END'
done
b
END
f() {
  echo "$((1 << 2))" "${x:-"}"}" # not ' closed
}
f | grep . |
  cat
(cd / && pwd)
{ echo a; echo b; }
x=$(cat <<EOF
in $(echo it)
EOF
)
echo 'several
lines' "of
text" `echo back`
true && \
  false ||
  echo end
cat <<A <<-B
a
A
	b
	B
[[ $x =~ ^(in|out) ]] && echo match
echo a#b ${#x} $'it\'s'
"""
COUNT = 14


def test_commands_are_cut_where_bash_ends_them() -> None:
    found = logical_lines(SCRIPT)
    assert len(found) == COUNT
    for line, text in found:
        ran = subprocess.run([BASH, "-n"], input=text, capture_output=True, text=True, check=False, timeout=30)
        assert (ran.returncode, ran.stderr) == (0, ""), text
        assert SCRIPT.split("\n")[line] == text.split("\n")[0]
    assert bash("\n".join(text for _, text in found)) == bash(SCRIPT)


@pytest.mark.parametrize(
    "text", ["echo 'open\nls", "if true\nls", "cat <<EOF\nls", "fi\nls", "ls |", ")\nls", "ls \\\n"]
)
def test_what_can_not_be_told_apart_is_one_step(text: str) -> None:
    assert len(logical_lines(text)) == 1
    assert not scan(text).is_whole


def test_explanations_belong_to_the_step_below() -> None:
    recipe = Recipe("r", "r", "", "a \\\n b\nc\nd", notes=((0, "first"), (2, "second"), (9, "end")))
    assert [step.notes for step in steps(recipe)] == [("first",), ("second",), ("end",)]


def test_what_is_no_parameter_stays() -> None:
    for text in ("cat <<EOF>file\nx\nEOF", r"echo \<x>", "a < b > c", "x <<< y"):
        assert fill(text, {"x": "1", "EOF": "1", "b": "1"}, frozenset(), frozenset()) == text
