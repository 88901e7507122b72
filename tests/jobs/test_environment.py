"""Variables of a job: byte for byte what was given, or refused before anything runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.box import remote_words
from mlsh.errors import NotFound, RefusedInput, UsageError
from mlsh.jobs import environment
from tests.bed.requirements import not_possible_here

# Whatever a process can be given: any bytes but NUL, as Python sees them.
WORDS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=40).map(lambda data: os.fsdecode(data.replace(b"\0", b""))),
    st.sampled_from(["", "-rf", "--", "'", '"', "$(touch /tmp/x)", "`id`", "a\nb", "!!", "\\", "\\'", "~", "*",
                     "\r", " ", "x" * 10_000, "'\\''", "%s", "#", "a=b", "é\u0301", "\x1b]0;x\x07", "$",
                     "$$", "!x", "\\0101", "\\n"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=6))
def test_values_read_back_by_sh_are_the_same_bytes(values: list[str]) -> None:
    variables = {f"V{number}": value for number, value in enumerate(values)}
    script = environment.as_exports(variables) + b'exec env -0 "$@"\n'
    got = subprocess.run(["sh"], input=script, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True).stdout
    found = dict(entry.split(b"=", 1) for entry in got.split(b"\0") if entry)
    assert {name: found[name.encode()] for name in variables} == {k: os.fsencode(v) for k, v in variables.items()}


def test_an_exported_function_does_not_take_the_place_of_a_command() -> None:
    env = {"PATH": os.environ["PATH"], "BASH_FUNC_sh%%": "() { echo hijacked; }"}
    words = remote_words(["sh", "-c", "echo ours"])
    assert subprocess.run(["bash", "-c", words], env=env, capture_output=True, check=True).stdout == b"ours\n"


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "tcsh"])
def test_every_login_shell_hands_over_the_same_words(shell: str) -> None:
    if shutil.which(shell) is None:
        not_possible_here("This test", f"there is no {shell}")

    @settings(max_examples=25, deadline=None)
    @given(st.lists(WORDS.filter(lambda word: len(word) < 1000), max_size=5))
    def check(words: list[str]) -> None:
        argv = ["printf", "%s\\0", "first", *words]
        ran = subprocess.run([shell, "-c", remote_words(argv)], capture_output=True, check=False)
        assert ran.stdout.split(b"\0")[:-1] == [b"first", *map(os.fsencode, words)], (ran, remote_words(argv))

    check()


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "é", "A\n", "PWD", "_", "UID", "IFS", "RANDOM", "MLSH_JOB_ID",
                                  "mlsh_home", "A=B", "$(x)", "-x", "A\0"])  # fmt: skip
def test_a_variable_that_no_shell_would_set_is_refused(name: str) -> None:
    with pytest.raises(RefusedInput):
        environment.check_variable(name)


def test_flags_take_their_value_or_the_one_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "x=y\n")
    monkeypatch.delenv("NOT_HERE", raising=False)
    assert environment.from_flags(["A=", "B==1", "HERE", "C=a b"]) == {"A": "", "B": "=1", "HERE": "x=y\n", "C": "a b"}
    with pytest.raises(NotFound, match="NOT_HERE"):
        environment.from_flags(["NOT_HERE"])
    with pytest.raises(RefusedInput, match="NUL"):
        environment.from_flags(["A=x\0y"])


def test_an_env_file_is_read_as_a_shell_reads_its_quotes(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(
        b"\xef\xbb\xbf# comment\n\nexport A=1\r\n"
        b'B = two words # said\nC=\'single $x \\n\'\nD="a \\"q\\" \\$5 \\x" # c\n'
        b'E=a#b\nF=\nG=""\nH=x\xe2\x80\xa8y\nI=tr\xc2\xa0\n\tJ=tab\t\nK=a=b=c\n'
    )
    assert environment.from_file(file) == {
        "A": "1", "B": "two words", "C": "single $x \\n", "D": 'a "q" $5 \\x', "E": "a#b", "F": "", "G": "",
        "H": "x\u2028y", "I": "tr\u00a0", "J": "tab", "K": "a=b=c",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line"),
    [("A=1\nhunter2\n", 2), ("A='hunter2\n", 1), ('A="hunter2\\"\n', 1), ("A='x'hunter2\n", 1), ("1A=hunter2\n", 1),
     ("\nA=\"x\" hunter2\n", 2)],
)  # fmt: skip
def test_a_bad_line_is_named_by_its_number_and_never_shown(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(RefusedInput) as refusal:
        environment.from_file(tmp_path / ".env")
    assert f"line {line}" in refusal.value.what
    assert "hunter2" not in refusal.value.what + refusal.value.hint


def test_an_env_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such"):
        environment.from_file(tmp_path / "no such")
    (tmp_path / "binary").write_bytes(b"A=\xff\xfe\n")
    with pytest.raises(RefusedInput, match="UTF-8"):
        environment.from_file(tmp_path / "binary")


def test_a_secret_on_the_command_line_is_refused() -> None:
    with pytest.raises(UsageError) as refusal:
        environment.secrets_from(["TOKEN=hunter2"])
    assert "hunter2" not in refusal.value.what + refusal.value.hint


def test_a_local_job_inherits_what_a_command_would_less_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "TERM", "PWD", "MLSH_JOB_ID", "BASH_FUNC_x%%", "RANDOM", "mlsh_tree"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("job", "a variable of somebody's")
    found = environment.inherited()
    assert found["job"] == "a variable of somebody's"
    assert not {"TMUX", "TERM", "PWD", "MLSH_JOB_ID", "BASH_FUNC_x%%", "RANDOM", "mlsh_tree"} & set(found)
